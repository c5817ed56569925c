/*
 * probe: what is there of a container, by its witnesses in the order of DESIGN: record of its run;
 * pulse; the shim's answer; pid identity; the runtime. What cannot be told is unknown, never
 * absent.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "engine/internal.h"

#define READ_AGAIN_MAX	 12 /* times; after some seconds nobody waits for its record any more */
#define ASK_FOR_EXIT_MAX 6  /* times, in about six seconds */

enum seen saw(struct finding *f, enum seen seen, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(f->why, sizeof f->why, fmt, ap);
	va_end(ap);
	f->seen = seen;
	return seen;
}

bool is_watched(struct container *c)
{
	hold(&c->lock);

	return c->shim_link && !link_hung_up(c->shim_link);
}

/* A living shim whose connection we do not hold: ask what it does. */
static enum seen ask_shim(int exec_dir, struct finding *f)
{
	struct err err = {0};
	autoclose int conn = shim_connect(exec_dir, &err);
	autokv answer = {0};
	const char *state;

	if (conn < 0 || shim_hello(conn, &answer, &err) < 0)
		return saw(f, SEEN_UNKNOWN, "%s", err.text);
	state = kv_get(&answer, "state") ?: "";
	if (!strcmp(state, "running") || !strcmp(state, "restarting") || !strcmp(state, "starting"))
		return saw(f, SEEN_ALIVE, "its shim says %s", state);
	if (!strcmp(state, "ended"))
		return saw(f, SEEN_ENDED, "its shim says ended");
	if (!strcmp(state, "idle"))
		return saw(f, SEEN_ABSENT, "its shim is idle");
	return saw(f, SEEN_UNKNOWN, "its shim says '%s'", state);
}

/* Its init is gone; but who it came to has not reaped it yet, and until then the kernel does not
 * tell how it ended. That takes moments. */
static bool end_is_not_told_yet(struct container *c)
{
	hold(&c->lock);

	if (c->exit_known || c->init_fd < 0 || c->asked >= ASK_FOR_EXIT_MAX)
		return false;
	switch (pidfd_exit_status(c->init_fd, &c->exit_status)) {
	case 0:
		c->exit_known = true;
		return false;
	case -EAGAIN:
		return true;
	}
	return false;
}

/* No shim: is init there by its identity, or by the runtime's word? */
static enum seen look_for_init(struct engine *e, struct container *c, struct finding *f)
{
	const struct runtime *rt = NULL;
	struct err err = {0};
	pid_t pid;
	uint64_t ticks;
	int fd;

	{
		hold(&c->lock);
		pid = (pid_t) c->disk.pid;
		ticks = (uint64_t) c->disk.pid_ticks;
		rt = runtime_find(e->runtimes, c->config ? c->config->runtime : NULL);
	}
	if (pid > 0 && ticks > 0) {
		fd = pidfd_open_checked(pid, ticks);
		if (fd >= 0) {
			(void) close(fd);
			return saw(f, SEEN_ORPHAN, "pid %d lives, its shim does not", pid);
		}
		if (fd == -ESRCH && end_is_not_told_yet(c))
			return saw(f, SEEN_UNKNOWN, "pid %d is a zombie, and its end not told yet",
				   pid);
		return fd == -ESRCH ? saw(f, SEEN_ABSENT, "pid %d is gone", pid)
				    : saw(f, SEEN_UNKNOWN, "pid %d: %s", pid, strerror(-fd));
	}
	if (!rt)
		return saw(f, SEEN_UNKNOWN, "its runtime is not known here");
	switch (runtime_state(rt, c->id, &pid, &err)) {
	case RUNTIME_RUNNING:
	case RUNTIME_PAUSED:
	case RUNTIME_CREATED: {
		hold(&c->lock);
		c->disk.pid = pid;
		c->disk.pid_ticks = (int64_t) proc_start_ticks(pid);
		return saw(f, SEEN_ORPHAN, "its runtime says it lives, its shim does not");
	}
	case RUNTIME_ABSENT:
	case RUNTIME_STOPPED:
		return saw(f, SEEN_ABSENT, "its runtime knows no process of it");
	case RUNTIME_UNKNOWN:
		break;
	}
	return saw(f, SEEN_UNKNOWN, "%s", err.text);
}

static bool of_this_boot(struct container *c)
{
	hold(&c->lock);

	return str_eq(c->disk.boot_id, boot_id()) || str_eq(c->state.boot_id, boot_id());
}

static bool is_restarting(struct container *c)
{
	hold(&c->lock);

	return c->phase == PHASE_RESTARTING;
}

/* Its end may stand in a record that cannot be read just now: that is not taken for lost. */
static bool is_unread(struct container *c, struct finding *f)
{
	hold(&c->lock);

	if (c->unread == 0 || c->unread > READ_AGAIN_MAX)
		return false;
	(void) saw(f, SEEN_UNKNOWN, LAYOUT_RUNS " cannot be read");
	return true;
}

/* Witnesses in the order of DESIGN: record of this run; pulse; the shim's answer; pid identity; the
 * runtime. */
enum seen probe(struct engine *e, struct container *c, struct finding *f)
{
	autoclose int exec = -1;
	bool ended = settle_records(e, c), begun;

	{
		hold(&c->lock);
		if (c->phase == PHASE_DEAD)
			return saw(f, SEEN_UNKNOWN, "%s", c->problem);
		begun = c->state.run > c->state.settled_run;
		/* The record is of the run before: this one was not meant yet, its shim waits in
		 * vain. */
		ended = ended && c->phase != PHASE_STARTING;
	}
	if (ended && is_restarting(c)) {
		exec = container_open_exec(e->store, c->id);
		if (exec >= 0 && shim_pulse(exec) == PULSE_ALIVE)
			return saw(f, SEEN_ALIVE, "its shim restarts it");
	}
	if (ended)
		return saw(f, SEEN_ENDED, "record of run %lld", (long long) c->state.settled_run);
	if (!begun)
		return saw(f, SEEN_ABSENT, "no run was begun");
	if (!of_this_boot(c))
		return is_unread(c, f) ? f->seen : saw(f, SEEN_ABSENT, HOST_REBOOTED);
	/* One whose run has begun, and has no end on record, ends with its run: nearly all. */
	if ((f->written == PHASE_RUNNING || f->written == PHASE_PAUSED) &&
	    shim_pulse_of(e, c->id) == PULSE_ALIVE)
		return saw(f, SEEN_ALIVE, "its shim lives");
	exec = container_open_exec(e->store, c->id);
	if (exec == -ENOENT)
		return is_unread(c, f) ? f->seen : look_for_init(e, c, f);
	if (exec < 0)
		return saw(f, SEEN_UNKNOWN, "exec directory: %s", strerror(-exec));
	switch (shim_pulse(exec)) {
	case PULSE_UNKNOWN:
		return ask_shim(exec, f);
	case PULSE_ALIVE:
		/* A shim whose start failed lives on without a run: in doubt it is asked. */
		return is_watched(c) && f->written != PHASE_STARTING
			       ? saw(f, SEEN_ALIVE, "its shim lives")
			       : ask_shim(exec, f);
	case PULSE_NONE:
		break;
	}
	/* It may have written its record and gone between our two looks. */
	if (settle_records(e, c))
		return saw(f, SEEN_ENDED, "record of run %lld", (long long) c->state.settled_run);
	/* A file may be damaged; who answers lives. */
	if (ask_shim(exec, f) != SEEN_UNKNOWN)
		return f->seen;
	return is_unread(c, f) ? f->seen : look_for_init(e, c, f);
}
