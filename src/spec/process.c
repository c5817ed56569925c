/* The document's "process": what runs, as whom, with what. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "spec/private.h"

#define PATH_DEFAULT "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static const struct {
	const char *name;
	const char *rlimit;
	int number;
} rlimits[] = {
	{"core", "RLIMIT_CORE", RLIMIT_CORE},
	{"cpu", "RLIMIT_CPU", RLIMIT_CPU},
	{"data", "RLIMIT_DATA", RLIMIT_DATA},
	{"fsize", "RLIMIT_FSIZE", RLIMIT_FSIZE},
	{"locks", "RLIMIT_LOCKS", RLIMIT_LOCKS},
	{"memlock", "RLIMIT_MEMLOCK", RLIMIT_MEMLOCK},
	{"msgqueue", "RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE},
	{"nice", "RLIMIT_NICE", RLIMIT_NICE},
	{"nofile", "RLIMIT_NOFILE", RLIMIT_NOFILE},
	{"nproc", "RLIMIT_NPROC", RLIMIT_NPROC},
	{"rss", "RLIMIT_RSS", RLIMIT_RSS},
	{"rtprio", "RLIMIT_RTPRIO", RLIMIT_RTPRIO},
	{"rttime", "RLIMIT_RTTIME", RLIMIT_RTTIME},
	{"sigpending", "RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
	{"stack", "RLIMIT_STACK", RLIMIT_STACK},
	{"as", "RLIMIT_AS", RLIMIT_AS},
};

static int rlimit_index(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(rlimits); i++) {
		if (name && strcmp(rlimits[i].name, name) == 0)
			return (int) i;
	}
	return -EINVAL;
}

/* Nobody may open more files than this, whatever his capabilities. */
static bool above_nr_open(const struct ulimit *u, int64_t *ret_max)
{
	char text[32];

	return strcmp(u->name, "nofile") == 0 &&
	       read_small_at(AT_FDCWD, "/proc/sys/fs/nr_open", text, sizeof text) == 0 &&
	       parse_i64(text, ret_max) == 0 && (u->hard < 0 || u->hard > *ret_max);
}

int ulimits_check(const struct objects *ulimits, struct err *err)
{
	bool may_raise = caps_of_host() & CAP_BIT(CAP_SYS_RESOURCE);

	for (size_t i = 0; i < ulimits->n; i++) {
		const struct ulimit *u = objects_at(ulimits, struct ulimit, i);
		int n = rlimit_index(u->name);
		struct rlimit now;
		int64_t max;

		if (n < 0)
			return err_set(err, ERR_INVALID, "invalid ulimit type: %s",
				       u->name ? u->name : "");
		if (u->soft < -1 || u->hard < -1)
			return err_set(err, ERR_INVALID, "invalid ulimit value: %s", u->name);
		if (u->hard != -1 && (u->soft == -1 || u->soft > u->hard))
			return err_set(err, ERR_INVALID,
				       "ulimit soft limit must be less than or equal to hard "
				       "limit: %" PRId64 " > %" PRId64,
				       u->soft, u->hard);
		if (!may_raise && getrlimit(rlimits[n].number, &now) == 0 &&
		    now.rlim_max != RLIM_INFINITY &&
		    (u->hard == -1 || (uint64_t) u->hard > now.rlim_max))
			return err_set(err, ERR_INVALID,
				       "ulimit %s: this host does not let us raise the hard limit "
				       "to %" PRId64 " above %" PRIu64 " (needs CAP_SYS_RESOURCE)",
				       u->name, u->hard, (uint64_t) now.rlim_max);
		if (above_nr_open(u, &max))
			return err_set(err, ERR_INVALID,
				       "ulimit nofile: %" PRId64
				       " is above this host's fs.nr_open, %" PRId64,
				       u->hard, max);
	}
	return 0;
}

static void write_rlimits(struct out *o, const struct objects *ulimits)
{
	if (!ulimits->n)
		return;
	out_array(o, "rlimits");
	for (size_t i = 0; i < ulimits->n; i++) {
		const struct ulimit *u = objects_at(ulimits, struct ulimit, i);

		out_object(o, NULL);
		out_str(o, "type", rlimits[rlimit_index(u->name)].rlimit);
		out_uint(o, "hard", (uint64_t) u->hard);
		out_uint(o, "soft", (uint64_t) u->soft);
		out_end(o);
	}
	out_array_end(o);
}

/* Sets "KEY=value" in env: in its place where the key is there already; a bare "KEY" takes it away.
 */
static void env_set(char **env, size_t *n, const char *entry)
{
	size_t key = strcspn(entry, "=");

	for (size_t i = 0; i < *n; i++) {
		if (strncmp(env[i], entry, key) != 0 || env[i][key] != '=')
			continue;
		free(env[i]);
		if (entry[key]) {
			env[i] = xstrdup(entry);
		} else {
			memmove(env + i, env + i + 1, (*n - i - 1) * sizeof *env);
			(*n)--;
		}
		return;
	}
	if (entry[key])
		env[(*n)++] = xstrdup(entry);
}

char **env_build(const struct config *config, char *const *more, const char *home)
{
	char **env = xcalloc(strv_len(config->env) + strv_len(more) + 5, sizeof *env);
	bool has_home = false;
	size_t n = 0;

	env[n++] = xstrdup(PATH_DEFAULT);
	env[n++] = xasprintf("HOSTNAME=%s", config->hostname ? config->hostname : "");
	if (config->tty)
		env[n++] = xstrdup("TERM=xterm");
	for (; more && *more; more++)
		env_set(env, &n, *more);
	for (char **e = config->env; e && *e; e++)
		env_set(env, &n, *e);
	for (size_t i = 0; i < n; i++)
		has_home |= str_has_prefix(env[i], "HOME=");
	if (!has_home)
		env[n++] = xasprintf("HOME=%s", home);
	env[n] = NULL;
	return env;
}

