/*
 * Which OCI runtimes there are, and the calls to them; see runtime.h.
 *
 * A runtime is a program: `<path> --root <root> <verb> ... <id>`. It is run with a deadline,
 * because a runtime that waits for a container in uninterruptible sleep waits for ever. What it
 * says on stderr last is the error.
 */
#include "runtime/runtime.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/spawn.h"
#include "base/str.h"
#include "base/thread.h"
#include "runtime/private.h"

#define CALL_MS	    10000
#define VERSION_MS  2000
#define MAX_STATE   (256 << 10)
#define CGROUP_ROOT "/sys/fs/cgroup"

/* What there is, at one time. */
struct table {
	struct runtime **items;
	size_t n;
	const struct runtime *fallback;
	struct table *former; /* replaced by this one; what it lent is still in use */
};

struct runtimes {
	pthread_mutex_t lock; /* over the table */
	struct table *table;
	pthread_mutex_t version_lock; /* over the versions, which are asked for late */
};

char *runtime_last_message(const char *text)
{
	const char *end = text + strlen(text), *start, *msg;
	autobuf out = {0};

	while (end > text && isspace((unsigned char) end[-1]))
		end--;
	for (start = end; start > text && start[-1] != '\n';)
		start--;
	if (start == end)
		return xstrdup("");

	/* time="..." level=error msg="what \"it\" says" */
	msg = memmem(start, (size_t) (end - start), "msg=\"", 5);
	if (!msg)
		return xstrndup(start, (size_t) (end - start));
	for (msg += 5; msg < end && *msg != '"'; msg++) {
		if (*msg == '\\' && msg + 1 < end)
			msg++;
		buf_addc(&out, *msg);
	}
	return buf_take(&out);
}

/* Runs `rt --root <root> args...` with `in` as its standard input and `lock` besides (-1: none), and
 * hands over what it printed. */
static int call_with(const struct runtime *rt, const char *const *args, int in, int lock,
		     char **ret_out, struct err *err)
{
	const char *argv[12] = {rt->path, "--root", rt->root};
	struct spawn_result res = {0};
	size_t n = 3;
	int r;

	while (*args && n < ARRAY_SIZE(argv) - 1)
		argv[n++] = *args++;
	argv[n] = NULL;

	r = spawn_run(&(struct spawn){.argv = argv, .in = in, .keep = &lock, .n_keep = lock >= 0},
		      CALL_MS, MAX_STATE, &res, err);
	if (r < 0)
		return r;
	if (res.timed_out) {
		r = err_set(err, ERR_SYSTEM, "%s %s: no answer within %d s", rt->name, argv[3],
			    CALL_MS / 1000);
	} else if (res.code != 0) {
		autofree char *said = runtime_last_message(res.err_text ? res.err_text : "");

		r = err_set(err, ERR_SYSTEM, "%s %s: %s", rt->name, argv[3],
			    said[0] ? said : "failed without a word");
	} else if (ret_out) {
		*ret_out = res.out ? take(res.out) : xstrdup("");
	}
	spawn_result_free(&res);
	return r;
}

static int call(const struct runtime *rt, const char *const *args, char **ret_out, struct err *err)
{
	return call_with(rt, args, -1, -1, ret_out, err);
}

enum runtime_status runtime_parse_state(const char *text, pid_t *ret_pid, struct err *err)
{
	static const struct {
		const char *word;
		enum runtime_status status;
	} words[] = {
		{"creating", RUNTIME_CREATED}, {"created", RUNTIME_CREATED},
		{"running", RUNTIME_RUNNING},  {"pausing", RUNTIME_PAUSED},
		{"paused", RUNTIME_PAUSED},    {"stopped", RUNTIME_STOPPED},
	};
	autojson json_t *state = json_loads(text, 0, NULL);
	const char *status = json_str(state, "status");

