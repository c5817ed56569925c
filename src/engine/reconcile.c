/*
 * reconcile = probe, judge, apply: on a shim's doorbell or hang-up, by timer, and for every
 * container at restore. The same code runs at each ordinary exit.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/file.h"
#include "engine/internal.h"

#define ASK_AGAIN_MAX_NS (30 * NSEC_PER_SEC)
#define FORGET_ABOVE	 (64 * 1024) /* bytes of records: what is settled may go */

static void set_handled(struct container *c)
{
	hold(&c->lock);

	c->asked = 0;
	c->handled = true;
	container_changed_locked(c);
}

/* Its pidfd is held from here on: the kernel tells by it how init ended, should its shim be killed.
 */
void hold_init_locked(struct container *c)
{
	if (c->init_fd >= 0 || c->state.run <= c->state.settled_run)
		return;
	c->init_fd = pidfd_open_checked((pid_t) c->disk.pid, (uint64_t) c->disk.pid_ticks);
	if (c->init_fd < 0)
		c->init_fd = -1;
}

/* Its process may be known though its shim does not speak: then its end is seen at once. */
static void watch_init_locked(struct engine *e, struct container *c)
{
	int fd;

	if (c->pid_link && !link_hung_up(c->pid_link))
		return;
	link_drop(&c->pid_link);
	/* A zombie's end has been seen; its pidfd would wake us without end. */
	if (proc_start_ticks((pid_t) c->disk.pid) == 0)
		return;
	hold_init_locked(c);
	fd = c->init_fd < 0 ? -1 : fcntl(c->init_fd, F_DUPFD_CLOEXEC, 3);
	if (fd >= 0)
		(void) link_watch(e, c, fd, &c->pid_link, NULL);
}

/* Handled: verbs may have it, and those that share its namespaces may start. */
static void end_handling(struct engine *e, struct container *c)
{
	set_handled(c);
	restart_wake_held(e);
}

static void ask_again(struct engine *e, struct container *c, const struct finding *f)
{
	int64_t delay = 100 * NSEC_PER_MSEC;
	struct err err = {0};

	hold(&c->lock);
	if (c->asked == 0)
		log_warn("container %.12s (%s): written %s, seen unknown (%s); asking again", c->id,
			 c->name, phase_text(c->phase), f->why);
	for (unsigned i = 0; i < c->asked && delay < ASK_AGAIN_MAX_NS; i++)
		delay *= 2;
	c->asked++;
	/* Verbs may try: what they cannot do they say. */
	c->handled = true;
	container_changed_locked(c);
	watch_init_locked(e, c);
	link_drop(&c->timer);
	if (link_timer(e, c, delay, &c->timer, &err) < 0)
		log_error("container %.12s: %s", c->id, err.text);
}

/* Once it is done with what a daemon before us has told it. */
static enum runtime_status ask_runtime(struct engine *e, struct container *c,
				       const struct runtime *rt, struct err *err)
{
	pid_t pid;

	if (rt && pause_await_runtime(e, c))
		return runtime_state(rt, c->id, &pid, err);
	(void) err_set(err, ERR_UNAVAILABLE,
		       rt ? "its runtime is not done" : "its runtime is not there");
	return RUNTIME_UNKNOWN;
}

/* Whether it is paused only the runtime knows, where a verb was cut short or phase.json could not
 * be read. */
static void correct_pause(struct engine *e, struct container *c)
{
	enum runtime_status status;
	const struct runtime *rt;
	struct err err = {0};

	{
		hold(&c->lock);
		if (c->claimed || (c->phase != PHASE_RUNNING && c->phase != PHASE_PAUSED) ||
		    (c->disk.boot_id && !str_eq(c->disk.verb, "pause") &&
		     !str_eq(c->disk.verb, "unpause")))
			return;
		rt = runtime_find(e->runtimes, c->config ? c->config->runtime : NULL);
	}
	status = ask_runtime(e, c, rt, &err);

	hold(&c->lock);
	if (status == RUNTIME_UNKNOWN)
		log_warn("container %.12s: whether it is paused is not known: %s", c->id, err.text);
	else
		free(take(c->disk.verb));
	if (status == RUNTIME_PAUSED && c->phase == PHASE_RUNNING)
		container_move_locked(e->store, c, PHASE_PAUSED, "its runtime says paused");
	else if (status == RUNTIME_RUNNING && c->phase == PHASE_PAUSED)
		container_move_locked(e->store, c, PHASE_RUNNING, "its runtime says running");
}

