/* The container object: references, claims, and those who wait for it. */
#include "container/container.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/thread.h"

struct container *container_new(const char *id)
{
	struct container *c = xnew(struct container);

	snprintf(c->id, sizeof c->id, "%s", id);
	c->refs = 1;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->changed, NULL);
	c->init_fd = -1;
	fields_init(container_state_fields, &c->state);
	fields_init(container_phase_fields, &c->disk);
	return c;
}

struct container *container_ref(struct container *c)
{
	__atomic_add_fetch(&c->refs, 1, __ATOMIC_RELAXED);
	return c;
}

void container_unref(struct container *c)
{
	if (!c || __atomic_sub_fetch(&c->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	close_p(&c->init_fd);
	container_config_unref(c->config);
	fields_free(container_state_fields, &c->state);
	fields_free(container_phase_fields, &c->disk);
	free(c->name);
	free(c->problem);
	pthread_mutex_destroy(&c->lock);
	pthread_cond_destroy(&c->changed);
	free(c);
}

int container_claim(struct container *c, struct err *err)
{
	hold(&c->lock);

	while (!c->gone && (c->claimed || !c->handled))
		pthread_cond_wait(&c->changed, &c->lock);
	if (c->gone)
		return err_set(err, ERR_NOT_FOUND, "No such container: %s", c->id);
	c->claimed = true;
	return 0;
}

void container_release(struct container *c)
{
	hold(&c->lock);

	c->claimed = false;
	container_changed_locked(c);
}

void container_keep_out(struct container *c)
{
	hold(&c->lock);

	c->busy = true;
	while (c->reconciling)
		pthread_cond_wait(&c->changed, &c->lock);
}

bool container_let_in(struct container *c)
{
	hold(&c->lock);
	bool missed = c->missed;

	c->busy = c->missed = false;
	return missed;
}

int container_wait_changed_locked(struct container *c, const struct timespec *deadline)
{
	return -pthread_cond_clockwait(&c->changed, &c->lock, CLOCK_MONOTONIC, deadline);
}

void container_changed_locked(struct container *c)
{
	pthread_cond_broadcast(&c->changed);
}

static bool condition_met(enum wait_condition wanted, enum wait_condition what)
{
	switch (what) {
	case WAIT_NOT_RUNNING:
		return wanted == WAIT_NOT_RUNNING;
	case WAIT_NEXT_EXIT:
		return wanted != WAIT_REMOVED;
	case WAIT_REMOVED:
		break;
	}
	return true;
}

void container_tell_waiters_locked(struct container *c, enum wait_condition what)
{
	for (struct container_waiter *w = c->waiters; w; w = w->next) {
		if (w->done || !condition_met(w->condition, what))
			continue;
		w->done = true;
		w->exit_code = c->state.exit_code;
		snprintf(w->error, sizeof w->error, "%s", c->state.error ? c->state.error : "");
		(void) eventfd_write(w->event_fd, 1);
	}
}
