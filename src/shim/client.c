/* See client.h. This is its life and what it sends; what is on its way to it is in client_out.c. */
#include "shim/client.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/log.h"
#include "base/mem.h"
#include "shim/client_private.h"

#define READ_SIZE (64 * 1024)
/* So many descriptors are kept for the container: its next run, its end, and who asks about it. */
#define DESCRIPTORS_KEPT 64

void clients_init(struct clients *cs, struct loop *loop)
{
	*cs = (struct clients){.loop = loop};
}

/* The end ---------------------------------------- */

static void forget(struct client *c)
{
	struct clients *cs = c->all;

	for (struct client **p = &cs->first; *p; p = &(*p)->next)
		if (*p == c) {
			*p = c->next;
			cs->n--;
			break;
		}
	if (cs->n == 0) {
		(void) munmap(cs->memory, READ_SIZE);
		cs->memory = NULL;
	}
}

static void free_client(struct client *c)
{
	buf_free(&c->out);
	buf_free(&c->in);
	free(c->head);
	free(c->websocket);
	free(c);
}

/* A peer that is closed on while it has unread bytes here is told so by ECONNRESET: so none are
 * left, and no more can come. */
static void close_socket(struct client *c)
{
	char unread[4096];

	(void) shutdown(c->watch.fd, SHUT_RDWR);
	while (recv(c->watch.fd, unread, sizeof unread, MSG_DONTWAIT) > 0)
		;
	(void) close(c->watch.fd);
	c->watch.fd = -1;
}

/* Closes it; the struct goes once nobody is in it. */
void client_end(struct client *c, bool tell)
{
	struct clients *cs = c->all;

	if (c->gone)
		return;
	c->gone = true;
	if (c->watched)
		loop_unwatch(cs->loop, &c->watch);
	loop_timer_cancel(cs->loop, &c->stall);
	loop_timer_cancel(cs->loop, &c->head_timer);
	close_socket(c);
	forget(c);
	if (tell && c->owner->on_gone)
		c->owner->on_gone(c->arg);
	if (c->calling == 0)
		free_client(c);
	if (cs->n == 0 && cs->on_empty)
		cs->on_empty(cs->arg);
}

/* Around calls of the owner, who may end the client. */
static void enter(struct client *c)
{
	c->calling++;
}

/* false: it is no more. */
static bool leave(struct client *c)
{
	c->calling--;
	if (!c->gone)
		return true;
	if (c->calling == 0)
		free_client(c);
	return false;
}

void client_drop(struct client *c)
{
	client_end(c, false);
}

/* Watching ---------------------------------------- */

static bool wants_input(const struct client *c)
{
	return !c->in_closed && c->in.len == 0;
}

/* A connection that is closed altogether is told again and again: where nobody reads it for the
 * while, it is not watched. */
void client_watch(struct client *c)
{
	bool queued = c->out.len > 0 && c->head_taken;
	uint32_t events = (wants_input(c) ? EPOLLIN : 0) | (queued ? EPOLLOUT : 0);
	struct loop *loop = c->all->loop;
	int r = 0;

	if (events == 0 && !c->hung_up)
		events = EPOLLHUP; /* comes always, and needs a bit of its own here */
	if (events == c->watched)
		return;
	if (!c->watched)
		r = loop_watch(loop, &c->watch, events);
	else if (events)
		r = loop_change(loop, &c->watch, events);
	else
		loop_unwatch(loop, &c->watch);
	if (r < 0)
		log_error("watch a client: %s", strerror(-r));
	else
		c->watched = events;
}

/* Its end, and room for more ---------------------------------------- */

/* It neither reads nor sends, and the owner has what it has sent. */
static bool is_used_up(const struct client *c)
{
	return (c->deaf || c->hung_up) && c->in_ended && c->in.len == 0;
}

/* Tells the owner, where a queue that was full is not any more; and ends who is served to the end.
 * The last thing that a function does. */
