/*
 * update: other limits and another restart policy, for a container that runs or not.
 *
 * config.json is the intent and, for a container at rest, all there is. Of a living one the bundle
 * (from which its shim starts it again), the runtime and the shim are told then. `Updating` stands
 * in phase.json from before the one until after the other, so whoever adopts the container next -
 * another daemon, or this one at the next start in place - tells them again.
 */
#include <errno.h>
#include <string.h>

#include "engine/internal.h"

#define BUNDLE_CONFIG_MAX (4 << 20)

struct update {
	struct engine *e;
	struct container *c;
	struct container_config *was, *now;
	bool new_limits;
};

/* The phases with something to tell: a shim, and perhaps a cgroup. */
static bool is_living(enum phase p)
{
	return phase_is_alive(p) || p == PHASE_STARTING || p == PHASE_RESTARTING;
}

static enum phase phase_of(struct container *c)
{
	hold(&c->lock);

	return c->phase;
}

/* The bundle's config.json with the limits of config. Who is to be started by us, later, has none.
 */
static int rewrite_bundle(struct engine *e, const struct container_config *config, struct err *err)
{
	autoclose int exec = container_open_exec(e->store, config->id);
	autofree char *text = NULL;
	autojson json_t *document = NULL;
	autojson json_t *limits = NULL;
	json_t *resources;

	if (exec == -ENOENT)
		return 0;
	if (exec < 0)
		return err_sys(err, -exec, "open exec directory of container %.12s", config->id);
	if (spec_limits(&config->host, NULL, &text, err) < 0 ||
	    json_read_at(exec, LAYOUT_BUNDLE "/" BUNDLE_CONFIG, BUNDLE_CONFIG_MAX, &document, err) <
		    0)
		return -1;
	resources = json_object_get(json_object_get(document, "linux"), "resources");
	limits = json_loads(text, 0, NULL);
	if (json_object_update(resources, limits) < 0)
		return err_set(err, ERR_SYSTEM, "its bundle has no linux.resources");
	return json_save_at(exec, LAYOUT_BUNDLE "/" BUNDLE_CONFIG, document, SAVE_ATOMIC, err);
}

/* Tells the living of the limits in config. 0 as well where nothing lives yet, or any more; *ret_has
 * says whether there is a run that surely has them: its shim may have begun the next one from the
 * bundle of before. */
static int apply_limits(struct engine *e, struct container *c,
			const struct container_config *config,
			const struct container_config *instead_of, bool *ret_has, struct err *err)
{
	const struct runtime *rt = runtime_find(e->runtimes, config->runtime);
	autofree char *limits = NULL;
	bool done;

	*ret_has = false;
	if (!rt)
		return err_set(err, ERR_INVALID, "unknown or invalid runtime name: %s",
			       config->runtime);
	if (rewrite_bundle(e, config, err) < 0 ||
	    spec_limits(&config->host, instead_of ? &instead_of->host : NULL, &limits, err) < 0)
		return -1;
	if (!phase_is_alive(phase_of(c)))
		return 0;
	done = runtime_update(rt, c->id, limits, err) == 0;
	/* It may have ended under our hands. */
	if (signal_init(c, 0) == -ESRCH)
		return 0;
	*ret_has = done;
	return done ? 0 : -1;
}

/* Durable, then in memory. */
static int put_config(struct engine *e, struct container *c, struct container_config *config,
		      struct err *err)
{
	if (container_replace_config(e->store, c->config, config, err) < 0)
		return -1;
	hold(&c->lock);
	container_config_unref(c->config);
	c->config = container_config_ref(config);
	return 0;
}

static void set_updating_locked(struct engine *e, struct container *c, bool updating)
{
	struct err err = {0};

	if (c->disk.updating == updating || !is_living(c->phase))
		return;
	c->disk.updating = updating;
	if (container_save_phase_locked(e->store, c, &err) < 0 && err.errnum != ENOENT)
		log_warn("container %.12s: %s", c->id, err.text);
}

/* What does not run now is told at its next start: that it is to be told remains written. */
static void told(struct engine *e, struct container *c)
{
	hold(&c->lock);

	if (phase_is_alive(c->phase))
		set_updating_locked(e, c, false);
}

/* The runtime refused, perhaps with a part of it done. */
static void undo(struct update *u)
{
	struct err err = {0};
	bool has;

	if (put_config(u->e, u->c, u->was, &err) < 0)
		log_error("container %.12s: an update that its runtime refused is in its "
			  "configuration: %s",
			  u->c->id, err.text);
	err_clear(&err);
	if (apply_limits(u->e, u->c, u->was, u->now, &has, &err) < 0)
		log_warn("container %.12s: its former limits: %s", u->c->id, err.text);
	told(u->e, u->c);
}