	for (size_t i = 0; status && i < ARRAY_SIZE(words); i++) {
		if (strcmp(words[i].word, status) != 0)
			continue;
		if (ret_pid)
			*ret_pid = (pid_t) json_int(state, "pid", 0);
		return words[i].status;
	}
	err_set(err, ERR_SYSTEM, "the runtime's state is not understood: %.120s", text);
	return RUNTIME_UNKNOWN;
}

enum runtime_status runtime_state(const struct runtime *rt, const char *id, pid_t *ret_pid,
				  struct err *err)
{
	autofree char *out = NULL;
	struct err e = {0};

	if (call(rt, (const char *const[]){"state", id, NULL}, &out, &e) == 0)
		return runtime_parse_state(out, ret_pid, err);

	/* Only the runtime's own word for "never heard of it" is an absence: runc's sentence, or
	 * crun's file that is not there. Anything else is doubt. */
	if (strstr(e.text, "container does not exist") ||
	    (strstr(e.text, "/status") && strstr(e.text, "No such file or directory")))
		return RUNTIME_ABSENT;
	if (err)
		*err = e;
	return RUNTIME_UNKNOWN;
}

int runtime_pause(const struct runtime *rt, const char *id, int lock, struct err *err)
{
	return call_with(rt, (const char *const[]){"pause", id, NULL}, -1, lock, NULL, err);
}

int runtime_resume(const struct runtime *rt, const char *id, int lock, struct err *err)
{
	return call_with(rt, (const char *const[]){"resume", id, NULL}, -1, lock, NULL, err);
}

int runtime_update(const struct runtime *rt, const char *id, const char *limits, struct err *err)
{
	autoclose int in = memfd_create("limits", MFD_CLOEXEC);
	int r;

	if (in < 0)
		return err_sys(err, errno, "memfd_create");
	r = write_all(in, limits, strlen(limits));
	if (r < 0 || lseek(in, 0, SEEK_SET) < 0)
		return err_sys(err, r < 0 ? -r : errno, "write the limits");
	return call_with(rt, (const char *const[]){"update", "--resources", "-", id, NULL}, in, -1,
			 NULL, err);
}

int runtime_delete(const struct runtime *rt, const char *id, struct err *err)
{
	return call(rt, (const char *const[]){"delete", "--force", id, NULL}, NULL, err);
}

int runtime_kill_all(const struct runtime *rt, const char *id, int sig, struct err *err)
{
	char number[16];

	snprintf(number, sizeof number, "%d", sig);
	return call(rt, (const char *const[]){"kill", "--all", id, number, NULL}, NULL, err);
}

const char *crun_refusal(const struct crun_view *v)
{
	if (v->root_magic == 0)
		return CGROUP_ROOT " is not mounted";
	if (v->root_magic == CGROUP2_SUPER_MAGIC)
		return NULL;
	if (v->root_magic != TMPFS_MAGIC)
		return CGROUP_ROOT " is neither cgroup2 nor a tmpfs";
	if (v->unified_magic == CGROUP2_SUPER_MAGIC && v->unified_has_controllers)
		return "cgroups are mounted in hybrid mode with controllers in cgroup v2";
	return NULL;
}

static const char *why_crun_refuses(void)
{
	struct crun_view v = {0};
	struct statfs fs;
	char text[256] = "";

	if (statfs(CGROUP_ROOT, &fs) == 0)
		v.root_magic = (long) fs.f_type;
	if (statfs(CGROUP_ROOT "/unified", &fs) == 0)
		v.unified_magic = (long) fs.f_type;
	(void) read_small_at(AT_FDCWD, CGROUP_ROOT "/unified/cgroup.controllers", text,
			     sizeof text);
	v.unified_has_controllers = text[0] != '\0';
	return crun_refusal(&v);
}

