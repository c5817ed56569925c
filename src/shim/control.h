/*
 * The shim's connections: messages of wire/proto.h come in, answers and events go out. Nobody is
 * waited for: who does not read is dropped.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"
#include "shim/loop.h"
#include "wire/proto.h"

/* More are not served: the oldest is dropped then, for a new daemon must get in. */
#define CONTROL_MAX 16

struct message {
	const char *name; /* of msg= */
	const struct kv *kv;
	int *fds; /* the handler takes what it needs and leaves -1 */
	size_t n_fds;
};

/* Handles one message and writes the answer. */
typedef void control_handler(void *arg, const struct message *m, struct buf *answer);

struct conn {
	struct watch watch; /* fd -1: free */
	uint64_t since;	    /* number in the order of coming */
	bool served;	    /* it has handed a client over, and is of no more use */
	struct control *control;
};

struct control {
	struct loop *loop;
	control_handler *handler;
	void *arg;
	struct watch listener;
	uint64_t n_seen;
	struct conn conns[CONTROL_MAX];
};

/* Listens in directory exec, and serves `first`, a connection it takes over (-1: none). */
int control_open(struct control *c, struct loop *loop, int exec, int first,
		 control_handler *handler, void *arg, struct err *err);
/* Lets nobody in any more, and handles what is there by now, so that nobody is left without an
 * answer who could ask. The connections stay open. */
void control_end(struct control *c);
/* Hangs up. */
void control_close(struct control *c);
/* Sends an event to all. */
void control_tell(struct control *c, const struct buf *event);
