/*
 * Health checks: a timer that kicks the container, a probe that its shim runs, a result that its
 * worker takes up.
 *
 * The id of a probe is in phase.json before the shim is asked, and the save that forgets it is the
 * one that tells what it said and when the next is due: so whoever finds an id there, this daemon
 * or the next, looks for its result, or asks the shim whether it is at it, and counts it once.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "engine/internal.h"

#define ANSWER_MS  5000
#define RESULT_MAX (64 * 1024)

static const char *const shell_default[] = {"/bin/sh", "-c", NULL};

char **health_argv(const struct config *config)
{
	char **test = config->healthcheck.test, **argv = NULL;
	char *const *shell = (char *const *) shell_default;

	if (!strv_len(test))
		return NULL;
	if (!strcmp(test[0], "CMD-SHELL")) {
		if (strv_len(config->shell))
			shell = config->shell;
		for (; *shell; shell++)
			strv_add(&argv, *shell);
	} else if (strcmp(test[0], "CMD") != 0) {
		return NULL;
	}
	for (test++; *test; test++)
		strv_add(&argv, *test);
	return argv;
}

static const struct healthcheck *check_of(const struct container *c)
{
	return &c->config->config.healthcheck;
}

static int64_t started_at(const struct container *c)
{
	return c->state.started_ns;
}

/* Schedule */

static void set_timer_locked(struct engine *e, struct container *c, int64_t delay_ns)
{
	struct err err = {0};

	link_drop(&c->health_timer);
	if (link_timer(e, c, delay_ns > 0 ? delay_ns : 0, &c->health_timer, &err) < 0)
		log_error("container %.12s: health check: %s", c->id, err.text);
}

static void set_due_timer_locked(struct engine *e, struct container *c)
{
	set_timer_locked(e, c, c->disk.health->due_ns - now_ns());
}

/* Nothing is known of the probe, and nothing counted: later again. */
static void try_later_locked(struct engine *e, struct container *c, const char *why)
{
	int64_t now = now_ns();

	log_warn("container %.12s (%s): health check: %s", c->id, c->name, why);
	c->disk.health->due_ns = health_due(check_of(c), started_at(c), HEALTH_HEALTHY, now);
	set_due_timer_locked(e, c);
}

void health_begin_locked(struct engine *e, struct container *c, int64_t started_ns)
{
	autostrv char **argv = c->config ? health_argv(&c->config->config) : NULL;
	struct container_health *h;

	link_drop(&c->health_timer);
	container_health_free(take(c->disk.health));
	if (!argv)
		return;
	h = c->disk.health = xnew(struct container_health);
	h->status = xstrdup(health_status_text(HEALTH_STARTING));
	h->due_ns = health_due(check_of(c), started_ns, HEALTH_STARTING, started_ns);
	set_due_timer_locked(e, c);
}

/* What does not run is not healthy, and docker says it so. */
void health_end_locked(struct container *c)
{
	struct container_health *h = take(c->disk.health);

	link_drop(&c->health_timer);
	container_health_free(c->state.health);
	c->state.health = h;
	if (!h)
		return;
	free(h->status);
	h->status = xstrdup(health_status_text(HEALTH_UNHEALTHY));
	free(take(h->probe));
	free(take(h->taken));
	h->due_ns = h->paused_ns = 0;
}

void health_wake_locked(struct engine *e, struct container *c)
{
	if (c->disk.health)
		engine_kick(e, c);
}

/* Saves what has changed; what cannot be saved may be told twice by the next daemon. */
static int save_locked(struct engine *e, struct container *c)
{
	struct err err = {0};

	if (container_save_phase_locked(e->store, c, &err) == 0)
		return 0;
	log_warn("container %.12s: health check: %s", c->id, err.text);
	return -1;
}

/* Results */

struct outcome {
	struct health_result r;
	int64_t code; /* of the process */
	bool ran;     /* it came to run */
	bool timed_out;
};

static void outcome_free(struct outcome *o)
{
	free(o->r.output);
}

