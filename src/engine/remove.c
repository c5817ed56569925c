/* rm, rm -f, prune: taking a container off the disk. The wish is saved before the first effect. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "engine/internal.h"
#include "engine/volumes.h"

#define REMOVAL_RETRY_MAX_NS (60 * NSEC_PER_SEC)

/* From here on the container is gone for good: one rename takes it off the disk, what follows only
 * tidies up. */
static int take_off_disk(struct engine *e, struct container *c, int64_t time_ns, char **ret_gone,
			 struct err *err)
{
	int r;

	r = remove_tree_at(container_store_exec_dir(e->store), c->id);
	if (r < 0)
		return err_sys(err, -r, "remove exec directory of container %.12s", c->id);
	/* Before its configuration, which names them. */
	release_volumes(e, c);
	r = gone_rename(e, c->id, time_ns, ret_gone);
	if (r < 0 && r != -ENOENT)
		return err_sys(err, -r, "remove directory of container %.12s", c->id);
	return 0;
}

static void take_out_of_store(struct engine *e, struct container *c, int64_t time_ns)
{
	container_name_index_remove(e->store, c->name, c);
	container_store_remove(e->store, c);
	notify(e, c, time_ns, "destroy", NULL);

	hold(&c->lock);
	c->gone = true;
	links_drop_locked(c);
	log_info("container %.12s (%s): removed", c->id, c->name ?: "?");
	container_tell_waiters_locked(c, WAIT_REMOVED);
	container_changed_locked(c);
}

/* Shims in which clients wait for the removal take the end of the directory for it, so that is
 * last: who is told may at once use its name. */
static void remove_files(struct engine *e, const struct container *c, const char *gone)
{
	int r = gone ? gone_remove_files(e, gone) : 0;

	if (r < 0)
		log_warn("container %.12s: its files are left for the next sweep: %s", c->id,
			 strerror(-r));
}

/* The wish to have it gone stands. */
static void try_again_later(struct engine *e, struct container *c, const struct err *why)
{
	int64_t delay = NSEC_PER_SEC;
	struct err err = {0};

	hold(&c->lock);
	for (unsigned i = 0; i < c->removals_failed && delay < REMOVAL_RETRY_MAX_NS; i++)
		delay *= 2;
	c->removals_failed++;
	log_warn("container %.12s (%s): its removal is tried again: %s", c->id, c->name ?: "?",
		 why->text);
	link_drop(&c->timer);
	if (link_timer(e, c, delay, &c->timer, &err) < 0)
		log_error("container %.12s: %s", c->id, err.text);
}

int finish_removal(struct engine *e, struct container *c, struct err *err)
{
	autofree char *gone = NULL;
	int64_t now = now_ns();

	if (idle_shim_end(e, c, err) < 0 || take_off_disk(e, c, now, &gone, err) < 0) {
		try_again_later(e, c, err);
		return -1;
	}
	take_out_of_store(e, c, now);
	remove_files(e, c, gone);
	return 0;
}

static int refuse_alive_locked(const struct container *c, struct err *err)
{
	const char *is = phase_docker_text(c->phase), *first = "stop";

	if (c->phase == PHASE_PAUSED)
		first = "unpause and then stop";
	return err_set(err, ERR_CONFLICT,
		       "cannot remove container \"/%s\": container is %s: %s the container before "
		       "removing or force "
		       "remove",
		       c->name, is, first);
}

/* The intent: from here a restart of the daemon finishes the removal. */
static int intend_removal(struct engine *e, struct container *c, bool force, bool volumes,
			  struct err *err)
{
	hold(&c->lock);
	bool more = volumes && !c->state.remove_volumes;

	if (c->gone)
		return err_set(err, ERR_NOT_FOUND, "No such container: %s", c->id);
	if (!force && (phase_is_alive(c->phase) || c->phase == PHASE_RESTARTING))
		return refuse_alive_locked(c, err);
	if (c->state.wanted == WANTED_GONE && !more)
		return 0;
	c->state.remove_volumes |= volumes;
	if (save_wish_locked(e, c, WANTED_GONE, err) == 0)
		return 0;
	/* A dead container's files may be unreadable or unwritable; it is to go all the same. */
	if (c->phase != PHASE_DEAD) {
		c->state.remove_volumes &= !more;
		return -1;
	}
	c->state.wanted = WANTED_GONE;
	return 0;
}

