/*
 * The container's log, json.log: lines of docker's json-file format (shim/jsonlog.h), rotated by
 * size.
 *
 * Text comes in as it was read; what is a whole line or piece is encoded into a buffer and written
 * by one write a batch; the unfinished rest of a stream is kept until more comes. A log that cannot
 * be written is never a reason to wait: what is lost is counted and said.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum log_source { LOG_FROM_STDOUT, LOG_FROM_STDERR, LOG_SOURCES };

struct logfile {
	int dir; /* borrowed */
	int fd;	 /* -1: it could not be opened, tried again at the next write */
	int64_t size;
	int64_t max_size; /* 0: not rotated */
	int64_t max_files;
	int64_t rotate_at; /* size from which on to rotate; 0: never */
	char *out;	   /* mapped; what is encoded and not yet written */
	size_t len;
	size_t used; /* of out, since logfile_trim(), at the most */
	struct buf rest[LOG_SOURCES];
	uint64_t lost_lines;		     /* since the last one that was written */
	const struct logfile_reader *reader; /* NULL: none */
	void *reader_arg;
};

/* Somebody who reads the log, too; he must not write to it. */
struct logfile_reader {
	void (*grown)(void *arg); /* something has been written */
	void (*rotating)(
		void *arg); /* a file that is full gives way to the next: it may be its end */
	void (*emptied)(void *arg); /* the only file has been emptied, to begin anew */
};

/* Opens dir/json.log to go on behind what it holds; max_size <= 0: it is not rotated. A log that
 * cannot be opened now is tried again later. */
void logfile_open(struct logfile *l, int dir, int64_t max_size, int64_t max_files);
/* From now on the reader is told. */
void logfile_tell(struct logfile *l, const struct logfile_reader *reader, void *arg);
/* Takes in n bytes that were read at time_ns, and writes all lines that are complete. */
void logfile_add(struct logfile *l, enum log_source from, const char *text, size_t n,
		 int64_t time_ns);
/* The stream has ended: what is left of it is its last piece. */
void logfile_end(struct logfile *l, enum log_source from, int64_t time_ns);
/* Gives memory back that busy times have used. */
void logfile_trim(struct logfile *l);
/* Is there any to give back? */
bool logfile_wants_trim(const struct logfile *l);
void logfile_close(struct logfile *l);
