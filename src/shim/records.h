/*
 * The record of runs, as the shim writes it (wire/runs.h has the format): durable before anyone is
 * told.
 *
 * The record of an end must not be lost because a disk is full or fails: room for it is reserved
 * before a run starts, and what could not be written stays pending.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "wire/runs.h"

struct records {
	int dir; /* borrowed */
	int fd;
	size_t count;	    /* lines in the file */
	struct buf pending; /* lines that are not in it yet */
};

int records_open(struct records *rs, int dir, struct err *err);
/* Makes sure that the records of one run will find room. */
int records_reserve(struct records *rs, struct err *err);
/* Appends n records with one sync: 0, or -errno, when they stay pending. */
int records_add(struct records *rs, const struct run_record *r, size_t n);
/* Writes what is pending: 0 or -errno. */
int records_flush(struct records *rs);
/* Drops the records of runs up to this one, as soon as that is worth a rewrite of the file. */
void records_forget(struct records *rs, int64_t run);
