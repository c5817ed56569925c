/*
 * Reading the container's log back, for a client that follows it: from a place in it, forwards, and
 * on into younger files. The only one who rotates the log is this process, between two calls, so a
 * look at the names is the truth.
 *
 * A file is held open until it is read to its end, whatever it is called meanwhile. When the next
 * one has been rotated away by then, it goes on with the oldest that is there.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "wire/logline.h"

/* Room for the longest line of ours, and some more; longer ones are damaged. */
#define LOGREAD_ROOM (128 * 1024)

/* A place in the log's files. */
struct log_place {
	uint64_t ino; /* 0: before all of them */
	int64_t offset;
};

struct logread {
	int dir;	/* with the log; borrowed */
	int fd;		/* the file that is being read, ours; -1: the oldest is to be opened */
	int64_t offset; /* of the next line */
	uint64_t ino;	/* of the file */
	struct log_place start[LOG_STDERR + 1]; /* by stream: entries before it are not wanted */
	bool skipping;				/* in a line that is too long */
};

/* Begins at `offset` of the file fd, which it takes over (-1: at the beginning of the log). 0 or
 * -errno. */
int logread_open(struct logread *r, int dir, int fd, int64_t offset);
/* Reads whole lines from r->offset on into room, which has LOGREAD_ROOM bytes: their length, 0
 * where there is nothing more now, or -errno. The caller adds to r->offset what it has used. */
ssize_t logread_lines(struct logread *r, char *room);
/* The file that is being read has been emptied in place. */
void logread_begin_anew(struct logread *r);
/* Does an entry of this stream, whose line begins at `offset` of the file, lie behind the start? */
bool logread_is_behind_start(const struct logread *r, enum log_stream stream, int64_t offset);
void logread_close(struct logread *r);