/* Watch, then look: the link first, then the records once more. */
static int watch_shim(struct engine *e, struct container *c, struct err *err)
{
	int fd;

	if (is_watched(c))
		return 0;
	fd = shim_connect_of(e, c->id, err);
	{
		hold(&c->lock);
		link_drop(&c->shim_link);
		if (fd < 0 || link_watch(e, c, fd, &c->shim_link, err) < 0)
			return -1;
	}
	if (settle_records(e, c))
		engine_kick(e, c);
	return 0;
}

static void adopt(struct engine *e, struct container *c, struct finding *f)
{
	struct err err = {0};

	/* It lives, but is about to go, or cannot be spoken to: nothing would tell us of its end.
	 */
	if (watch_shim(e, c, &err) < 0) {
		saw(f, SEEN_UNKNOWN, "its shim lives, but %s", err.text);
		f->verdict = VERDICT_ASK_AGAIN;
		ask_again(e, c, f);
		return;
	}
	{
		hold(&c->lock);
		hold_init_locked(c);
		c->shim_gone = false;
		if (!phase_is_alive(c->phase) && c->phase != PHASE_REMOVING &&
		    c->phase != PHASE_RESTARTING && c->state.run > c->state.settled_run &&
		    c->disk.pid > 0)
			container_move_locked(e->store, c, PHASE_RUNNING, "adopted");
	}
	correct_pause(e, c);
	if (c->runs.size > FORGET_ABOVE)
		shim_forget(e, c);
	end_handling(e, c);
}

static void adopt_orphan(struct engine *e, struct container *c)
{
	struct err err = {0};
	int fd;

	{
		hold(&c->lock);
		hold_init_locked(c);
		fd = c->init_fd < 0 ? -1 : fcntl(c->init_fd, F_DUPFD_CLOEXEC, 3);
		link_drop(&c->shim_link);
		link_drop(&c->pid_link);
		c->shim_gone = true;
		free(c->problem);
		c->problem =
			xstrdup("its shim is gone: logs, attach and health checks are unavailable");
		if (fd < 0)
			engine_kick(e, c);
		else if (link_watch(e, c, fd, &c->pid_link, &err) < 0)
			log_error("container %.12s: %s", c->id, err.text);
		if (!phase_is_alive(c->phase) && c->phase != PHASE_REMOVING)
			container_move_locked(e->store, c, PHASE_RUNNING, "adopted as orphan");
	}
	end_handling(e, c);
}

static void undo_start(struct engine *e, struct container *c)
{
	autoclose int data = container_open_data(e->store, c->id);
	struct err err = {0};
	bool by_policy;

	{
		hold(&c->lock);
		by_policy = restart_is_policy_start_locked(c);
		if (!c->state.error)
			c->state.error = xstrdup("the start was interrupted");
	}
	/* Born, but never told to start; clients that wait in it go on waiting. Before the rest is
	 * written: should we die in between, the next one would take it for a shim that restarts its
	 * container by itself, and wait. */
	shim_quit(e, c, !by_policy);
	{
		hold(&c->lock);
		c->state.settled_run = c->state.run;
		if (by_policy) /* it is due as before */
			c->state.restart_due_ns = now_ns();
		if (c->resume == RESUME_RESTART)
			c->state.wanted = WANTED_RESTART;
		if (container_save_state_locked(e->store, c, &err) < 0)
			log_warn("container %.12s: %s", c->id, err.text);
		if (by_policy)
			container_move_locked(e->store, c, PHASE_RESTARTING,
					      "its start was interrupted");
	}
	if (data >= 0)
		netfiles_tidy(data);
	release_and_rest(e, c);
}

static void settle_without_record(struct engine *e, struct container *c, const struct finding *f)
{
	const char *why = strcmp(f->why, HOST_REBOOTED) ? "exit status lost" : f->why;
	bool known;
	int status;

	{
		hold(&c->lock);
		known = c->exit_known;
		status = c->exit_status;
		if (c->unread > 0)
			why = "exit status lost: " LAYOUT_RUNS " cannot be read";
	}
	if (known)
		settle_by_kernel(e, c, status);
	else
		settle_lost(e, c, why);
}

