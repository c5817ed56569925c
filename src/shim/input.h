/*
 * The standard input of a process: the near end of a pipe, or a terminal, non-blocking. What it
 * does not take at once is kept, 64 KiB and one piece at most; beyond that nobody's is taken until
 * there is room: a process that does not read stops who writes, and costs no memory.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "shim/loop.h"

struct input {
	struct loop *loop;
	struct watch watch; /* fd -1: not there, or closed */
	bool watched;
	bool open; /* from input_open() to input_close(): what comes is taken, if only to be dropped
		    */
	bool ending;   /* to be closed once all is written */
	bool enlarged; /* the pipe, if it is one */
	struct buf pending;
	size_t at; /* of it this much is written */
	/* There is room again; or it has been opened. */
	void (*on_room)(void *arg);
	void *arg;
};

void input_init(struct input *in, struct loop *loop, void (*on_room)(void *arg), void *arg);
/* A run begins: takes fd over; -1: what comes is dropped. */
void input_open(struct input *in, int fd);
/* May input_write() be called? */
bool input_has_room(const struct input *in);
/* Takes all of it, in one piece. */
void input_write(struct input *in, const char *data, size_t n);
/* Closes it when all is written: the process reads the end of its input. */
void input_end(struct input *in);
/* The run is over. */
void input_close(struct input *in);
