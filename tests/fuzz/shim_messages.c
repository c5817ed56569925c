/*
 * Fuzz target: the shim's side of the protocol, with a life behind it. Each part is a packet; a
 * part that begins with '!' is the world's doing: "!ok", "!no" (the runtime has ended, well or
 * not),
 * "!die 137" (the container's init has), "!due" (the next timer fires); "!exec ok", "!exec no" and
 * "!exec die 1" are the same of the newest process beside init. Mounts, streams and runtime are of
 * straw; "!say" is a line for the log; messages, life, what runs beside init and the record of runs
 * are the shim's own.
 */
#include "fuzz.h"

/* All of it, with the handler of messages. */
#define main shim_main
#include "shim/main.c"
#undef main

#include <sys/socket.h>
#include <sys/wait.h>

#include "shim/cgroup.h"
#include "shim/join.h"
#include "wire/runs.h"

/* Its children are of straw and have our own pid. */
static int kill_nobody(pid_t pid, int sig)
{
	return 0;
}

/* Alive for who asks, and killed for who has killed it. */
static int waitid_nobody(idtype_t type, id_t id, siginfo_t *info, int options)
{
	info->si_pid = (pid_t) id;
	info->si_code = CLD_KILLED;
	info->si_status = SIGKILL;
	return 0;
}

#define kill   kill_nobody
#define waitid waitid_nobody
#include "shim/exec.c"
#undef kill
#undef waitid

/* The container's, with which ids of exec sessions begin. */
#define ID "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

/* The world of straw */

static struct {
	void (*done)(void *arg, bool ok);
	void *arg;
	struct child *init;
	struct child *execs; /* newest first */
} world;

int mounts_up(struct mounts *m, const struct shim_config *c, struct err *err)
{
	return 0;
}

int join_namespaces(const struct shim_config *c, int exec, struct err *err)
{
	return 0;
}

int join_own_network(int netns, int exec, struct err *err)
{
	return 0;
}

void mounts_down(struct mounts *m)
{
}

void mounts_leave(struct mounts *m)
{
}

static void on_room(void *arg)
{
}

void stdio_init(struct stdio *s, struct loop *loop, struct logfile *log, int exec)
{
	audience_init(&s->audience, loop, on_room, s);
}

int stdio_resize(struct stdio *s, int64_t rows, int64_t columns, struct err *err)
{
	return 0;
}

int stdio_prepare(struct stdio *s, const struct shim_config *c, struct stdio_ends *ret,
		  struct err *err)
{
	*ret = (struct stdio_ends){-1, -1, -1};
	return 0;
}