static void apply(struct engine *e, struct container *c, struct finding *f)
{
	switch (f->verdict) {
	case VERDICT_ASK_AGAIN:
		ask_again(e, c, f);
		return;
	case VERDICT_UNSET:
	case VERDICT_LEAVE:
		/* What a start had made that was not even begun. */
		if (f->written == PHASE_CREATED)
			release_and_rest(e, c);
		break;
	case VERDICT_ADOPT_WARN:
		log_warn("container %.12s (%s): written %s, but %s", c->id, c->name,
			 phase_text(f->written), f->why);
		adopt(e, c, f);
		resume_update(e, c);
		return;
	case VERDICT_ADOPT:
		adopt(e, c, f);
		resume_update(e, c);
		return;
	case VERDICT_ADOPT_ORPHAN:
		adopt_orphan(e, c);
		resume_update(e, c);
		return;
	case VERDICT_UNDO_START:
		undo_start(e, c);
		break;
	case VERDICT_SETTLE_LOST:
		settle_without_record(e, c, f);
		release_and_rest(e, c);
		break;
	case VERDICT_SETTLE:
	case VERDICT_SETTLE_REST:
	case VERDICT_REST:
	case VERDICT_BY_POLICY:
	case VERDICT_SHIM_RESTARTS: /* but the shim is gone */
		release_and_rest(e, c);
		break;
	case VERDICT_RESUME_STOP:
		if (f->seen == SEEN_ORPHAN)
			adopt_orphan(e, c);
		else
			adopt(e, c, f);
		resume_stop(e, c);
		return;
	case VERDICT_STOP_THEN_REMOVE:
		adopt(e, c, f);
		resume_removal(e, c);
		return;
	case VERDICT_FINISH_REMOVAL:
		release_and_rest(e, c);
		end_handling(e, c);
		resume_removal(e, c);
		return;
	}
	end_handling(e, c);
}

/* What the table leaves to the state: after a reboot the policy of what rests has a word; and a
 * stop or removal that a verb of this process has in hand is not to be resumed beside it. A stop
 * that is half of a restart is resumed as such. */
static enum verdict judge_here(struct container *c, enum verdict v, enum seen seen)
{
	hold(&c->lock);

	if (v == VERDICT_REST && restart_comes_after_boot_locked(c))
		return VERDICT_BY_POLICY;
	if (v == VERDICT_RESUME_STOP &&
	    (c->resume == RESUME_RESTART || c->resume == RESUME_UNDER_WAY))
		return VERDICT_ADOPT;
	if (!c->claimed)
		return v;
	/* But it is to be watched, by its pidfd where its shim died meanwhile. */
	if (v == VERDICT_RESUME_STOP || v == VERDICT_STOP_THEN_REMOVE)
		return seen == SEEN_ORPHAN ? VERDICT_ADOPT_ORPHAN : VERDICT_LEAVE;
	return v == VERDICT_FINISH_REMOVAL ? VERDICT_SETTLE_REST : v;
}

static void reconcile_now(struct engine *e, struct container *c, struct finding *f)
{
	bool first;

	probe(e, c, f);
	{
		/* A start of which the record says that it came to run. */
		hold(&c->lock);
		first = !c->handled;
		if (f->written == PHASE_STARTING && c->phase == PHASE_RUNNING)
			f->written = PHASE_RUNNING;
	}
	f->verdict = judge_here(c, judge(f->written, f->seen), f->seen);
	log_debug("container %.12s: written %s, seen %s (%s): %s", c->id, phase_text(f->written),
		  seen_text(f->seen), f->why, verdict_text(f->verdict));
	if (first)
		sessions_tidy(e, c);
	apply(e, c, f);
	if (f->seen == SEEN_ALIVE || f->seen == SEEN_ORPHAN)
		sessions_take_up(e, c, false);
	if (f->seen == SEEN_ALIVE)
		health_tick(e, c);
	resume_verb(e, c, f);
}

void reconcile(struct engine *e, struct container *c, struct finding *ret)
{
	struct finding f = {0};
	bool busy;

	{
		hold(&c->lock);
		if (c->gone || c->phase == PHASE_DEAD)
			return;
		f.written = c->phase;
		busy = c->missed = c->busy;
		c->reconciling = !busy;
	}
	/* The verb sees to the rest; what ended meanwhile is settled all the same. */
	if (busy)
		(void) settle_records(e, c);
	else
		reconcile_now(e, c, &f);
	if (ret && !busy)
		*ret = f;
	hold(&c->lock);
	/* Removed meanwhile: what we began to watch nobody would end. */
	if (c->gone)
		links_drop_locked(c);
	if (busy)
		return;
	c->reconciling = false;
	container_changed_locked(c);
}
