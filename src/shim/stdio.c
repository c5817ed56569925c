/* See stdio.h. */
#include "shim/stdio.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"

#define READ_SIZE (64 * 1024)
/* Kept when idle; a read of more makes the memory be given back once it is quiet. */
#define READ_KEEP     4096
#define TRIM_AFTER_NS (1 * NSEC_PER_SEC)
/* Pipes hold at most this much, but for the most privileged. */
#define DRAIN_MAX (1024 * 1024)

/* Reading */

static void trim(void *arg)
{
	struct stdio *s = arg;

	(void) madvise(s->memory + READ_KEEP, READ_SIZE - READ_KEEP, MADV_DONTNEED);
	if (s->log)
		logfile_trim(s->log);
}

static void close_stream(struct stream *o)
{
	if (o->watch.fd < 0)
		return;
	loop_unwatch(o->stdio->loop, &o->watch);
	(void) close(o->watch.fd);
	o->watch.fd = -1;
	if (o->stdio->log)
		logfile_end(o->stdio->log, o->source, now_ns());
}

/* Reads once: the count, 0 at the end, -EAGAIN where there is nothing now. */
static ssize_t read_stream(struct stream *o)
{
	struct stdio *s = o->stdio;
	ssize_t n;

	do
		n = read(o->watch.fd, s->memory, READ_SIZE);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno != EAGAIN)
		return 0; /* EIO: the terminal's last user is gone */
	if (n < 0)
		return -EAGAIN;
	if (n > 0 && s->log)
		logfile_add(s->log, o->source, s->memory, (size_t) n, now_ns());
	if (n > 0)
		audience_hear(&s->audience, 1 + o->source, s->memory, (size_t) n);
	/* Short lines are many times as long once they are encoded. */
	if ((n > READ_KEEP || (s->log && logfile_wants_trim(s->log))) && s->trim.due_ns == 0)
		loop_timer(s->loop, &s->trim, TRIM_AFTER_NS);
	return n;
}

static void pause_reading(struct stdio *s)
{
	if (s->paused)
		return;
	s->paused = true;
	for (int i = 0; i < LOG_SOURCES; i++)
		loop_unwatch(s->loop, &s->out[i].watch);
}

static void on_readable(void *arg, uint32_t events)
{
	struct stream *o = arg;

	(void) events;
	if (read_stream(o) == 0)
		close_stream(o);
	if (audience_is_full(&o->stdio->audience))
		pause_reading(o->stdio);
}

static void watch_streams(struct stdio *s)
{
	s->paused = false;
	for (int i = 0; i < LOG_SOURCES; i++) {
		struct stream *o = &s->out[i];
		int r;

		if (o->watch.fd < 0)
			continue;
		o->watch.fn = on_readable;
		o->watch.arg = o;
		r = loop_watch(s->loop, &o->watch, EPOLLIN);
		if (r < 0)
			log_error("watch the container's output: %s", strerror(-r));
	}
}

static void go_on_reading(void *arg)
{
	struct stdio *s = arg;

	if (s->paused)
		watch_streams(s);
}

void stdio_init(struct stdio *s, struct loop *loop, struct logfile *log, int exec)
{
	*s = (struct stdio){.loop = loop, .log = log, .exec = exec, .in = -1};
	console_init(&s->console, loop, exec);
	audience_init(&s->audience, loop, go_on_reading, s);
	s->trim.fn = trim;
	s->trim.arg = s;
	for (int i = 0; i < LOG_SOURCES; i++)
		s->out[i] = (struct stream){.watch.fd = -1, .source = i, .stdio = s};
}

static void drain_stream(struct stream *o)
{
	for (ssize_t n, total = 0; o->watch.fd >= 0 && total < DRAIN_MAX; total += n) {
		n = read_stream(o);
		if (n == 0)
			close_stream(o);
		if (n <= 0)
			return;
	}
}

void stdio_drain(struct stdio *s)
{
	for (int i = 0; i < LOG_SOURCES; i++)
		drain_stream(&s->out[i]);
}

/* A run's streams */

int stdio_make_pipe(int *ret_near, int *ret_far, bool near_reads, struct err *err)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(err, errno, "make a pipe");
	*ret_near = fds[near_reads ? 0 : 1];
	*ret_far = fds[near_reads ? 1 : 0];
	/* Only ours: the container's end keeps the mode that programs expect. */
	if (fcntl(*ret_near, F_SETFL, fcntl(*ret_near, F_GETFL) | O_NONBLOCK) < 0)
		return err_sys(err, errno, "set up a pipe");
	return 0;
}

int stdio_prepare(struct stdio *s, const struct shim_config *c, struct stdio_ends *ret,
		  struct err *err)
{
	struct stdio_ends ends = {-1, -1, -1};
	int r = 0;

	s->tty = c->tty;
	s->open_stdin = c->open_stdin;
	s->stdin_once = c->stdin_once;

	if (!s->memory) {
		s->memory = mmap(NULL, READ_SIZE, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (s->memory == MAP_FAILED) {
			s->memory = NULL;
			return err_sys(err, ENOMEM, "map memory");
		}
	}
	if (c->tty)
		return *ret = ends, console_listen(&s->console, err);

	r = stdio_make_pipe(&s->out[LOG_FROM_STDOUT].watch.fd, &ends.out, true, err);
	if (r == 0)
		r = stdio_make_pipe(&s->out[LOG_FROM_STDERR].watch.fd, &ends.err, true, err);
	if (r == 0 && c->open_stdin)
		r = stdio_make_pipe(&s->in, &ends.in, false, err);
	if (r < 0) {
		stdio_ends_close(&ends);
		stdio_end(s);
		return r;
	}
	*ret = ends;
	return 0;
}

void stdio_ends_close(struct stdio_ends *e)
{
	close_p(&e->in);
	close_p(&e->out);
	close_p(&e->err);
	*e = (struct stdio_ends){-1, -1, -1};
}

void stdio_begin(struct stdio *s)
{
	int terminal = console_take(&s->console);

	if (terminal >= 0)
		s->out[0].watch.fd = terminal;
	watch_streams(s);
	/* A descriptor of its own, for it is waited for in its own way. */
	if (terminal >= 0 && s->open_stdin)
		s->in = fcntl(terminal, F_DUPFD_CLOEXEC, 0);
	audience_open(&s->audience, take_fd(s->in), s->tty, s->stdin_once);
}

int stdio_resize(struct stdio *s, int64_t rows, int64_t columns, struct err *err)
{
	struct winsize size = {.ws_row = (unsigned short) rows, .ws_col = (unsigned short) columns};

	if (rows < 0 || rows > USHRT_MAX || columns < 0 || columns > USHRT_MAX)
		return err_set(err, ERR_INVALID, "no terminal is %lld by %lld", (long long) rows,
			       (long long) columns);
	if (!s->tty || s->out[0].watch.fd < 0)
		return err_set(err, ERR_CONFLICT, "it has no terminal");
	if (ioctl(s->out[0].watch.fd, TIOCSWINSZ, &size) < 0)
		return err_sys(err, errno, "set the terminal's size");
	return 0;
}

void stdio_end(struct stdio *s)
{
	console_close(&s->console);
	for (int i = 0; i < LOG_SOURCES; i++)
		close_stream(&s->out[i]);
	close_p(&s->in);
	s->in = -1;
	audience_end(&s->audience);
}
