/* See client.h. */
#include "shim/client.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "shim/websocket.h"

#define READ_SIZE (64 * 1024)

/* A client proves to be a reader by this much. */
#define READER_BYTES	(1024 * 1024)
#define STALL_NS	(1 * NSEC_PER_SEC)
#define READER_STALL_NS (10 * NSEC_PER_SEC)

/* What comes in the same segment as the head is lost to some clients (docker-py). */
#define HEAD_POLL_NS (1 * NSEC_PER_MSEC)
#define HEAD_POLLS   50

/* What is about to come; large enough to be mapped by itself, and so given back without a rest. */
#define CORK_ROOM (160 * 1024)

enum framing { FRAMING_RAW, FRAMING_MULTIPLEXED, FRAMING_WEBSOCKET };

struct client {
	struct clients *all;
	struct client *next;
	struct watch watch;
	uint32_t watched; /* for what; 0: not at all */
	const struct client_owner *owner;
	void *arg;
	enum framing framing;
	bool chunked;
	char *head; /* NULL once it is sent */

	struct buf out;
	size_t out_at;	/* of it this much is written */
	uint64_t total; /* bytes it has taken */
	struct timer stall;
	int was_unread; /* when that was set */
	struct timer head_timer;
	unsigned head_polls;
	bool head_taken; /* it has read the head, as far as we can wait for that */

	struct buf in;		     /* read, out of its frames, and not yet the owner's */
	struct websocket *websocket; /* the reader of that framing, else NULL */
	bool broken;		     /* what it sends is not what it should be */
	bool in_closed, in_ended;    /* it sends no more; the owner knows */
	bool deaf;		     /* it reads no more; what it sends may be of use yet */
	bool hung_up;		     /* it has closed the whole connection */
	bool full;
	bool corked; /* more is about to come: all of it is written at once */
	bool may_be_slow;
	size_t queue_max;
	bool finishing, enlarged;
	unsigned calling; /* into the owner: not to be freed now */
	bool gone;
};

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
static void end(struct client *c, bool tell)
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
	end(c, false);
}

/* Bytes that the kernel holds for it, of ours; 0 where it cannot tell. */
static int unread(const struct client *c)
{
	int n = 0;

	return ioctl(c->watch.fd, SIOCOUTQ, &n) < 0 ? 0 : n;
}

static void limit_patience(struct client *c, bool progress);

static void on_stall(void *arg)
{
	struct client *c = arg;

	/* The socket is writable only when most has been read: one that reads slowly is a reader.
	 */
	if (unread(c) < c->was_unread) {
		limit_patience(c, true);
		return;
	}
	log_warn("a client that does not read is cut off, with %zu bytes for it",
		 c->out.len - c->out_at);
	end(c, true);
}

/* Watching ---------------------------------------- */

static bool wants_input(const struct client *c)
{
	return !c->in_closed && c->in.len == 0;
}

/* A connection that is closed altogether is told again and again: where nobody reads it for the
 * while, it is not watched. */
static void watch(struct client *c)
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

/* Out ---------------------------------------- */

static size_t queued(const struct client *c)
{
	return c->out.len - c->out_at;
}

/* Time runs only for one that others wait for, from its last progress on. */
static void limit_patience(struct client *c, bool progress)
{
	if (!c->finishing && (!c->full || c->may_be_slow))
		loop_timer_cancel(c->all->loop, &c->stall);
	else if (progress || c->stall.due_ns == 0) {
		c->was_unread = unread(c);
		loop_timer(c->all->loop, &c->stall,
			   c->total >= READER_BYTES ? READER_STALL_NS : STALL_NS);
	}
}

static void deafen(struct client *c)
{
	buf_free(&c->out);
	c->out_at = 0;
	c->deaf = true;
}

