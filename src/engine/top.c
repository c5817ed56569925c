/*
 * top: what the host's ps says of a container's processes. ps knows some eighty columns and as many
 * options, which users give and docker passes on; so it is asked, and the lines of others are left
 * out. Whose processes they are the cgroup tells.
 */
#include <string.h>

#include "base/spawn.h"
#include "engine/internal.h"

#define PS_MS	    10000
#define PS_MAX	    (16 << 20)
#define PS_DEFAULTS "-ef"
#define BLANKS	    " \t\n\v\f\r"

void top_free(struct top *t)
{
	strv_free(t->titles);
	for (size_t i = 0; i < t->n_lines; i++)
		strv_free(t->lines[i]);
	free(t->lines);
	memset(t, 0, sizeof *t);
}

/* Words of text, which is changed; what is left behind the max-th is the last. */
static char **words(char *text, size_t max)
{
	char **ret = NULL;

	for (size_t n = 1; *(text += strspn(text, BLANKS)); n++) {
		size_t len = n < max ? strcspn(text, BLANKS) : strlen(text);

		while (strchr(BLANKS, text[len - 1]))
			len--;
		strv_add_owned(&ret, xstrndup(text, len));
		text += len;
	}
	return ret;
}

int top_check_args(char *const *args, struct err *err)
{
	for (; args && *args; args++) {
		const char *title = strstr(*args, "=PID");

		if (title && strncmp(*args, "pid=", 4) != 0)
			return err_set(err, ERR_INVALID, "specifying \"%s\" is not allowed", *args);
	}
	return 0;
}

static bool contains(const pid_t *pids, size_t n, int64_t pid)
{
	size_t from = 0;

	while (from < n) {
		size_t middle = from + (n - from) / 2;

		if (pids[middle] == pid)
			return true;
		if (pids[middle] < pid)
			from = middle + 1;
		else
			n = middle;
	}
	return false;
}

static size_t find_title(char *const *titles, const char *name)
{
	size_t i = 0;

	while (titles && titles[i] && strcmp(titles[i], name) != 0)
		i++;
	return i;
}

int top_parse(char *text, const pid_t *pids, size_t n_pids, struct top *ret, struct err *err)
{
	char *save = NULL, *line = strtok_r(text, "\n", &save);
	bool ours = false; /* the process, whose threads follow with "-" for its pid */
	size_t n, at;

	ret->titles = line ? words(line, SIZE_MAX) : NULL;
	n = strv_len(ret->titles);
	at = find_title(ret->titles, "PID");
	if (at == n)
		return err_set(err, ERR_SYSTEM, "Couldn't find PID field in ps output");

	while ((line = strtok_r(NULL, "\n", &save))) {
		autostrv char **cells = words(line, n);
		size_t has = strv_len(cells);
		int64_t pid;

		if (has <= at)
			continue;
		if (strcmp(cells[at], "-") != 0)
			ours = parse_i64(cells[at], &pid) == 0 && contains(pids, n_pids, pid);
		if (!ours)
			continue;
		for (; has < n; has++)
			strv_add(&cells, "");
		ret->lines = xreallocarray(ret->lines, ret->n_lines + 1, sizeof *ret->lines);
		ret->lines[ret->n_lines++] = take(cells);
	}
	return 0;
}

/* "-q1,2,3" */
static char *only_these(const pid_t *pids, size_t n)
{
	autobuf b = {0};

	for (size_t i = 0; i < n; i++)
		buf_addf(&b, "%s%d", i ? "," : "-q", (int) pids[i]);
	return buf_take(&b);
}

/* `only` may be NULL. ERR_INVALID where ps refuses its arguments. */
static int run_ps(char *const *args, const char *only, char **ret, struct err *err)
{
	struct spawn_result res = {0};
	autostrv char **argv = NULL;
	int r;

	strv_add(&argv, "ps");
	for (; *args; args++)
		strv_add(&argv, *args);
	if (only)
		strv_add(&argv, only);
	r = spawn_run(&(struct spawn){.argv = (const char *const *) argv}, PS_MS, PS_MAX, &res,
		      err);
	if (r < 0)
		r = err_wrap(err, "top needs ps (Debian's package procps) on the host");
	else if (res.timed_out || res.out_len >= PS_MAX)
		r = err_set(err, ERR_SYSTEM, "ps: it says too much, or for too long");
	else if (res.code != 0 && *res.err_text) /* without words: it found no process */
		r = err_set(err, ERR_INVALID, "ps: %.*s", (int) strcspn(res.err_text, "\n"),
			    res.err_text);
	else
		*ret = take(res.out);
	spawn_result_free(&res);
	return r;
}

/* ps looks at all processes of the host unless it is told which; some options do not go with that. */
static int ask_ps(char *const *args, const pid_t *pids, size_t n, char **ret, struct err *err)
{
	autofree char *only = only_these(pids, n);

	if (run_ps(args, only, ret, NULL) == 0)
		return 0;
	return run_ps(args, NULL, ret, err);
}

/* Of one that runs: its processes, init among them wherever its cgroup is. */
static int pids_of(struct engine *e, struct container *c, pid_t **ret, size_t *ret_n,
		   struct err *err)
{
	auto_(container_config_unref_p) struct container_config *config = NULL;
	autoclose int exec = container_open_exec(e->store, c->id);
	autofree char *cgroup = NULL;
	pid_t init;

	{
		hold(&c->lock);
		if (c->phase == PHASE_RESTARTING)
			return err_set(
				err, ERR_CONFLICT,
				"Container %s is restarting, wait until the container is running",
				c->id);
		if (!phase_is_alive(c->phase))
			return err_set(err, ERR_CONFLICT, "Container %s is not running", c->id);
		config = container_config_ref(c->config);
		init = (pid_t) c->disk.pid;
	}
	cgroup = container_cgroup_now(e, exec, config);
	if (cgroup)
		cgroup_pids(cgroup, ret, ret_n);
	if (*ret_n == 0) {
		*ret = xreallocarray(*ret, 1, sizeof **ret);
		(*ret)[(*ret_n)++] = init;
	}
	return 0;
}

int engine_top(struct engine *e, const char *ref, const char *ps_args, struct top *ret,
	       struct err *err)
{
	auto_(container_unref_p) struct container *c = NULL;
	autofree char *copy = xstrdup(str_empty(ps_args) ? PS_DEFAULTS : ps_args);
	autostrv char **args = words(copy, SIZE_MAX);
	struct top top = {0};
	autofree pid_t *pids = NULL;
	autofree char *text = NULL;
	size_t n = 0;

	if (top_check_args(args, err) < 0 || find_handled(e, ref, &c, err) < 0 ||
	    pids_of(e, c, &pids, &n, err) < 0 || ask_ps(args, pids, n, &text, err) < 0)
		return -1;
	if (top_parse(text, pids, n, &top, err) < 0) {
		top_free(&top);
		return -1;
	}
	notify(e, c, now_ns(), "top", NULL);
	*ret = top;
	return 0;
}