/* What docker makes of it. */
static char *words(const struct outcome *o, const char *error, const char *output,
		   int64_t timeout_ns)
{
	char limit[DURATION_MAX];

	if (!o->ran)
		return xasprintf("OCI runtime exec failed: %s", error);
	if (!o->timed_out)
		return xstrdup(output);
	return xasprintf("Health check exceeded timeout (%s)%s%s", duration_text(timeout_ns, limit),
			 *output ? ": " : "", output);
}

/* The shim's file: 1, 0 where there is none (yet), < 0 where it says nothing. */
static int read_outcome(int exec_dir, const char *id, int64_t timeout_ns, struct outcome *ret)
{
	autofree char *path = xasprintf(LAYOUT_EXECS "/%s/" EXEC_RESULT, id);
	autofree char *text = NULL;
	const char *error;
	autokv kv = {0};
	size_t len;
	int r;

	r = read_file_at(exec_dir, path, RESULT_MAX, &text, &len);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (kv_parse(text, len, &kv) < 0 || !kv_get(&kv, "code"))
		return -EBADMSG;
	error = kv_get(&kv, "error");
	*ret = (struct outcome){
		.r.start_ns = kv_int(&kv, "start", 0),
		.r.end_ns = kv_int(&kv, "end", 0),
		.code = kv_int(&kv, "code", -1),
		.ran = !error,
		.timed_out = kv_int(&kv, "timed-out", 0),
	};
	ret->r.exit_code = ret->ran && !ret->timed_out ? ret->code : -1;
	ret->r.output = words(ret, error, kv_get(&kv, "output") ?: "", timeout_ns);
	return 1;
}

/* The last few. */
static void log_result(struct container_health *h, struct health_result *r)
{
	struct health_result *items;

	h->log.items = xreallocarray(h->log.items, h->log.n + 1, sizeof *items);
	items = h->log.items;
	items[h->log.n++] = *r;
	r->output = NULL;
	if (h->log.n <= HEALTH_LOG_MAX)
		return;
	free(items[0].output);
	h->log.n--;
	memmove(items, items + 1, h->log.n * sizeof *items);
}

static void count_locked(struct engine *e, struct container *c, struct outcome *o)
{
	struct container_health *h = c->disk.health;
	enum health_status was = health_status_parse(h->status);
	struct health_step next =
		health_next(check_of(c), started_at(c), was, h->failing_streak, &o->r);
	autofree char *action = xasprintf("health_status: %s", health_status_text(next.status));
	char code[24];

	snprintf(code, sizeof code, "%lld", (long long) o->code);
	if (o->ran)
		notify_locked(e, c, o->r.end_ns, "exec_die", "execID", h->probe, "exitCode", code,
			      NULL);
	if (next.status != was) {
		notify_locked(e, c, o->r.end_ns, action, NULL);
		log_info("container %.12s (%s): %s -> %s", c->id, c->name, health_status_text(was),
			 health_status_text(next.status));
	}
	free(h->status);
	h->status = xstrdup(health_status_text(next.status));
	h->failing_streak = next.failing_streak;
	h->due_ns = next.due_ns;
	log_result(h, &o->r);
}

static void done_with_locked(struct container_health *h)
{
	free(h->taken);
	h->taken = take(h->probe);
}

/* Of the probe `id`, which may have been overtaken by the end of its run. */
static bool still_at_locked(const struct container *c, const char *id)
{
	return c->disk.health && str_eq(c->disk.health->probe, id);
}

/* Is a pause, which is under way or came after its beginning, to blame for what a probe says? */
static bool met_pause_locked(const struct container *c, const struct health_result *r)
{
	return str_eq(c->disk.verb, "pause") || c->disk.health->paused_ns >= r->start_ns;
}

/* A failure of a probe that a pause has frozen, or kept from its beginning, says nothing: that one
 * is made once more. */
static void take_outcome(struct engine *e, struct container *c, const char *id, struct outcome *o)
{
	hold(&c->lock);
	struct container_health *h = c->disk.health;

	if (!still_at_locked(c, id))
		return;
	if (o->r.exit_code == 0 || !met_pause_locked(c, &o->r))
		count_locked(e, c, o);
	done_with_locked(h);
	(void) save_locked(e, c);
}

