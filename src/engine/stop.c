/*
 * stop, restart, kill. A stop is said before it is done: wish and deadline are on disk, and the
 * shim knows, before the first signal; a daemon that comes back goes on with the seconds that were
 * left.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "engine/internal.h"

#define STOP_TIMEOUT_DEFAULT_S 10
#define KILL_GRACE_S	       10

/* A pidfd of its init, or -errno: -ESRCH where it is gone. */
static int open_init(struct container *c)
{
	pid_t pid;
	uint64_t ticks;

	{
		hold(&c->lock);
		pid = (pid_t) c->disk.pid;
		ticks = (uint64_t) c->disk.pid_ticks;
	}
	return pid > 0 ? pidfd_open_checked(pid, ticks) : -ESRCH;
}

int signal_init(struct container *c, int sig)
{
	autoclose int fd = open_init(c);

	return fd < 0 ? fd : pidfd_kill(fd, sig);
}

int container_stop_signal(const struct container_config *config)
{
	int sig = config && !str_empty(config->config.stop_signal)
			  ? signal_parse(config->config.stop_signal)
			  : 0;

	return sig > 0 ? sig : SIGTERM;
}

static int64_t stop_timeout(const struct container_config *config, int64_t asked_s)
{
	if (asked_s != ENGINE_TIMEOUT_DEFAULT)
		return asked_s;
	if (config && config->config.stop_timeout_s != FIELD_UNSET)
		return config->config.stop_timeout_s;
	return STOP_TIMEOUT_DEFAULT_S;
}

/* Frozen processes take no signal but, on some hosts, SIGKILL: let them run to receive it. */
static void thaw(struct engine *e, struct container *c)
{
	const struct runtime *rt;
	struct err err = {0};

	{
		hold(&c->lock);
		rt = runtime_find(e->runtimes, c->config ? c->config->runtime : NULL);
	}
	if (rt && runtime_resume(rt, c->id, -1, &err) < 0)
		log_warn("container %.12s: resume for a signal: %s", c->id, err.text);
}

/* The event comes before the signal: what the signal brings about is told after it. */
static void send_signal(struct engine *e, struct container *c, int sig, bool paused)
{
	autoclose int fd = open_init(c);
	char name[16], number[16];
	int r = fd;

	snprintf(number, sizeof number, "%d", sig);
	if (fd >= 0) {
		notify(e, c, now_ns(), "kill", "signal", number, NULL);
		r = pidfd_kill(fd, sig);
	}
	if (r < 0 && r != -ESRCH)
		log_warn("container %.12s: signal %s: %s", c->id, signal_name(sig, name),
			 strerror(-r));
	if (paused)
		thaw(e, c);
}

/* Waits until no process of it is left: 0, or -ETIMEDOUT. timeout_s < 0: without end. */
static int wait_ended(struct engine *e, struct container *c, int64_t timeout_s)
{
	struct timespec deadline =
		deadline_in((timeout_s < 0 ? INT32_MAX : timeout_s) * NSEC_PER_SEC);
	int r = 0;

	hold(&c->lock);
	while (!c->gone && c->state.run > c->state.settled_run && r == 0 && !engine_ending(e))
		r = container_wait_changed_locked(c, &deadline);
	return c->gone || c->state.run <= c->state.settled_run ? 0 : -ETIMEDOUT;
}

static bool rested_locked(struct engine *e, const struct container *c)
{
	if (c->gone || c->phase == PHASE_EXITED || c->phase == PHASE_CREATED ||
	    c->phase == PHASE_DEAD)
		return true;
	return c->phase == PHASE_REMOVING && !exists_at(container_store_exec_dir(e->store), c->id);
}

int wait_rested(struct engine *e, struct container *c, int64_t timeout_s, struct err *err)
{
	struct timespec deadline = deadline_in(timeout_s * NSEC_PER_SEC);
	int r = 0;

	hold(&c->lock);
	int64_t tries = c->state.cleanup_tries;

	/* What has failed before is tried now, not when its back-off is over; failing once more it
	 * is not waited for. */
	if (c->state.cleanup)
		engine_kick(e, c);
	while (!rested_locked(e, c) && r == 0 && !engine_ending(e) &&
	       !(c->state.cleanup && c->state.cleanup_tries > tries))
		r = container_wait_changed_locked(c, &deadline);
	if (rested_locked(e, c))
		return 0;
	return err_set(err, ERR_CONFLICT, "container %.12s has ended but is not released yet: %s",
		       c->id, c->state.cleanup ?: "its shim has not finished");
}

