/* The shelf's inside; what it is for: http.h. Thread-safe. */
#pragma once

#include <sys/uio.h>

#include "http/http.h"

/* So often a request is begun by a new process; one that kills each is given up then. */
#define SHELF_TRIES_MAX 5

/* Puts a connection there: its slot, or -1 where there is no room (or no shelf). answer_len: of an
 * answer that follows at once; 0: it is idle, or has its request in the socket. */
int shelf_put(struct http_shelf *h, int fd, size_t answer_len);
/* The first connection in the queue of who accepts for us, put on the shelf before it is taken out
 * there: its descriptor and *ret_slot as above. -1: errno, EAGAIN where there is none, EPIPE where
 * there will not be any more. */
int shelf_put_queued(struct http_shelf *h, int queue_fd, int *ret_slot);
/* The former process may have ended in between: takes the first out, if it is (by SO_COOKIE) one of
 * those that is_there() knows. Before any is put. */
void shelf_drop_double(int queue_fd, bool (*is_there)(void *arg, uint64_t cookie), void *arg);
/* What tells a connection from all others of this host. */
uint64_t shelf_cookie(int fd);
/* Takes it off. slot -1 is fine. */
void shelf_drop(struct http_shelf *h, int slot);

/* An answer to a request on the shelf, of which request_len bytes are in the socket still. In this
 * order: begin, send, take the request out, end. */
void shelf_begin_answer(struct http_shelf *h, int slot, size_t request_len, size_t answer_len);
/* As sendmsg(2). What is not sent in one call takes the connection off the shelf: the caller's. */
ssize_t shelf_send(struct http_shelf *h, int slot, int fd, struct iovec *iov, int n);
/* Reads n bytes; false where they are not there. */
bool shelf_take_request(struct http_shelf *h, int slot, int fd, void *junk, size_t n);
/* slot -1 is fine. */
void shelf_end_answer(struct http_shelf *h, int slot);

/* Before anything is put there: what an earlier process left goes to fn, which owns it, with its slot.
 * A request that has ended process after process is given up. */
void shelf_find(struct http_shelf *h, void (*fn)(void *arg, int fd, int slot), void *arg);
