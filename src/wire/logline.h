/*
 * One line of docker's json-file format, in which the shim keeps what a container writes:
 *
 *	{"log":"text\n","stream":"stdout","time":"2006-01-02T15:04:05.123456789Z"}
 *
 * Exactly this, as the shim writes it, is read by the fast way; any other JSON object with these
 * three keys (docker's own, with attributes, edited by somebody) by the slow one. Pure.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum log_stream { LOG_STDOUT = 1, LOG_STDERR = 2 };

struct log_entry {
	enum log_stream stream;
	int64_t time_ns;
	const char *text; /* newline included where the container wrote one; valid until the next
			     call */
	size_t len;
};

/* A longer line is damaged: the shim's have at most 16 KiB of text, times 6 for escapes. */
#define LOG_LINE_MAX (1 << 20)

/* Parses a line without its newline; the text goes into *text, where ret->text then points. 0 or
 * -1. */
int log_line_parse(const char *line, size_t len, struct buf *text, struct log_entry *ret);
/* The time at the end of such a line, without a look at the rest; 0 where it is not to be seen. */
int64_t log_line_time(const char *line, size_t len);
