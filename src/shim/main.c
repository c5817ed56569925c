/*
 * holdfast-shim: the parent of one container. It holds what must not die with the daemon: the
 * container's process, its streams and log, the record of its runs, its restarts. See
 * ARCHITECTURE.md, wire/proto.h.
 *
 * This file is its birth: it takes over what it inherits, makes itself independent of who started
 * it, and enters the loop.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "shim/children.h"
#include "shim/control.h"
#include "shim/life.h"
#include "shim/loop.h"
#include "wire/layout.h"
#include "wire/proto.h"
#include "wire/shim_config.h"

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

#define SHIM_LOG_MAX (256 * 1024)

struct shim {
	struct shim_config config;
	struct loop loop;
	struct children children;
	struct control control;
	struct life life;
	struct watch signals;
};

/* Birth */

/* The pulse first: a child that inherited it would keep it beating for the dead. */
static int take_descriptors(struct err *err)
{
	static const int inherited[] = {SHIM_FD_ALIVE, SHIM_FD_CONN, SHIM_FD_DATA, SHIM_FD_EXEC};

	for (size_t i = 0; i < ARRAY_SIZE(inherited); i++)
		if (fcntl(inherited[i], F_SETFD, FD_CLOEXEC) < 0)
			return err_sys(err, errno, "descriptor %d", inherited[i]);
	(void) syscall(SYS_close_range, SHIM_FD_EXEC + 1, ~0U, 0);
	if (fchdir(SHIM_FD_EXEC) < 0)
		return err_sys(err, errno, "enter the exec directory");
	return 0;
}

/* Nothing goes to who started us any more: stdin and stdout are /dev/null, stderr is shim.log. */
static int open_own_log(struct err *err)
{
	autoclose int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	autoclose int log = openat(SHIM_FD_EXEC, LAYOUT_SHIM_LOG,
				   O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (null < 0 || log < 0)
		return err_sys(err, errno, "open %s", null < 0 ? "/dev/null" : LAYOUT_SHIM_LOG);
	if (dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
	    dup2(log, STDERR_FILENO) < 0)
		return err_sys(err, errno, "place descriptors");
	return 0;
}

static void bound_own_log(void)
{
	struct stat st;

	if (fstat(STDERR_FILENO, &st) == 0 && st.st_size > SHIM_LOG_MAX &&
	    ftruncate(STDERR_FILENO, 0) == 0)
		log_info("earlier lines are dropped");
}

static int detach(struct err *err)
{
	(void) setsid(); /* fails where we lead a group already: all the same */
	(void) umask(022);
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return err_sys(err, errno, "become sub-reaper");
	return 0;
}

/* Signals */

static void on_signals(void *arg, uint32_t events)
{
	struct shim *s = arg;
	struct signalfd_siginfo info;

	(void) events;
	bound_own_log();
	while (read(s->signals.fd, &info, sizeof info) == sizeof info)
		if (info.ssi_signo == SIGTERM)
			log_warn("SIGTERM from pid %u is ignored: a shim ends with its container",
				 info.ssi_pid);
	children_reap(&s->children);
}

static int take_signals(struct shim *s, struct err *err)
{
	static const int ignored[] = {SIGPIPE, SIGHUP,	SIGINT,	 SIGQUIT, SIGTSTP,
				      SIGTTIN, SIGTTOU, SIGUSR1, SIGUSR2, SIGALRM};
	sigset_t set;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(ignored); i++)
		(void) signal(ignored[i], SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	if (sigprocmask(SIG_SETMASK, &set, NULL) < 0)
		return err_sys(err, errno, "block signals");
	s->signals = (struct watch){
		.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), .fn = on_signals, .arg = s};
	r = s->signals.fd < 0 ? -errno : loop_watch(&s->loop, &s->signals, EPOLLIN);
	return r < 0 ? err_sys(err, -r, "take signals") : 0;
}