void client_settle(struct client *c)
{
	if (client_queued(c) == 0 && (c->finishing || is_used_up(c))) {
		client_end(c, true);
		return;
	}
	client_watch(c);
	if (!c->full || client_queued(c) > c->queue_max / 2)
		return;
	c->full = false;
	client_limit_patience(c, false);
	if (c->owner->on_room)
		c->owner->on_room(c->arg);
}

void client_finish(struct client *c)
{
	if (c->gone || c->finishing)
		return;
	if (c->chunked && !c->deaf)
		buf_adds(&c->out, "0\r\n\r\n");
	if (c->framing == FRAMING_WEBSOCKET && !c->deaf)
		client_send_control(c, WEBSOCKET_END, c->broken ? "\x03\xea" : "\x03\xe8", 2);
	c->finishing = true;
	buf_free(&c->in);
	if (client_queued(c) > 0 && client_head_is_taken(c))
		client_flush(c);
	client_limit_patience(c, false);
	client_settle(c);
}

/* In ---------------------------------------- */

/* Gives the owner what there is; false where the client is no more. */
static bool deliver(struct client *c)
{
	while (c->in.len > 0 && c->owner->on_input && !c->finishing) {
		size_t n;

		enter(c);
		n = c->owner->on_input(c->arg, c->in.text, c->in.len);
		if (!leave(c))
			return false;
		if (n == 0)
			return true;
		buf_consume(&c->in, n);
	}
	buf_free(&c->in);
	if (!c->in_closed || c->in_ended)
		return true;
	c->in_ended = true;
	enter(c);
	if (c->owner->on_input_end && !c->finishing)
		c->owner->on_input_end(c->arg);
	/* A websocket has no half. */
	if (c->websocket && !c->gone)
		client_finish(c);
	return leave(c);
}

/* Its bytes go straight to the owner where he takes them. */
static bool take_plain(struct client *c, const char *data, size_t n)
{
	size_t taken = 0;

	if (!c->owner->on_input || c->finishing)
		return true;
	if (c->in.len == 0) {
		enter(c);
		taken = c->owner->on_input(c->arg, data, n);
		if (!leave(c))
			return false;
	}
	buf_add(&c->in, data + taken, n - taken);
	return true;
}

/* Out of the frames. What a client says behind its end is not heard. */
static bool take_frames(struct client *c, char *data, size_t n)
{
	while (n > 0 && !c->in_closed) {
		enum websocket_event event;
		const char *text;
		size_t taken, len;

		event = websocket_read(c->websocket, data, n, &taken, &text, &len);
		if (event == WEBSOCKET_DATA && !take_plain(c, text, len))
			return false;
		if (event == WEBSOCKET_PING && !c->finishing && client_queued(c) < CLIENT_QUEUE_MAX)
			client_send_control(c, WEBSOCKET_PONG, text, len);
		c->broken = event == WEBSOCKET_BROKEN;
		c->in_closed |= event == WEBSOCKET_BROKEN || event == WEBSOCKET_CLOSE;
		data += taken;
		n -= taken;
	}
	if (client_queued(c) > 0 && client_head_is_taken(c))
		client_flush(c);
	return c->in_closed ? deliver(c) : true;
}

static bool take_input(struct client *c, char *data, size_t n)
{
	return c->websocket ? take_frames(c, data, n) : take_plain(c, data, n);
}

/* Reads once; false where the client is no more. */
static bool read_input(struct client *c)
{
	ssize_t n = recv(c->watch.fd, c->all->memory, READ_SIZE, MSG_DONTWAIT);

	if (n > 0)
		return take_input(c, c->all->memory, (size_t) n);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	c->in_closed = true;
	return deliver(c);
}

static void on_ready(void *arg, uint32_t events)
{
	struct client *c = arg;

	if (events & (EPOLLHUP | EPOLLERR)) {
		c->hung_up = true;
		client_deafen(c);
	}
	if (events & EPOLLOUT && c->head_taken)
		client_flush(c);
	if (wants_input(c)) {
		if (events & ~(uint32_t) EPOLLOUT && !read_input(c))
			return;
	} else if (c->hung_up && c->owner->on_hangup) {
		enter(c);
		c->owner->on_hangup(c->arg);
		if (!leave(c))
			return;
	}
	client_settle(c);
}

