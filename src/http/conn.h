/* A connection, and the request being served on it: what server.c (who owns connections),
 * request.c and response.c share. */
#pragma once

#include <sys/uio.h>

#include "http/head.h"
#include "http/http.h"
#include "http/shelf.h"

/* Owned by the epoll thread while !busy, else by one worker. An idle one holds no buffer. */
#define READ_SIZE 16384 /* at once; what is on the shelf has no longer head */

struct conn {
	struct http_server *server;
	struct conn *prev, *next; /* all of the server; its lock */
	struct conn *head_prev,
		*head_next;	  /* those with half a head, oldest first; epoll thread only */
	int64_t head_deadline_ns; /* 0: not among them */
	int fd;
	bool busy;     /* the server's lock */
	bool in_epoll; /* was registered once */
	bool handing;  /* being given away: not to be shut down; the server's lock */
	struct head_scan scan;
	struct buf in;		  /* read, but not yet understood */
	struct http_shelf *shelf; /* the server's; NULL: it has none */
	int slot;		  /* on the shelf; -1: not there */
	size_t peeked; /* so many bytes of `in` are in the socket still: on the shelf only */
};

struct http_request {
	struct conn *conn;
	struct head head;
	bool body_done;
	bool must_continue; /* 100 Continue is to be sent before the body is read */
	bool keep_alive;
	bool no_body; /* of the response: HEAD, 204, 304 */
	bool begun;
	bool chunked;
	bool broken; /* the client is gone, or nothing sensible can follow */
	bool handed; /* somebody else has the connection */
	struct buf out_headers;
	char *next; /* served in its place, see http_serve_next() */

	char *out; /* of the http_read() in progress */
	size_t out_len;
};

/* Serves one request whose head is the first head_len bytes of c->in, with fn; true where the
 * connection can serve another. closing: say so to the client. */
bool request_serve(struct conn *c, size_t head_len, http_handler *fn, void *arg,
		   const bool *closing);

/* Sets c->handing; see http_hand_over_begin(). */
void conn_set_handing(struct conn *c, bool handing);

/* From here on the request is ours alone: it is taken out of the socket, and the connection off the
 * shelf. Before anything that must not be done twice. */
void conn_commit(struct conn *c);

/* Sends all, waiting for a slow client as long as it is there: 0 or -errno. An answer that does not
 * go out in one call is the business of this process only. iov is used up. */
int conn_send_all(struct conn *c, struct iovec *iov, int n);

/* The handler has returned: sees to it that there is an answer, and that it has its end. */
void response_finish(struct http_request *rq);

/* Answers what never became a request; tries to send, does not wait. */
void conn_refuse(struct conn *c, int status, const char *why);
