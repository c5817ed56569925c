/*
 * The container's standard streams: two pipes, or a terminal's master; read here, written to the
 * log, and heard by those who are attached. Where one of these is behind, nothing is read for the
 * while.
 *
 * A run has its own streams: stdio_prepare() makes them, the runtime gets the far ends,
 * stdio_begin() starts reading once the container runs (so what a failing runtime prints is not
 * taken for the container's), stdio_drain() takes what the dead have left, stdio_end() closes all.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "shim/audience.h"
#include "shim/console.h"
#include "shim/logfile.h"
#include "shim/loop.h"
#include "wire/shim_config.h"

struct stream {
	struct watch watch;
	enum log_source source;
	struct stdio *stdio;
};

struct stdio {
	struct loop *loop;
	struct logfile *log;		/* NULL: what comes is dropped */
	int exec;			/* directory of the console socket; borrowed */
	struct stream out[LOG_SOURCES]; /* [0] alone for a terminal, both ways */
	int in; /* write end of stdin, non-blocking, until the run begins; -1: none */
	bool tty, open_stdin, stdin_once; /* of the run */
	bool paused; /* the streams are not watched, for the audience is full */
	struct audience audience;
	struct console console;
	char *memory; /* what is read */
	struct timer trim;
};

/* The ends that the runtime inherits; -1: /dev/null. */
struct stdio_ends {
	int in, out, err;
};

void stdio_init(struct stdio *s, struct loop *loop, struct logfile *log, int exec);
int stdio_prepare(struct stdio *s, const struct shim_config *c, struct stdio_ends *ret,
		  struct err *err);
/* Makes a pipe; the near end is ours, close-on-exec and non-blocking. */
int stdio_make_pipe(int *ret_near, int *ret_far, bool near_reads, struct err *err);
void stdio_ends_close(struct stdio_ends *e);
void stdio_begin(struct stdio *s);
/* Reads and logs what is in the pipes now, at most what they can hold. */
void stdio_drain(struct stdio *s);
/* Sets the terminal's size, in characters. */
int stdio_resize(struct stdio *s, int64_t rows, int64_t columns, struct err *err);
/* The run is over: unfinished lines are logged, everything is closed. */
void stdio_end(struct stdio *s);
