/* See exec.h. */
#include "shim/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "shim/procinfo.h"
#include "shim/runtime.h"
#include "shim/stdio.h"
#include "wire/layout.h"

/* A pipe holds no more, but for the most privileged. */
#define DRAIN_MAX (1024 * 1024)

struct exec {
	struct execs *all;
	struct exec *next;
	char *id;
	int dir; /* execs/<id> */
	int64_t start_ns, timeout_ns;
	struct runtime runtime; /* the call that starts it */
	bool starting;		/* in progress: the dead are held for it */
	struct child child;
	struct timer deadline;
	bool timed_out;
	struct watch out; /* stdout and stderr of it, in the order of writing */
	struct buf output;
	bool cut;
};

void execs_init(struct execs *xs, struct loop *loop, struct children *children,
		struct control *control, const struct shim_config *config, int dir)
{
	*xs = (struct execs){
		.loop = loop,
		.children = children,
		.control = control,
		.config = config,
		.dir = dir,
	};
}

/* The end */

static void stop_starting(struct exec *x)
{
	if (!x->starting)
		return;
	x->starting = false;
	children_release(x->all->children);
}

static void exec_free(struct exec *x)
{
	struct execs *xs = x->all;

	for (struct exec **p = &xs->first; *p; p = &(*p)->next)
		if (*p == x) {
			*p = x->next;
			xs->n--;
			break;
		}
	stop_starting(x);
	loop_timer_cancel(xs->loop, &x->deadline);
	loop_unwatch(xs->loop, &x->out);
	close_p(&x->out.fd);
	close_p(&x->dir);
	buf_free(&x->output);
	free(x->id);
	free(x);
}

/* Reads once; false where there is no more, now or for ever. What is too much is read and dropped:
 * a writer must not be stopped by us. */
static bool read_output(struct exec *x, size_t *ret_n)
{
	size_t room = EXEC_OUTPUT_MAX - x->output.len;
	char text[4096];
	ssize_t n;

	do
		n = read(x->out.fd, text, sizeof text);
	while (n < 0 && errno == EINTR);
	if (n <= 0) {
		if (n == 0 || errno != EAGAIN)
			loop_unwatch(x->all->loop, &x->out);
		return false;
	}
	/* A text ends where C says so: bytes of 0 are not kept. */
	for (ssize_t i = 0; i < n && room > 0; i++)
		if (text[i]) {
			buf_addc(&x->output, text[i]);
			room--;
		}
	x->cut |= room == 0;
	*ret_n = (size_t) n;
	return true;
}

static void on_output(void *arg, uint32_t events)
{
	size_t n;

	(void) events;
	(void) read_output(arg, &n);
}

static void drain(struct exec *x)
{
	size_t n = 0;

	for (size_t total = 0; total < DRAIN_MAX && read_output(x, &n); total += n)
		;
}

/* Is the container ending? Then the kernel kills all there is in it, before we learn of init's
 * death; and what a runtime says of its failure is about that too. */
static bool run_is_over(const struct execs *xs)
{
	struct procinfo info;

	return procinfo_read(xs->init, &info) < 0 || info.exiting;
}

/* Durable, then the doorbell: the exec root lives as long as the processes do, so no sync. */
static void finish(struct exec *x, int code, const char *error)
{
	struct execs *xs = x->all;
	autobuf text = {0}, event = {0};
	struct err err = {0};

	drain(x);
	kv_add_int(&text, "start", x->start_ns);
	kv_add_int(&text, "end", now_ns());
	kv_add_int(&text, "code", code);
	if (x->timed_out)
		kv_add_int(&text, "timed-out", 1);
	if (error)
		kv_add(&text, "error", error);
	if (x->cut)
		buf_adds(&x->output, "...");
	kv_add(&text, "output", x->output.text ? x->output.text : "");
	if (save_file_at(x->dir, EXEC_RESULT, text.text, text.len, SAVE_ATOMIC, &err) < 0)
		log_error("exec %.12s: its result is lost: %s", x->id, err.text);

	kv_add(&event, "msg", "probed");
	kv_add(&event, "id", x->id);
	exec_free(x);
	control_tell(xs->control, &event);
}

static void on_death(void *arg, const struct death *d)
{
	struct exec *x = arg;

	if (d->code != 0 && !x->timed_out && run_is_over(x->all))
		exec_free(x);
	else
		finish(x, d->code, NULL);
}

/* Nobody but us can reap it, so its pid is its own until we do. A runtime that fails may have
 * reaped what its pid file names. */
