/*
 * settle: the one place where a run ends, live or late. The shim's record of runs is read from
 * where state.json ends, and each record is applied in order: state, event with the record's own
 * time, phase. Nothing here knows whether the daemon was there when it happened.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "engine/internal.h"
#include "engine/volumes.h"

#define READ_AGAIN_MIN_NS (50 * NSEC_PER_MSEC)
#define READ_AGAIN_MAX_NS (30 * NSEC_PER_SEC)

struct records {
	struct run_record *items;
	size_t n;
	int64_t behind; /* only records of runs after this one */
};

static void collect(void *arg, const struct run_record *r)
{
	struct records *rs = arg;

	if (r->run <= rs->behind && r->event != RUN_GAVE_UP)
		return;
	rs->items = xreallocarray(rs->items, rs->n + 1, sizeof *rs->items);
	rs->items[rs->n++] = *r;
}

static void replace(char **s, const char *text)
{
	free(*s);
	*s = xstrdup(text);
}

static void apply_started(struct engine *e, struct container *c, const struct run_record *r)
{
	bool news = c->disk.told_run < r->run;

	c->state.run = r->run;
	c->state.started_ns = c->disk.started_ns = r->time_ns;
	c->disk.pid = r->pid;
	c->disk.pid_ticks = (int64_t) r->pid_ticks;
	if (news) {
		replace(&c->state.error, NULL);
		health_begin_locked(e, c, r->time_ns);
		notify_mounts_locked(e, c, r->time_ns, true);
		notify_locked(e, c, r->time_ns, "start", NULL);
		c->disk.told_run = r->run;
	}
	/* Told or not: the records before it may have led to another phase. */
	if (!phase_is_alive(c->phase) && c->phase != PHASE_REMOVING)
		container_move_locked(e->store, c, PHASE_RUNNING, "its shim says started");
}

/* Publishes before it saves: a daemon that dies in between tells it twice with the same time, never
 * not at all. */
static void apply_ended(struct engine *e, struct container *c, const struct run_record *r)
{
	char code[16], duration[24];
	struct err err = {0};

	snprintf(code, sizeof code, "%d", r->code);
	snprintf(duration, sizeof duration, "%lld",
		 (long long) ((r->time_ns - c->state.started_ns) / NSEC_PER_SEC));
	if (r->oom)
		notify_locked(e, c, r->time_ns, "oom", NULL);
	notify_locked(e, c, r->time_ns, "die", "execDuration", duration, "exitCode", code, NULL);
	notify_mounts_locked(e, c, r->time_ns, false);

	c->state.run = r->run;
	c->state.settled_run = r->run;
	c->state.finished_ns = r->time_ns;
	c->state.exit_code = r->code;
	c->state.exit_signal = r->signal;
	c->state.oom_killed = r->oom;
	replace(&c->state.error, r->text[0] ? r->text : NULL);
	c->state.restart_due_ns = 0;
	if (c->shim_gone) {
		c->shim_gone = false;
		free(take(c->problem));
	}
	c->disk.pid = c->disk.pid_ticks = 0;
	health_end_locked(c);
	c->exit_known = false;
	close_p(&c->init_fd);
	c->init_fd = -1;
	free(take(c->disk.verb)); /* it was about this run */
	if (container_save_state_locked(e->store, c, &err) < 0)
		log_error("container %.12s: exit code %d is known but not saved: %s", c->id,
			  r->code, err.text);
	if (c->phase != PHASE_REMOVING)
		container_move_locked(e->store, c, PHASE_OVER,
				      r->text[0] ? r->text : "its run ended");
	container_tell_waiters_locked(c, WAIT_NEXT_EXIT);
}

/* A start in place that failed; the first start of a verb tells its client itself. */
static void apply_failed(struct engine *e, struct container *c, const struct run_record *r)
{
	struct run_record ended = *r;

	if (c->phase == PHASE_STARTING) {
		replace(&c->state.error, r->text);
		return;
	}
	ended.code = 128;
	apply_ended(e, c, &ended);
}

static void apply_restart(struct engine *e, struct container *c, const struct run_record *r)
{
	struct err err = {0};

	c->state.restart_count = r->count;
	c->state.restart_due_ns = r->due_ns;
	c->state.restart_delay_ns = r->due_ns - r->time_ns;
	if (container_save_state_locked(e->store, c, &err) < 0)
		log_warn("container %.12s: %s", c->id, err.text);
	if (c->phase == PHASE_OVER)
		container_move_locked(e->store, c, PHASE_RESTARTING, "its policy");
}

