/*
 * Links: what the supervisor watches on behalf of a container. A link is held by its container and
 * by its watch; whoever takes the watch out of it ends that hold, so a callback that ends its own
 * watch and a worker that drops the link at the same moment do not meet.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "engine/internal.h"

struct link {
	struct engine *e;
	struct container *c; /* referenced while the watch lives */
	int fd;		     /* -1: a timer */
	unsigned refs;	     /* atomic */
	bool hung_up;	     /* atomic */
	pthread_mutex_t lock;
	struct watch *watch;
};

static void link_unref(struct link *l)
{
	if (__atomic_sub_fetch(&l->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	close_p(&l->fd);
	container_unref(l->c);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

static struct watch *take_watch(struct link *l)
{
	hold(&l->lock);

	return take(l->watch);
}

static void end_watch(struct link *l)
{
	struct watch *w = take_watch(l);

	if (!w)
		return;
	supervisor_unwatch(l->e->supervisor, w);
	link_unref(l);
}

struct kick {
	struct engine *e;
	struct container *c;
};

static void kick_free(struct kick *k)
{
	container_unref(k->c);
	free(k);
}

static void do_kick(void *arg)
{
	struct kick *k = arg;

	reconcile(k->e, k->c, NULL);
	kick_free(k);
}

/* The one thing that a shim tells and nobody could read later. */
static void do_tell_detach(void *arg)
{
	struct kick *k = arg;

	notify(k->e, k->c, now_ns(), "detach", NULL);
	kick_free(k);
}

bool engine_submit(struct engine *e, const void *key, void (*fn)(void *arg), void *arg)
{
	/* The workers are there for as long as this is held and the end has not been said. */
	hold_rwlock(&e->submit_lock, rd);

	if (engine_ending(e))
		return false;
	workers_submit(e->workers, key, fn, arg);
	return true;
}

/* What is not done any more is for the next daemon's restore. */
static void submit(struct engine *e, struct container *c, void (*fn)(void *arg))
{
	struct kick *k = xnew(struct kick);

	*k = (struct kick){e, container_ref(c)};
	if (!engine_submit(e, c, fn, k))
		kick_free(k);
}

void engine_kick(struct engine *e, struct container *c)
{
	submit(e, c, do_kick);
}

/* Reads what is there: false once the other side has hung up, or (pidfds) the process has ended. */
static bool drain(struct link *l, int fd)
{
	static const char detached[] = "msg=detached\n";
	char packet[512];

	for (;;) {
		ssize_t n = recv(fd, packet, sizeof packet, MSG_DONTWAIT | MSG_TRUNC);

		if (n == sizeof detached - 1 && !memcmp(packet, detached, (size_t) n))
			submit(l->e, l->c, do_tell_detach);
		if (n > 0 || (n < 0 && errno == EINTR))
			continue;
		return n < 0 && errno == EAGAIN;
	}
}

static void on_fd(void *arg, int fd)
{
	struct link *l = arg;

	if (!drain(l, fd)) {
		__atomic_store_n(&l->hung_up, true, __ATOMIC_RELEASE);
		engine_kick(l->e, l->c);
		end_watch(l);
		return;
	}
	engine_kick(l->e, l->c);
}

static void on_timer(void *arg, int fd)
{
	struct link *l = arg;

	__atomic_store_n(&l->hung_up, true, __ATOMIC_RELEASE);
	engine_kick(l->e, l->c);
	end_watch(l);
}

static struct link *link_new(struct engine *e, struct container *c, int fd)
{
	struct link *l = xnew(struct link);

	*l = (struct link){.e = e, .c = container_ref(c), .fd = fd, .refs = 2};
	pthread_mutex_init(&l->lock, NULL);
	return l;
}

/* `r` is what the supervisor said; the watch may have ended by the time it is known here. */
static int link_begun(struct link *l, int r, struct link **ret)
{
	if (r < 0) {
		link_unref(l);
		link_unref(l);
		return r;
	}
	*ret = l;
	return 0;
}

int link_watch(struct engine *e, struct container *c, int fd, struct link **ret, struct err *err)
{
	struct link *l = link_new(e, c, fd);
	int r;

	{
		hold(&l->lock);
		r = supervisor_watch(e->supervisor, fd, on_fd, l, &l->watch, err);
	}
	return link_begun(l, r, ret);
}

int link_timer(struct engine *e, struct container *c, int64_t delay_ns, struct link **ret,
	       struct err *err)
{
	struct link *l = link_new(e, c, -1);
	int r;

	{
		hold(&l->lock);
		r = supervisor_timer(e->supervisor, monotonic_ns() + delay_ns, on_timer, l,
				     &l->watch, err);
	}
	return link_begun(l, r, ret);
}

bool link_hung_up(const struct link *l)
{
	return __atomic_load_n(&l->hung_up, __ATOMIC_ACQUIRE);
}

void link_drop(struct link **lp)
{
	struct link *l = take(*lp);

	if (!l)
		return;
	end_watch(l);
	link_unref(l);
}

void links_drop_locked(struct container *c)
{
	link_drop(&c->shim_link);
	link_drop(&c->pid_link);
	link_drop(&c->timer);
	link_drop(&c->health_timer);
}
