/*
 * Running a program. The children of this file start with clean signals and nothing open but what
 * they are given, and cost the same however large we are.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"

/* A program to run. Zero-initialise; fd numbers of -1 or 0-init `in`/`out` as said. */
struct spawn {
	const char *const *argv; /* argv[0] is looked up in PATH unless it has a slash */
	const char *const *env;	 /* NULL: ours */
	const char *cwd;	 /* NULL: ours */
	int in;			 /* becomes stdin; <= 0: /dev/null */
	int out;		 /* becomes stdout; <= 0: /dev/null */
	int err;		 /* becomes stderr; <= 0: /dev/null */
	const int *keep;	 /* further descriptors, become 3, 4, ... */
	size_t n_keep;
};

/* Starts it: all signals unblocked and at default, nothing but the named descriptors open.
 * Returns 0 with *ret_pid, or < 0 with err ("exec crun: No such file or directory"). */
int spawn_start(const struct spawn *s, pid_t *ret_pid, struct err *err);

/* What a finished program left: exit code (128 + signal where one killed it) and its output. */
struct spawn_result {
	int code;
	bool timed_out; /* it was killed because timeout_ms passed */
	char *out;	/* stdout, if asked for; NUL-terminated */
	size_t out_len;
	char *err_text; /* stderr, cut at 8 KiB */
};

/* Runs it to its end with captured stdout (cut at max_out) and stderr. in/out/err of s are ignored
 * but `in`. timeout_ms < 0: none; after it the program is killed. */
int spawn_run(const struct spawn *s, int timeout_ms, size_t max_out, struct spawn_result *ret,
	      struct err *err);
void spawn_result_free(struct spawn_result *r);