static void apply(struct engine *e, struct container *c, const struct run_record *r)
{
	switch (r->event) {
	case RUN_STARTED:
		apply_started(e, c, r);
		break;
	case RUN_ENDED:
		apply_ended(e, c, r);
		break;
	case RUN_FAILED:
		apply_failed(e, c, r);
		break;
	case RUN_RESTART:
		apply_restart(e, c, r);
		break;
	case RUN_GAVE_UP:
	case RUN_NONE:
		break;
	}
}

/* What happened stands in its record, in words of a later release: it is for that to go on. */
static void call_dead_locked(struct container *c, const struct err *why)
{
	log_error("container %.12s (%s): dead: %s", c->id, c->name, why->text);
	c->phase = PHASE_DEAD;
	free(c->problem);
	c->problem = xstrdup(why->text);
	container_changed_locked(c);
}

/* The bell has rung for it, and does not ring again. */
static void read_again_later_locked(struct engine *e, struct container *c, const struct err *why)
{
	int64_t delay = READ_AGAIN_MIN_NS;
	struct err err = {0};

	if (c->unread++ == 0)
		log_warn("container %.12s (%s): %s; reading again", c->id, c->name, why->text);
	for (unsigned i = 1; i < c->unread && delay < READ_AGAIN_MAX_NS; i++)
		delay *= 2;
	link_drop(&c->timer);
	if (link_timer(e, c, delay, &c->timer, &err) < 0)
		log_error("container %.12s: %s", c->id, err.text);
}

static int read_records(struct engine *e, struct container *c, struct records *rs, struct err *err)
{
	autoclose int dir = container_open_data(e->store, c->id);
	unsigned damaged = 0;
	int r;

	r = dir < 0 ? err_sys(err, -dir, "open its directory")
		    : runs_read(dir, collect, rs, &damaged, err);
	if (damaged)
		log_warn("container %.12s: %u damaged lines in " LAYOUT_RUNS, c->id, damaged);
	return r;
}

static void take_up(struct engine *e, struct container *c, const struct file_mark *mark)
{
	struct records rs = {.behind = c->state.settled_run};
	struct err err = {0};

	if (read_records(e, c, &rs, &err) == 0) {
		c->runs = *mark;
		c->unread = 0;
		for (size_t i = 0; i < rs.n; i++)
			if (rs.items[i].run > c->state.settled_run)
				apply(e, c, &rs.items[i]);
	} else if (err.kind == ERR_NOT_SUPPORTED) {
		call_dead_locked(c, &err);
	} else {
		read_again_later_locked(e, c, &err);
	}
	free(rs.items);
}

bool settle_records(struct engine *e, struct container *c)
{
	autofree char *name = xasprintf("%s/" LAYOUT_RUNS, c->id);
	struct file_mark mark = {0};
	struct err err = {0};
	struct stat st;
	int r;

	hold(&c->lock);
	/* Most looks find nothing new: a bell that rings twice, the look after the watch. */
	r = fstatat(container_store_data_dir(e->store), name, &st, AT_SYMLINK_NOFOLLOW);
	if (r == 0)
		mark = (struct file_mark){st.st_ino, st.st_size};
	if (r < 0 && errno != ENOENT) {
		(void) err_sys(&err, errno, "look at " LAYOUT_RUNS);
		read_again_later_locked(e, c, &err);
	} else if (mark.ino != c->runs.ino || mark.size != c->runs.size) {
		take_up(e, c, &mark);
	} else {
		c->unread = 0;
	}
	return c->state.run > 0 && c->state.settled_run >= c->state.run;
}

void settle_now(struct engine *e, struct container *c)
{
	{
		hold(&c->lock);
		/* A record that could not be read has its timer, and a number of tries before it is
		 * given up: who looks often must not use them up. */
		if (c->unread > 0 || !c->handled ||
		    !(phase_is_alive(c->phase) || c->phase == PHASE_RESTARTING))
			return;
	}
	(void) settle_records(e, c);
}

void settle_lost(struct engine *e, struct container *c, const char *why)
{
	struct run_record r = {.event = RUN_ENDED, .time_ns = now_ns(), .code = 255};

	hold(&c->lock);
	r.run = c->state.run;
	snprintf(r.text, sizeof r.text, "%s", why);
	log_warn("container %.12s (%s): %s", c->id, c->name, why);
	apply_ended(e, c, &r);
}

void settle_by_kernel(struct engine *e, struct container *c, int status)
{
	struct run_record r = {.event = RUN_ENDED, .time_ns = now_ns()};

	hold(&c->lock);
	r.run = c->state.run;
	r.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	r.code = r.signal ? 128 + r.signal : WEXITSTATUS(status);
	log_info("container %.12s (%s): the kernel says how it ended, its shim could not", c->id,
		 c->name);
	apply_ended(e, c, &r);
}
