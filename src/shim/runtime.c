/* See runtime.h. */
#include "shim/runtime.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/spawn.h"
#include "base/str.h"
#include "base/time.h"
#include "wire/layout.h"
#include "wire/proto.h"

#define RUNTIME_LOG   "runtime.log"
#define DEADLINE_MS   (60 * 1000)
#define LOG_MAX_BYTES (1024 * 1024)

static int64_t deadline_ms(const struct runtime *rt)
{
	int64_t ms = rt->config->runtime_timeout_ms;

	return ms > 0 ? ms : DEADLINE_MS;
}

static void on_deadline(void *arg)
{
	struct runtime *rt = arg;

	/* Our child, not yet reaped: the pid is its own. */
	log_error("the runtime (pid %d) takes more than %d ms and is killed", (int) rt->child.pid,
		  (int) deadline_ms(rt));
	rt->timed_out = true;
	(void) kill(rt->child.pid, SIGKILL);
}

static void on_exit_of_runtime(void *arg, const struct death *d)
{
	struct runtime *rt = arg;

	loop_timer_cancel(rt->loop, &rt->deadline);
	rt->done(rt->arg, d->code == 0 && !rt->timed_out);
}

void runtime_init(struct runtime *rt, struct loop *loop, struct children *children,
		  const struct shim_config *config, int exec)
{
	*rt = (struct runtime){
		.loop = loop,
		.children = children,
		.config = config,
		.exec = exec,
	};
	rt->child.fn = on_exit_of_runtime;
	rt->child.arg = rt;
	rt->deadline.fn = on_deadline;
	rt->deadline.arg = rt;
}

bool runtime_busy(const struct runtime *rt)
{
	return rt->child.pid != 0;
}

/* Should we be killed during a start, the runtime goes on, and a container may come of it: until it
 * has ended, the pulse it holds says that the start is not over. Neither runtime hands it on to the
 * container. */
static const int pulse[] = {SHIM_FD_ALIVE};

static int call(struct runtime *rt, const char *const *argv, const struct stdio_ends *ends,
		bool is_start, void (*done)(void *arg, bool ok), void *arg, struct err *err)
{
	struct spawn s = {.argv = argv,
			  .in = ends->in,
			  .out = ends->out,
			  .err = ends->err,
			  .keep = pulse,
			  .n_keep = is_start ? ARRAY_SIZE(pulse) : 0};

	if (spawn_start(&s, &rt->child.pid, err) < 0) {
		rt->child.pid = 0;
		return -1;
	}
	rt->done = done;
	rt->arg = arg;
	rt->timed_out = false;
	children_watch(rt->children, &rt->child);
	loop_timer(rt->loop, &rt->deadline, deadline_ms(rt) * NSEC_PER_MSEC);
	return 0;
}

/* A name for a file below dir that is absolute, for crun enters the bundle before it reads a
 * relative one and runc does not; short, for an address of a socket has room for 107 bytes; and
 * without what users put into paths, for crun takes a ':' in the name of its log for a prefix. */
static char *name_for_runtime(int dir, const char *file)
{
	return xasprintf("/proc/%d/fd/%d/%s", (int) getpid(), dir, file);
}

#define ARGS_MAX 24

/* What all calls begin with whose words are wanted. */
static size_t begin_args(const struct runtime *rt, const char *log, const char *argv[ARGS_MAX])
{
	const char *args[] = {rt->config->runtime, "--root", rt->config->runtime_root, "--log", log,
			      "--log-format",	   "json"};

	memcpy(argv, args, sizeof args);
	return ARRAY_SIZE(args);
}

int runtime_run(struct runtime *rt, const struct stdio_ends *ends, void (*done)(void *arg, bool ok),
		void *arg, struct err *err)
{
	autofree char *log = name_for_runtime(rt->exec, RUNTIME_LOG);
	autofree char *pid_file = name_for_runtime(rt->exec, LAYOUT_PID);
	autofree char *console = name_for_runtime(rt->exec, CONSOLE_SOCK);
	const char *argv[ARGS_MAX] = {0};
	size_t n = begin_args(rt, log, argv);

	argv[n++] = "run";
	argv[n++] = "--detach";
	argv[n++] = "--bundle";
	argv[n++] = LAYOUT_BUNDLE;
	argv[n++] = "--pid-file";
	argv[n++] = pid_file;
	if (rt->config->tty) {
		argv[n++] = "--console-socket";
		argv[n++] = console;
	}
	argv[n++] = rt->config->id;
	runtime_tidy(rt);
	return call(rt, argv, ends, true, done, arg, err);
}

