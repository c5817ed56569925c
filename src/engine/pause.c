/* pause, unpause, rename: verbs of one step. The verb in progress is in phase.json while it runs.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <sys/file.h>

#include "engine/internal.h"
#include "engine/networks.h"

#define FREEZE_NS  (10 * NSEC_PER_SEC)
#define RUNTIME_NS (20 * NSEC_PER_SEC)
#define LOOK_US	   10000

/* The container's exec directory, locked: by the runtime as well, which goes on where we die. The
 * next daemon waits for it, or would take for running what is paused a moment later. */
static int lock_for_runtime(struct engine *e, struct container *c, struct err *err)
{
	autoclose int exec = open_exec_dir(e, c->id, err);

	if (exec < 0)
		return -1;
	if (flock(exec, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK
			       ? err_set(err, ERR_CONFLICT,
					 "the runtime is not done with container %s yet", c->id)
			       : err_sys(err, errno, "lock the exec directory");
	return take_fd(exec);
}

bool pause_await_runtime(struct engine *e, struct container *c)
{
	const struct timespec deadline = deadline_in(RUNTIME_NS);
	autoclose int exec = container_open_exec(e->store, c->id);

	while (exec >= 0 && flock(exec, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK) {
		if (deadline_left_ns(&deadline) == 0)
			return false;
		(void) usleep(LOOK_US);
	}
	return true;
}

static int begin(struct engine *e, struct container *c, const char *verb,
		 const struct runtime **ret_rt, struct err *err)
{
	hold(&c->lock);
	const char *runtime = c->config ? c->config->runtime : NULL;
	bool pause = !strcmp(verb, "pause");

	if (c->phase == PHASE_PAUSED && pause)
		return err_set(err, ERR_CONFLICT, "Container %s is already paused", c->id);
	if (c->phase == PHASE_RUNNING && !pause)
		return err_set(err, ERR_CONFLICT, "Container %s is not paused", c->id);
	if (c->phase == PHASE_RESTARTING)
		return err_set(err, ERR_CONFLICT,
			       "Container %s is restarting, wait until the container is running",
			       c->id);
	if (c->phase != PHASE_RUNNING && c->phase != PHASE_PAUSED)
		return err_set(err, ERR_CONFLICT, "Container %s is not running", c->id);
	*ret_rt = runtime_find(e->runtimes, runtime);
	if (!*ret_rt)
		return err_set(err, ERR_INVALID, "unknown or invalid runtime name: %s",
			       runtime ?: "");
	free(c->disk.verb);
	c->disk.verb = xstrdup(verb);
	return container_save_phase_locked(e->store, c, err);
}

/* done says whether the runtime did it; it may have ended meanwhile, which settle sees to. */
static void finish(struct engine *e, struct container *c, enum phase from, enum phase to,
		   const char *verb, bool done)
{
	hold(&c->lock);

	free(take(c->disk.verb));
	if (c->phase != from)
		return;
	container_move_locked(e->store, c, done ? to : from, done ? verb : "the verb failed");
	if (done)
		notify_locked(e, c, now_ns(), verb, NULL);
	health_wake_locked(e, c);
}

/* Not before all of it stands still: a runtime may be content to have said so, or give up where its
 * processes get no processor to stop at. */
static int freeze(struct engine *e, struct container *c, const struct runtime *rt, struct err *err)
{
	auto_(container_config_unref_p) struct container_config *config = config_of(c, err);
	autoclose int exec = lock_for_runtime(e, c, err);
	autofree char *cgroup = exec < 0 || !config ? NULL : container_cgroup_now(e, exec, config);
	int r, waited;

	if (!config || exec < 0)
		return -1;
	r = runtime_pause(rt, c->id, exec, err);
	if (!cgroup || (r < 0 && !strstr(err->text, "unable to freeze")))
		return r;
	waited = cgroup_await_frozen(cgroup, FREEZE_NS);
	if (waited > 0)
		err_clear(err);
	if (waited >= 0)
		return waited > 0 ? 0 : r;
	return err_sys(err, -waited, "freeze cgroup %s", cgroup);
}

static int thaw(struct engine *e, struct container *c, const struct runtime *rt, struct err *err)
{
	autoclose int exec = lock_for_runtime(e, c, err);

	return exec < 0 ? -1 : runtime_resume(rt, c->id, exec, err);
}

/* It may have ended under our hands. */
static int failed(struct container *c, const char *ref, const char *verb, struct err *err)
{
	if (signal_init(c, 0) == -ESRCH)
		return err_set(err, ERR_CONFLICT, "Container %s is not running", c->id);
	return err_wrap(err, "Cannot %s container %s", verb, ref);
}

int engine_pause(struct engine *e, const char *ref, struct err *err)
{
	auto_(container_unref_p) struct container *c = NULL;
	auto_(container_release_p) struct container *claimed = NULL;
	const struct runtime *rt;
	int r;

	if (find_and_claim(e, ref, &c, &claimed, err) < 0 || begin(e, c, "pause", &rt, err) < 0)
		return -1;
	r = freeze(e, c, rt, err);
	finish(e, c, PHASE_RUNNING, PHASE_PAUSED, "pause", r == 0);
	return r < 0 ? failed(c, ref, "pause", err) : 0;
}

int engine_unpause(struct engine *e, const char *ref, struct err *err)
{
	auto_(container_unref_p) struct container *c = NULL;
	auto_(container_release_p) struct container *claimed = NULL;
	const struct runtime *rt;
	int r;

	if (find_and_claim(e, ref, &c, &claimed, err) < 0 || begin(e, c, "unpause", &rt, err) < 0)
		return -1;
	r = thaw(e, c, rt, err);
	finish(e, c, PHASE_PAUSED, PHASE_RUNNING, "unpause", r == 0);
	return r < 0 ? failed(c, ref, "unpause", err) : 0;
}

/* docker's RestrictedNamePattern: [a-zA-Z0-9][a-zA-Z0-9_.-]+ */
int check_container_name(const char *name, struct err *err)
{
	bool ok = isalnum((unsigned char) name[0]) && name[1] && strlen(name) <= 255;

	for (const char *p = name; ok && *p; p++)
		ok = isalnum((unsigned char) *p) || strchr("_.-", *p);
	if (!ok)
		return err_set(
			err, ERR_INVALID,
			"Invalid container name (%s), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
			name);
	return 0;
}

static int check_present(struct container *c, struct err *err)
{
	hold(&c->lock);

	return c->gone ? err_set(err, ERR_NOT_FOUND, "No such container: %s", c->id) : 0;
}

/* One file says the name, so one save renames it; the index follows. */
static int rename_claimed(struct engine *e, struct container *c, const char *name, struct err *err)
{
	auto_(container_config_unref_p) struct container_config *was = config_of(c, err),
								*now = NULL;
	autofree char *old = NULL;

	if (!was || check_present(c, err) < 0)
		return -1;
	if (str_eq(was->name, name))
		return err_set(err, ERR_INVALID,
			       "Renaming a container with the same name as its current name");
	if (container_name_index_add(e->store, name, c, err) < 0)
		return -1;
	now = container_config_copy(was);
	free(now->name);
	now->name = xstrdup(name);
	if (container_replace_config(e->store, was, now, err) < 0) {
		container_name_index_remove(e->store, name, c);
		return -1;
	}
	old = xasprintf("/%s", was->name);
	container_name_index_remove(e->store, was->name, c);
	{
		hold(&c->lock);
		container_config_unref(c->config);
		c->config = take(now);
		free(c->name);
		c->name = xstrdup(name);
	}
	networks_rename(e, c, old + 1, name);
	notify(e, c, now_ns(), "rename", "oldName", old, NULL);
	return 0;
}

int engine_rename(struct engine *e, const char *ref, const char *name, struct err *err)
{
	auto_(container_unref_p) struct container *c = NULL;
	auto_(container_release_p) struct container *claimed = NULL;
	int r;

	if (str_empty(name))
		return err_set(err, ERR_INVALID, "Neither old nor new names may be empty");
	if (name[0] == '/')
		name++;
	if (check_container_name(name, err) < 0 || find_and_claim(e, ref, &c, &claimed, err) < 0)
		return -1;
	/* One that removes itself takes its name out of the index, whoever has it claimed. */
	container_keep_out(c);
	r = rename_claimed(e, c, name, err);
	if (container_let_in(c))
		engine_kick(e, c);
	return r;
}