static int carry_out(struct update *u, struct err *err)
{
	bool living, has = !u->new_limits;

	{
		hold(&u->c->lock);
		set_updating_locked(u->e, u->c, true);
	}
	if (put_config(u->e, u->c, u->now, err) < 0) {
		told(u->e, u->c);
		return -1;
	}
	living = is_living(phase_of(u->c));
	if (living && u->new_limits && apply_limits(u->e, u->c, u->now, NULL, &has, err) < 0) {
		undo(u);
		return -1;
	}
	if (living && shim_tell_policy(u->e, u->c, &u->now->host.restart) == 0 && has)
		told(u->e, u->c);
	/* The run it waits for may not be due any more, or have come meanwhile. */
	if (phase_of(u->c) == PHASE_RESTARTING || (living && !has))
		engine_kick(u->e, u->c);
	return 0;
}

/* runc passes over what an update says of single devices; crun takes it. */
static int check_devices(const struct update *u, struct err *err)
{
	static const char *const names[] = {"BlkioWeightDevice",    "BlkioDeviceReadBps",
					    "BlkioDeviceWriteBps",  "BlkioDeviceReadIOps",
					    "BlkioDeviceWriteIOps", NULL};
	const struct runtime *rt = runtime_find(u->e->runtimes, u->was->runtime);

	if (!is_living(phase_of(u->c)) || !rt || str_has_suffix(rt->path, "/crun"))
		return 0;
	for (const struct field *f = host_config_fields; f->name; f++) {
		const struct field one[] = {*f, FIELD_END};

		if (strv_contains((char *const *) names, f->name) &&
		    !fields_equal(one, &u->was->host, &u->now->host))
			return err_set(err, ERR_NOT_SUPPORTED,
				       "%s: %s cannot change it while the container is running: "
				       "stop it first",
				       f->name, rt->name);
	}
	return 0;
}

static int differ(struct update *u, struct err *err)
{
	autofree char *was = NULL;
	autofree char *now = NULL;

	if (spec_limits(&u->was->host, NULL, &was, err) < 0 ||
	    spec_limits(&u->now->host, NULL, &now, err) < 0)
		return -1;
	u->new_limits = !str_eq(was, now);
	return 0;
}

static int update_claimed(struct update *u, const struct host_config *wish, char ***ret_warnings,
			  struct err *err)
{
	enum phase phase = phase_of(u->c);

	if (phase == PHASE_REMOVING)
		return err_set(err, ERR_CONFLICT,
			       "Cannot update container %s: container is marked for removal and "
			       "cannot be \"update\"",
			       u->c->id);
	if (spec_update(&u->now->host, wish, err) < 0)
		return err_wrap(err, "Cannot update container %s", u->c->id);
	if (spec_update_check(&u->now->host, &u->was->host, ret_warnings, err) < 0)
		return -1;
	if (check_devices(u, err) < 0 || differ(u, err) < 0 || carry_out(u, err) < 0)
		return err_wrap(err, "Cannot update container %s", u->c->id);
	return 0;
}

int engine_update(struct engine *e, const char *ref, const struct host_config *wish,
		  char ***ret_warnings, struct err *err)
{
	auto_(container_unref_p) struct container *c = NULL;
	auto_(container_release_p) struct container *claimed = NULL;
	auto_(container_config_unref_p) struct container_config *was = NULL;
	auto_(container_config_unref_p) struct container_config *now = NULL;

	if (find_and_claim(e, ref, &c, &claimed, err) < 0)
		return -1;
	was = config_of(c, err);
	if (!was)
		return -1;
	now = container_config_copy(was);
	if (update_claimed(&(struct update){.e = e, .c = c, .was = was, .now = now}, wish,
			   ret_warnings, err) < 0)
		return -1;
	notify(e, c, now_ns(), "update", NULL);
	return 0;
}

void update_resume_claimed(struct engine *e, struct container *c)
{
	auto_(container_config_unref_p) struct container_config *config = config_of(c, NULL);
	struct err err = {0};
	bool has;

	{
		hold(&c->lock);
		if (!config || !c->disk.updating || !phase_is_alive(c->phase))
			return;
	}
	if (apply_limits(e, c, config, NULL, &has, &err) < 0) {
		log_warn("container %.12s (%s): an update that was cut short is refused; its "
			 "limits change with its next start: %s",
			 c->id, c->name, err.text);
		has = true;
	}
	if (shim_tell_policy(e, c, &config->host.restart) == 0 && has)
		told(e, c);
}
