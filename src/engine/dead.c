/*
 * Ending what a dead container still runs. Its files cannot be trusted, so this goes by the
 * witnesses that are left: the shim's pulse and word, the runtimes' own state, the cgroup named in
 * shim.conf. Only for a removal that a user asked for.
 */
#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "engine/internal.h"
#include "engine/networks.h"

#define END_TIMEOUT_MS 10000

static void kill_by_shim(int conn, const char *id)
{
	autoclose int pidfd = -1;
	struct err err = {0};
	autokv answer = {0};

	if (shim_hello(conn, &answer, &err) < 0) {
		log_warn("container %.12s: %s", id, err.text);
		return;
	}
	if (kv_int(&answer, "pid", 0) <= 0)
		return;
	pidfd = pidfd_open_checked((pid_t) kv_int(&answer, "pid", 0),
				   (uint64_t) kv_int(&answer, "ticks", 0));
	if (pidfd >= 0)
		(void) pidfd_kill(pidfd, SIGKILL);
}

/* Until the shim hangs up, which it does when all is released. */
static int await_hang_up(int conn, struct err *err)
{
	struct timespec deadline = deadline_in(END_TIMEOUT_MS * NSEC_PER_MSEC);

	for (;;) {
		struct err why = {0};
		autokv kv = {0};

		if (shim_receive(conn, &deadline, &kv, &why) == 0)
			continue;
		if (why.kind != ERR_UNAVAILABLE)
			return 0;
		return err_set(err, ERR_CONFLICT,
			       "a process of it did not end within %d s of SIGKILL",
			       END_TIMEOUT_MS / 1000);
	}
}

static int end_shim(struct engine *e, struct container *c, int exec, struct err *err)
{
	struct err why = {0};
	autoclose int conn = shim_connect(exec, &why);

	/* It is about to end; or its socket is damaged, and it ends with the container that the
	 * runtime ends. */
	if (conn < 0) {
		log_warn("container %.12s: %s", c->id, why.text);
		return 0;
	}
	shim_tell_wish(e, c, WANTED_GONE);
	kill_by_shim(conn, c->id);
	shim_quit(e, c, false);
	return await_hang_up(conn, err);
}

static int release_by_runtimes(struct engine *e, const char *id, int exec, struct err *err)
{
	const struct runtime *rt;

	for (size_t i = 0; (rt = runtime_at(e->runtimes, i)); i++)
		if (runtime_knows(rt, id) && runtime_delete(rt, id, err) < 0)
			return -1;
	return release_cgroup(e, exec, NULL, err);
}

int end_dead(struct engine *e, struct container *c, bool force, struct err *err)
{
	autoclose int exec = container_open_exec(e->store, c->id);

	if (exec == -ENOENT || exec == -ENOTDIR)
		return 0;
	if (exec < 0)
		return err_sys(err, -exec, "open exec directory of container %.12s", c->id);
	if (shim_pulse(exec) != PULSE_NONE) {
		if (!force)
			return err_set(err, ERR_CONFLICT,
				       "cannot remove container \"/%s\": it is dead (%s), but its "
				       "processes may live: "
				       "force remove",
				       c->name, c->problem ?: "?");
		if (end_shim(e, c, exec, err) < 0)
			return -1;
	}
	if (release_by_runtimes(e, c->id, exec, err) < 0)
		return -1;
	networks_leave(e, c);
	return 0;
}