/* What is queued becomes the kernel's, who keeps it for the reader when we have closed. */
static void enlarge_socket(struct client *c)
{
	int size = (int) (2 * queued(c) + 64 * 1024);

	c->enlarged = true;
	if (setsockopt(c->watch.fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) < 0)
		(void) setsockopt(c->watch.fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
}

/* Writes of the queue what the socket takes. */
static void flush(struct client *c)
{
	uint64_t before = c->total;

	if (c->finishing && !c->enlarged && queued(c) > 0)
		enlarge_socket(c);
	while (queued(c) > 0) {
		ssize_t n = send(c->watch.fd, c->out.text + c->out_at, queued(c),
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			deafen(c);
		if (n < 0)
			break;
		c->out_at += (size_t) n;
		c->total += (uint64_t) n;
	}
	if (queued(c) == 0) {
		buf_free(&c->out);
		c->out_at = 0;
	} else if (c->out_at >= c->out.len / 2) {
		buf_consume(&c->out, c->out_at);
		c->out_at = 0;
	}
	limit_patience(c, c->total > before);
}

/* It neither reads nor sends, and the owner has what it has sent. */
static bool is_used_up(const struct client *c)
{
	return (c->deaf || c->hung_up) && c->in_ended && c->in.len == 0;
}

/* Tells the owner, where a queue that was full is not any more; and ends who is served to the end.
 * The last thing that a function does. */
static void settle(struct client *c)
{
	if (queued(c) == 0 && (c->finishing || is_used_up(c))) {
		end(c, true);
		return;
	}
	watch(c);
	if (!c->full || queued(c) > c->queue_max / 2)
		return;
	c->full = false;
	limit_patience(c, false);
	if (c->owner->on_room)
		c->owner->on_room(c->arg);
}

static void on_head_timer(void *arg)
{
	struct client *c = arg;

	c->head_taken = c->deaf || ++c->head_polls >= HEAD_POLLS || unread(c) == 0;
	if (!c->head_taken) {
		loop_timer(c->all->loop, &c->head_timer, HEAD_POLL_NS);
		return;
	}
	flush(c);
	settle(c);
}

/* May more follow the head by now? Asked only when there is more. */
static bool head_is_taken(struct client *c)
{
	if (c->head_taken)
		return true;
	if (c->head_timer.due_ns)
		return false;
	c->head_taken = unread(c) == 0;
	if (!c->head_taken)
		loop_timer(c->all->loop, &c->head_timer, HEAD_POLL_NS);
	return c->head_taken;
}

#define FRAME_MAX 32

/* What stands before n bytes. */
static size_t frame_head(const struct client *c, unsigned stream, size_t n, char ret[FRAME_MAX])
{
	size_t docker = c->framing == FRAMING_MULTIPLEXED ? 8 : 0, len = 0;

	if (c->framing == FRAMING_WEBSOCKET)
		return websocket_head(WEBSOCKET_BYTES, n, ret);
	if (c->chunked)
		len = (size_t) snprintf(ret, FRAME_MAX, "%zx\r\n", n + docker);
	if (docker) {
		const char head[8] = {
			(char) stream,	 0,	  0, 0, (char) (n >> 24), (char) (n >> 16),
			(char) (n >> 8), (char) n};

		memcpy(ret + len, head, sizeof head);
		len += sizeof head;
	}
	return len;
}

/* Writes at once what the socket takes of the parts, and queues the rest. */
static void send_parts(struct client *c, struct iovec *parts, int n_parts)
{
	struct msghdr m = {.msg_iov = parts, .msg_iovlen = (size_t) n_parts};
	ssize_t n = -1;

	errno = EAGAIN;
	if (c->out.len == 0 && !c->corked)
		n = sendmsg(c->watch.fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		deafen(c);
		return;
	}
	if (n > 0)
		c->total += (uint64_t) n;
	for (int i = 0; i < n_parts; i++) {
		size_t done = n > 0 ? (size_t) n : 0;

		if (done > parts[i].iov_len)
			done = parts[i].iov_len;
		n -= (ssize_t) done;
		buf_add(&c->out, (char *) parts[i].iov_base + done, parts[i].iov_len - done);
	}
}

void client_send(struct client *c, unsigned stream, const char *data, size_t n)
{
	char head[FRAME_MAX];
	struct iovec parts[3] = {
		{.iov_base = head},
		{.iov_base = (void *) (uintptr_t) data, .iov_len = n},
		{.iov_base = (void *) (uintptr_t) "\r\n", .iov_len = c->chunked ? 2 : 0},
	};

	if (c->gone || c->deaf || c->finishing || n == 0)
		return;
	parts[0].iov_len = frame_head(c, stream, n, head);
	if (head_is_taken(c))
		send_parts(c, parts, ARRAY_SIZE(parts));
	else
		for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
			buf_add(&c->out, parts[i].iov_base, parts[i].iov_len);
	if (queued(c) >= c->queue_max && !c->full) {
		c->full = true;
		limit_patience(c, false);
	}
	watch(c);
}

void client_cork(struct client *c)
{
	c->corked = true;
	(void) buf_reserve(&c->out, CORK_ROOM);
}

void client_uncork(struct client *c)
{
	c->corked = false;
	if (c->gone)
		return;
	if (queued(c) > 0 && head_is_taken(c))
		flush(c);
	if (c->full && queued(c) <= c->queue_max / 2) {
		c->full = false;
		limit_patience(c, false);
	}
	watch(c);
}

void client_allow_slow(struct client *c, size_t queue_max)
{
	c->may_be_slow = true;
	c->queue_max = queue_max;
}

void client_expect_fast(struct client *c)
{
	c->may_be_slow = false;
	c->queue_max = CLIENT_QUEUE_MAX;
}

bool client_is_full(const struct client *c)
{
	return c->full;
}

/* Behind what is queued; few bytes. */
static void send_control(struct client *c, enum websocket_opcode opcode, const char *text, size_t n)
{
	char head[WEBSOCKET_HEAD_MAX];

	buf_add(&c->out, head, websocket_head(opcode, n, head));
	buf_add(&c->out, text, n);
}

void client_finish(struct client *c)
{
	if (c->gone || c->finishing)
		return;
	if (c->chunked && !c->deaf)
		buf_adds(&c->out, "0\r\n\r\n");
	if (c->framing == FRAMING_WEBSOCKET && !c->deaf)
		send_control(c, WEBSOCKET_END, c->broken ? "\x03\xea" : "\x03\xe8", 2);
	c->finishing = true;
	buf_free(&c->in);
	if (queued(c) > 0 && head_is_taken(c))
		flush(c);
	limit_patience(c, false);
	settle(c);
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
		if (event == WEBSOCKET_PING && !c->finishing && queued(c) < CLIENT_QUEUE_MAX)
			send_control(c, WEBSOCKET_PONG, text, len);
		c->broken = event == WEBSOCKET_BROKEN;
		c->in_closed |= event == WEBSOCKET_BROKEN || event == WEBSOCKET_CLOSE;
		data += taken;
		n -= taken;
	}
	if (queued(c) > 0 && head_is_taken(c))
		flush(c);
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
		deafen(c);
	}
	if (events & EPOLLOUT && c->head_taken)
		flush(c);
	if (wants_input(c)) {
		if (events & ~(uint32_t) EPOLLOUT && !read_input(c))
			return;
	} else if (c->hung_up && c->owner->on_hangup) {
		enter(c);
		c->owner->on_hangup(c->arg);
		if (!leave(c))
			return;
	}
	settle(c);
}

void client_resume(struct client *c)
{
	if (!c->gone && deliver(c))
		settle(c);
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
		.stall = {.fn = on_stall, .arg = c},
		.head_timer = {.fn = on_head_timer, .arg = c},
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
		send_parts(c, &part, 1);
	c->head_taken = part.iov_len == 0;
	early = c->in;
	c->in = (struct buf){0};
	if (early.len == 0 || take_input(c, early.text, early.len))
		settle(c);
}
