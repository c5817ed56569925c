/*
 * start: wish and run number on disk first, then the shim, which mounts the rootfs and runs the
 * runtime; its record is the fact. What is undone here after a failure is what restore undoes after
 * a crash.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "engine/internal.h"
#include "engine/networks.h"
#include "wire/fault.h"
#include "wire/proto.h"

#define START_TIMEOUT_MS 90000
#define CODE_UNKNOWN	 (-1) /* whether it started is not known */

static int check_startable(struct container *c, const char *verb, struct err *err)
{
	hold(&c->lock);

	switch (c->phase) {
	case PHASE_RUNNING:
	case PHASE_STOPPING:
	case PHASE_STARTING:
		return err_set(err, ERR_NOT_MODIFIED, "container %s is already running", c->id);
	case PHASE_PAUSED:
		return err_set(err, ERR_CONFLICT,
			       "cannot start a paused container, try unpause instead");
	case PHASE_DEAD:
		return err_set(err, ERR_CONFLICT,
			       "container %.12s is dead and cannot be started: %s", c->id,
			       c->problem ?: "no reason is known");
	case PHASE_REMOVING:
		return err_set(err, ERR_CONFLICT,
			       "container is marked for removal and cannot be started");
	case PHASE_RESTARTING:
		if (!strcmp(verb, VERB_RESTART))
			break;
		return err_set(err, ERR_NOT_MODIFIED, "container %s is being restarted", c->id);
	case PHASE_OVER: /* waited for by the caller */
	case PHASE_CREATED:
	case PHASE_EXITED:
	case PHASE_COUNT:
		break;
	}
	if (c->state.wanted == WANTED_GONE)
		return err_set(err, ERR_CONFLICT,
			       "container is marked for removal and cannot be started");
	return 0;
}

/* What is about to happen, for a restore in this boot: no need to wait for a disk. */
static int begin_start(struct engine *e, struct container *c, const char *verb, struct err *err)
{
	hold(&c->lock);

	/* A kill waits for no verb: until here it finds what it ends restarting. */
	if (!strcmp(verb, VERB_RESTART) && c->state.wanted != WANTED_RUNNING)
		return err_set(err, ERR_CONFLICT, "container %s is not wanted running any more",
			       c->id);
	fields_free(container_phase_fields, &c->disk);
	fields_init(container_phase_fields, &c->disk);
	c->disk.verb = xstrdup(verb);
	c->disk.deadline_ns = now_ns() + START_TIMEOUT_MS * NSEC_PER_MSEC;
	c->volumes_let_go = false;
	container_move_locked(e->store, c, PHASE_STARTING, verb);
	return 0;
}

/* The intent, durable before the shim is told to begin. */
static int intend_start(struct engine *e, struct container *c, int64_t *ret_run, struct err *err)
{
	hold(&c->lock);

	c->state.wanted = WANTED_RUNNING;
	c->state.run++;
	if (!restart_is_policy_start_locked(c))
		c->state.restart_count = c->state.restart_delay_ns = 0;
	c->state.restart_due_ns = 0;
	c->state.oom_killed = false;
	free(take(c->state.error));
	/* What a clean-up has left is this run's now, and goes with it. */
	free(take(c->state.cleanup));
	c->state.cleanup_tries = 0;
	free(c->state.boot_id);
	c->state.boot_id = xstrdup(boot_id());
	*ret_run = c->state.run;
	return container_save_state_locked(e->store, c, err);
}

/* What the user asked for cannot be run (400), or the host failed (500). */
static int failed_start(const struct container_config *config, const char *text, int *ret_code,
			struct err *err)
{
	char *const *argv = strv_len(config->config.entrypoint) ? config->config.entrypoint
								: config->config.cmd;
	const char *name = argv && argv[0] ? argv[0] : "";

	const struct runtime_fault *fault = runtime_fault_find(text);

	*ret_code = fault ? fault->code : 128;
	if (fault)
		return err_set(err, ERR_INVALID,
			       "failed to create task for container: exec: \"%s\": %s (the runtime "
			       "says: %s)",
			       name, fault->words, text);
	return err_set(err, ERR_SYSTEM, "failed to create task for container: %s", text);
}

/* Waits for the shim's word on this run. What it tells is on disk by then. *ret_code: of a failed
 * start. */
static int await_start(int conn, const struct container_config *config, int64_t run, int *ret_code,
		       struct err *err)
{
	struct timespec deadline = deadline_in(START_TIMEOUT_MS * NSEC_PER_MSEC);

	*ret_code = CODE_UNKNOWN;
	for (;;) {
		struct err why = {0};
		autokv kv = {0};
		const char *msg;

		if (shim_receive(conn, &deadline, &kv, &why) < 0)
			return why.kind == ERR_UNAVAILABLE
				       ? err_set(err, ERR_SYSTEM,
						 "its shim did not start it within %d s",
						 START_TIMEOUT_MS / 1000)
				       : err_set(err, ERR_SYSTEM,
						 "its shim ended during the start");
		msg = kv_get(&kv, "msg") ?: "";
		if (!strcmp(msg, "started") && kv_int(&kv, "run", 0) == run)
			return 0;
		if (!strcmp(msg, "failed"))
			return failed_start(config, kv_get(&kv, "text") ?: "no reason", ret_code,
					    err);
		if (!strcmp(msg, "error"))
			return err_set(err, ERR_SYSTEM, "its shim says: %s",
				       kv_get(&kv, "text") ?: "no reason");
	}
}

/* anew: an idle shim's, which has read what was there at its birth. The shim gets the network
 * namespace, if there is one, and holds it from then on. */
