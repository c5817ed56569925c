/* See control.h. */
#include "shim/control.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "wire/layout.h"

static void drop(struct conn *c)
{
	if (c->watch.fd < 0)
		return;
	loop_unwatch(c->control->loop, &c->watch);
	(void) close(c->watch.fd);
	c->watch.fd = -1;
}

static void send_or_drop(struct conn *c, const struct buf *msg)
{
	int r = proto_send(c->watch.fd, msg, NULL, 0);

	if (r == -EAGAIN)
		log_warn("a connection does not read and is dropped");
	if (r < 0)
		drop(c);
}

static void handle(struct conn *c, const struct kv *kv, int *fds, size_t n_fds)
{
	struct message m = {.name = kv_get(kv, "msg"), .kv = kv, .fds = fds, .n_fds = n_fds};
	struct control *control = c->control;
	autobuf answer = {0};

	if (!m.name)
		m.name = "";
	control->handler(control->arg, &m, &answer);
	/* A start brings a descriptor, too, but from who then waits for events. */
	c->served = n_fds > 0 && !str_eq(m.name, "start");
	if (answer.len > 0 && c->watch.fd >= 0)
		send_or_drop(c, &answer);
}

/* One packet: 1, 0 at the end of the connection, or -errno. */
static int receive(struct conn *c)
{
	int fds[PROTO_FDS_MAX];
	autokv kv = {0};
	size_t n_fds = 0;
	int r = proto_recv(c->watch.fd, &kv, fds, &n_fds);

	if (r <= 0)
		return r;
	handle(c, &kv, fds, n_fds);
	for (size_t i = 0; i < n_fds; i++)
		close_p(&fds[i]);
	return 1;
}

static void on_message(void *arg, uint32_t events)
{
	struct conn *c = arg;
	int r = receive(c);

	(void) events;
	if (r > 0 || r == -EAGAIN)
		return;
	if (r < 0 && r != -ECONNRESET)
		log_warn("a connection is dropped: %s", strerror(-r));
	drop(c);
}

/* Which of the two is rather dropped: one that only brought a client and has its answer, else who
 * came first. */
static bool is_less_needed(const struct conn *c, const struct conn *than)
{
	return c->served != than->served ? c->served : c->since < than->since;
}

/* A free place, if need be somebody's. */
static struct conn *make_place(struct control *c)
{
	struct conn *oldest = &c->conns[0];

	for (int i = 0; i < CONTROL_MAX; i++) {
		if (c->conns[i].watch.fd < 0)
			return &c->conns[i];
		if (is_less_needed(&c->conns[i], oldest))
			oldest = &c->conns[i];
	}
	if (!oldest->served)
		log_warn("more than %d connections: the oldest is dropped", CONTROL_MAX);
	drop(oldest);
	return oldest;
}

/* Takes the descriptor over. */
static int serve(struct control *control, int fd)
{
	struct conn *c = make_place(control);
	int r;

	c->watch = (struct watch){.fd = fd, .fn = on_message, .arg = c};
	c->since = control->n_seen++;
	c->served = false;
	c->control = control;
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		r = -errno;
	else
		r = loop_watch(control->loop, &c->watch, EPOLLIN);
	if (r < 0)
		drop(c);
	return r;
}

static void on_connect(void *arg, uint32_t events)
{
	struct control *c = arg;
	int fd = accept4(c->listener.fd, NULL, NULL, SOCK_CLOEXEC);

	(void) events;
	if (fd >= 0)
		(void) serve(c, fd);
}

int control_open(struct control *c, struct loop *loop, int exec, int first,
		 control_handler *handler, void *arg, struct err *err)
{
	int r;

	*c = (struct control){.loop = loop, .handler = handler, .arg = arg};
	for (int i = 0; i < CONTROL_MAX; i++)
		c->conns[i].watch.fd = -1;

	r = proto_listen_at(exec, LAYOUT_SHIM_SOCK);
	if (r < 0)
		return err_sys(err, -r, "listen on %s", LAYOUT_SHIM_SOCK);
	c->listener = (struct watch){.fd = r, .fn = on_connect, .arg = c};
	r = loop_watch(loop, &c->listener, EPOLLIN);
	if (r == 0 && first >= 0)
		r = serve(c, first);
	return r < 0 ? err_sys(err, -r, "serve connections") : 0;
}

void control_end(struct control *c)
{
	loop_unwatch(c->loop, &c->listener);
	(void) shutdown(c->listener.fd, SHUT_RD);
	for (int fd; (fd = accept4(c->listener.fd, NULL, NULL, SOCK_CLOEXEC)) >= 0;)
		(void) serve(c, fd);
	close_p(&c->listener.fd);
	c->listener.fd = -1;
	for (int i = 0; i < CONTROL_MAX; i++) {
		struct conn *conn = &c->conns[i];

		if (conn->watch.fd < 0)
			continue;
		loop_unwatch(c->loop, &conn->watch);
		(void) shutdown(conn->watch.fd, SHUT_RD);
		while (conn->watch.fd >= 0 && receive(conn) > 0)
			;
	}
}

void control_close(struct control *c)
{
	for (int i = 0; i < CONTROL_MAX; i++)
		drop(&c->conns[i]);
}

void control_tell(struct control *c, const struct buf *event)
{
	for (int i = 0; i < CONTROL_MAX; i++)
		if (c->conns[i].watch.fd >= 0)
			send_or_drop(&c->conns[i], event);
}
