/*
 * Why a shim stays where it has nothing to run: for its clients.
 *
 * Before a start it is idle: it stays as long as a client waits in it, and a moment for one, or for
 * the start, to come. After its life it lingers, where clients are not served yet: everything else
 * it has given away by then, so that the container is released, started again or removed as if it
 * were gone.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "shim/client.h"
#include "shim/loop.h"

struct stay {
	struct loop *loop;
	const struct clients *clients;
	bool idle;		/* it has nothing to run */
	bool leaves;		/* and nobody wants it any more but its clients */
	bool lingers;		/* its life is over */
	struct timer timer;	/* idle: is anybody there by then? */
	void (*end)(void *arg); /* nobody is there to stay idle for */
	void *arg;
};

void stay_init(struct stay *s, struct loop *loop, struct clients *clients, void (*end)(void *arg),
	       void *arg);

/* It has nothing to run, as yet or again. */
void stay_idle(struct stay *s);
/* Somebody takes an interest in it: if it is idle, its time begins anew. */
void stay_asked(struct stay *s);
/* It is idle, and ends with its last client. */
void stay_leave(struct stay *s);
/* It has a run, or its life is over. */
void stay_busy(struct stay *s);

/* Its life is over; the loop runs on, and stops when the last client has gone. */
void stay_linger(struct stay *s);
