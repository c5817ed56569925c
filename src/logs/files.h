/* Private to logs: open log files, and where in them to begin. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "logs/logs.h"

#define LOG_BLOCK (64 << 10)

struct log_file {
	int fd;
	dev_t dev;
	ino_t ino;
	int64_t end; /* read up to here; INT64_MAX: whatever comes */
};

/* An offset in the n-th of some files. */
struct log_place {
	size_t file;
	int64_t offset;
};

static inline bool log_place_before(struct log_place a, struct log_place b)
{
	return a.file != b.file ? a.file < b.file : a.offset < b.offset;
}

/*
 * Where the last query->tail lines of the wanted streams begin, in files of which the oldest is the
 * first (n > 0): for each stream (index: enum log_stream) the place from which on its entries
 * belong to them. Reads from the end backwards in blocks, no further than needed. 0, or < 0 with
 * err.
 */
int log_tail_find(const struct log_file *files, size_t n, const struct logs_query *query,
		  struct log_place ret[LOG_STDERR + 1], struct err *err);
