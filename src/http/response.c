/*
 * The answer to a request, by the worker that serves it, or the connection handed over to who
 * answers in our place: blocking code on a non-blocking socket. Every response leaves in one
 * sendmsg(2) where the socket takes it.
 */
#include "http/conn.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

/* So much goes into a socket in one call whose client has read all before. */
#define AT_ONCE_MAX (64 * 1024)

int conn_send_all(struct conn *c, struct iovec *iov, int n)
{
	for (;;) {
		struct msghdr m = {.msg_iov = iov, .msg_iovlen = n};
		ssize_t r = c->slot >= 0 ? shelf_send(c->shelf, c->slot, c->fd, iov, n)
					 : sendmsg(c->fd, &m, MSG_NOSIGNAL);

		if (r < 0) {
			struct pollfd p = {.fd = c->fd, .events = POLLOUT};
			int why = errno; /* committing has errors of its own */

			if (why == EINTR)
				continue;
			conn_commit(c);
			if (why != EAGAIN)
				return -why;
			(void) poll(&p, 1, -1);
			continue;
		}
		while (n && (size_t) r >= iov->iov_len) {
			r -= iov->iov_len;
			iov++;
			n--;
		}
		if (!n)
			return 0;
		conn_commit(c);
		iov->iov_base = (char *) iov->iov_base + r;
		iov->iov_len -= r;
	}
}

/* The answer that follows is to be found as sent or as not sent, should the process end in it. */
static void begin_answer(struct conn *c, size_t answer_len)
{
	if (c->slot >= 0)
		shelf_begin_answer(c->shelf, c->slot, c->peeked, answer_len);
	else
		c->slot = shelf_put(c->shelf, c->fd, answer_len);
}

/* It is out: now its request may go. */
static void end_answer(struct conn *c)
{
	char junk[READ_SIZE];

	if (c->slot < 0 || !c->peeked)
		return;
	if (!shelf_take_request(c->shelf, c->slot, c->fd, junk, c->peeked))
		conn_commit(c);
	c->peeked = 0;
}

/* Sends an answer of known length. */
static void send_whole(struct http_request *rq, struct iovec *iov, int n)
{
	struct conn *c = rq->conn;
	size_t total = 0;

	for (int i = 0; i < n; i++)
		total += iov[i].iov_len;
	if (rq->body_done && !c->in.len && total <= AT_ONCE_MAX)
		begin_answer(c, total);
	else
		conn_commit(c);
	if (conn_send_all(c, iov, n) < 0)
		rq->broken = true;
	end_answer(c);
}

bool http_begun(const struct http_request *rq)
{
	return rq->begun;
}