static bool is_ours(pid_t pid)
{
	siginfo_t info;

	return pid > 0 && waitid(P_PID, (id_t) pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

/* With what it has started in its group, as a shell its commands. The runtimes make it a session of
 * its own, though not always its leader. */
static void kill_process(pid_t pid)
{
	pid_t group = getpgid(pid);

	if (!is_ours(pid))
		return;
	if (group > 0 && getsid(pid) != getsid(0))
		(void) kill(-group, SIGKILL);
	(void) kill(pid, SIGKILL);
}

static void on_deadline(void *arg)
{
	struct exec *x = arg;

	x->timed_out = true;
	kill_process(x->child.pid);
}

/* The beginning */

static void on_started(void *arg, bool ok)
{
	struct exec *x = arg;
	struct execs *xs = x->all;
	char words[256];
	/* Where the runtime failed late there may be a process all the same. */
	pid_t pid = runtime_read_pid(&x->runtime);

	stop_starting(x);
	if (!ok || !is_ours(pid)) {
		runtime_last_words(&x->runtime, words, sizeof words);
		kill_process(pid);
		if (run_is_over(xs))
			exec_free(x);
		else
			finish(x, -1, words);
	} else {
		x->child = (struct child){.pid = pid, .fn = on_death, .arg = x};
		children_watch(xs->children, &x->child);
		if (x->timeout_ns > 0)
			loop_timer(xs->loop, &x->deadline, x->timeout_ns);
	}
	/* It may be dead by now, which ends x; and those that were held are due. */
	children_reap(xs->children);
}

static int make_dir(struct exec *x, struct err *err)
{
	autofree char *path = xasprintf(LAYOUT_EXECS "/%s", x->id);
	int dir = x->all->dir;

	if (mkdirat(dir, LAYOUT_EXECS, 0700) < 0 && errno != EEXIST)
		return err_sys(err, errno, "make " LAYOUT_EXECS);
	if (mkdirat(dir, path, 0700) < 0)
		return err_sys(err, errno, "make %s", path);
	x->dir = open_dir_at(dir, path);
	return x->dir < 0 ? err_sys(err, -x->dir, "open %s", path) : 0;
}

static int call_runtime(struct exec *x, const char *process, struct err *err)
{
	struct execs *xs = x->all;
	struct stdio_ends ends = {-1, -1, -1};
	int r;

	if (stdio_make_pipe(&x->out.fd, &ends.out, true, err) < 0)
		return -1;
	ends.err = ends.out;
	runtime_init(&x->runtime, xs->loop, xs->children, xs->config, x->dir);
	r = runtime_exec(&x->runtime, xs->dir, process, &ends, on_started, x, err);
	close_p(&ends.out);
	if (r < 0)
		return -1;
	children_hold(xs->children);
	x->starting = true;
	r = loop_watch(xs->loop, &x->out, EPOLLIN);
	if (r < 0)
		log_error("watch the output of exec %.12s: %s", x->id, strerror(-r));
	return 0;
}

int execs_start(struct execs *xs, const struct exec_order *order, struct err *err)
{
	struct exec *x;

	if (!order->id || !str_is_hex(order->id, 64) || str_empty(order->process))
		return err_set(err, ERR_INVALID, "id or process is missing");
	if (xs->n >= EXEC_MAX)
		return err_set(err, ERR_CONFLICT, "%d are in progress already", EXEC_MAX);
	x = xnew(struct exec);
	*x = (struct exec){
		.all = xs,
		.next = xs->first,
		.id = xstrdup(order->id),
		.dir = -1,
		.start_ns = now_ns(),
		.timeout_ns = order->timeout_ns,
		.deadline = {.fn = on_deadline, .arg = x},
		.out = {.fd = -1, .fn = on_output, .arg = x},
	};
	xs->first = x;
	xs->n++;
	if (make_dir(x, err) == 0 && call_runtime(x, order->process, err) == 0)
		return 0;
	exec_free(x);
	return -1;
}

void execs_hello(const struct execs *xs, struct buf *answer)
{
	for (const struct exec *x = xs->first; x; x = x->next)
		kv_add(answer, "exec", x->id);
}

void execs_abandon(struct execs *xs)
{
	while (xs->first) {
		struct exec *x = xs->first;

		runtime_abandon(&x->runtime);
		if (x->child.pid > 0) {
			kill_process(x->child.pid);
			children_forget(xs->children, &x->child);
		}
		exec_free(x);
	}
}

void execs_tidy(struct execs *xs)
{
	int r = remove_tree_at(xs->dir, LAYOUT_EXECS);

	if (r < 0)
		log_warn("remove " LAYOUT_EXECS ": %s", strerror(-r));
}
