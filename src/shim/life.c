/* See life.h. */
#include "shim/life.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "shim/cgroup.h"
#include "shim/join.h"
#include "shim/life_private.h"
#include "shim/procinfo.h"
#include "wire/layout.h"

#define RETRY_NS (5 * NSEC_PER_SEC)

/* Telling */

/* The event that a record is told by. */
static void event_of(struct buf *b, const struct run_record *r)
{
	kv_add(b, "msg", run_event_name(r->event));
	kv_add_int(b, "run", r->run);
	kv_add_int(b, "time", r->time_ns);
	switch (r->event) {
	case RUN_STARTED:
		kv_add_int(b, "pid", r->pid);
		kv_add_int(b, "ticks", (int64_t) r->pid_ticks);
		break;
	case RUN_ENDED:
		kv_add_int(b, "code", r->code);
		kv_add_int(b, "signal", r->signal);
		kv_add_int(b, "oom", r->oom);
		break;
	case RUN_RESTART:
		kv_add_int(b, "due", r->due_ns);
		kv_add_int(b, "count", r->count);
		break;
	case RUN_FAILED:
	case RUN_GAVE_UP:
		kv_add(b, "text", r->text);
		break;
	case RUN_NONE:
		break;
	}
}

static void tell(struct life *l, const struct run_record *r, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		autobuf event = {0};

		event_of(&event, &r[i]);
		control_tell(l->control, &event);
	}
}

static void on_detach(void *arg)
{
	struct life *l = arg;
	autobuf event = {0};

	kv_add(&event, "msg", "detached");
	control_tell(l->control, &event);
}

/* A disk that takes no record: go on trying, and do not end before it has them. The events carry
 * the truth meanwhile. */
static void on_retry(void *arg)
{
	struct life *l = arg;

	if (records_flush(&l->records) < 0)
		loop_timer(l->loop, &l->retry, RETRY_NS);
	else if (l->state == LIFE_ENDED && l->is_clean)
		loop_stop(l->loop);
}

/* Makes the records durable. */
static int write_down(struct life *l, const struct run_record *r, size_t n)
{
	int e = records_add(&l->records, r, n);

	if (e < 0) {
		log_error("write %s: %s; trying again", LAYOUT_RUNS, strerror(-e));
		loop_timer(l->loop, &l->retry, RETRY_NS);
	}
	return e;
}

static struct run_record record(const struct life *l, enum run_event event, const char *text)
{
	struct run_record r = {.event = event, .run = l->run, .time_ns = now_ns()};

	snprintf(r.text, sizeof r.text, "%s", text ? text : "");
	return r;
}

/* The end of all */

void life_rest(struct life *l)
{
	l->state = LIFE_ENDED;
	audience_end(&l->stdio.audience);
	follows_set_over(&l->follows, true);
	if (l->records.pending.len > 0)
		return; /* on_retry() ends us */
	loop_stop(l->loop);
}

/* Restarting */

/* Goes on when both are true, in whatever order that came. */
static void restart_if_ready(struct life *l)
{
	if (l->state != LIFE_RESTARTING || !l->is_due || !l->is_clean)
		return;
	l->by_daemon = false;
	life_begin_run(l);
}

static void on_due(void *arg)
{
	struct life *l = arg;

	l->is_due = true;
	restart_if_ready(l);
}

/* What follows the run that l->last describes: one record (none where there is no policy), and the
 * state. */
static size_t decide(struct life *l, struct run_record *ret)
{
	struct restart_output next = restart_next(&l->last);

	if (!next.restart) {
		l->state = LIFE_ENDED;
		if (l->policy == RESTART_NO)
			return 0;
		*ret = record(l, RUN_GAVE_UP, next.why_not);
		return 1;
	}
	l->state = LIFE_RESTARTING;
	l->run++;
	l->count = next.count;
	l->delay_ns = next.delay_ns;
	*ret = record(l, RUN_RESTART, NULL);
	ret->count = next.count;
	ret->due_ns = l->due_ns = ret->time_ns + next.delay_ns;
	l->is_due = false;
	loop_timer(l->loop, &l->due, next.delay_ns);
	return 1;
}