/* Its directory goes once the save has said so; whoever comes after a crash in between does it. */
static void remove_taken(struct container *c, int exec_dir)
{
	autofree char *id = NULL, *path = NULL;

	{
		hold(&c->lock);
		if (!c->disk.health || !c->disk.health->taken)
			return;
		id = take(c->disk.health->taken);
	}
	path = xasprintf(LAYOUT_EXECS "/%s", id);
	(void) remove_tree_at(exec_dir, path);
}

enum progress { PROGRESS_UNKNOWN, PROGRESS_AT_IT, PROGRESS_NONE };

static enum progress ask_progress(int exec_dir, const char *id, struct err *err)
{
	autokv answer = {0};
	autobuf msg = {0};

	kv_add(&msg, "msg", "hello");
	kv_add_int(&msg, "version", 1);
	if (shim_call(exec_dir, &msg, ANSWER_MS, &answer, err) < 0)
		return PROGRESS_UNKNOWN;
	for (char **kv = answer.items; kv && *kv; kv += 2)
		if (!strcmp(kv[0], "exec") && !strcmp(kv[1], id))
			return PROGRESS_AT_IT;
	return PROGRESS_NONE;
}

/* The shim is not at it, and there is no result: it was never asked, or could not write it; or it
 * says nothing. */
static void lose_probe(struct engine *e, struct container *c, int exec_dir, const char *id)
{
	autofree char *path = xasprintf(LAYOUT_EXECS "/%s", id);
	bool begun = exists_at(exec_dir, path);

	hold(&c->lock);
	if (!still_at_locked(c, id))
		return;
	done_with_locked(c->disk.health);
	if (begun)
		try_later_locked(e, c, "the result of a probe is lost; it does not count");
	(void) save_locked(e, c);
}

static void ask_progress_later(struct engine *e, struct container *c, const char *why)
{
	hold(&c->lock);

	log_warn("container %.12s (%s): health check: %s", c->id, c->name, why);
	if (c->disk.health)
		set_timer_locked(e, c, health_due(check_of(c), started_at(c), HEALTH_HEALTHY, 0));
}

/* The probe in progress: says whether it is one no longer. */
static bool take_up(struct engine *e, struct container *c, int exec_dir, const char *id,
		    int64_t timeout_ns)
{
	auto_(outcome_free) struct outcome o = {0};
	enum progress progress = PROGRESS_NONE;
	struct err err = {0};
	int found = read_outcome(exec_dir, id, timeout_ns, &o);

	if (found == 0) {
		progress = ask_progress(exec_dir, id, &err);
		/* It may have come between our two looks. */
		found = read_outcome(exec_dir, id, timeout_ns, &o);
	}
	if (found == 0 && progress == PROGRESS_AT_IT)
		return false; /* it will ring */
	if (found == 0 && progress == PROGRESS_UNKNOWN) {
		ask_progress_later(e, c, err.text);
		return false;
	}
	if (found > 0)
		take_outcome(e, c, id, &o);
	else
		lose_probe(e, c, exec_dir, id);
	return true;
}

/* Asking */

static void tell_begin_locked(struct engine *e, struct container *c)
{
	autostrv char **argv = health_argv(&c->config->config);
	autofree char *rest = strv_join(argv + (*argv ? 1 : 0), " ");
	const char *first = *argv ? *argv : "", *id = c->disk.health->probe;
	autofree char *create = xasprintf("exec_create: %s %s", first, rest);
	autofree char *start = xasprintf("exec_start: %s %s", first, rest);

	notify_locked(e, c, now_ns(), create, "execID", id, NULL);
	notify_locked(e, c, now_ns(), start, "execID", id, NULL);
}

/* The intent; false where it cannot be saved, or is not wanted (any more). */
static bool intend_locked(struct engine *e, struct container *c, const char *id)
{
	struct container_health *h = c->disk.health;

	h->probe = xstrdup(id);
	if (save_locked(e, c) == 0) {
		tell_begin_locked(e, c);
		return true;
	}
	free(take(h->probe));
	try_later_locked(e, c, "no probe without a record of it");
	return false;
}