int save_wish_locked(struct engine *e, struct container *c, enum wanted wish, struct err *err)
{
	int64_t was = c->state.wanted;
	struct err why = {0};

	c->state.wanted = wish;
	if (container_save_state_locked(e->store, c, &why) == 0)
		return 0;
	if (why.errnum == ENOSPC || why.errnum == EDQUOT) {
		log_warn("container %.12s (%s): that it is wanted %s is not on disk, for which "
			 "there is no room: %s",
			 c->id, c->name, wanted_text(wish), why.text);
		return 0;
	}
	/* The new file may be in place, though not surely on disk. */
	c->state.wanted = was;
	(void) container_save_state_locked(e->store, c, NULL);
	if (err)
		*err = why;
	return -1;
}

static void note_stop_locked(struct engine *e, struct container *c, int64_t timeout_s, int sig)
{
	free(c->disk.verb);
	c->disk.verb = xstrdup(c->keep ? VERB_RENEW : "stop");
	c->disk.signal = sig;
	c->disk.deadline_ns = now_ns() + (timeout_s < 0 ? INT32_MAX : timeout_s) * NSEC_PER_SEC;
	if (phase_is_alive(c->phase) || c->phase == PHASE_RESTARTING)
		container_move_locked(e->store, c, PHASE_STOPPING, "stop");
}

/* Says what is about to be done: deadline in phase.json, durable wish, the shim's ear. In this
 * order, for the phase is what a restore goes on with: a wish alone would stop nothing. */
static int intend_stop(struct engine *e, struct container *c, int64_t timeout_s, int sig,
		       struct err *err)
{
	enum wanted wish, former;
	enum phase was;
	bool keeps_wish = false;

	{
		hold(&c->lock);
		former = c->state.wanted;
		was = c->phase;
		wish = former == WANTED_GONE ? WANTED_GONE
		       : c->keep	     ? WANTED_RESTART
					     : WANTED_STOPPED;
		/* With the host it goes down, and comes up again. */
		keeps_wish = wish == WANTED_STOPPED && c->stop_keeps_wish;
		note_stop_locked(e, c, timeout_s, sig);
		if (wish != former && !keeps_wish && save_wish_locked(e, c, wish, err) < 0) {
			free(take(c->disk.verb));
			container_move_locked(e->store, c, was, "the stop cannot be saved");
			return -1;
		}
	}
	shim_tell_wish(e, c, wish);
	return 0;
}

/* Whether it is frozen. Of a stop that another daemon began only the runtime still knows. */
static bool is_paused(struct engine *e, struct container *c)
{
	const struct runtime *rt;
	enum phase phase;
	pid_t pid;

	{
		hold(&c->lock);
		phase = c->phase;
		rt = runtime_find(e->runtimes, c->config ? c->config->runtime : NULL);
	}
	if (phase != PHASE_STOPPING)
		return phase == PHASE_PAUSED;
	return rt && runtime_state(rt, c->id, &pid, NULL) == RUNTIME_PAUSED;
}

/* SIGKILL, and its end: 0 or -ETIMEDOUT. What does not end at once may be frozen without our
 * knowledge: by a pause whose daemon died, or by somebody else; on cgroup v1 it cannot die so. */
static int kill_and_wait(struct engine *e, struct container *c, bool paused)
{
	send_signal(e, c, SIGKILL, paused);
	if (wait_ended(e, c, 1) == 0)
		return 0;
	if (engine_ending(e))
		return -ETIMEDOUT;
	thaw(e, c);
	return wait_ended(e, c, KILL_GRACE_S);
}

static int stop_by_force(struct engine *e, struct container *c, bool paused, struct err *err)
{
	if (kill_and_wait(e, c, paused) == 0)
		return 0;
	if (engine_ending(e))
		return err_set(err, ERR_UNAVAILABLE,
			       "the daemon is ending; it goes on with this when it is back");
	return err_set(err, ERR_CONFLICT,
		       "container %.12s did not end within %d s of SIGKILL: a process of it cannot "
		       "be killed now",
		       c->id, KILL_GRACE_S);
}

static bool is_between_runs(struct container *c)
{
	hold(&c->lock);

	return c->state.run <= c->state.settled_run;
}

/* Its shim may have been at the start of the next run already when it heard the wish, which it then
 * brings to its end: waits until that is known. Says whether there is a run to be ended. */