/* The wish or the policy has changed: does the restart that is due still stand? */
void life_reconsider(struct life *l)
{
	struct run_record r;

	if (l->state != LIFE_RESTARTING)
		return;
	l->last.policy = l->policy;
	l->last.max_retries = l->max_retries;
	l->last.wanted_running = l->wanted_running;
	struct restart_output next = restart_next(&l->last);

	if (next.restart)
		return;
	loop_timer_cancel(l->loop, &l->due);
	l->state = LIFE_ENDED;
	l->run--;
	r = record(l, RUN_GAVE_UP, next.why_not);
	(void) write_down(l, &r, 1);
	tell(l, &r, 1);
	if (l->is_clean)
		life_rest(l);
}

/* What a run leaves behind */

static void on_deleted(void *arg, bool ok)
{
	struct life *l = arg;

	if (!ok)
		log_warn("the runtime could not delete run %lld", (long long) l->end.run);
	/* Those it has killed may have written until then. */
	stdio_drain(&l->stdio);
	stdio_end(&l->stdio);
	children_kill_rest(l->children);
	l->is_clean = true;
	if (l->state == LIFE_ENDED)
		life_rest(l);
	else
		restart_if_ready(l);
}

static void clean_up(struct life *l)
{
	struct err err = {0};

	l->is_clean = false;
	if (runtime_delete(&l->runtime, on_deleted, l, &err) == 0)
		return;
	log_error("%s", err.text);
	on_deleted(l, false);
}

/* The end of a run */

static bool rebooted(const struct life *l, const struct death *d)
{
	/* The kernel's word for reboot(2) in a pid namespace: RESTART is SIGHUP, HALT and POWER_OFF
	 * are SIGINT. Nothing else can kill a namespace's first process by these signals. Who
	 * powers off does not want to come up again. */
	return l->pid_namespace && d->signal == SIGHUP;
}

static void on_init_death(void *arg, const struct death *d)
{
	struct life *l = arg;
	struct run_record r[2];
	size_t n = 1;

	execs_abandon(&l->execs);
	/* All it has said belongs before its end. */
	stdio_drain(&l->stdio);

	r[0] = record(l, RUN_ENDED, NULL);
	r[0].time_ns = d->time_ns;
	r[0].code = d->code;
	r[0].signal = d->signal;
	r[0].oom = cgroup_oom_killed(l->oom_file);
	l->end = r[0];
	l->last = (struct restart_input){
		.policy = l->policy,
		.max_retries = l->max_retries,
		.wanted_running = l->wanted_running,
		.code = d->code,
		.rebooted = rebooted(l, d),
		.ran_ns = monotonic_ns() - l->started_ns,
		.count = l->count,
		.last_delay_ns = l->delay_ns,
	};
	/* End and what follows become durable together, so nobody who reads of the one misses the
	 * other. */
	n += decide(l, &r[1]);
	(void) write_down(l, r, n);
	tell(l, r, n);
	waiters_exited(&l->waiters, d->code, NULL);
	/* With a process namespace's first process the others have died: there is no more to come.
	 */
	if (l->pid_namespace)
		audience_end(&l->stdio.audience);
	clean_up(l);
}

/* A start that fails */

static void on_failure_cleaned(void *arg, bool ok)
{
	struct life *l = arg;
	struct run_record r[2] = {l->end};
	size_t n = 1;

	(void) ok; /* mostly there is nothing to delete */
	children_release(l->children);
	children_kill_rest(l->children);
	stdio_end(&l->stdio);
	l->is_clean = true;

	if (l->by_daemon) {
		mounts_down(&l->mounts);
		close_p(&l->netns);
		l->netns = -1;
		l->state = LIFE_IDLE;
		stay_idle(&l->stay);
		follows_set_over(&l->follows, true);
	} else {
		/* A restart in place: a failure like others, for the reason may pass. */
		l->last = (struct restart_input){
			.policy = l->policy,
			.max_retries = l->max_retries,
			.wanted_running = l->wanted_running,
			.code = 128,
			.count = l->count,
			.last_delay_ns = l->delay_ns,
		};
		n += decide(l, &r[1]);
		(void) write_down(l, &r[1], n - 1);
	}
	tell(l, r, n);
	if (!l->by_daemon)
		waiters_exited(&l->waiters, l->last.code, r[0].text);
	if (l->state == LIFE_ENDED)
		life_rest(l);
}