int runtime_exec(struct runtime *rt, int dir, const char *process, bool tty,
		 const struct stdio_ends *ends, void (*done)(void *arg, bool ok), void *arg,
		 struct err *err)
{
	autofree char *log = name_for_runtime(rt->exec, RUNTIME_LOG);
	autofree char *pid_file = name_for_runtime(rt->exec, LAYOUT_PID);
	autofree char *file = name_for_runtime(dir, process);
	autofree char *console = name_for_runtime(rt->exec, CONSOLE_SOCK);
	const char *argv[ARGS_MAX] = {0};
	size_t n = begin_args(rt, log, argv);

	argv[n++] = "exec";
	argv[n++] = "--detach";
	argv[n++] = "--process";
	argv[n++] = file;
	argv[n++] = "--pid-file";
	argv[n++] = pid_file;
	if (tty) {
		argv[n++] = "--tty";
		argv[n++] = "--console-socket";
		argv[n++] = console;
	}
	argv[n++] = rt->config->id;
	return call(rt, argv, ends, false, done, arg, err);
}

void runtime_abandon(struct runtime *rt)
{
	if (!runtime_busy(rt))
		return;
	(void) kill(rt->child.pid, SIGKILL);
	loop_timer_cancel(rt->loop, &rt->deadline);
	children_forget(rt->children, &rt->child);
}

int runtime_delete(struct runtime *rt, void (*done)(void *arg, bool ok), void *arg, struct err *err)
{
	static const struct stdio_ends none = {-1, -1, -1};
	const char *argv[] = {
		rt->config->runtime, "--root", rt->config->runtime_root, "delete", "--force",
		rt->config->id,	     NULL,
	};

	return call(rt, argv, &none, false, done, arg, err);
}

/* The character that an escape stands for; *p is at the letter behind the backslash, then at the
 * escape's end. */
static char unescape(const char **p)
{
	char digits[5] = {0};
	long c;

	if (**p == 'n' || **p == 't' || **p == 'r')
		return ' ';
	if (**p != 'u' || strnlen(*p + 1, 4) < 4)
		return **p;
	memcpy(digits, *p + 1, 4);
	*p += 4;
	c = strtol(digits, NULL, 16);
	return c >= 0x20 && c < 0x7f ? (char) c : '?';
}

/* The string that stands behind `key` in a line of JSON. */
static void json_member(const char *line, const char *key, char *ret, size_t size)
{
	const char *p = strstr(line, key);
	size_t n = 0;

	if (!p)
		return;
	for (p += strlen(key); *p && *p != '"' && n + 1 < size; p++) {
		char c = *p;

		if (c == '\\' && p[1]) {
			p++;
			c = unescape(&p);
		}
		ret[n++] = c;
	}
	if (*p && *p != '"') {
		/* Cut, but not within a character. */
		while (n > 0 && (ret[n - 1] & 0xc0) == 0x80)
			n--;
		if (n > 0 && (ret[n - 1] & 0x80))
			n--;
	}
	ret[n] = '\0';
}

void runtime_last_words(struct runtime *rt, char *ret, size_t size)
{
	autofree char *text = NULL;
	char *line, *rest = NULL;

	if (rt->timed_out) {
		snprintf(ret, size, "the runtime did not answer within %d ms",
			 (int) deadline_ms(rt));
		return;
	}
	snprintf(ret, size, "the runtime failed and did not say why");
	if (read_file_at(rt->exec, RUNTIME_LOG, LOG_MAX_BYTES, &text, NULL) < 0)
		return;
	/* crun and runc order the members differently; the last error is the outermost. */
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		if (strstr(line, "\"level\":\"error\"") || strstr(line, "\"level\":\"fatal\""))
			json_member(line, "\"msg\":\"", ret, size);
}

pid_t runtime_read_pid(struct runtime *rt)
{
	char text[32];
	int64_t pid;

	if (read_small_at(rt->exec, LAYOUT_PID, text, sizeof text) < 0 ||
	    parse_i64(text, &pid) < 0 || pid <= 0 || pid > INT_MAX)
		return 0;
	return (pid_t) pid;
}

void runtime_tidy(struct runtime *rt)
{
	(void) unlinkat(rt->exec, RUNTIME_LOG, 0);
	(void) unlinkat(rt->exec, LAYOUT_PID, 0);
}