static const char *reason(int status)
{
	static const struct {
		int status;
		const char *text;
	} reasons[] = {
		{101, "UPGRADED"}, /* docker's own words */
		{200, "OK"},
		{201, "Created"},
		{204, "No Content"},
		{304, "Not Modified"},
		{400, "Bad Request"},
		{401, "Unauthorized"},
		{403, "Forbidden"},
		{404, "Not Found"},
		{405, "Method Not Allowed"},
		{408, "Request Timeout"},
		{409, "Conflict"},
		{413, "Content Too Large"},
		{414, "URI Too Long"},
		{417, "Expectation Failed"},
		{431, "Request Header Fields Too Large"},
		{500, "Internal Server Error"},
		{501, "Not Implemented"},
		{503, "Service Unavailable"},
		{505, "HTTP Version Not Supported"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++) {
		if (reasons[i].status == status)
			return reasons[i].text;
	}
	return "Unknown";
}

static void add_head(struct buf *b, int status, const char *content_type)
{
	time_t now = time(NULL);
	char date[40];
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
	buf_addf(b, "HTTP/1.1 %d %s\r\nDate: %s\r\n", status, reason(status), date);
	if (content_type)
		buf_addf(b, "Content-Type: %s\r\n", content_type);
}

void http_set_header(struct http_request *rq, const char *name, const char *value)
{
	if (strpbrk(value, "\r\n"))
		return;
	buf_addf(&rq->out_headers, "%s: %s\r\n", name, value);
}

static void begin_head(struct http_request *rq, struct buf *b, int status, const char *content_type)
{
	rq->begun = true;
	rq->no_body = status == 204 || status == 304 || strcmp(rq->head.method, "HEAD") == 0;
	/* What a client that waits for 100 Continue does without one is its own choice: nothing can
	 * follow. A refused upgrade is an answer like others; docker's CLI takes it for a success
	 * where it says "close". */
	if (rq->must_continue)
		rq->keep_alive = false;
	add_head(b, status, content_type);
	if (rq->out_headers.len)
		buf_add(b, rq->out_headers.text, rq->out_headers.len);
}

static void end_head(struct http_request *rq, struct buf *b)
{
	if (!rq->keep_alive)
		buf_adds(b, "Connection: close\r\n");
	else if (rq->head.parser.http_minor == 0)
		buf_adds(b, "Connection: keep-alive\r\n");
	buf_adds(b, "\r\n");
}

void http_respond(struct http_request *rq, int status, const char *content_type, const void *body,
		  size_t n)
{
	autobuf b = {0};
	struct iovec iov[2];

	if (rq->begun) {
		http_abort(rq);
		return;
	}
	begin_head(rq, &b, status, content_type);
	if (status != 204 && status != 304)
		buf_addf(&b, "Content-Length: %zu\r\n", n);
	end_head(rq, &b);

	iov[0] = (struct iovec){.iov_base = b.text, .iov_len = b.len};
	iov[1] = (struct iovec){.iov_base = (void *) body, .iov_len = rq->no_body ? 0 : n};
	send_whole(rq, iov, iov[1].iov_len ? 2 : 1);
}

void http_begin(struct http_request *rq, int status, const char *content_type)
{
	autobuf b = {0};
	struct iovec iov;

	if (rq->begun)
		return;
	conn_commit(rq->conn);
	rq->chunked = rq->head.parser.http_minor >= 1;
	if (!rq->chunked)
		rq->keep_alive = false;
	begin_head(rq, &b, status, content_type);
	if (rq->chunked && status != 204 && status != 304)
		buf_adds(&b, "Transfer-Encoding: chunked\r\n");
	end_head(rq, &b);

	iov = (struct iovec){.iov_base = b.text, .iov_len = b.len};
	if (conn_send_all(rq->conn, &iov, 1) < 0)
		rq->broken = true;
	if (rq->no_body)
		rq->chunked = false;
}

int http_write(struct http_request *rq, const void *data, size_t n)
{
	struct iovec iov[3];
	char size[24];
	int r;

	if (rq->broken)
		return -EPIPE;
	if (rq->no_body || n == 0)
		return 0;
	iov[0].iov_base = size;
	iov[0].iov_len = rq->chunked ? snprintf(size, sizeof size, "%zx\r\n", n) : 0;
	iov[1] = (struct iovec){.iov_base = (void *) data, .iov_len = n};
	iov[2] = (struct iovec){.iov_base = (void *) "\r\n", .iov_len = rq->chunked ? 2 : 0};
	r = rq->chunked ? conn_send_all(rq->conn, iov, 3) : conn_send_all(rq->conn, iov + 1, 1);
	if (r < 0)
		rq->broken = true;
	return r;
}

bool http_hand_over_head(struct http_request *rq, int status, const char *content_type,
			 enum http_handed what, const char *headers, struct buf *ret)
{
	bool chunked = what == HTTP_CHUNKED && rq->head.parser.http_minor >= 1;

	add_head(ret, status, content_type);
	if (rq->out_headers.len)
		buf_add(ret, rq->out_headers.text, rq->out_headers.len);
	if (headers)
		buf_adds(ret, headers);
	if (chunked)
		buf_adds(ret, "Transfer-Encoding: chunked\r\n");
	if (what == HTTP_CHUNKED)
		buf_adds(ret, "Connection: close\r\n");
	buf_adds(ret, "\r\n");
	return chunked;
}

void http_unread(const struct http_request *rq, const char **ret, size_t *ret_n)
{
	*ret = rq->conn->in.text;
	*ret_n = rq->conn->in.len;
}

void http_hand_over_begin(struct http_request *rq)
{
	conn_commit(rq->conn);
	conn_set_handing(rq->conn, true);
}

void http_hand_over_end(struct http_request *rq, bool done)
{
	rq->handed = done;
	if (!done)
		conn_set_handing(rq->conn, false);
}

void http_abort(struct http_request *rq)
{
	rq->broken = true;
}

void response_finish(struct http_request *rq)
{
	struct iovec last = {.iov_base = (void *) "0\r\n\r\n", .iov_len = 5};

	if (!rq->begun)
		http_respond(rq, 500, "text/plain; charset=utf-8", "no answer\n", 10);
	if (rq->chunked && !rq->broken && conn_send_all(rq->conn, &last, 1) < 0)
		rq->broken = true;
}

void conn_refuse(struct conn *c, int status, const char *why)
{
	autobuf b = {0};

	conn_commit(c);
	add_head(&b, status, "text/plain; charset=utf-8");
	buf_addf(&b, "Content-Length: %zu\r\nConnection: close\r\n\r\n%s\n", strlen(why) + 1, why);
	(void) send(c->fd, b.text, b.len, MSG_NOSIGNAL);
	(void) shutdown(c->fd, SHUT_WR);
}
