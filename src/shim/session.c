/* See session.h. */
#include "shim/session.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "shim/audience.h"
#include "shim/console.h"
#include "shim/stdio.h"
#include "wire/fault.h"
#include "wire/layout.h"

#define READ_SIZE (32 * 1024)
/* A pipe holds no more, but for the most privileged. */
#define DRAIN_MAX (1024 * 1024)
/* For so long after its end what it has left running is listened to. */
#define LINGER_NS (2 * NSEC_PER_SEC)

struct session;

struct source {
	struct watch watch; /* fd -1: none, or at its end */
	bool watched;
	unsigned stream; /* 1 or 2 */
	struct session *session;
};

struct session {
	struct exec exec;
	struct loop *loop;
	bool tty;
	struct console console;
	struct source out[2]; /* [0] alone for a terminal */
	int in;		      /* until it begins; -1: none */
	struct audience audience;
	bool over;	/* its end is told; only the client is still served */
	bool finishing; /* and gets no more than what is queued: its going frees the session */
	struct timer linger;
	pid_t pid;
	char *name;
};

/* struct exec is the first member. */
static struct session *session_of(struct exec *x)
{
	return (struct session *) x;
}

static size_t *count(struct execs *xs)
{
	return &xs->n_sessions;
}

/* One buffer for all: what is read is passed on at once. */
static void map_memory(struct execs *xs)
{
	if (xs->memory_users++ > 0)
		return;
	xs->memory =
		mmap(NULL, READ_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (xs->memory == MAP_FAILED)
		abort(); /* as allocations of base/mem.h do */
}

static void unmap_memory(struct execs *xs)
{
	if (--xs->memory_users == 0)
		(void) munmap(take(xs->memory), READ_SIZE);
}

/* Streams */

static void stop_source(struct source *o)
{
	if (o->watched)
		loop_unwatch(o->session->loop, &o->watch);
	o->watched = false;
}

static void close_source(struct source *o)
{
	stop_source(o);
	close_p(&o->watch.fd);
	o->watch.fd = -1;
}

static void watch_source(struct source *o)
{
	int r;

	if (o->watch.fd < 0 || o->watched)
		return;
	r = loop_watch(o->session->loop, &o->watch, EPOLLIN);
	if (r < 0)
		log_error("watch the output of exec %.12s: %s", o->session->exec.id, strerror(-r));
	o->watched = r == 0;
}

static void close_streams(struct session *s)
{
	loop_timer_cancel(s->loop, &s->linger);
	for (size_t i = 0; i < ARRAY_SIZE(s->out); i++)
		close_source(&s->out[i]);
	close_p(&s->in);
	s->in = -1;
	console_close(&s->console);
}

static void session_free(struct exec *x)
{
	struct session *s = session_of(x);

	close_streams(s);
	unmap_memory(x->all);
	exec_close(x);
	free(s->name);
	free(s);
}

static void free_if_alone(struct session *s)
{
	if (s->finishing && audience_is_empty(&s->audience))
		session_free(&s->exec);
}

/* Its streams are at their end: the client gets what is queued, and the end. */
static void finish(struct session *s)
{
	close_streams(s);
	audience_end(&s->audience);
	s->finishing = true;
	free_if_alone(s);
}

static bool has_source(const struct session *s)
{
	return s->out[0].watch.fd >= 0 || s->out[1].watch.fd >= 0;
}

/* Reads once: the count, 0 where there is no more now or for ever. */
static size_t read_source(struct source *o)
{
	struct session *s = o->session;
	char *text = s->exec.all->memory;
	ssize_t n;

	if (o->watch.fd < 0)
		return 0;
	do
		n = read(o->watch.fd, text, READ_SIZE);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n <= 0) { /* EIO: the terminal's last user is gone */
		close_source(o);
		return 0;
	}
	audience_hear(&s->audience, o->stream, text, (size_t) n);
	return (size_t) n;
}

static void on_output(void *arg, uint32_t events)
{
	struct source *o = arg;
	struct session *s = o->session;

	(void) events;
	(void) read_source(o);
	if (s->over && !has_source(s)) {
		finish(s);
		return;
	}
	if (audience_is_full(&s->audience))
		for (size_t i = 0; i < ARRAY_SIZE(s->out); i++)
			stop_source(&s->out[i]);
}

static void drain(struct source *o)
{
	size_t n;

	for (size_t total = 0; total < DRAIN_MAX && (n = read_source(o)) > 0; total += n)
		;
}

