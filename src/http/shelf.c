/*
 * The shelf; see http.h. A slot is a pair of sockets; a connection lies in it as a descriptor in
 * flight (SCM_RIGHTS). Putting is one sendmsg(2) and dropping one recv(2), which discards the
 * descriptor; nobody else wakes. What is going on with it is a byte in memory that is shared with
 * the next process: the number of processes that have found its request unanswered, or ANSWERING.
 *
 * ANSWERING says: the request has been or is being taken out of the socket, and the answer follows
 * at once. After a death in between
 *   bytes in our direction    are this request or the next one: it is served,
 *   bytes in the other        are the answer: it is idle,
 *   neither                   it is idle or was never answered: it has a moment to say something.
 */
#include "http/shelf.h"

#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/thread.h"

#define ANSWERING 0xff

struct http_shelf {
	pthread_mutex_t lock; /* over free_slots */
	int pairs[HTTP_SHELF_MAX][2];
	unsigned n;
	uint8_t free_slots[HTTP_SHELF_MAX];
	unsigned n_free;
	int state_fd;
	uint8_t *states; /* shared, one for each slot */
};

_Static_assert(HTTP_SHELF_MAX <= UINT8_MAX, "a slot is kept in a byte");

struct http_shelf *http_shelf_new(int state_fd)
{
	struct http_shelf *h;
	void *states;

	if (state_fd < 0)
		state_fd = memfd_create("connections", MFD_CLOEXEC);
	if (state_fd < 0 || ftruncate(state_fd, HTTP_SHELF_MAX) < 0) {
		close_p(&state_fd);
		return NULL;
	}
	states = mmap(NULL, HTTP_SHELF_MAX, PROT_READ | PROT_WRITE, MAP_SHARED, state_fd, 0);
	if (states == MAP_FAILED) {
		(void) close(state_fd);
		return NULL;
	}
	h = xnew(struct http_shelf);
	h->state_fd = state_fd;
	h->states = states;
	pthread_mutex_init(&h->lock, NULL);
	return h;
}

void http_shelf_add(struct http_shelf *h, const int pair[2])
{
	if (!h || h->n == HTTP_SHELF_MAX) {
		(void) close(pair[0]);
		(void) close(pair[1]);
		return;
	}
	h->pairs[h->n][0] = pair[0];
	h->pairs[h->n][1] = pair[1];
	h->n++;
}

bool http_shelf_pair(const struct http_shelf *h, unsigned i, int ret[2])
{
	if (!h || i >= h->n)
		return false;
	memcpy(ret, h->pairs[i], sizeof h->pairs[i]);
	return true;
}

int http_shelf_state_fd(const struct http_shelf *h)
{
	return h ? h->state_fd : -1;
}

void http_shelf_free(struct http_shelf *h)
{
	if (!h)
		return;
	for (unsigned i = 0; i < h->n; i++) {
		(void) close(h->pairs[i][0]);
		(void) close(h->pairs[i][1]);
	}
	(void) munmap(h->states, HTTP_SHELF_MAX);
	(void) close(h->state_fd);
	pthread_mutex_destroy(&h->lock);
	free(h);
}

union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int))];
};

static bool send_fd(int to, int fd)
{
	struct iovec iov = {.iov_base = (void *) "", .iov_len = 1};
	union control control = {0};
	struct msghdr m = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof control.bytes,
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof fd);
	memcpy(CMSG_DATA(c), &fd, sizeof fd);
	return sendmsg(to, &m, MSG_DONTWAIT | MSG_NOSIGNAL) == 1;
}

static int receive_fd(int from)
{
	char byte;
	struct iovec iov = {.iov_base = &byte, .iov_len = 1};
	union control control = {0};
	struct msghdr m = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof control.bytes,
	};
	struct cmsghdr *c;
	int fd;

	if (recvmsg(from, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) != 1)
		return -1;
	c = CMSG_FIRSTHDR(&m);
	if (!c || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(sizeof fd))
		return -1;
	memcpy(&fd, CMSG_DATA(c), sizeof fd);
	return fd;
}

static void give_back(struct http_shelf *h, int slot)
{
	hold(&h->lock);
	h->free_slots[h->n_free++] = (uint8_t) slot;
}

static int put_in(struct http_shelf *h, int slot, int fd)
{
	if (send_fd(h->pairs[slot][0], fd))
		return slot;
	give_back(h, slot);
	return -1;
}

static void mark(struct http_shelf *h, int slot, uint8_t state)
{
	__atomic_store_n(&h->states[slot], state, __ATOMIC_RELEASE);
}

int shelf_put(struct http_shelf *h, int fd, bool answering)
{
	int slot;

	if (!h)
		return -1;
	{
		hold(&h->lock);
		if (h->n_free == 0)
			return -1;
		slot = h->free_slots[--h->n_free];
	}
	mark(h, slot, answering ? ANSWERING : 0);
	return put_in(h, slot, fd);
}

void shelf_drop(struct http_shelf *h, int slot)
{
	char byte;

	if (slot < 0)
		return;
	/* Without room for it the kernel lets go of the descriptor. */
	(void) recv(h->pairs[slot][1], &byte, 1, MSG_DONTWAIT);
	give_back(h, slot);
}

void shelf_mark_answering(struct http_shelf *h, int slot)
{
	mark(h, slot, ANSWERING);
}

void shelf_mark_idle(struct http_shelf *h, int slot)
{
	if (slot >= 0)
		mark(h, slot, 0);
}

/* Which end is which nobody has kept: it lies in one of the two. */
static int take_from(struct http_shelf *h, unsigned i)
{
	int fd = receive_fd(h->pairs[i][0]);

	return fd >= 0 ? fd : receive_fd(h->pairs[i][1]);
}

/* What has been received on it and not read, or sent and not read by the client. */
static int bytes_in(int fd, unsigned long which)
{
	int n = 0;

	return ioctl(fd, which, &n) < 0 ? 0 : n;
}

/* One at a time, so that hardly any can be lost with the process here. */
void shelf_find(struct http_shelf *h, void (*fn)(void *arg, int fd, int slot, bool doubtful),
		void *arg)
{
	if (!h)
		return;
	h->n_free = 0;
	for (unsigned i = 0; i < h->n; i++) {
		int fd = take_from(h, i);
		bool answering = h->states[i] == ANSWERING, pending, doubtful;
		unsigned tries = answering ? 0 : h->states[i];

		if (fd < 0) {
			give_back(h, (int) i);
			continue;
		}
		pending = bytes_in(fd, SIOCINQ) > 0;
		doubtful = answering && !pending && bytes_in(fd, SIOCOUTQ) == 0;
		tries = pending ? tries + 1 : 0;
		if (tries <= SHELF_TRIES_MAX) {
			/* It stays in doubt for a process that comes before that is resolved. */
			mark(h, (int) i, doubtful ? ANSWERING : (uint8_t) tries);
			fn(arg, fd, put_in(h, (int) i, fd), doubtful);
			continue;
		}
		log_error("http: a request in which %u processes have ended is given up",
			  SHELF_TRIES_MAX + 1);
		(void) close(fd);
		give_back(h, (int) i);
	}
}
