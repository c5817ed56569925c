/*
 * The head of a request: where it ends in a stream of bytes, and what it says. Both are pure
 * functions of the bytes. The scanner is run by the epoll thread on whatever has come so far and
 * remembers how far it looked; the parser is run by a worker on a head that is whole.
 *
 * Both are stricter than http_parser, for what two readers could understand differently is how
 * requests are smuggled: lines end in CR LF, a CR stands nowhere else, no header is folded.
 */
#pragma once

#include <http_parser.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

#define HEAD_LINE_MAX	 (64 * 1024) /* dockerode repeats the whole create body in the query */
#define HEAD_FIELDS_MAX	 (64 * 1024)
#define HEAD_HEADERS_MAX 128

/* Zero-initialise for each head. */
struct head_scan {
	size_t pos;    /* scanned up to here */
	size_t line;   /* where the current line begins */
	size_t start;  /* where the request line begins: clients may send an empty line before */
	size_t fields; /* where the first header begins; 0: the request line is not whole yet */
};

enum head_state {
	HEAD_MORE = 0, /* more bytes are wanted */
	HEAD_DONE,
	HEAD_BAD,	    /* 400 */
	HEAD_LINE_TOO_LONG, /* 414 */
	HEAD_TOO_LARGE,	    /* 431 */
};

/* data is all that has come of this head, each time from its first byte on. At HEAD_DONE *ret_len
 * is its length with the empty line. */
enum head_state head_scan(struct head_scan *s, const char *data, size_t n, size_t *ret_len);

struct pair {
	const char *name;
	const char *value;
};

/* What a head says. Everything points into `text`. */
struct head {
	char *text;
	size_t len;
	const char *method;
	const char *path; /* decoded */
	struct pair headers[HEAD_HEADERS_MAX];
	unsigned n_headers;
	struct pair *query;
	unsigned n_query;
	bool upgrade; /* the client wants another protocol afterwards */
	bool expect_continue;
	bool complete;	    /* the message has no body */
	http_parser parser; /* stands at the first byte of the body */
};

/* Parses a whole head of len bytes, copied from data. Returns 0, or the status to refuse it with,
 * and *ret_why. head_free() in either case. */
int head_parse(struct head *h, const char *data, size_t len, const char **ret_why);
void head_free(struct head *h);

/* %XX (and '+', in a query) decoded in place; false at a broken escape or %00. */
bool url_decode(char *s, bool plus_is_space);
