/*
 * Verbs in which the former daemon died, gone on with: what they had left to do is on disk. Jobs
 * that may wait for long run beside the container's own worker, which settles meanwhile.
 */
#include <signal.h>

#include "engine/internal.h"

struct job {
	struct engine *e;
	struct container *c;
};

static void submit(struct engine *e, struct container *c, void (*fn)(void *arg))
{
	struct job *j = xnew(struct job);

	*j = (struct job){e, container_ref(c)};
	workers_submit(e->waiters, NULL, fn, j);
}

/* The seconds that are left of a stop, and its signal. */
static int64_t stop_left(struct container *c, int *ret_sig)
{
	hold(&c->lock);
	int64_t left_s = (c->disk.deadline_ns - now_ns()) / NSEC_PER_SEC;

	*ret_sig = (int) c->disk.signal;
	return left_s > 0 ? left_s : 0;
}

static bool is_being_stopped(struct container *c)
{
	hold(&c->lock);

	return c->phase == PHASE_STOPPING;
}

static void resume_stop_job(void *arg)
{
	struct job *j = arg;
	struct err err = {0};
	int sig;

	if (container_claim(j->c, &err) == 0) {
		int64_t left_s = stop_left(j->c, &sig);

		/* Asked for twice, or ended meanwhile, it may be another run by now. */
		if (is_being_stopped(j->c) && stop_claimed(j->e, j->c, left_s, sig, &err) < 0)
			log_warn("container %.12s: resumed stop: %s", j->c->id, err.text);
		container_release(j->c);
	}
	container_unref(j->c);
	free(j);
}

void resume_stop(struct engine *e, struct container *c)
{
	submit(e, c, resume_stop_job);
}

/* Who shares its namespaces has waited for this. */
static void resumed(struct engine *e, struct container *c)
{
	{
		hold(&c->lock);
		c->resume = RESUME_NOTHING;
	}
	restart_wake_held(e);
}

static void resume_restart_job(void *arg)
{
	struct job *j = arg;
	struct err err = {0};
	int sig;

	if (container_claim(j->c, &err) == 0) {
		int64_t left_s = stop_left(j->c, &sig);

		/* A start that is being undone is not the one that is wanted. */
		if ((!has_processes(j->c) && wait_rested(j->e, j->c, REST_TIMEOUT_S, &err) < 0) ||
		    restart_claimed(j->e, j->c, left_s, sig, &err) < 0)
			log_warn("container %.12s: resumed restart: %s", j->c->id, err.text);
		resumed(j->e, j->c);
		container_release(j->c);
	}
	container_unref(j->c);
	free(j);
}

static void resume_kill_job(void *arg)
{
	struct job *j = arg;
	struct err err = {0};
	int sig;

	(void) stop_left(j->c, &sig);
	if (kill_now(j->e, j->c, j->c->id, sig ?: SIGKILL, &err) < 0)
		log_warn("container %.12s: resumed kill: %s", j->c->id, err.text);
	resumed(j->e, j->c);
	container_unref(j->c);
	free(j);
}

static void resume_removal_job(void *arg)
{
	struct job *j = arg;
	struct err err = {0};

	if (container_claim(j->c, &err) == 0) {
		if (remove_claimed(j->e, j->c, true, false, &err) < 0)
			log_warn("container %.12s: resumed removal: %s", j->c->id, err.text);
		container_release(j->c);
	}
	container_unref(j->c);
	free(j);
}

void resume_removal(struct engine *e, struct container *c)
{
	submit(e, c, resume_removal_job);
}

static void tidy_job(void *arg)
{
	struct job *j = arg;

	if (container_claim(j->c, NULL) == 0) {
		(void) container_tidy(j->e->store, j->c, true);
		container_release(j->c);
	}
	container_unref(j->c);
	free(j);
}

void resume_tidy(struct engine *e, struct container *c)
{
	submit(e, c, tidy_job);
}

static void set_update_pends(struct container *c, bool pends)
{
	hold(&c->lock);
	c->update_pends = pends;
}

/* Waits for the verb that has it claimed, which may be the update itself. */
static void resume_update_job(void *arg)
{
	struct job *j = arg;

	if (container_claim(j->c, NULL) == 0) {
		/* Before it looks: what comes to run after that look is another job's. */
		set_update_pends(j->c, false);
		update_resume_claimed(j->e, j->c);
		container_release(j->c);
	}
	container_unref(j->c);
	free(j);
}

void resume_update(struct engine *e, struct container *c)
{
	bool due;

	{
		hold(&c->lock);
		due = c->disk.updating && !c->update_pends && phase_is_alive(c->phase);
		c->update_pends |= due;
	}
	if (due)
		submit(e, c, resume_update_job);
}

/* Of a restart either the stop was cut short, or the new run's start, which is undone by now and
 * wanted again; else the new run has come, even if it has ended since. */
static bool restart_is_due(const struct container *c, const struct finding *f)
{
	return c->state.wanted == WANTED_RESTART || f->written == PHASE_STOPPING;
}

/* It has come to its end. */
static void forget_verb_locked(struct engine *e, struct container *c)
{
	struct err err = {0};

	free(take(c->disk.verb));
	if (phase_is_alive(c->phase) && container_save_phase_locked(e->store, c, &err) < 0)
		log_warn("container %.12s: %s", c->id, err.text);
}

void resume_verb(struct engine *e, struct container *c, const struct finding *f)
{
	void (*job)(void *arg) = NULL;

	if (f->verdict == VERDICT_ASK_AGAIN)
		return;
	{
		hold(&c->lock);
		if (c->resume == RESUME_UNDER_WAY)
			return;
		if (c->resume == RESUME_RESTART && restart_is_due(c, f))
			job = resume_restart_job;
		else if (c->resume == RESUME_KILL && phase_is_alive(c->phase))
			job = resume_kill_job;
		else if (c->resume != RESUME_NOTHING)
			forget_verb_locked(e, c);
		c->resume = job ? RESUME_UNDER_WAY : RESUME_NOTHING;
	}
	if (job)
		submit(e, c, job);
	else
		restart_wake_held(e);
}