/* Messages */

static void say(struct buf *answer, int r, const struct err *err)
{
	kv_add(answer, "msg", r < 0 ? "error" : "ok");
	if (r < 0)
		kv_add(answer, "text", err->text);
}

static void on_policy(struct life *l, const struct kv *kv, struct buf *answer)
{
	enum restart_name policy;

	if (restart_name_parse(kv_get(kv, "restart"), &policy) < 0) {
		kv_add(answer, "msg", "error");
		kv_add(answer, "text", "unknown restart policy");
		return;
	}
	life_policy(l, policy, kv_int(kv, "max", 0), answer);
}

static void on_probe(struct life *l, const struct kv *kv, struct buf *answer)
{
	const struct probe_order order = {
		.id = kv_get(kv, "id"),
		.process = kv_get(kv, "process"),
		.timeout_ns = kv_int(kv, "timeout", 0),
	};

	life_probe(l, &order, answer);
}

/* Idle, it may have waited for this while its container was changed, or the daemon. */
static int read_config_anew(struct shim *s, struct err *err)
{
	struct shim_config config;

	if (shim_config_read(SHIM_FD_EXEC, &config, err) < 0)
		return -1;
	shim_config_free(&s->config);
	s->config = config;
	life_configure(&s->life);
	return 0;
}

static void on_start(struct shim *s, const struct message *m, struct buf *answer)
{
	struct err err = {0};

	if (kv_int(m->kv, "anew", 0) && life_is_idle(&s->life) && read_config_anew(s, &err) < 0) {
		say(answer, -1, &err);
		return;
	}
	life_start(&s->life, kv_int(m->kv, "run", 0), m->n_fds > 0 ? take_fd(m->fds[0]) : -1,
		   answer);
}

static void on_attach(struct shim *s, const struct message *m, struct buf *answer)
{
	struct err err = {0};
	int r;

	if (s->life.state == LIFE_ENDED)
		r = err_set(&err, ERR_CONFLICT, "its last run is over");
	else
		r = audience_attach(&s->life.stdio.audience, &s->life.clients, m, &err);
	say(answer, r, &err);
}

static void on_exec(struct life *l, const struct message *m, struct buf *answer)
{
	const struct kv *kv = m->kv;
	const struct session_order order = {
		.id = kv_get(kv, "id"),
		.process = kv_get(kv, "process"),
		.name = kv_get(kv, "name"),
		.error = kv_get(kv, "error"),
		.tty = kv_int(kv, "tty", 0) != 0,
		.in = kv_int(kv, "stdin", 0) != 0,
		.out = kv_int(kv, "stdout", 0) != 0,
		.err = kv_int(kv, "stderr", 0) != 0,
		.client = m->n_fds > 0 ? m : NULL,
	};

	life_exec(l, &order, answer);
}

static void on_resize(struct shim *s, const struct kv *kv, struct buf *answer)
{
	const int64_t rows = kv_int(kv, "h", -1), columns = kv_int(kv, "w", -1);
	const char *exec = kv_get(kv, "exec");
	struct err err = {0};
	int r = exec ? session_resize(&s->life.execs, exec, rows, columns, &err)
		     : stdio_resize(&s->life.stdio, rows, columns, &err);

	say(answer, r, &err);
}

static void on_quit(struct life *l, const struct kv *kv, struct buf *answer)
{
	if (kv_get(kv, "code"))
		waiters_set_last(&l->waiters, kv_int(kv, "code", 0), kv_get(kv, "error"));
	life_quit(l, kv_int(kv, "keep-clients", 0), answer);
}

static void on_follow(struct life *l, const struct message *m, struct buf *answer)
{
	struct err err = {0};

	say(answer, follows_take(&l->follows, m, &err), &err);
}

