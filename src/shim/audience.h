/*
 * The audience of a process, be it a container's init or an exec session: the clients that are
 * attached to its streams. What it writes goes to all who want it, what they send goes to its
 * input, in the pieces in which it came.
 *
 * The streams belong to one run: audience_open() and audience_end() enclose it. Clients may come
 * before; they hear nothing and are not read until it begins. One that has closed its side ends the
 * process's input where that was asked for (docker's StdinOnce), else its own attachment, as docker
 * has it; a terminal has no end of input. Keys that detach are looked for on terminals only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "shim/client.h"
#include "shim/follow.h"
#include "shim/input.h"

struct attached;

struct audience {
	struct loop *loop;
	struct attached *first;
	unsigned walking;     /* over the list: nobody is taken out of it */
	struct follows *past; /* the log, for who wants that first; NULL: none is kept */
	struct input in;
	bool has_input, tty, stdin_once; /* of the run, once it is open */
	bool full;			 /* somebody of it is: the source is not to be read */
	void (*on_room)(void *arg);
	/* Its last client has gone. The audience may be freed from here. May be NULL. */
	void (*on_empty)(void *arg);
	void *arg;
	void (*on_detach)(void *arg);
	void *detach_arg;
};

/* on_room: the source may be read again. */
void audience_init(struct audience *a, struct loop *loop, void (*on_room)(void *arg), void *arg);
/* on_detach: somebody has left by the keys for that. */
void audience_tell(struct audience *a, void (*on_detach)(void *arg), void *arg);
/* Takes the client that came with msg=attach or msg=exec: keys stdin= stdout= stderr=, detach-keys=
 * (hexadecimal), logs=1 (first what the log has), stream=0 (nothing more), and those of
 * client_take(). */
int audience_attach(struct audience *a, struct clients *cs, const struct message *m,
		    struct err *err);
/* The run begins. in: the process's input, taken over; -1: there is none, and nobody's is wanted.
 */
void audience_open(struct audience *a, int in, bool tty, bool stdin_once);
/* The process has written to stdout (1) or stderr (2). */
void audience_hear(struct audience *a, unsigned stream, const char *data, size_t n);
bool audience_is_empty(const struct audience *a);
/* Not to be read now; on_room follows. */
bool audience_is_full(const struct audience *a);
/* The run is over: all that was heard is still delivered, and everybody goes. */
void audience_end(struct audience *a);