/* A shim of an earlier version: said once, and neither healthy nor unhealthy is claimed. */
static void give_up_locked(struct container *c)
{
	struct health_result r = {
		.start_ns = now_ns(),
		.end_ns = now_ns(),
		.exit_code = -1,
		.output = xstrdup("health checks begin with the next start: the shim of this run "
				  "is of an earlier version and cannot make them"),
	};

	log_warn("container %.12s (%s): %s", c->id, c->name, r.output);
	c->disk.health->due_ns = 0;
	log_result(c->disk.health, &r);
}

static void refused(struct engine *e, struct container *c, const char *id, const struct err *why)
{
	hold(&c->lock);

	if (!still_at_locked(c, id))
		return;
	done_with_locked(c->disk.health);
	if (why->kind == ERR_NOT_SUPPORTED)
		give_up_locked(c);
	else
		try_later_locked(e, c, why->text);
	(void) save_locked(e, c);
}

static void ask(struct engine *e, struct container *c, int exec_dir, const char *id,
		int64_t timeout_ns)
{
	struct err err = {0};
	autokv answer = {0};
	autobuf msg = {0};

	kv_add(&msg, "msg", "probe");
	kv_add(&msg, "id", id);
	kv_add_int(&msg, "timeout", timeout_ns);
	kv_add(&msg, "process", LAYOUT_BUNDLE "/" BUNDLE_HEALTH);
	if (shim_call(exec_dir, &msg, ANSWER_MS, &answer, &err) == 0)
		return;
	if (err.kind == ERR_CONFLICT || err.kind == ERR_NOT_SUPPORTED)
		refused(e, c, id, &err);
	else /* who knows: perhaps it heard us */
		ask_progress_later(e, c, err.text);
}

/* The tick */

static bool lives_locked(const struct container *c)
{
	return (c->phase == PHASE_RUNNING || c->phase == PHASE_PAUSED) && !c->shim_gone &&
	       c->config && c->state.run > c->state.settled_run;
}

/* Begun by a daemon that knew no health checks, or its phase could not be read. */
static bool has_health_locked(struct engine *e, struct container *c)
{
	if (!c->disk.health) {
		health_begin_locked(e, c, started_at(c));
		if (c->disk.health)
			(void) save_locked(e, c);
	}
	return c->disk.health;
}

/* Is a probe to be asked for now? If not, the timer is set, or somebody will wake us. */
static bool is_due_locked(struct engine *e, struct container *c)
{
	const struct container_health *h = c->disk.health;

	if (c->phase != PHASE_RUNNING || h->due_ns == 0 || str_eq(c->disk.verb, "pause"))
		return false;
	if (h->due_ns <= now_ns())
		return true;
	if (!c->health_timer || link_hung_up(c->health_timer))
		set_due_timer_locked(e, c);
	return false;
}

void health_tick(struct engine *e, struct container *c)
{
	autoclose int exec = -1;
	autofree char *probe = NULL;
	char id[CONTAINER_ID_LEN + 1];
	int64_t timeout_ns;
	bool due;

	{
		hold(&c->lock);
		if (!lives_locked(c) || !has_health_locked(e, c))
			return;
		probe = xstrdup(c->disk.health->probe);
		timeout_ns = health_timeout(check_of(c));
		if (!probe && !c->disk.health->taken && !is_due_locked(e, c))
			return;
	}
	exec = container_open_exec(e->store, c->id);
	if (exec < 0 || (probe && !take_up(e, c, exec, probe, timeout_ns)))
		return;
	remove_taken(c, exec);
	random_hex(id, CONTAINER_ID_LEN);
	{
		hold(&c->lock);
		due = lives_locked(c) && c->disk.health && !c->disk.health->probe &&
		      is_due_locked(e, c) && intend_locked(e, c, id);
	}
	if (due)
		ask(e, c, exec, id, timeout_ns);
}