static void on_message(void *arg, const struct message *m, struct buf *answer)
{
	struct shim *s = arg;
	struct life *l = &s->life;

	bound_own_log();
	if (str_eq(m->name, "hello")) {
		life_hello(l, answer);
	} else if (str_eq(m->name, "start")) {
		on_start(s, m, answer);
	} else if (str_eq(m->name, "wish")) {
		life_wish(l, str_eq(kv_get(m->kv, "wanted"), "running"), answer);
	} else if (str_eq(m->name, "policy")) {
		on_policy(l, m->kv, answer);
	} else if (str_eq(m->name, "forget")) {
		kv_add(answer, "msg", "ok");
		records_forget(&l->records, kv_int(m->kv, "run", 0));
	} else if (str_eq(m->name, "probe")) {
		on_probe(l, m->kv, answer);
	} else if (str_eq(m->name, "exec")) {
		on_exec(l, m, answer);
	} else if (str_eq(m->name, "attach")) {
		on_attach(s, m, answer);
	} else if (str_eq(m->name, "resize")) {
		on_resize(s, m->kv, answer);
	} else if (str_eq(m->name, "wait")) {
		life_wait(l, m, answer);
	} else if (str_eq(m->name, "follow")) {
		on_follow(l, m, answer);
	} else if (str_eq(m->name, "quit")) {
		on_quit(l, m->kv, answer);
	} else {
		kv_add(answer, "msg", "error");
		kv_add(answer, "text", "unknown message");
	}
}

/* Its life is over, but clients are not served yet. It gives away all that others may wait for: the
 * mounts first and the pulse behind them, for who finds that gone releases the container. */
static void linger(struct shim *s)
{
	log_info("its life is over; %zu clients are still served", s->life.clients.n);
	mounts_leave(&s->life.mounts);
	waiters_await_removal(&s->life.waiters, SHIM_FD_DATA);
	close_p(&(int){SHIM_FD_ALIVE});
	control_close(&s->control);
	stay_linger(&s->life.stay);
}

static int live(struct err *err)
{
	static struct shim s; /* too large for comfort on the stack */
	int r;

	if (take_descriptors(err) < 0 || open_own_log(err) < 0 || detach(err) < 0)
		return -1;
	if (shim_config_read(SHIM_FD_EXEC, &s.config, err) < 0)
		return -1;
	r = loop_open(&s.loop);
	if (r < 0)
		return err_sys(err, -r, "make an epoll");
	if (take_signals(&s, err) < 0)
		return -1;
	if (life_open(&s.life, &s.config, &s.loop, &s.children, &s.control, SHIM_FD_DATA,
		      SHIM_FD_EXEC, err) < 0)
		return -1;
	if (control_open(&s.control, &s.loop, SHIM_FD_EXEC, SHIM_FD_CONN, on_message, &s, err) < 0)
		return -1;
	loop_run(&s.loop);
	(void) unlinkat(SHIM_FD_EXEC, LAYOUT_SHIM_SOCK, 0);
	control_end(&s.control);
	life_close(&s.life);
	if (s.life.clients.n > 0)
		linger(&s);
	return 0;
}

/* Who waits for a shim that could not be born learns why. */
static void say_why(const struct err *err)
{
	autobuf msg = {0};

	kv_add(&msg, "msg", "error");
	kv_add(&msg, "text", err->text);
	(void) proto_send(SHIM_FD_CONN, &msg, NULL, 0);
}

int main(int argc, char **argv)
{
	struct err err = {0};

	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		printf("holdfast-shim %s (protocol %d)\n", HOLDFAST_VERSION, PROTO_VERSION);
		return 0;
	}
	/* The id is there for those who read the list of processes. */
	if (argc != 3 || strcmp(argv[1], "--id") != 0) {
		fprintf(stderr, "usage: holdfast-shim --id ID (started by holdfastd)\n");
		return 2;
	}
	if (live(&err) < 0) {
		log_error("%s", err.text);
		say_why(&err);
		return 1;
	}
	return 0;
}