/* Absolute path of a program in PATH, or NULL. */
static char *find_in_path(const char *name)
{
	const char *path = getenv("PATH");
	autostrv char **dirs = strv_split(
		path && *path ? path
			      : "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin",
		':');

	for (char **d = dirs; *d; d++) {
		autofree char *file = xasprintf("%s/%s", *d, name);
		struct stat st;

		if (**d == '/' && stat(file, &st) == 0 && S_ISREG(st.st_mode) &&
		    access(file, X_OK) == 0)
			return take(file);
	}
	return NULL;
}

static void runtime_free(struct runtime *rt)
{
	if (!rt)
		return;
	free(rt->name);
	free(rt->path);
	free(rt->root);
	free(rt->version);
	free(rt);
}

static void add_runtime(struct table *t, const char *exec_root, const char *name, const char *path)
{
	struct runtime *rt = xnew(struct runtime);

	rt->name = xstrdup(name);
	rt->path = xstrdup(path);
	rt->root = xasprintf("%s/runtime/%s", exec_root, name);
	t->items = xreallocarray(t->items, t->n + 1, sizeof *t->items);
	t->items[t->n++] = rt;
}

static const struct runtime *by_name(struct table *t, const char *name)
{
	for (size_t i = 0; i < t->n; i++) {
		if (strcmp(t->items[i]->name, name) == 0)
			return t->items[i];
	}
	return NULL;
}

static bool name_is_good(const char *name)
{
	return *name &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
		       strlen(name) &&
	       name[0] != '.';
}

/* --add-runtime NAME=PATH; a bare program name is looked up now, so that the start says what is
 * missing. */
static int add_added(struct table *t, const struct runtime_options *o, struct err *err)
{
	const char *name, *path;

	if (!o->added)
		return 0;
	strmap_foreach (o->added, name, path) {
		autofree char *found = NULL;

		if (!name_is_good(name))
			return err_set(err, ERR_INVALID, "invalid runtime name: '%s'", name);
		if (path[0] == '/')
			found = access(path, X_OK) == 0 ? xstrdup(path) : NULL;
		else
			found = find_in_path(path);
		if (!found)
			return err_set(err, ERR_INVALID, "runtime %s: no such program: '%s'", name,
				       path);
		add_runtime(t, o->exec_root, name, found);
	}
	return 0;
}

static void add_known(struct table *t, const struct runtime_options *o)
{
	static const char *const known[] = {"crun", "runc"};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		autofree char *path = NULL;

		if (t->n && by_name(t, known[i]))
			continue; /* the user named another program so */
		path = find_in_path(known[i]);
		if (path)
			add_runtime(t, o->exec_root, known[i], path);
	}
}

static int choose_default(struct table *t, const char *wanted, char **ret_why, struct err *err)
{
	const struct runtime *crun = by_name(t, "crun"), *runc = by_name(t, "runc");
	const char *refusal = crun ? why_crun_refuses() : NULL;

	if (!str_empty(wanted)) {
		t->fallback = by_name(t, wanted);
		if (!t->fallback)
			return err_set(err, ERR_INVALID,
				       "default runtime '%s' is neither installed nor added by "
				       "--add-runtime",
				       wanted);
		*ret_why =
			refusal && t->fallback == crun
				? xasprintf("%s (%s), as configured, although it does not work on "
					    "this host: %s",
					    wanted, crun->path, refusal)
				: xasprintf("%s (%s), as configured", wanted, t->fallback->path);
		return 0;
	}
	if (crun && !refusal) {
		t->fallback = crun;
		*ret_why = xasprintf("crun (%s): it works on this host and is the fastest",
				     crun->path);
		return 0;
	}
	if (runc) {
		t->fallback = runc;
		*ret_why = xasprintf("runc (%s): crun %s%s", runc->path,
				     crun ? "refuses this host: " : "is not installed",
				     crun ? refusal : "");
		return 0;
	}
	if (t->n && !crun) {
		t->fallback = t->items[0];
		*ret_why = xasprintf("%s (%s): the only one there is", t->fallback->name,
				     t->fallback->path);
		return 0;
	}
	if (crun)
		return err_set(err, ERR_SYSTEM,
			       "no usable OCI runtime: crun refuses this host (%s) and runc is not "
			       "installed",
			       refusal);
	return err_set(err, ERR_SYSTEM, "no OCI runtime: neither crun nor runc is in PATH");
}

