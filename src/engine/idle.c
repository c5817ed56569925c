/*
 * Idle shims. A client may attach to a container, or wait for its end, before it is started; what
 * outlives the daemon is the shim, so that is there from the first client on: born with a shim.conf
 * and no bundle, it waits with its clients, and a start takes it as it is. The phase knows nothing
 * of it: a container at rest whose exec directory has a pulse has an idle shim.
 *
 * It ends by itself, soon after its last client (shim/stay.h); its hang-up, or the next restore,
 * then takes the exec directory away.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/file.h"
#include "engine/internal.h"

#define END_TIMEOUT_NS (10 * NSEC_PER_SEC)

/* Its directory */

/* What a former start has left in it is written anew. */
static int make_bundle(int exec_dir, struct err *err)
{
	if ((mkdirat(exec_dir, LAYOUT_BUNDLE, 0700) < 0 && errno != EEXIST) ||
	    (mkdirat(exec_dir, LAYOUT_BUNDLE "/" LAYOUT_ROOTFS, 0755) < 0 && errno != EEXIST))
		return err_sys(err, errno, "make bundle");
	return 0;
}

int exec_dir_make(struct engine *e, const char *id, struct err *err)
{
	int top = container_store_exec_dir(e->store), r;
	autoclose int fd = -1;

	r = remove_tree_at(top, id);
	if (r < 0)
		return err_sys(err, -r, "remove the former exec directory");
	if (mkdirat(top, id, 0700) < 0)
		return err_sys(err, errno, "make exec directory");
	fd = open_exec_dir(e, id, err);
	if (fd < 0 || make_bundle(fd, err) < 0) {
		(void) remove_tree_at(top, id);
		return -1;
	}
	return take_fd(fd);
}

/* The phase last: until then it is a start to be undone. */
int idle_shim_tidy(struct engine *e, const char *id, struct err *err)
{
	static const char *const names[] = {LAYOUT_BUNDLE, LAYOUT_EXECS, "shm", LAYOUT_PHASE};
	autoclose int exec = open_exec_dir(e, id, err);

	if (exec < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		int r = remove_tree_at(exec, names[i]);

		if (r < 0)
			return err_sys(err, -r, "remove %s of an idle shim", names[i]);
	}
	return 0;
}

/* Asking */

/* A connection to the shim that has just said that it is idle, or -1. */
static int connect_idle(int exec_dir)
{
	struct err err = {0};
	autoclose int conn = shim_connect(exec_dir, &err);
	autokv answer = {0};

	if (conn < 0 || shim_hello(conn, &answer, &err) < 0)
		return -1;
	return str_eq(kv_get(&answer, "state"), "idle") ? take_fd(conn) : -1;
}

/* A shim that has hung up gives its pulse away a moment later, of which nobody is told. */
static bool await_no_pulse(int exec_dir)
{
	struct timespec deadline = deadline_in(END_TIMEOUT_NS);
	const struct timespec moment = {.tv_nsec = NSEC_PER_MSEC};

	while (shim_pulse(exec_dir) != PULSE_NONE) {
		if (deadline_left_ns(&deadline) <= 0)
			return false;
		(void) nanosleep(&moment, NULL);
	}
	return true;
}

bool idle_shim_stays(struct engine *e, struct container *c)
{
	autoclose int exec = -1;
	struct err err = {0};
	int conn;

	{
		hold(&c->lock);
		if (c->phase != PHASE_CREATED && c->phase != PHASE_EXITED &&
		    c->phase != PHASE_STARTING)
			return false;
	}
	/* A file may be damaged; who answers lives. */
	exec = container_open_exec(e->store, c->id);
	if (exec < 0 || shim_pulse(exec) == PULSE_NONE)
		return false;
	conn = connect_idle(exec);
	if (conn < 0)
		return false;
	hold(&c->lock);
	link_drop(&c->shim_link);
	if (link_watch(e, c, conn, &c->shim_link, &err) < 0)
		log_error("container %.12s: %s", c->id, err.text);
	return true;
}

/* Having */

void idle_shim_doubt(struct container *c)
{
	hold(&c->lock);

	if (c->phase == PHASE_CREATED || c->phase == PHASE_EXITED)
		link_drop(&c->shim_link);
}

int idle_shim_take(struct engine *e, struct container *c, int *ret_conn, struct err *err)
{
	autoclose int exec = container_open_exec(e->store, c->id);
	autoclose int conn = -1;

	if (exec == -ENOENT || exec == -ENOTDIR)
		return 0;
	if (exec < 0)
		return err_sys(err, -exec, "open exec directory of container %s", c->id);
	if (shim_pulse(exec) == PULSE_NONE)
		return 0;
	conn = connect_idle(exec);
	if (conn < 0) { /* it is about to end */
		if (!await_no_pulse(exec))
			return err_set(err, ERR_CONFLICT, "its former shim still lives");
		shim_reap(e, c);
		return 0;
	}
	if (make_bundle(exec, err) < 0)
		return -1;
	*ret_conn = take_fd(conn);
	/* The start watches that connection. */
	hold(&c->lock);
	link_drop(&c->shim_link);
	return 0;
}