static bool next_run_comes(struct engine *e, struct container *c)
{
	struct timespec deadline = deadline_in(REST_TIMEOUT_S * NSEC_PER_SEC);
	int r = 0;

	hold(&c->lock);
	while (c->state.run <= c->state.settled_run && !rested_locked(e, c) &&
	       (c->phase == PHASE_RESTARTING || c->phase == PHASE_STOPPING ||
		c->phase == PHASE_REMOVING) &&
	       !c->state.cleanup && r == 0 && !engine_ending(e))
		r = container_wait_changed_locked(c, &deadline);
	return !c->gone && c->state.run > c->state.settled_run;
}

static int stop_run(struct engine *e, struct container *c, int64_t timeout_s, int sig,
		    struct err *err)
{
	bool paused = is_paused(e, c);

	if (intend_stop(e, c, timeout_s, sig, err) < 0)
		return -1;
	/* Between two runs there is nothing to signal: its shim has heard the wish and ends, or
	 * there is none and the plan is dropped. */
	if (is_between_runs(c)) {
		engine_kick(e, c);
		return 0;
	}
	if (sig != SIGKILL && timeout_s != 0) {
		send_signal(e, c, sig, paused);
		if (wait_ended(e, c, timeout_s) == 0)
			return 0;
		if (engine_ending(e))
			return err_set(
				err, ERR_UNAVAILABLE,
				"the daemon is ending; it goes on with this when it is back");
		paused = false;
	}
	return stop_by_force(e, c, paused, err);
}

int stop_claimed(struct engine *e, struct container *c, int64_t timeout_s, int sig, struct err *err)
{
	auto_(container_config_unref_p) struct container_config *config = NULL;

	{
		hold(&c->lock);
		config = container_config_ref(c->config);
	}
	timeout_s = stop_timeout(config, timeout_s);
	if (sig <= 0)
		sig = container_stop_signal(config);
	do
		if (stop_run(e, c, timeout_s, sig, err) < 0)
			return -1;
	while (next_run_comes(e, c));
	return 0;
}

static int parse_signal(const char *s, int *ret, struct err *err)
{
	int sig;

	*ret = 0;
	if (str_empty(s))
		return 0;
	sig = signal_parse(s);
	if (sig <= 0)
		return err_set(err, ERR_INVALID, "Invalid signal: %s", s);
	*ret = sig;
	return 0;
}

bool has_processes(struct container *c)
{
	hold(&c->lock);

	return phase_is_alive(c->phase) || c->phase == PHASE_RESTARTING;
}

int stop_and_tell(struct engine *e, struct container *c, int64_t timeout_s, int sig,
		  struct err *err)
{
	if (stop_claimed(e, c, timeout_s, sig, err) < 0)
		return -1;
	(void) wait_rested(e, c, REST_TIMEOUT_S, NULL);
	notify(e, c, now_ns(), "stop", NULL);
	return 0;
}

int engine_stop(struct engine *e, const char *ref, int64_t timeout_s, const char *signal,
		struct err *err)
{
	auto_(container_unref_p) struct container *c = NULL;
	auto_(container_release_p) struct container *claimed = NULL;
	int sig;

	if (parse_signal(signal, &sig, err) < 0 || find_and_claim(e, ref, &c, &claimed, err) < 0)
		return -1;
	if (!has_processes(c))
		return err_set(err, ERR_NOT_MODIFIED, "Container %s is already stopped", ref);
	return stop_and_tell(e, c, timeout_s, sig, err) < 0
		       ? err_wrap(err, "cannot stop container: %s", ref)
		       : 0;
}

/* The wish stands until the new run is begun, so that a daemon that comes back begins it. */
static void end_restart(struct engine *e, struct container *c, bool failed)
{
	struct err err = {0};

	hold(&c->lock);
	c->keep = false;
	if (!failed || c->state.wanted != WANTED_RESTART || engine_ending(e))
		return;
	c->state.wanted = WANTED_STOPPED;
	if (container_save_state_locked(e->store, c, &err) < 0)
		log_warn("container %.12s: %s", c->id, err.text);
}

int restart_claimed(struct engine *e, struct container *c, int64_t timeout_s, int sig,
		    struct err *err)
{
	int r = 0;

	{
		hold(&c->lock);
		c->keep = true;
	}
	if (has_processes(c))
		r = stop_and_tell(e, c, timeout_s, sig, err);
	if (r == 0)
		r = start_claimed(e, c, VERB_RENEW, err);
	end_restart(e, c, r < 0);
	if (r == 0)
		notify(e, c, now_ns(), "restart", NULL);
	return r;
}