static int tell_start(int conn, int64_t run, bool anew, int netns, struct err *err)
{
	autobuf msg = {0};
	int r;

	kv_add(&msg, "msg", "start");
	kv_add_int(&msg, "run", run);
	if (anew)
		kv_add_int(&msg, "anew", 1);
	r = proto_send(conn, &msg, &netns, netns >= 0 ? 1 : 0);
	return r < 0 ? err_sys(err, -r, "tell its shim to start") : 0;
}

static void learn_filter(struct engine *e, const struct container_config *config,
			 const char *profile)
{
	const struct runtime *rt = runtime_find(e->runtimes, config->runtime);
	autofree char *path = xasprintf("%s/%s/seccomp.bpf", rt->root, config->id);

	spec_filters_learn(e->filters, profile, path);
}

static void note_shim(struct container *c)
{
	hold(&c->lock);

	c->disk.shim_pid = c->shim_child;
	c->disk.shim_ticks = (int64_t) proc_start_ticks(c->shim_child);
}

/* The shim gets ready, which is no effect yet, while the intent goes to disk. *conn: to one that is
 * idle, or -1; the caller's. */
static int run_it(struct engine *e, struct container *c, const struct container_config *config,
		  int *conn, int *ret_code, struct err *err)
{
	bool idle = *conn >= 0;
	autoclose int data = open_data_dir(e, c->id, err);
	autoclose int exec = data < 0 ? -1 : open_exec_dir(e, c->id, err);
	autoclose int netns = -1;
	autofree char *unlearned = NULL;
	int64_t run;

	*ret_code = 128;
	if (exec < 0 || networks_join(e, c, config, &netns, err) < 0 ||
	    bundle_prepare(e, c, config, data, exec, &unlearned, err) < 0)
		return -1;
	if (!idle && shim_bear(e, c, data, exec, conn, err) < 0)
		return -1;
	note_shim(c);
	if (intend_start(e, c, &run, err) < 0)
		return -1;
	if (tell_start(*conn, run, idle, netns, err) < 0 ||
	    await_start(*conn, config, run, ret_code, err) < 0)
		return -1;
	if (unlearned)
		learn_filter(e, config, unlearned);
	return 0;
}

/* Back to where it was, as restore does it with a start that was cut short. */
static void undo(struct engine *e, struct container *c, int code, const struct err *why)
{
	struct err err = {0};
	bool by_policy;

	{
		hold(&c->lock);
		by_policy = restart_is_policy_start_locked(c);
		c->state.settled_run = c->state.run;
		c->state.exit_code = code;
		free(c->state.error);
		c->state.error = xstrdup(why->text);
		if (container_save_state_locked(e->store, c, &err) < 0)
			log_warn("container %.12s: %s", c->id, err.text);
		/* Not interrupted, but failed: that is the policy's to judge like the end of a run.
		 */
		if (by_policy)
			container_move_locked(e->store, c, PHASE_OVER, "the start failed");
	}
	shim_quit(e, c, !by_policy);
	release_and_rest(e, c);
}

/* It runs, watched or not: a missing watch is made up for by the next reconcile. */
static int watch_it(struct engine *e, struct container *c, int conn)
{
	struct err err = {0};
	int r;

	{
		hold(&c->lock);
		free(take(c->disk.verb));
		c->disk.deadline_ns = 0;
		r = link_watch(e, c, conn, &c->shim_link, &err);
	}
	if (r < 0)
		log_error("container %.12s: %s", c->id, err.text);
	/* Watch first, then look: the records say what has happened meanwhile. */
	(void) settle_records(e, c);
	links_renew_own(e, c);
	hold(&c->lock);
	hold_init_locked(c);
	return 0;
}

/* Facts are kept out: the exec directory is being made. */
static int start_alone(struct engine *e, struct container *c, const struct container_config *config,
		       const char *verb, struct err *err)
{
	autoclose int conn = -1, exec = -1;
	int code;

	if (idle_shim_take(e, c, &conn, err) < 0)
		return -1;
	if (conn < 0 && (exec = exec_dir_make(e, c->id, err)) < 0)
		return -1;
	if (begin_start(e, c, verb, err) < 0)
		return -1;
	if (run_it(e, c, config, &conn, &code, err) == 0)
		return watch_it(e, c, take_fd(conn));
	close_p(&conn);
	conn = -1;
	/* Where its shim did not say how the start went, that is for reconcile to find out. */
	if (code != CODE_UNKNOWN)
		undo(e, c, code, err);
	return -1;
}

int start_claimed(struct engine *e, struct container *c, const char *verb, struct err *err)
{
	auto_(container_config_unref_p) struct container_config *config = config_of(c, err);
	bool by_policy = !strcmp(verb, VERB_RESTART);
	int r;

	if (check_startable(c, verb, err) < 0)
		return -1;
	/* What a policy starts has been released before that was planned. */
	if (!config || (!by_policy && wait_rested(e, c, REST_TIMEOUT_S, err) < 0))
		return -1;
	if (check_container_image_exist(e->images, config->image_id, err) < 0)
		return -1;
	container_keep_out(c);
	/* It may have removed itself instead of coming to rest. */
	r = check_startable(c, verb, err);
	if (r == 0)
		r = start_alone(e, c, config, verb, err);
	if (container_let_in(c) || r < 0)
		engine_kick(e, c);
	return r;
}

int engine_start(struct engine *e, const char *ref, struct err *err)
{
	auto_(container_unref_p) struct container *c = NULL;
	auto_(container_release_p) struct container *claimed = NULL;

	if (find_and_claim(e, ref, &c, &claimed, err) < 0)
		return -1;
	return start_claimed(e, c, VERB_START, err);
}
