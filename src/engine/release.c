/*
 * Releasing what an ended container still holds. The kernel collects mounts and namespaces with the
 * shim, and the shim deletes the runtime's state before it goes; what is left for us are a shim's
 * sudden death and the files of the exec directory. Every step may be done twice.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#include "base/file.h"
#include "engine/internal.h"
#include "engine/networks.h"
#include "engine/volumes.h"
#include "wire/shim_config.h"

#define SHIM_GRACE_NS (30 * NSEC_PER_SEC)
#define RETRY_MAX_NS  (60 * NSEC_PER_SEC)
#define GONE_RETRY_NS (2 * NSEC_PER_SEC)

bool runtime_knows(const struct runtime *rt, const char *id)
{
	autofree char *path = xasprintf("%s/%s", rt->root, id);

	return exists_at(AT_FDCWD, path);
}

char *container_cgroup_path(const struct engine *e, const struct container_config *config)
{
	const char *parent = config->host.cgroup_parent;

	if (str_empty(parent))
		parent = e->cgroup_parent;
	return xasprintf("%s%s/%s", parent[0] == '/' ? "" : "/", parent, config->id);
}

char *container_cgroup_now(const struct engine *e, int exec_dir,
			   const struct container_config *config)
{
	struct shim_config sc = {0};
	char *path = NULL;

	if (shim_config_read(exec_dir, &sc, NULL) == 0)
		path = take(sc.cgroup);
	shim_config_free(&sc);
	return !path && config ? container_cgroup_path(e, config) : path;
}

int release_cgroup(struct engine *e, int exec_dir, const struct container_config *config,
		   struct err *err)
{
	autofree char *path = container_cgroup_now(e, exec_dir, config);
	int r = path ? cgroup_remove(path) : 0;

	return r < 0 ? err_sys(err, -r, "remove cgroup %s", path) : 0;
}

/* idle: its exec directory stays, for its shim does. */
static int release(struct engine *e, struct container *c, bool idle, struct err *err)
{
	auto_(container_config_unref_p) struct container_config *config = NULL;
	const struct runtime *rt = NULL;
	autoclose int exec = container_open_exec(e->store, c->id);
	autofree char *shm = xasprintf("%s/" LAYOUT_CONTAINERS "/%s/shm", e->o.exec_root, c->id);
	int r;

	{
		hold(&c->lock);
		config = container_config_ref(c->config);
	}
	if (config)
		rt = runtime_find(e->runtimes, config->runtime);
	if (rt && runtime_knows(rt, c->id) && runtime_delete(rt, c->id, err) < 0)
		return -1;
	if (release_cgroup(e, exec, config, err) < 0)
		return -1;
	networks_leave(e, c);
	unmount_volumes(e, c, config);
	(void) umount2(shm, MNT_DETACH | UMOUNT_NOFOLLOW);
	if (idle)
		return idle_shim_tidy(e, c->id, err);
	r = remove_tree_at(container_store_exec_dir(e->store), c->id);
	return r < 0 ? err_sys(err, -r, "remove exec directory") : 0;
}

/* The shim ends by itself once it has released the runtime's state; its hang-up brings us back
 * here. */
static bool wait_for_shim(struct engine *e, struct container *c)
{
	autoclose int exec = container_open_exec(e->store, c->id);
	struct err err = {0};
	bool linked, removing;
	int fd;

	if (exec < 0 || shim_pulse(exec) != PULSE_ALIVE)
		return false;
	{
		hold(&c->lock);
		linked = c->shim_link && !link_hung_up(c->shim_link);
		removing = c->phase == PHASE_REMOVING;
	}
	if (removing) /* it may be idle, with clients */
		shim_quit(e, c, false);
	fd = linked ? -1 : shim_connect(exec, &err);
	hold(&c->lock);
	if (fd >= 0) {
		link_drop(&c->shim_link);
		linked = link_watch(e, c, fd, &c->shim_link, &err) == 0;
	}
	/* Even the hang-up of the connection comes a moment before the lock is free. */
	link_drop(&c->timer);
	(void) link_timer(e, c, linked ? SHIM_GRACE_NS : 2 * NSEC_PER_MSEC, &c->timer, &err);
	return true;
}

