/*
 * Clients: descriptors of HTTP connections that the daemon has handed over (wire/proto.h), each
 * with an owner: attach, exec, wait, follow. Bytes for it are framed, written as far as it takes
 * them at once, else queued; bytes of it are given to the owner. Nobody is waited for: the loop
 * watches.
 *
 *	if (client_take(&clients, m, &owner, arg, &c, err) < 0)
 *		return -1;		 it is still the daemon's: answer msg=error
 *	client_begin(c);		 sends the head; from here on the owner is called
 *	client_send(c, 1, text, n);
 *	client_finish(c);		 what is queued is still delivered
 *
 * Whoever produces for it stops reading his source while client_is_full(), and goes on at on_room.
 * One that does not read is cut off, with a line in shim.log: once its queue is full it has 10 s
 * for each progress where it has proved to be a reader (1 MiB in all), else 1 s. So nobody who is
 * stuck stops a source for longer. At the end it is not waited for, for the kernel takes what is
 * left.
 *
 * Memory: a few hundred bytes for each client, its queue as long as there is one, and a shared
 * buffer for reading as long as there are clients.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"
#include "shim/control.h"
#include "shim/loop.h"

/* From here on a queue is full; what is sent all the same is queued, too. */
#define CLIENT_QUEUE_MAX (1024 * 1024)

struct client;

struct clients {
	struct loop *loop;
	struct client *first;
	size_t n;
	char *memory; /* mapped while there are clients: what is read */
	/* The last one has gone; may be NULL. */
	void (*on_empty)(void *arg);
	void *arg;
};

void clients_init(struct clients *cs, struct loop *loop);

/* What the owner does. Each may be NULL; each may call any function here for this client, or for
 * others. */
struct client_owner {
	/* n > 0 bytes have come: returns how many it takes. Where that is less than n the rest is
	 * kept and no more is read until client_resume(). NULL: what comes is thrown away. */
	size_t (*on_input)(void *arg, const char *data, size_t n);
	/* It will send no more: it has closed its side, or all. Not called where the client has
	 * gone before. */
	void (*on_input_end)(void *arg);
	/* It has closed its connection altogether, while input of it is not taken: nobody but the
	 * owner knows whether that is of use yet. */
	void (*on_hangup)(void *arg);
	/* It was full and is not any more. */
	void (*on_room)(void *arg);
	/* It is gone, whatever the reason, client_finish() included, but for client_drop(). The
	 * client is invalid from here on. */
	void (*on_gone)(void *arg);
};

/* Takes m's first descriptor and its keys head=, read= (base64), framing=raw|multiplexed|websocket
 * (raw where it is missing) and chunked=. ERR_CONFLICT where clients have taken all descriptors but
 * those that the container may need. On failure the descriptor stays with m. */
int client_take(struct clients *cs, const struct message *m, const struct client_owner *owner,
		void *arg, struct client **ret, struct err *err);
/* Sends the head; then what it had sent already goes to the owner, then the rest as it comes. May
 * end in on_gone. */
void client_begin(struct client *c);
/* Sends n bytes of stream 1 or 2 (which only the multiplexed framing tells apart): written now, or
 * queued. */
void client_send(struct client *c, unsigned stream, const char *data, size_t n);
/* Between the two, what is sent is only queued; then it goes all at once. No calls. */
void client_cork(struct client *c);
void client_uncork(struct client *c);
/* Its source can wait for it (a log): it is full from queue_max bytes on, and never cut off for not
 * reading. */
void client_allow_slow(struct client *c, size_t queue_max);
/* From now on it cannot. */
void client_expect_fast(struct client *c);
/* Its queue holds CLIENT_QUEUE_MAX or more: on_room will come, or on_gone. */
bool client_is_full(const struct client *c);
/* The owner has room for more input. */
void client_resume(struct client *c);
/* Nothing more will be sent: delivers what is queued, with the framing's last words, and closes.
 * on_gone comes now or later; no other call does. */
void client_finish(struct client *c);
/* Closes at once; no call. */
void client_drop(struct client *c);