void client_resume(struct client *c)
{
	if (!c->gone && deliver(c))
		client_settle(c);
}

/* The beginning ---------------------------------------- */

static int parse_framing(const char *s, enum framing *ret)
{
	if (!s || str_eq(s, "raw"))
		*ret = FRAMING_RAW;
	else if (str_eq(s, "multiplexed"))
		*ret = FRAMING_MULTIPLEXED;
	else if (str_eq(s, "websocket"))
		*ret = FRAMING_WEBSOCKET;
	else
		return -EINVAL;
	return 0;
}

/* What it has sent before it came here. */
static int parse_read(const char *text, struct buf *ret)
{
	autofree char *data = NULL;
	size_t n;

	if (!text)
		return 0;
	data = base64_decode(text, &n);
	if (!data)
		return -EINVAL;
	buf_add(ret, data, n);
	return 0;
}

static int map_memory(struct clients *cs, struct err *err)
{
	if (cs->memory)
		return 0;
	cs->memory =
		mmap(NULL, READ_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (cs->memory != MAP_FAILED)
		return 0;
	cs->memory = NULL;
	return err_sys(err, ENOMEM, "map memory");
}

/* The kernel gives the lowest number that is free. */
static bool is_among_the_last(int fd)
{
	struct rlimit files;

	return getrlimit(RLIMIT_NOFILE, &files) == 0 &&
	       (rlim_t) fd + DESCRIPTORS_KEPT >= files.rlim_cur;
}

int client_take(struct clients *cs, const struct message *m, const struct client_owner *owner,
		void *arg, struct client **ret, struct err *err)
{
	autobuf in = {0};
	enum framing framing;
	struct client *c;

	if (m->n_fds == 0 || m->fds[0] < 0)
		return err_set(err, ERR_INVALID, "no client came with it");
	if (parse_framing(kv_get(m->kv, "framing"), &framing) < 0)
		return err_set(err, ERR_INVALID, "unknown framing");
	if (parse_read(kv_get(m->kv, "read"), &in) < 0)
		return err_set(err, ERR_INVALID, "read is not base64");
	if (is_among_the_last(m->fds[0]))
		return err_set(err, ERR_CONFLICT, "it has no descriptor left for more clients");
	if (map_memory(cs, err) < 0)
		return -1;
	c = xnew(struct client);
	*c = (struct client){
		.all = cs,
		.next = cs->first,
		.watch = {.fd = take_fd(m->fds[0]), .fn = on_ready, .arg = c},
		.owner = owner,
		.arg = arg,
		.queue_max = CLIENT_QUEUE_MAX,
		.framing = framing,
		.chunked = kv_int(m->kv, "chunked", 0) != 0,
		.head = xstrdup(kv_get(m->kv, "head")),
		.in = in,
		.stall = {.fn = client_on_stall, .arg = c},
		.head_timer = {.fn = client_on_head_timer, .arg = c},
	};
	in = (struct buf){0};
	if (framing == FRAMING_WEBSOCKET)
		c->websocket = xnew(struct websocket);
	cs->first = c;
	cs->n++;
	*ret = c;
	return 0;
}

void client_begin(struct client *c)
{
	autofree char *head = take(c->head);
	autobuf early = {0};
	struct iovec part = {.iov_base = head, .iov_len = head ? strlen(head) : 0};

	if (part.iov_len > 0)
		client_send_parts(c, &part, 1);
	/* Where it is queued, the socket being full of former answers, it goes with the rest. */
	c->head_taken = client_queued(c) > 0 || part.iov_len == 0;
	early = c->in;
	c->in = (struct buf){0};
	if (early.len == 0 || take_input(c, early.text, early.len))
		client_settle(c);
}
