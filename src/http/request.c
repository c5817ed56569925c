/*
 * A request being served, on a worker: what is asked, its body coming in, and its end, in blocking
 * code on a non-blocking socket. Its answer: response.c.
 */
#include "http/conn.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/time.h"

/* A body that does not come on for so long is given up. A `docker load` from a slow pipe may stall
 * for long; a body that is wanted whole may not. */
#define BODY_STALL_MS	  (10 * 60 * 1000)
#define BODY_ALL_STALL_MS (30 * 1000)
/* What is read and thrown away of a body that the handler did not want, to keep the connection. */
#define DRAIN_MAX (256 * 1024)
#define DRAIN_MS  500

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
		if (!rq->conn->in.len && !rq->begun && conn_send_all(rq->conn, &iov, 1) < 0)
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
	response_finish(rq);
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
