/*
 * The restart manager's part in the daemon: what no living shim restarts. A shim restarts its
 * container in place, with the daemon or without; it is left to us after a reboot of the host,
 * after a shim's death, and where a start that a policy asked for was cut short.
 *
 * The decision is restart_next() (wire/), the same as the shim's. What was decided is durable
 * (RestartDue in state.json) before the container is said to be restarting, so a daemon that dies
 * in between starts it once, when it is due.
 */
#include <string.h>

#include "engine/internal.h"
#include "wire/restart.h"

/* At most so many are started at a time: a host that comes up has more to do. */
#define STARTS_MAX 4

struct policy_starts {
	struct workers *workers;
	pthread_mutex_t lock;
	struct container **held; /* wait for the container whose namespace they share */
	size_t n_held;		 /* atomic to look at */
};

struct policy_starts *policy_starts_new(void)
{
	struct policy_starts *p = xnew(struct policy_starts);

	pthread_mutex_init(&p->lock, NULL);
	p->workers = workers_new("policy", STARTS_MAX);
	return p;
}

void policy_starts_end(struct policy_starts *p)
{
	if (p)
		workers_free(take(p->workers));
}

void policy_starts_free(struct policy_starts *p)
{
	if (!p)
		return;
	policy_starts_end(p);
	for (size_t i = 0; i < p->n_held; i++)
		container_unref(p->held[i]);
	free(p->held);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

/* Deciding */

static enum restart_name policy_of(const struct container *c)
{
	enum restart_name name = RESTART_NO;

	if (c->config)
		(void) restart_name_parse(c->config->host.restart.name ?: "", &name);
	return name;
}

/* By its own reboot(2), as the shim takes it: nothing else ends the first process of a pid
 * namespace by SIGHUP. */
static bool rebooted(const struct container *c)
{
	return c->state.exit_signal == SIGHUP && str_empty(c->config->host.pid_mode);
}

/* docker's difference between the two: `always` comes back after a reboot even if it was stopped.
 * WANTED_RESTART is for resume.c, whatever the policy says. */
static bool is_wanted(const struct container *c)
{
	if (c->state.wanted == WANTED_RUNNING)
		return true;
	return c->state.wanted == WANTED_STOPPED && policy_of(c) == RESTART_ALWAYS &&
	       container_is_of_old_boot(c);
}

static struct restart_output decide(const struct container *c)
{
	const struct restart_input in = {
		.policy = policy_of(c),
		.max_retries = c->config ? c->config->host.restart.max_retries : 0,
		.wanted_running = is_wanted(c),
		.code = (int) c->state.exit_code,
		.rebooted = rebooted(c),
		.ran_ns = c->state.finished_ns - c->state.started_ns,
		.count = c->state.restart_count,
		.last_delay_ns = c->state.restart_delay_ns,
	};

	return restart_next(&in);
}

bool restart_comes_after_boot_locked(const struct container *c)
{
	return c->phase == PHASE_EXITED && container_is_of_old_boot(c) && decide(c).restart;
}

bool restart_is_policy_start_locked(const struct container *c)
{
	return str_eq(c->disk.verb, VERB_RESTART);
}

static void save(struct engine *e, struct container *c)
{
	struct err err = {0};

	if (container_save_state_locked(e->store, c, &err) < 0)
		log_warn("container %.12s: %s", c->id, err.text);
}

/* A run has ended that nobody restarts in place: is it a case for the policy? A user's start that
 * failed is not, nor what has rested before, but after a reboot. */
static bool is_case(const struct container *c)
{
	if (policy_of(c) == RESTART_NO || c->state.run == 0 || c->state.wanted == WANTED_GONE)
		return false;
	switch (c->phase) {
	case PHASE_STARTING:
		/* Without a verb: the reboot has taken phase.json. */
		return restart_is_policy_start_locked(c) || !c->disk.verb;
	case PHASE_EXITED:
		return container_is_of_old_boot(c);
	case PHASE_RUNNING:
	case PHASE_PAUSED:
	case PHASE_STOPPING:
	case PHASE_OVER:
		return true;
	case PHASE_CREATED:
	case PHASE_RESTARTING:
	case PHASE_REMOVING:
	case PHASE_DEAD:
	case PHASE_COUNT:
		break;
	}
	return false;
}

static bool plan_new(struct engine *e, struct container *c)
{
	struct restart_output next =
		is_case(c) && !shutdown_is_announced(e) ? decide(c) : (struct restart_output){0};
	bool after_boot = container_is_of_old_boot(c);

	if (!next.restart)
		return false;
	if (after_boot) {
		/* A reboot is no failure of the container's: it starts at once, and nothing is
		 * counted. From here on it is of this boot. */
		next.count = c->state.restart_count;
		next.delay_ns = 0;
		c->state.wanted = WANTED_RUNNING;
		free(c->state.boot_id);
		c->state.boot_id = xstrdup(boot_id());
	}
	c->state.restart_count = next.count;
	c->state.restart_delay_ns = next.delay_ns;
	c->state.restart_due_ns = now_ns() + next.delay_ns;
	save(e, c);
	container_move_locked(e->store, c, PHASE_RESTARTING,
			      after_boot ? "its policy, after a reboot" : "its policy");
	return true;
}

/* One that is due already: the wish or the policy may have changed since. */
static bool keep_plan(struct engine *e, struct container *c)
{
	const struct restart_input in = {
		.policy = policy_of(c),
		.wanted_running = is_wanted(c),
		.code = 1,
		.rebooted = true,
	};

	if (c->state.restart_due_ns == 0)
		c->state.restart_due_ns = now_ns();
	if (c->state.wanted != WANTED_GONE && restart_next(&in).restart &&
	    !shutdown_is_announced(e))
		return true;
	c->state.restart_due_ns = 0;
	save(e, c);
	return false;
}

bool restart_plan_locked(struct engine *e, struct container *c)
{
	return c->phase == PHASE_RESTARTING ? keep_plan(e, c) : plan_new(e, c);
}

/* Starting */

struct start_job {
	struct engine *e;
	struct container *c;
};

static bool is_pending(struct engine *e, const char *mode)
{
	auto_(container_unref_p) struct container *other = NULL;

	if (!mode || !str_has_prefix(mode, "container:") ||
	    container_lookup(e->store, mode + strlen("container:"), &other, NULL) < 0)
		return false;
	hold(&other->lock);
	/* Or one that a user's restart, which was cut short, starts again. */
	return !other->handled || other->resume == RESUME_RESTART ||
	       other->resume == RESUME_UNDER_WAY ||
	       (other->phase == PHASE_RESTARTING && !other->shim_link) ||
	       (other->phase == PHASE_STARTING && restart_is_policy_start_locked(other));
}

/* Does it share a namespace with one that is about to be started? Then it comes after it. */
static bool owner_is_pending(struct engine *e, struct container *c)
{
	auto_(container_config_unref_p) struct container_config *config = NULL;

	{
		hold(&c->lock);
		config = container_config_ref(c->config);
	}
	return config &&
	       (is_pending(e, config->host.network_mode) || is_pending(e, config->host.pid_mode) ||
		is_pending(e, config->host.ipc_mode));
}

static void hold_back(struct policy_starts *p, struct container *c)
{
	hold(&p->lock);

	p->held = xreallocarray(p->held, p->n_held + 1, sizeof *p->held);
	p->held[p->n_held] = container_ref(c);
	__atomic_store_n(&p->n_held, p->n_held + 1, __ATOMIC_RELEASE);
}

void restart_wake_held(struct engine *e)
{
	struct policy_starts *p = e->policy_starts;
	struct container **held;
	size_t n;

	if (__atomic_load_n(&p->n_held, __ATOMIC_ACQUIRE) == 0)
		return;
	{
		hold(&p->lock);
		held = take(p->held);
		n = p->n_held;
		__atomic_store_n(&p->n_held, 0, __ATOMIC_RELEASE);
	}
	for (size_t i = 0; i < n; i++) {
		engine_kick(e, held[i]);
		container_unref(held[i]);
	}
	free(held);
}

/* A start that did not come as far as a run: for the policy a failure like others. */
static void start_failed(struct engine *e, struct container *c, int64_t due_ns, const char *why)
{
	hold(&c->lock);

	/* Where it came so far that it had to be undone, that has made a new plan; and what is not
	 * wanted any more has not failed. */
	if (c->phase != PHASE_RESTARTING || c->state.restart_due_ns != due_ns || !is_wanted(c))
		return;
	c->state.exit_code = 128;
	free(c->state.error);
	c->state.error = xstrdup(why);
	container_move_locked(e->store, c, PHASE_OVER, "the start failed");
	if (!plan_new(e, c)) {
		c->state.restart_due_ns = 0;
		save(e, c);
		container_move_locked(e->store, c, PHASE_EXITED, "its policy says no more");
		return;
	}
	restart_arm_locked(e, c);
}

/* Says whether it was held back. */
static bool start_due(struct engine *e, struct container *c)
{
	struct err err = {0};
	int64_t due_ns;

	{
		hold(&c->lock);
		due_ns = c->state.restart_due_ns;
		if (c->phase != PHASE_RESTARTING || engine_ending(e) || due_ns > now_ns() ||
		    !keep_plan(e, c))
			return false;
	}
	if (owner_is_pending(e, c)) {
		hold_back(e->policy_starts, c);
		return true;
	}
	if (start_claimed(e, c, VERB_RESTART, &err) < 0) {
		log_warn("container %.12s (%s): start by its policy: %s", c->id, c->name, err.text);
		start_failed(e, c, due_ns, err.text);
	}
	return false;
}

static void start_job(void *arg)
{
	struct start_job *j = arg;
	struct container *c = j->c;
	struct err err = {0};
	bool held = false;

	if (container_claim(c, &err) == 0) {
		held = start_due(j->e, c);
		container_release(c);
	}
	/* Who waits for this one goes on; so does this one, if its owner is ready by now. */
	if (!held || !owner_is_pending(j->e, c))
		restart_wake_held(j->e);
	container_unref(c);
	free(j);
}

void restart_arm_locked(struct engine *e, struct container *c)
{
	int64_t left = c->state.restart_due_ns - now_ns();
	struct err err = {0};
	struct start_job *j;

	link_drop(&c->timer);
	if (left > 0) {
		if (link_timer(e, c, left, &c->timer, &err) < 0)
			log_error("container %.12s: %s", c->id, err.text);
		return;
	}
	if (engine_ending(e))
		return;
	j = xnew(struct start_job);
	*j = (struct start_job){e, container_ref(c)};
	workers_submit(e->policy_starts->workers, c, start_job, j);
}
