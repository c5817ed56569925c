/*
 * A client's inside: what client.c, its life and its input, and client_out.c, the way to it, share.
 */
#pragma once

#include <sys/uio.h>

#include "shim/client.h"
#include "shim/websocket.h"

enum framing { FRAMING_RAW, FRAMING_MULTIPLEXED, FRAMING_WEBSOCKET };

struct client {
	struct clients *all;
	struct client *next;
	struct watch watch;
	uint32_t watched; /* for what; 0: not at all */
	const struct client_owner *owner;
	void *arg;
	enum framing framing;
	bool chunked;
	char *head; /* NULL once it is sent */

	struct buf out;
	size_t out_at;	/* of it this much is written */
	uint64_t total; /* bytes it has taken */
	struct timer stall;
	int was_unread; /* when that was set */
	struct timer head_timer;
	unsigned head_polls;
	bool head_taken; /* it has read the head, as far as we can wait for that */

	struct buf in;		     /* read, out of its frames, and not yet the owner's */
	struct websocket *websocket; /* the reader of that framing, else NULL */
	bool broken;		     /* what it sends is not what it should be */
	bool in_closed, in_ended;    /* it sends no more; the owner knows */
	bool deaf;		     /* it reads no more; what it sends may be of use yet */
	bool hung_up;		     /* it has closed the whole connection */
	bool full;
	bool corked; /* more is about to come: all of it is written at once */
	bool may_be_slow;
	size_t queue_max;
	bool finishing, enlarged;
	unsigned calling; /* into the owner: not to be freed now */
	bool gone;
};

/* client.c */

/* Closes it; tell: the owner is told that it is gone. The struct goes once nobody is in it. */
void client_end(struct client *c, bool tell);
/* Watches its socket for what is wanted of it now. */
void client_watch(struct client *c);
/* Ends who is served to the end, and tells the owner of new room: the last thing that a function
 * does. */
void client_settle(struct client *c);

/* client_out.c */

/* Bytes that wait in its queue. */
size_t client_queued(const struct client *c);
/* Sets its time to run, where others wait for it; anew where there is progress. */
void client_limit_patience(struct client *c, bool progress);
/* It reads no more. */
void client_deafen(struct client *c);
/* Writes of the queue what the socket takes. */
void client_flush(struct client *c);
/* May more follow the head by now? Asked only when there is more. */
bool client_head_is_taken(struct client *c);
/* Writes at once what the socket takes of the parts, and queues the rest. */
void client_send_parts(struct client *c, struct iovec *parts, int n_parts);
/* Queues a frame of few bytes that is none of the application's. */
void client_send_control(struct client *c, enum websocket_opcode opcode, const char *text,
			 size_t n);
/* Its timers. */
void client_on_stall(void *arg);
void client_on_head_timer(void *arg);
