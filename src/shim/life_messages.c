/* What a daemon says to a life, and what it is answered; wire/proto.h. */
#include <unistd.h>

#include "base/mem.h"
#include "shim/life_private.h"

static void answer_ok(struct buf *answer)
{
	kv_add(answer, "msg", "ok");
}

static void answer_error(struct buf *answer, const char *text)
{
	kv_add(answer, "msg", "error");
	kv_add(answer, "text", text);
}

static const char *const state_names[] = {
	[LIFE_IDLE] = "idle",	    [LIFE_STARTING] = "starting",
	[LIFE_RUNNING] = "running", [LIFE_RESTARTING] = "restarting",
	[LIFE_ENDED] = "ended",
};

void life_hello(struct life *l, struct buf *answer)
{
	kv_add(answer, "msg", "hello");
	kv_add_int(answer, "version", PROTO_VERSION);
	kv_add(answer, "id", l->config->id);
	kv_add_int(answer, "run", l->run);
	kv_add(answer, "state", state_names[l->state]);
	stay_asked(&l->stay);
	if (l->state == LIFE_RUNNING) {
		kv_add_int(answer, "pid", l->pid);
		kv_add_int(answer, "ticks", (int64_t) l->pid_ticks);
	}
	if (l->state == LIFE_RESTARTING) {
		kv_add_int(answer, "due", l->due_ns);
		kv_add_int(answer, "count", l->count);
	}
	execs_hello(&l->execs, answer);
	/* Should its record have found no room yet. */
	if (l->state == LIFE_ENDED && l->end.event == RUN_ENDED) {
		kv_add_int(answer, "time", l->end.time_ns);
		kv_add_int(answer, "code", l->end.code);
		kv_add_int(answer, "signal", l->end.signal);
		kv_add_int(answer, "oom", l->end.oom);
	}
}

void life_start(struct life *l, int64_t run, int netns, struct buf *answer)
{
	autoclose int mine = netns;

	if (l->state != LIFE_IDLE) {
		autofree char *text = xasprintf("it is %s", state_names[l->state]);

		answer_error(answer, text);
		return;
	}
	if (run <= 0) {
		answer_error(answer, "run is missing");
		return;
	}
	answer_ok(answer);
	close_p(&l->netns);
	l->netns = take_fd(mine);
	l->run = run;
	l->wanted_running = true;
	l->by_daemon = true;
	l->delay_ns = l->config->restart_delay_ns;
	life_begin_run(l);
}

void life_wish(struct life *l, bool running, struct buf *answer)
{
	answer_ok(answer);
	l->wanted_running = running;
	life_reconsider(l);
}

void life_policy(struct life *l, enum restart_name policy, int64_t max_retries, struct buf *answer)
{
	answer_ok(answer);
	l->policy = policy;
	l->max_retries = max_retries;
	life_reconsider(l);
}

void life_wait(struct life *l, const struct message *m, struct buf *answer)
{
	bool removal = str_eq(kv_get(m->kv, "condition"), "removed");
	struct err err = {0};

	if (l->state == LIFE_ENDED && !removal)
		(void) err_set(&err, ERR_CONFLICT, "its life is over");
	else if (waiters_take(&l->waiters, m, l->state == LIFE_IDLE, &err) == 0)
		answer_ok(answer);
	if (err.text[0])
		answer_error(answer, err.text);
}

/* What is to be run beside init needs one. */
static bool has_init(struct life *l, struct err *err)
{
	if (l->state == LIFE_RUNNING)
		return true;
	(void) err_set(err, ERR_CONFLICT, "it is %s", state_names[l->state]);
	return false;
}

void life_probe(struct life *l, const struct probe_order *order, struct buf *answer)
{
	struct err err = {0};

	if (has_init(l, &err) && probe_start(&l->execs, order, &err) == 0)
		answer_ok(answer);
	else
		answer_error(answer, err.text);
}

void life_exec(struct life *l, const struct session_order *order, struct buf *answer)
{
	struct err err = {0};

	if (has_init(l, &err) && session_start(&l->execs, order, &err) == 0)
		answer_ok(answer);
	else
		answer_error(answer, err.text);
}

void life_quit(struct life *l, bool keep_clients, struct buf *answer)
{
	if (l->state == LIFE_STARTING || l->state == LIFE_RUNNING) {
		answer_error(answer, "a run is alive");
		return;
	}
	/* Those that came during a start that has failed. */
	if (l->state == LIFE_IDLE)
		waiters_at_rest(&l->waiters);
	if (keep_clients && l->state == LIFE_IDLE && l->clients.n > 0) {
		answer_error(answer, "clients wait in it");
		stay_leave(&l->stay);
		return;
	}
	answer_ok(answer);
	l->wanted_running = false;
	if (l->state == LIFE_IDLE)
		life_rest(l);
	else
		life_reconsider(l);
}

bool life_is_idle(const struct life *l)
{
	return l->state == LIFE_IDLE;
}
