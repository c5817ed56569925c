/*
 * `docker wait`: clients that are told an exit code when the condition they named is met. Who waits
 * for an exit is told at the next one, or at the removal should that come first; who waits for the
 * removal, then: while the shim lingers (shim/stay.h) the container's directory is watched, which
 * the daemon renames at the removal and takes away as the last of all.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "shim/client.h"

struct waiter;

struct waiters {
	struct loop *loop;
	struct clients *clients;
	struct waiter *first;
	bool known;   /* a run of ours has ended */
	int64_t code; /* of the last run */
	char *error;  /* why that is none of its own; NULL: it is */
	int data;     /* the container's directory; borrowed */
	struct watch moved;
	struct timer look;
	int64_t look_ns;
};

void waiters_init(struct waiters *ws, struct loop *loop, struct clients *clients);

/* msg=wait: condition=not-running|next-exit|removed, and in code= and error= how the last run ended
 * that the daemon knows of. at_rest: nothing runs, as waiters_at_rest(). */
int waiters_take(struct waiters *ws, const struct message *m, bool at_rest, struct err *err);

/* A run has ended, by itself or (error) because it could not begin. */
void waiters_exited(struct waiters *ws, int64_t code, const char *error);
/* Nothing runs, without an exit (a start has failed): who waits for that is told how the last run
 * ended; who waits for the next exit is not. */
void waiters_at_rest(struct waiters *ws);
/* What to tell where no run of ours has ended; error may be NULL. */
void waiters_set_last(struct waiters *ws, int64_t code, const char *error);

/* The shim lingers: only the removal is left to wait for. data: the container's directory, which
 * must stay open, and whose removal must not have begun. */
void waiters_await_removal(struct waiters *ws, int data);
