/*
 * What is on its way to a client: framed, written as far as its socket takes it, else queued; not
 * before it has read the head of its response, and not for ever.
 */
#include <errno.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "shim/client_private.h"

/* A client proves to be a reader by this much. */
#define READER_BYTES	(1024 * 1024)
#define STALL_NS	(1 * NSEC_PER_SEC)
#define READER_STALL_NS (10 * NSEC_PER_SEC)

/* What comes in the same segment as the head is lost to some clients (docker-py), and on a host with
 * much to do they may be kept from reading it: most of a second in all. */
#define HEAD_POLL_NS	  (1 * NSEC_PER_MSEC)
#define HEAD_POLLS	  50
#define HEAD_SLOW_POLL_NS (10 * NSEC_PER_MSEC)
#define HEAD_SLOW_POLLS	  80

/* What is about to come; large enough to be mapped by itself, and so given back without a rest. */
#define CORK_ROOM (160 * 1024)

#define FRAME_MAX 32

/* Bytes that the kernel holds for it, of ours; 0 where it cannot tell. */
static int unread(const struct client *c)
{
	int n = 0;

	return ioctl(c->watch.fd, SIOCOUTQ, &n) < 0 ? 0 : n;
}

void client_on_stall(void *arg)
{
	struct client *c = arg;

	/* Not even the head; it is not waited for longer than anything else. */
	if (!c->head_taken) {
		c->head_taken = true;
		loop_timer_cancel(c->all->loop, &c->head_timer);
		client_flush(c);
		client_settle(c);
		return;
	}
	/* The socket is writable only when most has been read: one that reads slowly is a reader.
	 */
	if (unread(c) < c->was_unread) {
		client_limit_patience(c, true);
		return;
	}
	log_warn("a client that does not read is cut off, with %zu bytes for it",
		 c->out.len - c->out_at);
	client_end(c, true);
}

size_t client_queued(const struct client *c)
{
	return c->out.len - c->out_at;
}

/* Time runs only for one that others wait for, from its last progress on. */
void client_limit_patience(struct client *c, bool progress)
{
	if (!c->finishing && (!c->full || c->may_be_slow))
		loop_timer_cancel(c->all->loop, &c->stall);
	else if (progress || c->stall.due_ns == 0) {
		c->was_unread = unread(c);
		loop_timer(c->all->loop, &c->stall,
			   c->total >= READER_BYTES ? READER_STALL_NS : STALL_NS);
	}
}

void client_deafen(struct client *c)
{
	buf_free(&c->out);
	c->out_at = 0;
	c->deaf = true;
}

/* What is queued becomes the kernel's, who keeps it for the reader when we have closed; beside what
 * it has of ours already. */
static void enlarge_socket(struct client *c)
{
	int size = unread(c) + (int) (2 * client_queued(c) + 64 * 1024);

	c->enlarged = true;
	if (setsockopt(c->watch.fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) < 0)
		(void) setsockopt(c->watch.fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
}

/* Writes of the queue what the socket takes. */
void client_flush(struct client *c)
{
	uint64_t before = c->total;

	if (c->finishing && !c->enlarged && client_queued(c) > 0)
		enlarge_socket(c);
	while (client_queued(c) > 0) {
		ssize_t n = send(c->watch.fd, c->out.text + c->out_at, client_queued(c),
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			client_deafen(c);
		if (n < 0)
			break;
		c->out_at += (size_t) n;
		c->total += (uint64_t) n;
	}
	if (client_queued(c) == 0) {
		buf_free(&c->out);
		c->out_at = 0;
	} else if (c->out_at >= c->out.len / 2) {
		buf_consume(&c->out, c->out_at);
		c->out_at = 0;
	}
	client_limit_patience(c, c->total > before);
}

void client_on_head_timer(void *arg)
{
	struct client *c = arg;

	c->head_taken =
		c->deaf || ++c->head_polls >= HEAD_POLLS + HEAD_SLOW_POLLS || unread(c) == 0;
	if (!c->head_taken) {
		loop_timer(c->all->loop, &c->head_timer,
			   c->head_polls < HEAD_POLLS ? HEAD_POLL_NS : HEAD_SLOW_POLL_NS);
		return;
	}
	client_flush(c);
	client_settle(c);
}

/* May more follow the head by now? Asked only when there is more. */
bool client_head_is_taken(struct client *c)
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
void client_send_parts(struct client *c, struct iovec *parts, int n_parts)
{
	struct msghdr m = {.msg_iov = parts, .msg_iovlen = (size_t) n_parts};
	ssize_t n = -1;

	errno = EAGAIN;
	if (c->out.len == 0 && !c->corked)
		n = sendmsg(c->watch.fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		client_deafen(c);
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
	if (client_head_is_taken(c))
		client_send_parts(c, parts, ARRAY_SIZE(parts));
	else
		for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
			buf_add(&c->out, parts[i].iov_base, parts[i].iov_len);
	if (client_queued(c) >= c->queue_max && !c->full) {
		c->full = true;
		client_limit_patience(c, false);
	}
	client_watch(c);
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
	if (client_queued(c) > 0 && client_head_is_taken(c))
		client_flush(c);
	if (c->full && client_queued(c) <= c->queue_max / 2) {
		c->full = false;
		client_limit_patience(c, false);
	}
	client_watch(c);
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
	/* What was full for the slow is not for the fast; where it is, his time begins. */
	c->full = client_queued(c) >= c->queue_max;
	client_limit_patience(c, false);
}

bool client_is_full(const struct client *c)
{
	return c->full;
}

/* Behind what is queued; few bytes. */
void client_send_control(struct client *c, enum websocket_opcode opcode, const char *text, size_t n)
{
	char head[WEBSOCKET_HEAD_MAX];

	buf_add(&c->out, head, websocket_head(opcode, n, head));
	buf_add(&c->out, text, n);
}
