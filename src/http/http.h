/*
 * HTTP/1.1 on unix sockets: listening, connections, requests, responses. Knows bytes, not
 * containers.
 *
 * One epoll thread holds idle connections; a connection with a request is given to a worker thread,
 * which runs the handler in straight blocking code and gives the connection back (keep-alive). The
 * handler reads the body and writes the response through the request.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"

struct http_server;
struct http_request;

typedef void http_handler(void *arg, struct http_request *rq);

/* Limits: head 64 KiB + 64 KiB request line, else 431 / 414. */
int http_server_new(http_handler *fn, void *arg, unsigned max_threads, struct http_server **ret,
		    struct err *err);
/* Adds a listening socket, which the server then owns; accepting begins with http_server_start().
 */
void http_server_add(struct http_server *s, int listen_fd);
int http_server_start(struct http_server *s, struct err *err);
/* Stops accepting, closes idle connections, waits up to grace_ms for requests in flight, then hangs
 * up on the rest: their reads and writes fail, http_fd() polls as hung up. Returns when all
 * handlers have. */
void http_server_stop(struct http_server *s, int grace_ms);

/* Begins no further request, at once: nothing is accepted or read, clients wait. Any thread, also a
 * handler. What follows is the end, one way or the other: */
void http_server_pause(struct http_server *s);
/* After a pause: waits up to grace_ms for the requests in flight; true where none is left. */
bool http_server_drain(struct http_server *s, int grace_ms);

/* What a server leaves to the one that comes after it, in this process or across an exec. */
struct http_left {
	int *listen_fds;
	size_t n_listen;
	int queue_fd; /* the keeper accepts, and connections come out of here; 0: it does not */
	struct http_left_conn {
		int fd;
		struct buf in; /* read of its next request */
	} * conns;
	size_t n_conns;
};
/* After a pause: hangs up on requests that are still in flight, then gives away the listening
 * sockets and the connections (what is on the shelf stays there), and frees s. */
void http_server_leave(struct http_server *s, struct http_left *ret);
/* Takes all of it over; before http_server_start(). *left is empty then. */
void http_server_inherit(struct http_server *s, struct http_left *left);

/*
 * The shelf: connections whose next request has not been answered lie there, in queues of the
 * kernel that outlive the process as long as somebody else holds their descriptors (the keeper, or
 * systemd). A GET or HEAD is read without taking it out of the socket until its answer begins; so
 * if the process is killed before, the next one finds the connection on the shelf and the request
 * in it, and the client learns nothing but the answer. Whatever else a request does begins by
 * taking the connection off the shelf: it is never done twice, its client sees the end of the
 * process at once.
 */
#define HTTP_SHELF_MAX 64
struct http_shelf;
/* state_fd: of an earlier process, or -1 for the first; owned. NULL where the kernel refuses. */
struct http_shelf *http_shelf_new(int state_fd);
/* A slot: two connected sockets (SOCK_SEQPACKET), which the shelf then owns. */
void http_shelf_add(struct http_shelf *h, const int pair[2]);
/* Its descriptors, to pass on; false behind the last. */
bool http_shelf_pair(const struct http_shelf *h, unsigned i, int ret[2]);
int http_shelf_state_fd(const struct http_shelf *h);
/* Closes our descriptors. NULL is fine. */
void http_shelf_free(struct http_shelf *h);
/* Before http_server_start(), which goes on with the connections that lie there. h must outlive s.
 */
void http_server_use_shelf(struct http_server *s, struct http_shelf *h);

/* Makes a listening unix socket: removes a dead one, refuses where somebody answers on it, mode
 * 0660, group by name (gid -1: as it is). */
int http_listen_unix(const char *path, int gid, int *ret_fd, struct err *err);

/* the request */
const char *http_method(const struct http_request *rq);
const char *http_path(const struct http_request *rq); /* percent-decoded, without query */
/* Query value, decoded; NULL where absent. The i-th of a repeated name. */
const char *http_query(const struct http_request *rq, const char *name);
const char *http_query_nth(const struct http_request *rq, const char *name, unsigned i);
const char *http_header(const struct http_request *rq, const char *name);
/* Reads body bytes, de-chunked: > 0, 0 at its end, -errno (-ECONNRESET where the client is gone,
 * -EPROTO). */
ssize_t http_read(struct http_request *rq, void *data, size_t n);
/* The whole body, NUL-terminated; ERR_TOO_LARGE above max. Caller frees. */
int http_read_all(struct http_request *rq, size_t max, char **ret, size_t *ret_len,
		  struct err *err);

/* the response: either whole ... */
void http_set_header(struct http_request *rq, const char *name, const char *value);
void http_respond(struct http_request *rq, int status, const char *content_type, const void *body,
		  size_t n);
/* ... or in pieces: the head goes out at once, pieces are chunked (HTTP/1.0: until close) and
 * flushed each. The stream ends when the handler returns; http_abort() makes it end visibly broken
 * (no last chunk). */
void http_begin(struct http_request *rq, int status, const char *content_type);
bool http_begun(const struct http_request *rq);
int http_write(struct http_request *rq, const void *data, size_t n); /* 0 or -errno (client gone) */
void http_abort(struct http_request *rq);

/* Instead of an answer: lets the request `text` (a head without a body) stand in this one's place,
 * to be served by whoever has the connection next, after a pause the server that inherits it. The
 * handler must have paused the server, and read the body. */
void http_serve_next(struct http_request *rq, const char *text);

/* For handlers that wait for something else meanwhile: the connection's descriptor to poll for
 * POLLRDHUP|POLLHUP. */
int http_fd(const struct http_request *rq);

/* Giving the connection away, to a process that outlives this one: begin, send http_fd() and
 * http_unread() to who takes it, end. */

/* What follows the head that the taker sends. */
enum http_handed {
	HTTP_UPGRADED,	  /* 101: another protocol, both ways */
	HTTP_UNTIL_CLOSE, /* bytes until the connection ends; the same both ways */
	HTTP_CHUNKED,	  /* chunks, for HTTP/1.0 until close: which is returned */
};
/* Text of the response's head, for the taker to send first: with what http_set_header() said, and
 * with headers (lines that end in CRLF; NULL: none) that are this head's only, not the answer's
 * where nobody takes the connection. Is what follows chunked? */
bool http_hand_over_head(struct http_request *rq, int status, const char *content_type,
			 enum http_handed what, const char *headers, struct buf *ret);
/* Bytes that came behind the request and are the taker's; read the body first. Borrowed. */
void http_unread(const struct http_request *rq, const char **ret, size_t *ret_n);
/* From here on nobody else writes to the connection or shuts it down. */
void http_hand_over_begin(struct http_request *rq);
/* done: it is closed here without a word when the handler returns; else it is ours as before, to be
 * answered. */
void http_hand_over_end(struct http_request *rq, bool done);