int engine_restart(struct engine *e, const char *ref, int64_t timeout_s, const char *signal,
		   struct err *err)
{
	auto_(container_unref_p) struct container *c = NULL;
	auto_(container_release_p) struct container *claimed = NULL;
	auto_(container_config_unref_p) struct container_config *config = NULL;
	int sig;

	if (parse_signal(signal, &sig, err) < 0 || find_and_claim(e, ref, &c, &claimed, err) < 0)
		return -1;
	config = config_of(c, err);
	if (!config)
		return -1;
	return restart_claimed(e, c, timeout_s, sig, err) < 0
		       ? err_wrap(err, "Cannot restart container %s", ref)
		       : 0;
}

/* A kill that cannot be noted is done all the same: only a death in it would forget it. */
static void save_kill_locked(struct engine *e, struct container *c)
{
	struct err err = {0};

	if (container_save_phase_locked(e->store, c, &err) < 0)
		log_warn("container %.12s: %s", c->id, err.text);
}

static void forget_kill_locked(struct engine *e, struct container *c)
{
	if (!str_eq(c->disk.verb, "kill"))
		return;
	free(take(c->disk.verb));
	save_kill_locked(e, c);
}

/* docker's rule: SIGKILL and the stop signal say that the user wants it stopped; others are
 * messages. Those two are noted before the wish, for a restore to send them again; a stop in
 * progress is gone on with anyway. What cannot be saved stops no kill: the next save has it. Says
 * whether the wish is new. */
static bool intend_kill(struct engine *e, struct container *c, int sig)
{
	struct err err = {0};
	hold(&c->lock);

	/* It may have come to rest meanwhile, and be somebody's to start. */
	if (!phase_is_alive(c->phase) && c->phase != PHASE_RESTARTING && c->phase != PHASE_OVER)
		return false;
	if (c->phase != PHASE_STOPPING && c->phase != PHASE_OVER) {
		free(c->disk.verb);
		c->disk.verb = xstrdup("kill");
		c->disk.signal = sig;
		save_kill_locked(e, c);
	}
	if (c->state.wanted != WANTED_RUNNING)
		return false;
	if (save_wish_locked(e, c, WANTED_STOPPED, &err) < 0) {
		log_warn("container %.12s (%s): %s", c->id, c->name, err.text);
		c->state.wanted = WANTED_STOPPED;
	}
	return true;
}

/* The signal is sent; it need not end it. */
static void end_kill(struct engine *e, struct container *c, bool paused)
{
	hold(&c->lock);

	forget_kill_locked(e, c);
	if (paused && c->phase == PHASE_PAUSED)
		container_move_locked(e->store, c, PHASE_RUNNING, "signalled");
	if (paused)
		health_wake_locked(e, c);
}

/* And the one that its shim was about to begin. */
static int kill_all_runs(struct engine *e, struct container *c, bool paused)
{
	int r;

	do {
		r = kill_and_wait(e, c, paused);
		paused = false;
	} while (r == 0 && next_run_comes(e, c));
	return r;
}

int kill_now(struct engine *e, struct container *c, const char *ref, int sig, struct err *err)
{
	bool paused, restarting, is_to_end;

	{
		hold(&c->lock);
		restarting = c->phase == PHASE_RESTARTING;
		if (!phase_is_alive(c->phase) && !restarting)
			return err_set(err, ERR_CONFLICT,
				       "Cannot kill container: %s: Container %s is not running",
				       ref, c->id);
		paused = c->phase == PHASE_PAUSED;
		is_to_end = sig == SIGKILL || sig == container_stop_signal(c->config);
	}
	if (is_to_end && intend_kill(e, c, sig))
		shim_tell_wish(e, c, WANTED_STOPPED);
	if (restarting) {
		engine_kick(e, c);
		if (!is_to_end || !next_run_comes(e, c))
			return 0;
	}
	if (sig == SIGKILL)
		return kill_all_runs(e, c, paused) == 0
			       ? 0
			       : err_set(err, ERR_CONFLICT,
					 "Cannot kill container: %s: it did not end within %d s",
					 ref, KILL_GRACE_S);
	send_signal(e, c, sig, paused);
	end_kill(e, c, paused);
	return 0;
}

int engine_kill(struct engine *e, const char *ref, const char *signal, struct err *err)
{
	auto_(container_unref_p) struct container *c = NULL;
	int sig;

	if (parse_signal(signal, &sig, err) < 0 || container_lookup(e->store, ref, &c, err) < 0)
		return -1;
	settle_now(e, c);
	return kill_now(e, c, ref, sig ?: SIGKILL, err);
}
