/* See console.h. */
#include "shim/console.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/passfd.h"

void console_init(struct console *c, struct loop *loop, int dir)
{
	*c = (struct console){.loop = loop, .dir = dir, .master = -1, .slave = -1};
	c->sock.fd = -1;
}

static void close_socket(struct console *c)
{
	if (c->sock.fd < 0)
		return;
	loop_unwatch(c->loop, &c->sock);
	(void) close(c->sock.fd);
	c->sock.fd = -1;
	(void) unlinkat(c->dir, CONSOLE_SOCK, 0);
}

static void on_terminal(void *arg, uint32_t events)
{
	struct console *c = arg;
	int master = fd_receive(c->sock.fd, 0), errnum = errno;

	(void) events;
	if (master < 0 && errnum == EAGAIN)
		return;
	close_socket(c);
	if (master < 0) {
		log_error("the runtime sent no terminal: %s", strerror(errnum));
		return;
	}
	(void) fcntl(master, F_SETFL, fcntl(master, F_GETFL) | O_NONBLOCK);
	if (c->size.ws_row > 0 && c->size.ws_col > 0)
		(void) ioctl(master, TIOCSWINSZ, &c->size);
	c->slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	c->master = master;
}

static int watch_socket(struct console *c, int fd, void (*fn)(void *arg, uint32_t events))
{
	c->sock = (struct watch){.fd = fd, .fn = fn, .arg = c};
	return loop_watch(c->loop, &c->sock, EPOLLIN);
}

/* The runtime has connected; what it sends next is the terminal's master. */
static void on_connection(void *arg, uint32_t events)
{
	struct console *c = arg;
	int conn = accept4(c->sock.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void) events;
	if (conn < 0)
		return;
	close_socket(c);
	if (watch_socket(c, conn, on_terminal) < 0)
		log_error("watch the runtime's terminal: error %d", errno);
}

int console_listen(struct console *c, struct err *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r;

	snprintf(addr.sun_path, sizeof addr.sun_path, "/proc/self/fd/%d/" CONSOLE_SOCK, c->dir);
	(void) unlinkat(c->dir, CONSOLE_SOCK, 0);
	if (fd < 0 || fchmod(fd, 0600) < 0 ||
	    bind(fd, (struct sockaddr *) &addr, sizeof addr) < 0 || listen(fd, 1) < 0)
		return err_sys(err, errno, "listen on " CONSOLE_SOCK);
	r = watch_socket(c, take_fd(fd), on_connection);
	return r < 0 ? err_sys(err, -r, "watch " CONSOLE_SOCK) : 0;
}

int console_take(struct console *c)
{
	/* The runtime's exit may be seen before its last words. */
	for (int i = 0; i < 2 && c->sock.fd >= 0; i++)
		c->sock.fn(c, EPOLLIN);
	return take_fd(c->master);
}

void console_close(struct console *c)
{
	close_socket(c);
	close_p(&c->master);
	close_p(&c->slave);
	c->master = c->slave = -1;
}
