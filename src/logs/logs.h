/*
 * Reading what a container wrote: docker's json-file format, json.log and its rotated predecessors
 * json.log.1 (younger), .2, ... in a container's data directory. The shim writes them; this only
 * reads. A reader belongs to one thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "wire/logline.h"

struct logs_query {
	bool want_stdout;
	bool want_stderr;
	int64_t since_ns; /* 0: from the beginning */
	int64_t until_ns; /* 0: to the end */
	int64_t tail;	  /* last N entries (lines) of those wanted; < 0: all */
	bool follow;
};

struct log_follower; /* one inotify instance and thread for all who follow */
struct log_reader;

/* Lazily starts its thread at the first follow. */
struct log_follower *log_follower_new(void);
void log_follower_free(struct log_follower *f);

/* dir is the container's data directory (kept as a duplicate). follower may be NULL where
 * query->follow is false. A missing log file is an empty log. */
int logs_open(int dir, const struct logs_query *query, struct log_follower *follower,
	      struct log_reader **ret, struct err *err);
/* 1: *ret filled; 0: nothing more now (when not following: the end); 2: until_ns is passed, the end
 * for good; < 0: err. Damaged or torn lines are skipped (torn last line: waited for). Follows
 * rotation without losing or repeating a line. */
int logs_next(struct log_reader *r, struct log_entry *ret, struct err *err);
/* When following: an eventfd that becomes readable when more may be there; logs_next() resets it.
 */
int logs_fd(const struct log_reader *r);

/* Where a reader stands, for another process to go on from (shim/follow.h). */
struct logs_position {
	int fd;		/* the file that is being read; the reader's; -1: there is none */
	int64_t offset; /* of the next line in it */
	struct {
		uint64_t ino; /* of this or a younger file */
		int64_t offset;
	} start[LOG_STDERR + 1]; /* by stream: entries before this place are not wanted */
};
/* Passes over what is older than wanted, and says where the first entry that may be wanted begins.
 * The reader stands there, too, and may be read on. */
int logs_position(struct log_reader *r, struct logs_position *ret, struct err *err);

void logs_close(struct log_reader *r);