static int end_processes(struct engine *e, struct container *c, bool force, struct err *err)
{
	enum phase was;

	{
		hold(&c->lock);
		was = c->phase;
	}
	if (was == PHASE_DEAD)
		return end_dead(e, c, force, err);
	if (!phase_is_alive(was) && was != PHASE_RESTARTING && was != PHASE_REMOVING)
		return 0;
	return stop_claimed(e, c, 0, SIGKILL, err);
}

int remove_claimed(struct engine *e, struct container *c, bool force, bool volumes, struct err *err)
{
	int r = 0;
	bool gone;

	if (intend_removal(e, c, force, volumes, err) < 0)
		return -1;
	if (end_processes(e, c, force, err) < 0)
		return -1;
	if (wait_rested(e, c, REST_TIMEOUT_S, err) < 0)
		return -1;
	container_keep_out(c);
	{
		hold(&c->lock);
		/* Its end may have led to its removal before we had it claimed. */
		gone = c->gone;
		if (!gone)
			container_move_locked(e->store, c, PHASE_REMOVING, "remove");
	}
	if (!gone)
		r = finish_removal(e, c, err);
	if (container_let_in(c))
		engine_kick(e, c);
	return r;
}

int engine_remove(struct engine *e, const char *ref, bool force, bool volumes, struct err *err)
{
	auto_(container_unref_p) struct container *c = NULL;
	auto_(container_release_p) struct container *claimed = NULL;

	if (container_lookup(e->store, ref, &c, err) < 0)
		return -1;
	settle_now(e, c);
	/* A stop in progress has it claimed; it ends at once when what it waits for is killed. */
	if (force) {
		if (intend_removal(e, c, true, volumes, err) < 0)
			return -1;
		(void) signal_init(c, SIGKILL);
	}
	if (container_claim(c, err) < 0) {
		/* It has gone meanwhile, as we have just said that it shall. */
		if (force)
			err_clear(err);
		return force ? 0 : -1;
	}
	claimed = c;
	return remove_claimed(e, c, force, volumes, err);
}

static bool prune_wants(struct container *c, const struct filters *f, int64_t until_ns)
{
	hold(&c->lock);

	if (c->phase != PHASE_EXITED && c->phase != PHASE_CREATED && c->phase != PHASE_OVER)
		return false;
	if (until_ns && c->created_ns >= until_ns)
		return false;
	return c->config && filters_match_prune_labels(f, &c->config->config.labels);
}

int engine_prune(struct engine *e, const struct filters *f, char ***ret_ids, int64_t *ret_freed,
		 struct err *err)
{
	struct container **list;
	int64_t until_ns = 0, freed = 0;
	char **ids = NULL;
	size_t n;

	if (filters_count(f, "until") > 1)
		return err_set(err, ERR_INVALID, "more than one until filter specified");
	if (filters_get(f, "until") &&
	    instant_parse(filters_get(f, "until"), now_ns(), &until_ns) < 0)
		return err_set(err, ERR_INVALID, "invalid filter 'until=%s'",
			       filters_get(f, "until"));
	container_store_all(e->store, &list, &n);
	for (size_t i = 0; i < n; i++) {
		struct err why = {0};
		int64_t size;

		settle_now(e, list[i]);
		if (!prune_wants(list[i], f, until_ns) || container_claim(list[i], &why) < 0)
			continue;
		size = container_size_rw(e, list[i]->id);
		if (prune_wants(list[i], f, until_ns) &&
		    remove_claimed(e, list[i], false, false, &why) == 0) {
			strv_add(&ids, list[i]->id);
			freed += size;
		}
		container_release(list[i]);
	}
	container_list_free(list, n);
	*ret_ids = ids;
	*ret_freed = freed;
	return 0;
}
