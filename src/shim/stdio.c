/* See stdio.h. */
#include "shim/stdio.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
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

void stdio_init(struct stdio *s, struct loop *loop, struct logfile *log, int exec)
{
	*s = (struct stdio){.loop = loop, .log = log, .exec = exec, .in = -1, .slave = -1};
	s->console.fd = -1;
	s->trim.fn = trim;
	s->trim.arg = s;
	for (int i = 0; i < LOG_SOURCES; i++)
		s->out[i] = (struct stream){.watch.fd = -1, .source = i, .stdio = s};
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
	if (n > READ_KEEP && s->trim.due_ns == 0)
		loop_timer(s->loop, &s->trim, TRIM_AFTER_NS);
	return n;
}

static void on_readable(void *arg, uint32_t events)
{
	struct stream *o = arg;

	(void) events;
	if (read_stream(o) == 0)
		close_stream(o);
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

/* Terminals */

static void close_console(struct stdio *s)
{
	if (s->console.fd < 0)
		return;
	loop_unwatch(s->loop, &s->console);
	(void) close(s->console.fd);
	s->console.fd = -1;
	(void) unlinkat(s->exec, STDIO_CONSOLE_SOCK, 0);
}

static int recv_fd(int sock)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} room;
	char text[256];
	struct iovec iov = {.iov_base = text, .iov_len = sizeof text};
	struct msghdr m = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = room.bytes,
		.msg_controllen = sizeof room.bytes,
	};
	struct cmsghdr *c;
	int fd;

	if (recvmsg(sock, &m, MSG_CMSG_CLOEXEC) < 0)
		return -errno;
	c = CMSG_FIRSTHDR(&m);
	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS ||
	    c->cmsg_len != CMSG_LEN(sizeof(int)))
		return -EPROTO;
	memcpy(&fd, CMSG_DATA(c), sizeof fd);
	return fd;
}

static void on_terminal(void *arg, uint32_t events)
{
	struct stdio *s = arg;
	int master = recv_fd(s->console.fd);

	(void) events;
	if (master == -EAGAIN)
		return;
	close_console(s);
	if (master < 0) {
		log_error("the runtime sent no terminal: %s", strerror(-master));
		return;
	}
	(void) fcntl(master, F_SETFL, fcntl(master, F_GETFL) | O_NONBLOCK);
	s->slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	s->out[0].watch.fd = master;
}

static int watch_console(struct stdio *s, int fd, void (*fn)(void *arg, uint32_t events))
{
	s->console = (struct watch){.fd = fd, .fn = fn, .arg = s};
	return loop_watch(s->loop, &s->console, EPOLLIN);
}

/* The runtime has connected; what it sends next is the terminal's master. */
static void on_console(void *arg, uint32_t events)
{
	struct stdio *s = arg;
	int conn = accept4(s->console.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void) events;
	if (conn < 0)
		return;
	close_console(s);
	if (watch_console(s, conn, on_terminal) < 0)
		log_error("watch the runtime's terminal: error %d", errno);
}

static int listen_console(struct stdio *s, struct err *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r;

	snprintf(addr.sun_path, sizeof addr.sun_path, "/proc/self/fd/%d/" STDIO_CONSOLE_SOCK,
		 s->exec);
	(void) unlinkat(s->exec, STDIO_CONSOLE_SOCK, 0);
	if (fd < 0 || fchmod(fd, 0600) < 0 ||
	    bind(fd, (struct sockaddr *) &addr, sizeof addr) < 0 || listen(fd, 1) < 0)
		return err_sys(err, errno, "listen on " STDIO_CONSOLE_SOCK);
	r = watch_console(s, take_fd(fd), on_console);
	return r < 0 ? err_sys(err, -r, "watch " STDIO_CONSOLE_SOCK) : 0;
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

int stdio_prepare(struct stdio *s, bool tty, bool open_stdin, struct stdio_ends *ret,
		  struct err *err)
{
	struct stdio_ends ends = {-1, -1, -1};
	int r = 0;

	if (!s->memory) {
		s->memory = mmap(NULL, READ_SIZE, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (s->memory == MAP_FAILED) {
			s->memory = NULL;
			return err_sys(err, ENOMEM, "map memory");
		}
	}
	if (tty)
		return *ret = ends, listen_console(s, err);

	r = stdio_make_pipe(&s->out[LOG_FROM_STDOUT].watch.fd, &ends.out, true, err);
	if (r == 0)
		r = stdio_make_pipe(&s->out[LOG_FROM_STDERR].watch.fd, &ends.err, true, err);
	if (r == 0 && open_stdin)
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
	/* The runtime's exit may be seen before its last words. */
	for (int i = 0; i < 2 && s->console.fd >= 0; i++)
		s->console.fn(s, EPOLLIN);
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

void stdio_end(struct stdio *s)
{
	close_console(s);
	for (int i = 0; i < LOG_SOURCES; i++)
		close_stream(&s->out[i]);
	close_p(&s->in);
	s->in = -1;
	close_p(&s->slave);
	s->slave = -1;
}
