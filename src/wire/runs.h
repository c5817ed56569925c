/*
 * The record of runs, runs.jsonl: what a shim appends, synced, before anyone is told; what the daemon
 * takes up into state.json and the events. One JSON object a line. A torn last line is no line.
 *
 *	{"v":1,"event":"started","run":3,"time":"...","pid":71,"ticks":8812}
 *	{"v":1,"event":"ended","run":3,"time":"...","code":137,"signal":9,"oom":true}
 *	{"v":1,"event":"failed","run":3,"time":"...","text":"exec: \"foo\": not found"}
 *	{"v":1,"event":"restart","run":4,"time":"...","due":"...","count":1}
 *	{"v":1,"event":"gave-up","run":3,"time":"...","text":"maximum retries (3)"}
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"

/* Of a line, "v". Keys and events may be added to it, which older readers pass over; it goes up when
 * they would go wrong by that. */
#define RUNS_VERSION 1

enum run_event {
	RUN_NONE = 0,
	RUN_STARTED,
	RUN_ENDED,
	RUN_FAILED,  /* the start itself failed; nothing runs */
	RUN_RESTART, /* run `run` is due at due_ns */
	RUN_GAVE_UP, /* the policy says no more */
};

struct run_record {
	enum run_event event;
	int64_t run;
	int64_t time_ns;
	pid_t pid;	    /* started */
	uint64_t pid_ticks; /* started: /proc start time */
	int code;	    /* ended: 0..255; 128 + signal where one killed it */
	int signal;	    /* ended: 0 where none */
	bool oom;	    /* ended: the kernel's OOM killer struck in its cgroup */
	int64_t due_ns;	    /* restart */
	int64_t count;	    /* restart: restarts in a row so far, this one included */
	char text[256];	    /* failed, gave-up */
};

/* Adds the record as a line, newline included. */
void run_record_format(struct buf *b, const struct run_record *r);

/* Calls fn for every whole, valid record of dir/runs.jsonl in order; a line that is damaged is counted in
 * *ret_damaged (may be NULL) and skipped, a torn last line is not. A missing file has no records.
 * Not in the shim. 0, or < 0 where the file cannot be read: ERR_NOT_SUPPORTED at the first line of a
 * later format. */
int runs_read(int dir, void (*fn)(void *arg, const struct run_record *r), void *arg,
	      unsigned *ret_damaged, struct err *err);

/* Appends one record and fdatasyncs. fd is runs.jsonl, opened O_APPEND. 0 or -errno. */
int runs_append(int fd, const struct run_record *r);
/* The same for lines made by run_record_format(): one write, one sync. What fails leaves nothing behind. */
int runs_append_lines(int fd, const struct buf *lines);
/* "started", ... */
const char *run_event_name(enum run_event event);
