/* See exec.h. */
#include "shim/exec.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "shim/procinfo.h"
#include "shim/stdio.h"
#include "wire/layout.h"

void execs_init(struct execs *xs, struct loop *loop, struct children *children,
		struct control *control, struct clients *clients, const struct shim_config *config,
		int dir)
{
	*xs = (struct execs){
		.loop = loop,
		.children = children,
		.control = control,
		.clients = clients,
		.config = config,
		.dir = dir,
	};
}

char *exec_path(const char *id)
{
	return xasprintf(LAYOUT_EXECS "/%s", id);
}

/* The end */

static void stop_starting(struct exec *x)
{
	if (!x->starting)
		return;
	x->starting = false;
	children_release(x->all->children);
}

void exec_leave(struct exec *x)
{
	struct execs *xs = x->all;

	for (struct exec **p = &xs->first; *p; p = &(*p)->next)
		if (*p == x) {
			*p = x->next;
			(*x->kind->count(xs))--;
			break;
		}
	stop_starting(x);
}

void exec_close(struct exec *x)
{
	exec_leave(x);
	close_p(&x->dir);
	x->dir = -1;
	free(take(x->id));
}

/* Is the container ending? Then the kernel kills all there is in it, before we learn of init's
 * death; and what a runtime says of its failure is about that too. */
static bool run_is_over(const struct execs *xs)
{
	struct procinfo info;

	return procinfo_read(xs->init, &info) < 0 || info.exiting;
}

void exec_result_begin(const struct exec *x, int code, const char *error, struct buf *ret)
{
	kv_add_int(ret, "start", x->start_ns);
	kv_add_int(ret, "end", now_ns());
	kv_add_int(ret, "code", code);
	if (error)
		kv_add(ret, "error", error);
}

/* Durable, then the doorbell: the exec root lives as long as the processes do, so no sync. */
void exec_result_save(const struct exec *x, const struct buf *text)
{
	struct err err = {0};

	if (save_file_at(x->dir, EXEC_RESULT, text->text, text->len, SAVE_ATOMIC, &err) < 0)
		log_error("exec %.12s: its result is lost: %s", x->id, err.text);
}

static void on_death(void *arg, const struct death *d)
{
	struct exec *x = arg;

	if (x->kind->ends_in_silence && d->code != 0 && run_is_over(x->all))
		x->kind->free(x);
	else
		x->kind->ended(x, d->code, NULL);
}

/* Is that pid a child of ours, living or not yet reaped? A runtime that fails may have reaped what
 * its pid file names. */
static bool is_ours(pid_t pid)
{
	siginfo_t info;

	return pid > 0 && waitid(P_PID, (id_t) pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

/* The runtimes make it a session of its own, though not always its leader. */
static void kill_process(pid_t pid)
{
	pid_t group = getpgid(pid);

	if (!is_ours(pid))
		return;
	if (group > 0 && getsid(pid) != getsid(0))
		(void) kill(-group, SIGKILL);
	(void) kill(pid, SIGKILL);
}

void exec_kill(struct exec *x)
{
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
		if (x->kind->ends_in_silence && run_is_over(xs))
			x->kind->free(x);
		else
			x->kind->ended(x, -1, words);
	} else {
		x->child = (struct child){.pid = pid, .fn = on_death, .arg = x};
		children_watch(xs->children, &x->child);
		x->kind->begun(x);
	}
	/* It may be dead by now, which ends x; and those that were held are due. */
	children_reap(xs->children);
}

void exec_open(struct exec *x, struct execs *xs, const struct exec_kind *kind, const char *id)
{
	*x = (struct exec){
		.all = xs,
		.next = xs->first,
		.kind = kind,
		.id = xstrdup(id),
		.dir = -1,
		.start_ns = now_ns(),
	};
	xs->first = x;
	(*kind->count(xs))++;
}

int exec_start(struct exec *x, const char *process, bool tty, const struct stdio_ends *ends,
	       struct err *err)
{
	struct execs *xs = x->all;

	runtime_init(&x->runtime, xs->loop, xs->children, xs->config, x->dir);
	if (runtime_exec(&x->runtime, xs->dir, process, tty, ends, on_started, x, err) < 0)
		return -1;
	children_hold(xs->children);
	x->starting = true;
	return 0;
}

void execs_hello(const struct execs *xs, struct buf *answer)
{
	for (const struct exec *x = xs->first; x; x = x->next)
		if (x->kind->ends_in_silence)
			kv_add(answer, "exec", x->id);
}

/* The end of all */

/* The code of a process that has just been killed. It may have ended by itself a moment before, so
 * it is asked, where it does not take long to die. */
static int code_of_killed(pid_t pid)
{
	for (int ms = 0; ms < 100; ms++) {
		siginfo_t info = {0};

		if (waitid(P_PID, (id_t) pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
			break;
		if (info.si_pid == pid)
			return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
		(void) usleep(1000);
	}
	return 128 + SIGKILL;
}

static void abandon(struct exec *x)
{
	struct children *children = x->all->children;
	bool ran = x->child.pid > 0;
	int code = -1;

	runtime_abandon(&x->runtime);
	if (ran) {
		exec_kill(x);
		if (!x->kind->ends_in_silence)
			code = code_of_killed(x->child.pid);
		children_forget(children, &x->child);
	}
	if (x->kind->ends_in_silence)
		x->kind->free(x);
	else
		x->kind->ended(x, code, ran ? NULL : "the container has ended");
}

void execs_abandon(struct execs *xs)
{
	while (xs->first)
		abandon(xs->first);
}

void execs_tidy(struct execs *xs)
{
	autoclose int dir = open_dir_at(xs->dir, LAYOUT_EXECS);
	DIR *list = dir < 0 ? NULL : fdopendir(dup(dir));

	if (!list)
		return;
	for (const struct dirent *d; (d = readdir(list));) {
		int r;

		if (d->d_name[0] == '.' ||
		    !strncmp(d->d_name, xs->config->id, EXEC_ID_CONTAINER_LEN))
			continue;
		r = remove_tree_at(dir, d->d_name);
		if (r < 0)
			log_warn("remove " LAYOUT_EXECS "/%.12s: %s", d->d_name, strerror(-r));
	}
	(void) closedir(list);
}
