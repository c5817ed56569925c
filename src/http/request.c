/*
 * A request being served, on a worker: its body coming in and its response going out, in blocking
 * code on a non-blocking socket. Every response leaves in one sendmsg(2) where the socket takes it.
 */
#include "http/conn.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

#include "base/time.h"

/* A body that does not come on for so long is given up. A `docker load` from a slow pipe may stall
 * for long; a body that is wanted whole may not. */
#define BODY_STALL_MS	  (10 * 60 * 1000)
#define BODY_ALL_STALL_MS (30 * 1000)
/* What is read and thrown away of a body that the handler did not want, to keep the connection. */
#define DRAIN_MAX (256 * 1024)
#define DRAIN_MS  500
/* So much goes into a socket in one call whose client has read all before. */
#define AT_ONCE_MAX (64 * 1024)

const char *http_method(const struct http_request *rq)
{
	return rq->head.method;
}

const char *http_path(const struct http_request *rq)
{
	return rq->head.path;
}

const char *http_query_nth(const struct http_request *rq, const char *name, unsigned i)
{
	for (unsigned k = 0; k < rq->head.n_query; k++) {
		if (strcmp(rq->head.query[k].name, name) == 0 && i-- == 0)
			return rq->head.query[k].value;
	}
	return NULL;
}

const char *http_query(const struct http_request *rq, const char *name)
{
	return http_query_nth(rq, name, 0);
}

const char *http_header(const struct http_request *rq, const char *name)
{
	for (unsigned i = 0; i < rq->head.n_headers; i++) {
		if (strcasecmp(rq->head.headers[i].name, name) == 0)
			return rq->head.headers[i].value;
	}
	return NULL;
}

int http_fd(const struct http_request *rq)
{
	return rq->conn->fd;
}

bool http_begun(const struct http_request *rq)
{
	return rq->begun;
}

/* Out ---------------------------------------- */

static void take_out_of_socket(struct conn *c)
{
	char junk[4096];

	while (c->peeked) {
		ssize_t r = recv(c->fd, junk, c->peeked < sizeof junk ? c->peeked : sizeof junk, 0);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			break;
		c->peeked -= (size_t) r;
	}
	c->peeked = 0;
}

void conn_commit(struct conn *c)
{
	/* In this order: on the shelf with nothing to read it would be an idle one. */
	shelf_drop(c->shelf, c->slot);
	c->slot = -1;
	take_out_of_socket(c);
}

/* Sends all, waiting for a slow client as long as it is there. An answer that does not go out in
 * one call is the business of this process only. */
static int send_all(struct conn *c, struct iovec *iov, int n)
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
	if (send_all(c, iov, n) < 0)
		rq->broken = true;
	end_answer(c);
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
	if (send_all(rq->conn, &iov, 1) < 0)
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
	r = rq->chunked ? send_all(rq->conn, iov, 3) : send_all(rq->conn, iov + 1, 1);
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

