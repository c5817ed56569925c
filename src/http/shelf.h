/* The shelf's inside; what it is for: http.h. Thread-safe. */
#pragma once

#include "http/http.h"

/* So often a request is begun by a new process; one that kills each is given up then. */
#define SHELF_TRIES_MAX 5

/* Puts a connection there: its slot, or -1 where there is no room (or no shelf). answering: as
 * shelf_mark_answering(), from its first moment there. */
int shelf_put(struct http_shelf *h, int fd, bool answering);
/* Takes it off. slot -1 is fine. */
void shelf_drop(struct http_shelf *h, int slot);
/* Its answer is about to be sent, whole, in one call. Should the process end now, then only what is
 * in the socket can tell whether it was. */
void shelf_mark_answering(struct http_shelf *h, int slot);
/* It was: the connection waits for its next request. slot -1 is fine. */
void shelf_mark_idle(struct http_shelf *h, int slot);

/* Before anything is put there: what an earlier process left goes to fn, which owns it, with its
 * slot. doubtful: it may wait for an answer that never comes. A request that has ended process
 * after process is given up. */
void shelf_find(struct http_shelf *h, void (*fn)(void *arg, int fd, int slot, bool doubtful),
		void *arg);