int idle_shim_end(struct engine *e, struct container *c, struct err *err)
{
	autoclose int exec = container_open_exec(e->store, c->id);

	if (exec < 0 || shim_pulse(exec) == PULSE_NONE)
		return 0;
	shim_quit(e, c, false);
	if (!await_no_pulse(exec))
		return err_set(err, ERR_CONFLICT, "the shim of container %.12s does not end",
			       c->id);
	shim_reap(e, c);
	return 0;
}

/* Making */

/* Its word, before anybody comes to it: until then it has no socket. */
static int spawn(struct engine *e, struct container *c, const struct container_config *config,
		 int data_dir, int exec_dir, struct err *err)
{
	autoclose int conn = -1;
	autokv answer = {0};

	if (bundle_prepare_idle(e, c, config, exec_dir, err) < 0 ||
	    shim_bear(e, c, data_dir, exec_dir, &conn, err) < 0 ||
	    shim_hello(conn, &answer, err) < 0)
		return -1;
	hold(&c->lock);
	link_drop(&c->shim_link);
	return link_watch(e, c, take_fd(conn), &c->shim_link, err);
}

/* Claimed, and kept out. */
static int make_idle(struct engine *e, struct container *c, struct err *err)
{
	auto_(container_config_unref_p) struct container_config *config = config_of(c, err);
	autoclose int data = -1, exec = -1, conn = -1;

	if (!config || idle_shim_take(e, c, &conn, err) < 0)
		return -1;
	if (conn >= 0) /* another client's */
		return idle_shim_stays(e, c) ? 0 : err_set(err, ERR_CONFLICT, "its shim ends");
	data = open_data_dir(e, c->id, err);
	if (data < 0)
		return -1;
	exec = exec_dir_make(e, c->id, err);
	return exec < 0 ? -1 : spawn(e, c, config, data, exec, err);
}

enum place { HAS_SHIM, AT_REST, COMES_TO_REST, NO_SHIM };

static enum place look_locked(const struct container *c, struct err *err)
{
	switch (c->phase) {
	case PHASE_RUNNING:
	case PHASE_PAUSED:
	case PHASE_STOPPING:
		if (!c->shim_gone)
			return HAS_SHIM;
		(void) err_set(err, ERR_CONFLICT, "container %s has lost its shim", c->id);
		return NO_SHIM;
	case PHASE_RESTARTING:
		if (c->shim_link && !link_hung_up(c->shim_link))
			return HAS_SHIM;
		(void) err_set(err, ERR_CONFLICT,
			       "Container %s is restarting, wait until the container is running",
			       c->id);
		return NO_SHIM;
	case PHASE_CREATED:
	case PHASE_EXITED:
		return AT_REST;
	case PHASE_STARTING:
		return COMES_TO_REST;
	case PHASE_OVER:
		if (!c->state.cleanup)
			return COMES_TO_REST;
		(void) err_set(err, ERR_CONFLICT, "container %s has ended but is not released: %s",
			       c->id, c->state.cleanup);
		return NO_SHIM;
	case PHASE_REMOVING:
		(void) err_set(err, ERR_CONFLICT, "container %s is marked for removal", c->id);
		return NO_SHIM;
	case PHASE_DEAD:
		(void) err_set(err, ERR_CONFLICT, "container %.12s is dead: %s", c->id,
			       c->problem ?: "no reason is known");
		return NO_SHIM;
	case PHASE_COUNT:
		break;
	}
	return NO_SHIM;
}

static bool has_idle_locked(const struct container *c)
{
	return c->shim_link && !link_hung_up(c->shim_link);
}

/* Says what it is once it is handled, and neither being started nor between its end and its rest.
 */
static enum place await_place(struct engine *e, struct container *c, struct err *err)
{
	enum place place = COMES_TO_REST;

	hold(&c->lock);
	while (!c->gone && !engine_ending(e) &&
	       (!c->handled || (place = look_locked(c, err)) == COMES_TO_REST))
		pthread_cond_wait(&c->changed, &c->lock);
	if (c->gone || place == COMES_TO_REST) {
		(void) (c->gone ? err_set(err, ERR_NOT_FOUND, "No such container: %s", c->id)
				: err_set(err, ERR_UNAVAILABLE, "the daemon is ending"));
		return NO_SHIM;
	}
	return place == AT_REST && has_idle_locked(c) ? HAS_SHIM : place;
}

int engine_shim_for_client(struct engine *e, struct container *c, struct err *err)
{
	auto_(container_release_p) struct container *claimed = NULL;
	enum place place = await_place(e, c, err);
	int r;

	if (place != AT_REST)
		return place == HAS_SHIM ? 0 : -1;
	if (container_claim(c, err) < 0)
		return -1;
	claimed = c;
	/* A verb may have had it meanwhile. */
	place = await_place(e, c, err);
	if (place != AT_REST)
		return place == HAS_SHIM ? 0 : -1;
	container_keep_out(c);
	r = make_idle(e, c, err);
	if (container_let_in(c) || r < 0)
		engine_kick(e, c);
	return r;
}