/* A user who is not root has none in effect, as after any execve(2): the bounding set is all he
 * gets. */
static void write_caps(struct build *b)
{
	static const char *const sets[] = {"bounding", "effective", "permitted"};
	struct out *o = &b->out;

	out_object(o, "capabilities");
	for (size_t s = 0; s < (b->user.uid == 0 || b->all_caps ? 3 : 1); s++) {
		out_array(o, sets[s]);
		for (unsigned i = 0; cap_name(i); i++) {
			if (b->caps & CAP_BIT(i))
				out_str(o, NULL, cap_name(i));
		}
		out_array_end(o);
	}
	out_end(o);
}

static void write_user(struct build *b)
{
	const struct spec_user *u = &b->user;
	struct out *o = &b->out;

	out_object(o, "user");
	out_int(o, "uid", u->uid);
	out_int(o, "gid", u->gid);
	/* The primary group is one of them too, so that dropping it is not a way to gain access. */
	out_array(o, "additionalGids");
	out_int(o, NULL, u->gid);
	for (size_t i = 0; i < u->n_groups; i++) {
		if (u->groups[i] != u->gid)
			out_int(o, NULL, u->groups[i]);
	}
	out_array_end(o);
	out_end(o);
}

static int write_args(struct build *b, struct err *err)
{
	const struct config *c = b->in->config;
	struct out *o = &b->out;

	if (!strv_len(c->entrypoint) && !strv_len(c->cmd))
		return err_set(err, ERR_INVALID, "no command specified");
	out_array(o, "args");
	if (has_init(b->in)) {
		out_str(o, NULL, "/sbin/docker-init");
		out_str(o, NULL, "--");
	}
	for (char **a = c->entrypoint; a && *a; a++)
		out_str(o, NULL, *a);
	for (char **a = c->cmd; a && *a; a++)
		out_str(o, NULL, *a);
	out_array_end(o);
	return 0;
}

static int own_oom_score_adj(int64_t *ret)
{
	char text[16];
	int r = read_small_at(AT_FDCWD, "/proc/self/oom_score_adj", text, sizeof text);

	return r < 0 ? r : parse_i64(text, ret);
}

/* Without CAP_SYS_RESOURCE one may not go below what was once set with it, which can only be tried.
 * Trying changes nothing else: we may always go back up. */
static bool may_lower_oom_to(int64_t value, int64_t own)
{
	char text[16];
	int r;

	if (value >= own || caps_of_host() & CAP_BIT(CAP_SYS_RESOURCE))
		return true;
	snprintf(text, sizeof text, "%d", (int) value);
	r = write_small_at(AT_FDCWD, "/proc/self/oom_score_adj", text);
	snprintf(text, sizeof text, "%d", (int) own);
	(void) write_small_at(AT_FDCWD, "/proc/self/oom_score_adj", text);
	return r >= 0;
}

static int write_oom_score(struct build *b, struct err *err)
{
	int64_t value = b->in->host->oom_score_adj, own = 0;

	if (own_oom_score_adj(&own) == 0 && !may_lower_oom_to(value, own)) {
		autofree char *warning = NULL;

		if (value != 0)
			return err_set(err, ERR_INVALID,
				       "HostConfig.OomScoreAdj %" PRId64
				       ": this host does not let us go below %" PRId64
				       " (needs CAP_SYS_RESOURCE)",
				       value, own);
		warning = xasprintf(
			"oom_score_adj 0 is below what this host allows us; clamped to %" PRId64,
			own);
		strv_add(b->warnings, warning);
		value = own;
	}
	out_int(&b->out, "oomScoreAdj", value);
	return 0;
}

static void write_console_size(struct out *o, const json_t *size)
{
	int64_t height = json_integer_value(json_array_get(size, 0)),
		width = json_integer_value(json_array_get(size, 1));

	if (height <= 0 && width <= 0)
		return;
	out_object(o, "consoleSize");
	out_int(o, "height", height > 0 ? height : 0);
	out_int(o, "width", width > 0 ? width : 0);
	out_end(o);
}

int process_write(struct build *b, const char *key, struct err *err)
{
	const struct config *c = b->in->config;
	const struct host_config *h = b->in->host;
	const char *apparmor = security_apparmor(&b->security, h->privileged);
	autofree char *cwd = path_clean(str_empty(c->working_dir) ? "/" : c->working_dir);
	autostrv char **env = env_build(c, b->in->link_env, b->user.home);
	struct out *o = &b->out;

	if (ulimits_check(&h->ulimits, err) < 0)
		return -1;
	out_object(o, key);
	out_bool(o, "terminal", c->tty);
	if (c->tty)
		write_console_size(o, h->console_size);
	write_user(b);
	if (write_args(b, err) < 0)
		return -1;
	out_strv(o, "env", env);
	out_str(o, "cwd", cwd);
	write_caps(b);
	write_rlimits(o, &h->ulimits);
	out_bool(o, "noNewPrivileges", b->security.no_new_privileges);
	if (apparmor)
		out_str(o, "apparmorProfile", apparmor);
	if (write_oom_score(b, err) < 0)
		return -1;
	out_end(o);
	return 0;
}
