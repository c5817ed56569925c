/*
 * Docker's json-file format, made fast: one pass copies and escapes, the rest of a line is made
 * once per read.
 *
 *	{"log":"text\n","stream":"stdout","time":"2006-01-02T15:04:05.999999999Z"}
 *
 * A line above JSONLOG_PIECE bytes comes in pieces; only the last one has the newline. So does what
 * ends without one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSONLOG_PIECE 16384
/* Room that one piece may need at the most. */
#define JSONLOG_ROOM (6 * JSONLOG_PIECE + 256)

/* What stands behind the text of each line of one stream at one time. */
struct jsonlog_tail {
	char text[96];
	size_t len;
};
void jsonlog_tail(struct jsonlog_tail *t, const char *stream, int64_t time_ns);

/* Encodes the line, or piece of a line, that s begins with. n > 0.
 *
 * *ret_len: bytes written to `to`, which has JSONLOG_ROOM. Returns the bytes used of s; 0 where s
 * holds neither a whole line nor a whole piece. With `end`, what is there is the last piece. */
size_t jsonlog_line(char *to, size_t *ret_len, const char *s, size_t n, bool end,
		    const struct jsonlog_tail *tail);