static void fail(struct life *l, const char *text)
{
	struct err err = {0};

	log_error("run %lld does not start: %s", (long long) l->run, text);
	l->end = record(l, RUN_FAILED, text);
	(void) write_down(l, &l->end, 1);
	if (runtime_delete(&l->runtime, on_failure_cleaned, l, &err) < 0)
		on_failure_cleaned(l, false);
}

/* A start */

static void on_run(void *arg, bool ok)
{
	struct life *l = arg;
	struct run_record r;
	struct procinfo info;
	char words[sizeof r.text];
	pid_t pid;

	if (!ok) {
		runtime_last_words(&l->runtime, words, sizeof words);
		fail(l, words);
		return;
	}
	/* It may be dead by now; then it is a zombie of ours, and still says who it was. */
	pid = runtime_read_pid(&l->runtime);
	if (pid == 0 || procinfo_read(pid, &info) < 0) {
		fail(l, "the runtime did not say which process it started");
		return;
	}

	l->pid = l->execs.init = pid;
	l->pid_ticks = info.start_ticks;
	l->pid_namespace = info.pid_namespace_init;
	free(l->oom_file);
	l->oom_file = cgroup_oom_file(pid, l->config->cgroup);
	r = record(l, RUN_STARTED, NULL);
	r.pid = pid;
	r.pid_ticks = info.start_ticks;
	if (write_down(l, &r, 1) < 0) {
		fail(l, "the start cannot be recorded");
		return;
	}
	l->state = LIFE_RUNNING;
	l->started_ns = monotonic_ns();
	stdio_begin(&l->stdio);
	tell(l, &r, 1);

	l->init = (struct child){.pid = pid, .fn = on_init_death, .arg = l};
	children_watch(l->children, &l->init);
	children_release(l->children);
	children_reap(l->children);
}

static int try_run(struct life *l, struct err *err)
{
	struct stdio_ends ends;
	int r;

	if (mounts_up(&l->mounts, l->config, err) < 0 ||
	    join_own_network(l->netns, l->mounts.exec, err) < 0 ||
	    join_namespaces(l->config, l->mounts.exec, err) < 0 ||
	    records_reserve(&l->records, err) < 0 ||
	    stdio_prepare(&l->stdio, l->config, &ends, err) < 0)
		return -1;
	r = runtime_run(&l->runtime, &ends, on_run, l, err);
	stdio_ends_close(&ends);
	return r;
}

void life_begin_run(struct life *l)
{
	struct err err = {0};

	l->state = LIFE_STARTING;
	stay_busy(&l->stay);
	follows_set_over(&l->follows, false);
	execs_tidy(&l->execs);
	children_hold(l->children);
	if (try_run(l, &err) < 0)
		fail(l, err.text);
}

static void on_nobody(void *arg)
{
	life_rest(arg);
}

void life_configure(struct life *l)
{
	const struct shim_config *c = l->config;

	l->policy = c->restart;
	l->max_retries = c->restart_max;
	l->count = c->restart_count;
}

int life_open(struct life *l, const struct shim_config *config, struct loop *loop,
	      struct children *children, struct control *control, int data, int exec,
	      struct err *err)
{
	*l = (struct life){
		.netns = -1,
		.config = config,
		.loop = loop,
		.children = children,
		.control = control,
		.mounts = {.data = data, .exec = exec},
		.due = {.fn = on_due, .arg = l},
		.retry = {.fn = on_retry, .arg = l},
	};
	life_configure(l);
	clients_init(&l->clients, loop);
	stay_init(&l->stay, loop, &l->clients, on_nobody, l);
	stay_idle(&l->stay);
	waiters_init(&l->waiters, loop, &l->clients);
	if (records_open(&l->records, data, err) < 0)
		return -1;
	if (config->log_file)
		logfile_open(&l->log, data, config->log_max_size, config->log_max_files);
	follows_init(&l->follows, loop, &l->clients, config->log_file ? &l->log : NULL, data);
	stdio_init(&l->stdio, loop, config->log_file ? &l->log : NULL, exec);
	l->stdio.audience.past = &l->follows;
	audience_tell(&l->stdio.audience, on_detach, l);
	execs_init(&l->execs, loop, children, control, &l->clients, config, exec);
	runtime_init(&l->runtime, loop, children, config, exec);
	return 0;
}

void life_close(struct life *l)
{
	if (l->config->log_file)
		logfile_close(&l->log);
	runtime_tidy(&l->runtime);
	close_p(&l->netns);
	l->netns = -1;
}