static void on_linger(void *arg)
{
	finish(arg);
}

/* The audience */

static void on_room(void *arg)
{
	struct session *s = arg;

	for (size_t i = 0; i < ARRAY_SIZE(s->out); i++)
		watch_source(&s->out[i]);
}

static void on_empty(void *arg)
{
	free_if_alone(arg);
}

static void tell(struct session *s, const char *event, int code, const char *error)
{
	autobuf msg = {0};

	kv_add(&msg, "msg", event);
	kv_add(&msg, "id", s->exec.id);
	if (code >= 0)
		kv_add_int(&msg, "code", code);
	if (error)
		kv_add(&msg, "error", error);
	control_tell(s->exec.all->control, &msg);
}

static int make_mark(struct session *s, const char *name)
{
	autoclose int mark =
		openat(s->exec.dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	return mark < 0 ? -errno : 0;
}

static void on_detach(void *arg)
{
	struct session *s = arg;

	(void) make_mark(s, EXEC_DETACHED);
	tell(s, "exec-detached", -1, NULL);
}

/* Begin and end */

static void begun(struct exec *x)
{
	struct session *s = session_of(x);

	s->pid = x->child.pid;
	if (s->tty) {
		s->out[0].watch.fd = console_take(&s->console);
		/* A descriptor of its own, for it is waited for in its own way. */
		if (s->out[0].watch.fd >= 0)
			s->in = fcntl(s->out[0].watch.fd, F_DUPFD_CLOEXEC, 0);
	}
	tell(s, "exec-started", -1, NULL);
	on_room(s);
	audience_open(&s->audience, take_fd(s->in), s->tty, true);
}

/* docker's words for a session that does not come to run, which are runc's, and its exit code. */
static char *words(const struct session *s, const char *error, int *ret_code)
{
	const struct runtime_fault *fault = runtime_fault_find(error);
	bool said = str_has_prefix(error, "exec failed: ");

	*ret_code = fault ? fault->code : 126;
	/* Of something else than the program, as its directory, the runtime knows better words. */
	if (said || !fault || !(strstr(error, "executable") || strstr(error, s->name)))
		return xasprintf("OCI runtime exec failed: %s%s: unknown",
				 said ? "" : "exec failed: ", error);
	return xasprintf("OCI runtime exec failed: exec failed: unable to start container process: "
			 "exec: \"%s\": %s: unknown",
			 s->name,
			 fault->code == 127 && strchr(s->name, '/') ? "no such file or directory"
								    : fault->words);
}

/* Its end is on disk and told; from here on it only serves its client. */
static void record_end(struct session *s, int code, const char *error)
{
	autobuf text = {0};

	exec_result_begin(&s->exec, code, error, &text);
	kv_add_int(&text, "pid", s->pid);
	exec_result_save(&s->exec, &text);
	(void) unlinkat(s->exec.dir, EXEC_PROCESS, 0);
	runtime_tidy(&s->exec.runtime);
	tell(s, "exec-ended", code, error);
	s->over = true;
	exec_leave(&s->exec);
}

static void fail(struct session *s, int code, const char *text)
{
	autofree char *line = xasprintf("%s\r\n", text);

	record_end(s, code, text);
	audience_hear(&s->audience, 1, line, strlen(line));
	finish(s);
}

static void ended(struct exec *x, int code, const char *error)
{
	struct session *s = session_of(x);

	if (error) {
		autofree char *text = words(s, error, &code);

		fail(s, code, text);
		return;
	}
	/* So that the terminal's end is seen, which is behind its last byte. */
	console_close(&s->console);
	for (size_t i = 0; i < ARRAY_SIZE(s->out); i++)
		drain(&s->out[i]);
	record_end(s, code, NULL);
	if (has_source(s))
		loop_timer(s->loop, &s->linger, LINGER_NS);
	else
		finish(s);
}

static const struct exec_kind session_kind = {
	.count = count,
	.begun = begun,
	.ended = ended,
	.free = session_free,
};

/* Start */

static int open_streams(struct session *s, const struct session_order *order,
			struct stdio_ends *ends, struct err *err)
{
	if (s->tty)
		return console_listen(&s->console, err);
	if (!order->client)
		return 0;
	if (order->in && stdio_make_pipe(&s->in, &ends->in, false, err) < 0)
		return -1;
	if (order->out && stdio_make_pipe(&s->out[0].watch.fd, &ends->out, true, err) < 0)
		return -1;
	return order->err ? stdio_make_pipe(&s->out[1].watch.fd, &ends->err, true, err) : 0;
}

/* The daemon has made the directory. */
static int enter_dir(struct session *s, struct err *err)
{
	autofree char *path = exec_path(s->exec.id);
	int r;

	s->exec.dir = open_dir_at(s->exec.all->dir, path);
	if (s->exec.dir < 0)
		return err_sys(err, -s->exec.dir, "open %s", path);
	s->console.dir = s->exec.dir;
	r = make_mark(s, EXEC_BEGUN);
	if (r == -EEXIST)
		return err_set(err, ERR_CONFLICT, "it has already run");
	return r < 0 ? err_sys(err, -r, "make " EXEC_BEGUN) : 0;
}

static int take_client(struct session *s, const struct session_order *order, struct err *err)
{
	if (!order->client ||
	    audience_attach(&s->audience, s->exec.all->clients, order->client, err) == 0)
		return 0;
	(void) unlinkat(s->exec.dir, EXEC_BEGUN, 0);
	return -1;
}

/* The client is ours by now: what fails is told to it. */
static void run(struct session *s, const struct session_order *order)
{
	struct stdio_ends ends = {-1, -1, -1};
	struct err err = {0};
	int r;

	if (order->error)
		r = err_set(&err, ERR_INVALID, "%s", order->error);
	else
		r = open_streams(s, order, &ends, &err);
	if (r == 0)
		r = exec_start(&s->exec, order->process, s->tty, &ends, &err);
	stdio_ends_close(&ends);
	if (r < 0)
		fail(s, 126, err.text);
}

static struct session *session_new(struct execs *xs, const struct session_order *order)
{
	struct session *s = xnew(struct session);

	exec_open(&s->exec, xs, &session_kind, order->id);
	map_memory(xs);
	s->loop = xs->loop;
	s->tty = order->tty;
	s->in = -1;
	s->name = xstrdup(order->name ? order->name : "");
	s->linger = (struct timer){.fn = on_linger, .arg = s};
	console_init(&s->console, xs->loop, -1);
	audience_init(&s->audience, xs->loop, on_room, s);
	audience_tell(&s->audience, on_detach, s);
	s->audience.on_empty = on_empty;
	for (size_t i = 0; i < ARRAY_SIZE(s->out); i++) {
		struct source *o = &s->out[i];

		*o = (struct source){.stream = (unsigned) i + 1, .session = s};
		o->watch = (struct watch){.fd = -1, .fn = on_output, .arg = o};
	}
	return s;
}

int session_start(struct execs *xs, const struct session_order *order, struct err *err)
{
	struct session *s;

	if (!order->id || !str_is_hex(order->id, 64) ||
	    strncmp(order->id, xs->config->id, EXEC_ID_CONTAINER_LEN) != 0 ||
	    (str_empty(order->process) && str_empty(order->error)))
		return err_set(err, ERR_INVALID, "id or process is missing");
	if (xs->n_sessions >= SESSIONS_MAX)
		return err_set(err, ERR_CONFLICT, "%d exec sessions are in progress already",
			       SESSIONS_MAX);
	s = session_new(xs, order);
	if (enter_dir(s, err) < 0 || take_client(s, order, err) < 0) {
		session_free(&s->exec);
		return -1;
	}
	run(s, order);
	return 0;
}

static struct session *find(struct execs *xs, const char *id)
{
	for (struct exec *x = xs->first; x; x = x->next)
		if (x->kind == &session_kind && str_eq(x->id, id))
			return session_of(x);
	return NULL;
}

int session_resize(struct execs *xs, const char *id, int64_t height, int64_t width, struct err *err)
{
	struct session *s = find(xs, id);
	int terminal;

	if (!s)
		return err_set(err, ERR_NOT_FOUND, "no such exec session is in progress");
	if (height < 0 || height > USHRT_MAX || width < 0 || width > USHRT_MAX)
		return err_set(err, ERR_INVALID, "no terminal is %lld by %lld", (long long) height,
			       (long long) width);
	s->console.size = (struct winsize){
		.ws_row = (unsigned short) height,
		.ws_col = (unsigned short) width,
	};
	/* Where it is not there yet, it gets it when it comes; it is the console's until the
	 * runtime has ended. */
	terminal = s->console.master >= 0 ? s->console.master : s->out[0].watch.fd;
	if (s->tty && terminal >= 0)
		(void) ioctl(terminal, TIOCSWINSZ, &s->console.size);
	return 0;
}
