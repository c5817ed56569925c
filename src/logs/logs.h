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

enum log_stream { LOG_STDOUT = 1, LOG_STDERR = 2 };

struct logs_query {
	bool want_stdout;
	bool want_stderr;
	int64_t since_ns; /* 0: from the beginning */
	int64_t until_ns; /* 0: to the end */
	int64_t tail;	  /* last N entries (lines) of those wanted; < 0: all */
	bool follow;
};

struct log_entry {
	enum log_stream stream;
	int64_t time_ns;
	const char *text; /* newline included where the container wrote one; valid until the next
			     call */
	size_t len;
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
void logs_close(struct log_reader *r);