static void release_failed(struct engine *e, struct container *c, const struct err *why)
{
	int64_t delay = NSEC_PER_SEC;
	struct err err = {0};

	hold(&c->lock);
	for (int64_t i = 0; i < c->state.cleanup_tries && delay < RETRY_MAX_NS; i++)
		delay *= 2;
	c->state.cleanup_tries++;
	free(c->state.cleanup);
	c->state.cleanup = xstrdup(why->text);
	log_warn("container %.12s (%s): clean-up pending, try %lld: %s", c->id, c->name,
		 (long long) c->state.cleanup_tries, why->text);
	if (container_save_state_locked(e->store, c, &err) < 0)
		log_warn("container %.12s: %s", c->id, err.text);
	link_drop(&c->timer);
	if (link_timer(e, c, delay, &c->timer, &err) < 0)
		log_error("container %.12s: %s", c->id, err.text);
	container_changed_locked(c);
}

/* Auto-removed, or to be removed by a verb that could not wait for its end; one that still does
 * has it claimed, and sees to it. */
static bool is_to_go(const struct container *c)
{
	if (c->phase == PHASE_REMOVING)
		return false;
	if (c->state.wanted == WANTED_GONE)
		return !c->claimed;
	return c->config && c->config->host.auto_remove && c->state.settled_run > 0 && !c->keep &&
	       c->state.wanted != WANTED_RESTART;
}

/* Says whether it is to be removed now. */
static bool rest(struct engine *e, struct container *c, bool idle)
{
	struct err err = {0};
	bool remove;

	hold(&c->lock);
	if (!idle)
		link_drop(&c->shim_link);
	link_drop(&c->pid_link);
	link_drop(&c->timer);
	if (c->state.cleanup) {
		free(take(c->state.cleanup));
		c->state.cleanup_tries = 0;
		if (container_save_state_locked(e->store, c, &err) < 0)
			log_warn("container %.12s: %s", c->id, err.text);
	}
	remove = is_to_go(c);
	if (!remove && restart_plan_locked(e, c)) {
		restart_arm_locked(e, c);
		return false;
	}
	if (c->phase != PHASE_REMOVING && c->phase != PHASE_EXITED && c->phase != PHASE_CREATED)
		container_move_locked(e->store, c,
				      c->state.started_ns ? PHASE_EXITED : PHASE_CREATED,
				      "released");
	/* Of a start that has failed, and so of no end, nobody else tells them. */
	container_tell_waiters_locked(c, WAIT_NOT_RUNNING);
	if (remove) {
		if (c->state.wanted != WANTED_GONE) { /* nobody removed it: it removes itself */
			remember_departure_locked(e, c);
			c->state.remove_volumes = true;
		}
		c->state.wanted = WANTED_GONE;
		if (container_save_state_locked(e->store, c, &err) < 0)
			log_warn("container %.12s: %s", c->id, err.text);
		container_move_locked(e->store, c, PHASE_REMOVING, "auto-remove");
	}
	/* Should the verb that has it give up in this very moment. */
	if (c->state.wanted == WANTED_GONE && c->claimed)
		(void) link_timer(e, c, GONE_RETRY_NS, &c->timer, &err);
	container_changed_locked(c);
	return remove;
}

static bool is_at_rest(struct container *c)
{
	hold(&c->lock);

	return c->phase == PHASE_CREATED || c->phase == PHASE_EXITED;
}

void release_and_rest(struct engine *e, struct container *c)
{
	bool idle = idle_shim_stays(e, c);
	struct err err = {0};

	if (idle && is_at_rest(c))
		return;
	if (!idle && wait_for_shim(e, c))
		return;
	if (!idle)
		shim_reap(e, c);
	sessions_take_up(e, c, true);
	if (release(e, c, idle, &err) < 0) {
		release_failed(e, c, &err);
		return;
	}
	if (rest(e, c, idle) && finish_removal(e, c, &err) < 0)
		log_warn("container %.12s: auto-remove: %s", c->id, err.text);
}