int stdio_make_pipe(int *ret_near, int *ret_far, bool near_reads, struct err *err)
{
	int ends[2];

	must(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
	*ret_near = ends[near_reads ? 0 : 1];
	*ret_far = ends[near_reads ? 1 : 0];
	return 0;
}

void stdio_ends_close(struct stdio_ends *e)
{
	close_p(&e->in);
	close_p(&e->out);
	close_p(&e->err);
}

void stdio_begin(struct stdio *s)
{
	audience_open(&s->audience, -1, false, false);
}

void stdio_drain(struct stdio *s)
{
}

void stdio_end(struct stdio *s)
{
	audience_end(&s->audience);
}

void runtime_init(struct runtime *rt, struct loop *loop, struct children *children,
		  const struct shim_config *config, int exec)
{
}

/* One call at a time, as the real one asserts. */
static int call(void (*done)(void *arg, bool ok), void *arg)
{
	must(!world.done);
	world.done = done;
	world.arg = arg;
	return 0;
}

int runtime_run(struct runtime *rt, const struct stdio_ends *ends, void (*done)(void *arg, bool ok),
		void *arg, struct err *err)
{
	must(!world.init);
	return call(done, arg);
}

int runtime_delete(struct runtime *rt, void (*done)(void *arg, bool ok), void *arg, struct err *err)
{
	return call(done, arg);
}

/* Each process beside init has a runtime call of its own. */
int runtime_exec(struct runtime *rt, int dir, const char *process, bool tty,
		 const struct stdio_ends *ends, void (*done)(void *arg, bool ok), void *arg,
		 struct err *err)
{
	must(!rt->done);
	rt->done = done;
	rt->arg = arg;
	return 0;
}

void runtime_abandon(struct runtime *rt)
{
	rt->done = NULL;
}

void runtime_last_words(struct runtime *rt, char *ret, size_t size)
{
	snprintf(ret, size, "%s", "it \"did\" not\nwork");
}

pid_t runtime_read_pid(struct runtime *rt)
{
	return getpid();
}

void runtime_tidy(struct runtime *rt)
{
}

void children_watch(struct children *cs, struct child *c)
{
	if (c->fn == on_death) {
		c->next = world.execs;
		world.execs = c;
		return;
	}
	must(!world.init);
	world.init = c;
}

void children_forget(struct children *cs, struct child *c)
{
	for (struct child **p = &world.execs; *p; p = &(*p)->next)
		if (*p == c) {
			*p = c->next;
			return;
		}
}

void children_hold(struct children *cs)
{
}

void children_release(struct children *cs)
{
}

void children_reap(struct children *cs)
{
}

void children_kill_rest(struct children *cs)
{
}

char *cgroup_oom_file(pid_t pid, const char *path)
{
	return NULL;
}

bool cgroup_oom_killed(const char *file)
{
	return false;
}

/* The world's doings */

static void end_call(bool ok)
{
	void (*done)(void *arg, bool ok) = world.done;

	world.done = NULL;
	if (done)
		done(world.arg, ok);
}

static void end_init(int code)
{
	struct child *c = world.init;
	struct death d = {.time_ns = 1, .code = code & 255};

	world.init = NULL;
	if (d.code > 128)
		d.signal = d.code - 128 > 64 ? 9 : d.code - 128;
	if (c) {
		c->pid = 0;
		c->fn(c->arg, &d);
	}
}

static void end_exec_call(struct life *l, bool ok)
{
	for (struct exec *x = l->execs.first; x; x = x->next)
		if (x->runtime.done) {
			x->runtime.done = NULL;
			on_started(x, ok);
			return;
		}
}

static void end_exec(int code)
{
	struct child *c = world.execs;
	struct death d = {.time_ns = 1, .code = code & 255};

	if (!c)
		return;
	world.execs = c->next;
	c->pid = 0;
	c->fn(c->arg, &d);
}

static void fire_next(struct loop *l)
{
	struct timer *first = l->timers;

	for (struct timer *t = first; t; t = t->next)
		if (t->due_ns < first->due_ns)
			first = t;
	if (!first)
		return;
	loop_timer_cancel(l, first);
	first->fn(first->arg);
}

static void say_line(struct logfile *l, const char *text)
{
	logfile_add(l, LOG_FROM_STDOUT, text, strlen(text), 1);
	logfile_add(l, LOG_FROM_STDOUT, "\n", 1, 1);
}

static void happen(struct shim *s, const char *what)
{
	if (str_eq(what, "ok") || str_eq(what, "no"))
		end_call(*what == 'o');
	else if (str_has_prefix(what, "die "))
		end_init(atoi(what + 4));
	else if (str_eq(what, "due"))
		fire_next(&s->loop);
	else if (str_has_prefix(what, "say "))
		say_line(&s->life.log, what + 4);
	else if (str_eq(what, "exec ok") || str_eq(what, "exec no"))
		end_exec_call(&s->life, what[5] == 'o');
	else if (str_has_prefix(what, "exec die "))
		end_exec(atoi(what + 9));
}

static int dir_fd(void)
{
	static int fd = -1;

	if (fd < 0)
		fd = open_dir_at(AT_FDCWD, fuzz_dir());
	return fd;
}

/* What the daemon does before it tells. */
static void make_session(const char *id)
{
	autofree char *path = NULL;

	if (!id || !str_is_hex(id, 64))
		return;
	path = exec_path(id);
	(void) mkdirat(dir_fd(), LAYOUT_EXECS, 0700);
	(void) mkdirat(dir_fd(), path, 0700);
}

/* A packet, as control.c handles one, and its answer as the daemon reads it. */
static void receive(struct shim *s, const char *packet, size_t len)
{
	int ends[2] = {-1, -1}; /* a client's connection */
	autokv kv = {0}, said = {0};
	autobuf answer = {0};
	struct message m = {.kv = &kv};
	const char *msg;

	if (kv_parse(packet, len, &kv) < 0)
		return;
	m.name = kv_get(&kv, "msg") ?: "";
	if (str_eq(m.name, "exec"))
		make_session(kv_get(&kv, "id"));
	if (kv_get(&kv, "head") && socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0) {
		m.fds = &ends[0];
		m.n_fds = 1;
	}
	on_message(s, &m, &answer);
	close_p(&ends[0]);
	close_p(&ends[1]);
	must(answer.len > 0 && kv_parse(answer.text, answer.len, &said) == 0);
	msg = kv_get(&said, "msg");
	must(str_eq(msg, "ok") || str_eq(msg, "error") || str_eq(msg, "hello"));
	must(!str_eq(msg, "hello") || (kv_get(&said, "state") && kv_get(&said, "run")));
}

/* The record */

struct story {
	int64_t begun, ended, run;
};

/* Each run begins once and ends once, in order. */
static void follow(void *arg, const struct run_record *r)
{
	struct story *s = arg;

	switch (r->event) {
	case RUN_STARTED:
		must(s->begun == s->ended && (r->run > s->ended || s->ended == 0));
		s->begun = r->run;
		break;
	case RUN_ENDED:
		must(r->run == s->begun && r->run != s->ended);
		s->ended = r->run;
		break;
	case RUN_RESTART:
	case RUN_FAILED:
	case RUN_GAVE_UP:
	case RUN_NONE:
		break;
	}
}

static void open_shim(struct shim *s)
{
	*s = (struct shim){.config = {.id = (char *) ID,
				      .restart = RESTART_ALWAYS,
				      .log_file = true,
				      .log_max_size = 300,
				      .log_max_files = 2}};
	world.done = NULL;
	world.init = NULL;
	world.execs = NULL;
	must(signal(SIGPIPE, SIG_IGN) != SIG_ERR); /* as the shim does at birth */
	must(loop_open(&s->loop) == 0);
	(void) remove_tree_at(dir_fd(), LAYOUT_EXECS);
	for (int i = 0; i < CONTROL_MAX; i++)
		s->control.conns[i].watch.fd = -1;
	(void) unlinkat(dir_fd(), LAYOUT_RUNS, 0);
	(void) unlinkat(dir_fd(), LAYOUT_LOG, 0);
	must(life_open(&s->life, &s->config, &s->loop, &s->children, &s->control, dir_fd(),
		       dir_fd(), NULL) == 0);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n)
{
	static struct shim s;
	const char *rest = (const char *) data, *part;
	struct story story = {0};
	unsigned damaged = 0;
	size_t len;

	open_shim(&s);
	while (!s.loop.stop && fuzz_part(&rest, &n, &part, &len)) {
		if (len > 1 && part[0] == '!') {
			autofree char *what = xstrndup(part + 1, len - 1);

			what[strcspn(what, "\n")] = '\0';
			happen(&s, what);
		} else {
			receive(&s, part, len);
		}
		must(s.life.state != LIFE_RESTARTING || s.life.wanted_running);
		must((s.life.state == LIFE_RUNNING) == (world.init != NULL));
	}
	must(runs_read(dir_fd(), follow, &story, &damaged, NULL) == 0 && damaged == 0);
	audience_end(&s.life.stdio.audience);
	follows_set_over(&s.life.follows, true);
	free(take(s.life.waiters.error));
	execs_abandon(&s.life.execs);
	must(!s.life.execs.first && !world.execs);
	must(s.life.execs.n_probes == 0 && s.life.execs.n_sessions == 0);
	while (s.life.clients.n > 0 || s.life.execs.memory_users > 0)
		fire_next(&s.loop);
	must(!s.life.stdio.audience.first && !s.life.follows.first && !s.life.follows.room);
	logfile_close(&s.life.log);
	(void) close(s.loop.epoll);
	(void) close(s.life.records.fd);
	buf_free(&s.life.records.pending);
	free(s.life.oom_file);
	return 0;
}
