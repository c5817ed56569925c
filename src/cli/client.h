/*
 * HTTP/1.1 to the daemon's unix socket. One connection for each request: connecting costs some 30
 * us, and a request that waits never stands in the way of another.
 *
 *	struct request rq = {.method = "GET", .target = "/v1.44/info"};
 *	auto_(response_free_p) struct response *r = NULL;
 *
 *	if (request_send(address, &rq, &r, err) < 0 || response_head(r, err) < 0)
 *		return -1;
 *
 * Sending and waiting for the answer are two calls, so that one thread can have several requests
 * under way. An answer of 400 and above becomes an error with the daemon's own message and the kind
 * that fits the status.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/json.h"
#include "base/str.h"

#define CLIENT_API "/v1.44"

struct response;

struct request {
	const char *method;
	const char *target;	  /* path and query, encoded (cli.h, url_add) */
	const char *content_type; /* NULL: none */
	const char *body;	  /* NULL: none, or body_file */
	bool has_file;		  /* the body is what can be read from `file` */
	int file;
};

/* "unix:///run/x.sock" or "/run/x.sock" -> the path, borrowed; NULL where it is no unix socket. */
const char *client_socket_path(const char *address);

/* Connects and sends, body and all. *ret is the caller's. */
int request_send(const char *address, const struct request *rq, struct response **ret,
		 struct err *err);
/* Waits for the head: 0, or < 0 with what the daemon says. 304 is 0; ask response_status(). */
int response_head(struct response *r, struct err *err);
int response_status(const struct response *r);
/* NULL where it did not come. */
const char *response_content_type(const struct response *r);
/* Body bytes, de-chunked: > 0, 0 at its true end, < 0 where it breaks off (client_lost()). */
ssize_t response_read(struct response *r, void *data, size_t n, struct err *err);
/* The next line of the body into `line`, newline cut: 1, 0 at the end, < 0. A last line needs no
 * newline. */
int response_line(struct response *r, struct buf *line, struct err *err);
/* The whole rest as JSON; an empty body is NULL. */
int response_json(struct response *r, json_t **ret, struct err *err);
void response_free(struct response *r);
DEFINE_AUTO(struct response *, response_free);
#define autoresponse auto_(response_free_p) struct response *

/* All of the above: a request with an optional JSON body, its answer parsed where ret is given. */
int client_call(const char *address, const char *method, const char *target, const json_t *body,
		json_t **ret, struct err *err);

/* True where the daemon could not be reached or went away in the middle, rather than said no. */
bool client_lost(const struct err *err);
/* True where it was not there at all. */
bool client_absent(const struct err *err);
/* Makes err say so: for streams that end cleanly, but before what they were to tell has come. */
void client_gone(struct err *err);