static void finish_response(struct http_request *rq)
{
	struct iovec last = {.iov_base = (void *) "0\r\n\r\n", .iov_len = 5};

	if (!rq->begun)
		http_respond(rq, 500, "text/plain; charset=utf-8", "no answer\n", 10);
	if (rq->chunked && !rq->broken && send_all(rq->conn, &last, 1) < 0)
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

/* In ---------------------------------------- */

static int on_body(http_parser *p, const char *at, size_t n)
{
	struct http_request *rq = p->data;

	memmove(rq->out + rq->out_len, at,
		n); /* downwards within the same buffer: over the framing */
	rq->out_len += n;
	return 0;
}

static int on_message_complete(http_parser *p)
{
	struct http_request *rq = p->data;

	rq->body_done = true;
	http_parser_pause(p, 1);
	return 0;
}

/* Reads raw bytes: those that came with the head first. */
static ssize_t read_raw(struct http_request *rq, void *data, size_t n, int64_t deadline_ns)
{
	struct conn *c = rq->conn;

	if (c->in.len) {
		if (n > c->in.len)
			n = c->in.len;
		memcpy(data, c->in.text, n);
		buf_consume(&c->in, n);
		return n;
	}
	for (;;) {
		ssize_t r = recv(c->fd, data, n, 0);
		struct pollfd p = {.fd = c->fd, .events = POLLIN};
		int64_t left_ms;

		if (r > 0)
			return r;
		if (r == 0)
			return -ECONNRESET;
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -errno;
		left_ms = (deadline_ns - monotonic_ns() + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC;
		if (left_ms <= 0)
			return -ETIMEDOUT;
		(void) poll(&p, 1, (int) left_ms);
	}
}

/* As http_read(), until the deadline. The parser takes the framing out in place: what it yields is
 * never longer than what it read, so that no buffer is needed between; bytes behind the message are
 * the next request's. */
static ssize_t read_body(struct http_request *rq, void *data, size_t n, int64_t deadline_ns)
{
	static const http_parser_settings settings = {
		.on_body = on_body,
		.on_message_complete = on_message_complete,
	};

	if (n == 0 || rq->body_done)
		return 0;
	if (rq->must_continue) {
		struct iovec iov = {.iov_base = (void *) "HTTP/1.1 100 Continue\r\n\r\n",
				    .iov_len = 25};

		rq->must_continue = false;
		if (!rq->conn->in.len && !rq->begun && send_all(rq->conn, &iov, 1) < 0)
			rq->broken = true;
	}

	rq->out = data;
	rq->out_len = 0;
	rq->head.parser.data = rq;
	while (!rq->out_len && !rq->body_done) {
		ssize_t r = read_raw(rq, data, n, deadline_ns);
		size_t used;

		if (r < 0) {
			rq->broken = rq->broken || r != -ETIMEDOUT;
			rq->keep_alive = false;
			return r;
		}
		used = http_parser_execute(&rq->head.parser, &settings, data, r);
		if (rq->body_done) {
			/* At the front: they came before whatever else is there. */
			if (used < (size_t) r) {
				struct buf rest = {0};

				buf_add(&rest, (char *) data + used, r - used);
				if (rq->conn->in.len)
					buf_add(&rest, rq->conn->in.text, rq->conn->in.len);
				buf_free(&rq->conn->in);
				rq->conn->in = rest;
			}
		} else if (used != (size_t) r || HTTP_PARSER_ERRNO(&rq->head.parser) != HPE_OK) {
			rq->keep_alive = false;
			return -EPROTO;
		}
	}
	return rq->out_len;
}

ssize_t http_read(struct http_request *rq, void *data, size_t n)
{
	return read_body(rq, data, n, monotonic_ns() + BODY_STALL_MS * NSEC_PER_MSEC);
}

int http_read_all(struct http_request *rq, size_t max, char **ret, size_t *ret_len, struct err *err)
{
	int64_t deadline = monotonic_ns() + BODY_ALL_STALL_MS * NSEC_PER_MSEC;
	uint64_t length = rq->head.parser.content_length;
	autobuf b = {0};

	if (!rq->body_done && length != UINT64_MAX && length > max)
		return err_set(err, ERR_TOO_LARGE, "request body too large");
	while (!rq->body_done) {
		ssize_t r = read_body(rq, buf_reserve(&b, 4096), 4096, deadline);

		if (r == -EPROTO)
			return err_set(err, ERR_INVALID, "malformed request body");
		if (r < 0)
			return err_sys(err, (int) -r, "read request body");
		b.len += r;
		if (b.len > max)
			return err_set(err, ERR_TOO_LARGE, "request body too large");
	}
	if (ret_len)
		*ret_len = b.len;
	buf_addc(&b, '\0');
	*ret = buf_take(&b);
	return 0;
}

/* Throws away what the handler left of the body: all of it if that is little and comes at once. */
static void drain(struct http_request *rq)
{
	int64_t deadline = monotonic_ns() + DRAIN_MS * NSEC_PER_MSEC;
	size_t total = 0;
	char junk[4096];

	while (!rq->body_done && total < DRAIN_MAX) {
		ssize_t r = read_body(rq, junk, sizeof junk, deadline);

		if (r < 0)
			return;
		total += r;
	}
}

/* The client may still be writing. Closing now would break its pipe before it reads the answer, so
 * say that no more is coming and listen for a moment. */
static void linger(struct http_request *rq)
{
	int64_t deadline = monotonic_ns() + DRAIN_MS * NSEC_PER_MSEC;
	char junk[4096];

	(void) shutdown(rq->conn->fd, SHUT_WR);
	while (monotonic_ns() < deadline && read_raw(rq, junk, sizeof junk, deadline) > 0)
		;
}

/* May be served twice: by a process that is killed in it, and by the next. */
static bool is_repeatable(const char *method)
{
	return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
}

void http_serve_next(struct http_request *rq, const char *text)
{
	rq->next = xstrdup(text);
}

/* The other request first, then what has come behind this one. */
static void serve_in_place(struct http_request *rq)
{
	struct conn *c = rq->conn;
	struct buf in = {0};

	conn_commit(c);
	buf_adds(&in, rq->next);
	if (c->in.len)
		buf_add(&in, c->in.text, c->in.len);
	buf_free(&c->in);
	c->in = in;
	free(take(rq->next));
}

/* Says whether another request may follow. */
static bool end_response(struct http_request *rq)
{
	finish_response(rq);
	if (!rq->body_done && rq->keep_alive && !rq->broken)
		drain(rq);
	if (!rq->broken && !rq->body_done)
		linger(rq);
	return rq->keep_alive && !rq->broken && rq->body_done;
}

bool request_serve(struct conn *c, size_t head_len, http_handler *fn, void *arg,
		   const bool *closing)
{
	struct http_request rq = {.conn = c};
	const char *why = "bad request";
	bool again = false;
	int status;

	status = head_parse(&rq.head, c->in.text + c->scan.start, head_len - c->scan.start, &why);
	buf_consume(&c->in, head_len);
	if (!c->in.len)
		buf_free(&c->in);
	c->scan = (struct head_scan){0};
	if (status) {
		conn_refuse(c, status, why);
		head_free(&rq.head);
		return false;
	}

	rq.body_done = rq.head.complete;
	rq.must_continue = rq.head.expect_continue && !rq.body_done;
	rq.keep_alive = http_should_keep_alive(&rq.head.parser) &&
			!__atomic_load_n(closing, __ATOMIC_ACQUIRE);
	if (!rq.body_done || !is_repeatable(rq.head.method))
		conn_commit(c);
	fn(arg, &rq);
	if (rq.next) {
		serve_in_place(&rq);
		again = true;
	} else if (!rq.handed) {
		again = end_response(&rq);
	}
	buf_free(&rq.out_headers);
	head_free(&rq.head);
	return again;
}
