/*
 * The shelf; see http.h. A slot is a pair of sockets; a connection lies in it as a descriptor in
 * flight (SCM_RIGHTS). Putting is one sendmsg(2) and dropping one recv(2), which discards the
 * descriptor; nobody else wakes. What is going on with it is kept in memory that is shared with the
 * next process.
 *
 * An answer is sent by sendmmsg(2), and its request taken out of the socket by recvmmsg(2), with
 * headers in that memory: so the kernel itself writes down, in the same call, that it has been done.
 * A SIGKILL comes before the call or behind it, and the next process knows which.
 */
#include "http/shelf.h"

#include <errno.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/passfd.h"
#include "base/thread.h"

/* Of a slot, in shared memory. */
struct state {
	uint32_t tries; /* processes that have found its request unanswered */
	uint32_t answering;
	uint32_t request_len; /* in the socket when the answer was begun */
	uint32_t answer_len;
	struct mmsghdr request; /* msg_len: so much of it has been taken out */
	struct mmsghdr answer;	/* msg_len: so much of it has been sent */
};

struct http_shelf {
	pthread_mutex_t lock; /* over free_slots */
	int pairs[HTTP_SHELF_MAX][2];
	unsigned n;
	uint8_t free_slots[HTTP_SHELF_MAX];
	unsigned n_free;
	int state_fd;
	struct state *states; /* shared, one for each slot */
};

#define STATES_SIZE (HTTP_SHELF_MAX * sizeof(struct state))

_Static_assert(HTTP_SHELF_MAX <= UINT8_MAX, "a slot is kept in a byte");

struct http_shelf *http_shelf_new(int state_fd)
{
	struct http_shelf *h;
	void *states;

	if (state_fd < 0)
		state_fd = memfd_create("connections", MFD_CLOEXEC);
	if (state_fd < 0 || ftruncate(state_fd, STATES_SIZE) < 0) {
		close_p(&state_fd);
		return NULL;
	}
	states = mmap(NULL, STATES_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, state_fd, 0);
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
	(void) munmap(h->states, STATES_SIZE);
	(void) close(h->state_fd);
	pthread_mutex_destroy(&h->lock);
	free(h);
}

static void give_back(struct http_shelf *h, int slot)
{
	hold(&h->lock);
	h->free_slots[h->n_free++] = (uint8_t) slot;
}

static int put_in(struct http_shelf *h, int slot, int fd)
{
	if (fd_send(h->pairs[slot][0], fd))
		return slot;
	give_back(h, slot);
	return -1;
}

int shelf_put(struct http_shelf *h, int fd, size_t answer_len)
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
	h->states[slot] = (struct state){0};
	if (answer_len)
		shelf_begin_answer(h, slot, 0, answer_len);
	return put_in(h, slot, fd);
}

/* Without room for it the kernel lets go of the descriptor. */
static void drop_first(int from)
{
	char byte;

	(void) recv(from, &byte, 1, MSG_DONTWAIT);
}

int shelf_put_queued(struct http_shelf *h, int queue_fd, int *ret_slot)
{
	int fd = fd_receive(queue_fd, MSG_PEEK);

	if (fd < 0)
		return -1;
	*ret_slot = shelf_put(h, fd, 0);
	drop_first(queue_fd);
	return fd;
}

void shelf_drop_double(int queue_fd, bool (*is_there)(void *arg, uint64_t cookie), void *arg)
{
	autoclose int fd = fd_receive(queue_fd, MSG_PEEK);

	if (fd >= 0 && is_there(arg, shelf_cookie(fd)))
		drop_first(queue_fd);
}

uint64_t shelf_cookie(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof cookie;

	(void) getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len);
	return cookie;
}

void shelf_drop(struct http_shelf *h, int slot)
{
	if (slot < 0)
		return;
	drop_first(h->pairs[slot][1]);
	give_back(h, slot);
}

/* The flag comes last, as it goes first: what it says of is whole. */
void shelf_begin_answer(struct http_shelf *h, int slot, size_t request_len, size_t answer_len)
{
	struct state *s = &h->states[slot];

	s->request_len = (uint32_t) request_len;
	s->answer_len = (uint32_t) answer_len;
	s->request.msg_len = s->answer.msg_len = 0;
	__atomic_store_n(&s->answering, 1, __ATOMIC_RELEASE);
}

ssize_t shelf_send(struct http_shelf *h, int slot, int fd, struct iovec *iov, int n)
{
	struct mmsghdr *m = &h->states[slot].answer;

	m->msg_hdr = (struct msghdr){.msg_iov = iov, .msg_iovlen = (size_t) n};
	return sendmmsg(fd, m, 1, MSG_NOSIGNAL) == 1 ? (ssize_t) m->msg_len : -1;
}

bool shelf_take_request(struct http_shelf *h, int slot, int fd, void *junk, size_t n)
{
	struct mmsghdr *m = &h->states[slot].request;
	struct iovec iov = {.iov_base = junk, .iov_len = n};

	m->msg_hdr = (struct msghdr){.msg_iov = &iov, .msg_iovlen = 1};
	return recvmmsg(fd, m, 1, MSG_DONTWAIT, NULL) == 1 && m->msg_len == n;
}

void shelf_end_answer(struct http_shelf *h, int slot)
{
	if (slot < 0)
		return;
	__atomic_store_n(&h->states[slot].answering, 0, __ATOMIC_RELEASE);
	h->states[slot].tries = 0;
}

/* Which end is which nobody has kept: it lies in one of the two, which is the second from now on. */
static int look_into(struct http_shelf *h, unsigned i)
{
	int *pair = h->pairs[i], first = pair[0];
	int fd = fd_receive(first, MSG_PEEK);

	if (fd < 0)
		return fd_receive(pair[1], MSG_PEEK);
	pair[0] = pair[1];
	pair[1] = first;
	return fd;
}

static bool has_request(int fd)
{
	int n = 0;

	return ioctl(fd, SIOCINQ, &n) == 0 && n > 0;
}

/* Where the former process ended in the midst of an answer: makes it one that was sent or one that was
 * not begun. False where it is neither. */
static bool resolve(struct state *s, int fd)
{
	char junk[4096];
	uint32_t left = s->request_len - s->request.msg_len;

	if (s->answer.msg_len == 0)
		return s->request_len > 0;
	if (s->answer.msg_len < s->answer_len)
		return false;
	while (left > 0) {
		ssize_t r = recv(fd, junk, left < sizeof junk ? left : sizeof junk, MSG_DONTWAIT);

		if (r <= 0)
			return false;
		left -= (uint32_t) r;
	}
	s->tries = 0;
	return true;
}

/* Is it to be gone on with? */
static bool is_of_use(struct state *s, int fd)
{
	if (s->answering && !resolve(s, fd))
		return false;
	s->answering = 0;
	s->tries = has_request(fd) ? s->tries + 1 : 0;
	if (s->tries <= SHELF_TRIES_MAX)
		return true;
	log_error("http: a request in which %u processes have ended is given up",
		  SHELF_TRIES_MAX + 1);
	return false;
}

/* They stay where they are, so none can be lost with the process here. */
void shelf_find(struct http_shelf *h, void (*fn)(void *arg, int fd, int slot), void *arg)
{
	if (!h)
		return;
	h->n_free = 0;
	for (unsigned i = 0; i < h->n; i++) {
		int fd = look_into(h, i);

		if (fd >= 0 && is_of_use(&h->states[i], fd)) {
			fn(arg, fd, (int) i);
			continue;
		}
		if (fd >= 0)
			drop_first(h->pairs[i][1]);
		close_p(&fd);
		give_back(h, (int) i);
	}
}