static void table_free(struct table *t)
{
	while (t) {
		struct table *former = t->former;

		for (size_t i = 0; i < t->n; i++)
			runtime_free(t->items[i]);
		free(t->items);
		free(t);
		t = former;
	}
}
DEFINE_AUTO(struct table *, table_free);

static int find_all(const struct runtime_options *o, struct table **ret, char **ret_why,
		    struct err *err)
{
	auto_(table_free_p) struct table *t = xnew(struct table);

	if (add_added(t, o, err) < 0)
		return -1;
	add_known(t, o);
	if (choose_default(t, o->default_runtime, ret_why, err) < 0)
		return -1;
	*ret = take(t);
	return 0;
}

static int make_roots(const struct table *t, struct err *err)
{
	for (size_t i = 0; i < t->n; i++) {
		int r = mkdir_p(t->items[i]->root, 0700);

		if (r < 0)
			return err_sys(err, -r, "create %s", t->items[i]->root);
	}
	return 0;
}

int runtimes_check(const struct runtime_options *o, struct err *err)
{
	auto_(table_free_p) struct table *t = NULL;
	autofree char *why = NULL;

	return find_all(o, &t, &why, err);
}

int runtimes_reload(struct runtimes *rs, const struct runtime_options *o, char **ret_why,
		    struct err *err)
{
	auto_(table_free_p) struct table *t = NULL;
	autofree char *why = NULL;

	if (find_all(o, &t, &why, err) < 0 || make_roots(t, err) < 0)
		return -1;
	hold(&rs->lock);
	t->former = rs->table;
	rs->table = take(t);
	*ret_why = take(why);
	return 0;
}

int runtimes_open(const struct runtime_options *o, struct runtimes **ret, char **ret_why,
		  struct err *err)
{
	struct runtimes *rs = xnew(struct runtimes);

	pthread_mutex_init(&rs->lock, NULL);
	pthread_mutex_init(&rs->version_lock, NULL);
	if (runtimes_reload(rs, o, ret_why, err) < 0) {
		runtimes_close(rs);
		return -1;
	}
	*ret = rs;
	return 0;
}

void runtimes_close(struct runtimes *rs)
{
	if (!rs)
		return;
	table_free(rs->table);
	pthread_mutex_destroy(&rs->lock);
	pthread_mutex_destroy(&rs->version_lock);
	free(rs);
}

const struct runtime *runtime_find(struct runtimes *rs, const char *name)
{
	hold(&rs->lock);

	return str_empty(name) ? rs->table->fallback : by_name(rs->table, name);
}

const struct runtime *runtime_default(struct runtimes *rs)
{
	return runtime_find(rs, NULL);
}

/* A caller has only what we have lent: it is one of ours, and may be filled in. */
const char *runtime_version(struct runtimes *rs, const struct runtime *rt)
{
	struct runtime *r = (struct runtime *) rt;
	const char *argv[] = {r->path, "--version", NULL};
	struct spawn_result res = {0};

	hold(&rs->version_lock);
	if (r->version)
		return r->version;
	r->version = xstrdup("");
	if (spawn_run(&(struct spawn){.argv = argv}, VERSION_MS, 4096, &res, NULL) < 0)
		return r->version;
	if (res.code == 0 && res.out) {
		free(r->version);
		r->version = xstrndup(res.out, strcspn(res.out, "\n"));
	}
	spawn_result_free(&res);
	return r->version;
}

const struct runtime *runtime_at(struct runtimes *rs, size_t i)
{
	hold(&rs->lock);

	return i < rs->table->n ? rs->table->items[i] : NULL;
}
