/*
 * The volumes of a container: made at its create, in an order that a crash cannot leak by; found
 * again at its start; told of in events.
 *
 * A named volume is made where it is not there, and stays whatever becomes of the create. An
 * anonymous one is pending until the container's config.json is on disk, and is then given its name
 * (publish_volumes). A daemon that dies in between leaves either a pending volume that no container
 * claims, or one that its container does: the next restore drops the one and publishes the other.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/internal.h"
#include "engine/volumes.h"

/* As labels and options of the volume, where --mount says some. */
static struct volume_request request_of(const struct container_config *cc,
					const struct mount_point *m)
{
	const struct mount_spec *s = spec_mount_at(&cc->host, m->destination);

	return (struct volume_request){
		.name = m->name,
		.driver = m->driver,
		.labels = s ? &s->volume.labels : NULL,
		.options = s ? &s->volume.driver.options : NULL,
	};
}

static int make_anonymous(struct engine *e, const struct container_config *cc,
			  struct mount_point *m, struct volume **ret, struct err *err)
{
	struct volume_request rq = request_of(cc, m);
	char name[VOLUME_ID_LEN + 1];

	random_hex(name, VOLUME_ID_LEN);
	m->name = xstrdup(name);
	rq.name = m->name;
	volume_claim(e, m->name, cc->id);
	m->made = true;
	return volumes_create_pending(e->volumes, &rq, ret, err);
}

static int make_named(struct engine *e, const struct container_config *cc,
		      const struct mount_point *m, struct volume **ret, struct err *err)
{
	const struct volume_request rq = request_of(cc, m);

	volume_claim(e, m->name, cc->id);
	if (m->anonymous) /* another container's */
		return volumes_get(e->volumes, m->name, ret, err);
	return engine_volume_create(e, &rq, ret, err);
}

/* What the image has there is what the volume begins with, if it is empty. */
static int fill(struct engine *e, const struct image *image, const struct mount_point *m,
		const struct volume *v, struct err *err)
{
	struct volume_fill f;
	bool copied = false;
	int r;

	if (volumes_fill_begin(e->volumes, v, m->made, &f, err) < 0)
		return -1;
	r = f.path ? images_copy_up(e->images, image, m->destination, f.path, &copied, err) : 0;
	if (r < 0)
		err = NULL; /* it says enough */
	if (volumes_fill_end(e->volumes, &f, copied, err) < 0)
		r = -1;
	return r;
}

static int make_volume(struct engine *e, const struct container_config *cc,
		       const struct image *image, struct mount_point *m, struct err *err)
{
	auto_(volume_free_p) struct volume *v = NULL;
	int r = m->name ? make_named(e, cc, m, &v, err) : make_anonymous(e, cc, m, &v, err);

	if (r < 0 || (!m->no_copy && fill(e, image, m, v, err) < 0))
		return -1;
	free(m->source);
	m->source = xstrdup(v->mountpoint);
	free(m->driver);
	m->driver = xstrdup(v->driver);
	return 0;
}

int make_volumes(struct engine *e, struct container_config *cc, const struct image *image,
		 struct err *err)
{
	struct err why = {0};

	for (size_t i = 0; i < cc->mounts.n; i++) {
		struct mount_point *m = objects_at(&cc->mounts, struct mount_point, i);

		if (!str_eq(m->type, "volume") || make_volume(e, cc, image, m, &why) == 0)
			continue;
		/* Not "not found": clients take that for a missing image, and pull. */
		if (why.kind == ERR_NOT_FOUND)
			why.kind = ERR_INVALID;
		if (err)
			*err = why;
		return -1;
	}
	return 0;
}

void drop_volumes(struct engine *e, const struct container_config *cc)
{
	char gone[VOLUME_GONE_MAX];

	for (size_t i = 0; i < cc->mounts.n; i++) {
		const struct mount_point *m = objects_at(&cc->mounts, struct mount_point, i);

		if (m->made && (volumes_drop_pending(e->volumes, m->name, gone) == 0 ||
				volumes_take_away(e->volumes, m->name, gone, NULL) == 0))
			volumes_delete(e->volumes, gone);
	}
}

int publish_volume(struct engine *e, const char *name, struct err *err)
{
	int r = volumes_publish(e->volumes, name, err);

	if (r > 0)
		notify_volume(e, name, now_ns(), "create", "driver", VOLUME_DRIVER, NULL);
	return r < 0 ? -1 : 0;
}

int publish_volumes(struct engine *e, const struct container_config *cc, struct err *err)
{
	for (size_t i = 0; i < cc->mounts.n; i++) {
		const struct mount_point *m = objects_at(&cc->mounts, struct mount_point, i);

		if (m->made && publish_volume(e, m->name, err) < 0)
			return -1;
	}
	return 0;
}

void devices_free(struct objects *devices)
{
	for (size_t i = 0; i < devices->n; i++) {
		struct spec_device *d = objects_at(devices, struct spec_device, i);

		free(d->type);
		free(d->source);
		strv_free(d->options);
	}
	free(devices->items);
	*devices = (struct objects){0};
}

/* A bind is the runtime's to make, as any other. */
static int check_bind(const struct volume *v, const struct volume_mount *what, struct err *err)
{
	struct stat st;

	if (stat(what->device, &st) < 0)
		return err_sys(err, errno,
			       "error while mounting volume '%s': failed to mount local volume: "
			       "mount %s",
			       v->mountpoint, what->device);
	return 0;
}

/* What stands in the place of _data, mounted where there is need. Nobody unmounts it from now on,
 * for the container that is being started is its user already; but who is at it must be through. */
static int bring_up(struct engine *e, const struct volume *v, struct volume_mount *what,
		    struct err *err)
{
	char *path = NULL;

	if (strcmp(what->type, "bind") == 0)
		return check_bind(v, what, err);
	pthread_mutex_lock(&e->volumes_lock);
	pthread_mutex_unlock(&e->volumes_lock);
	if (volumes_mount(e->volumes, v, what, &path, err) < 0)
		return -1;
	volume_mount_free(what);
	what->type = xstrdup("bind");
	what->device = path;
	strv_add(&what->options, "rbind");
	return 0;
}

static int find_device(struct engine *e, const struct mount_point *m, struct objects *ret,
		       struct err *err)
{
	auto_(volume_free_p) struct volume *v = NULL;
	auto_(volume_mount_free) struct volume_mount what = {0};

	if (volumes_get_usable(e->volumes, m->name, &v, err) < 0 ||
	    volume_mount_of(v, &what, err) < 0)
		return -1;
	if (!what.type && str_eq(v->mountpoint, m->source))
		return 0;
	if (!what.type) { /* the data root has moved since the create */
		what.type = xstrdup("bind");
		what.device = xstrdup(v->mountpoint);
		strv_add(&what.options, "rbind");
	} else if (bring_up(e, v, &what, err) < 0) {
		return -1;
	}
	ret->items = xreallocarray(ret->items, ret->n + 1, sizeof(struct spec_device));
	*objects_at(ret, struct spec_device, ret->n++) = (struct spec_device){
		.destination = m->destination,
		.type = take(what.type),
		.source = take(what.device),
		.options = take(what.options),
	};
	return 0;
}

int find_devices(struct engine *e, const struct container_config *config, struct objects *ret,
		 struct err *err)
{
	for (size_t i = 0; i < config->mounts.n; i++) {
		const struct mount_point *m = objects_at(&config->mounts, struct mount_point, i);

		if (is_volume(m) && find_device(e, m, ret, err) < 0)
			return -1;
	}
	return 0;
}

/* May it have the volume mounted? What cannot be told is taken for yes. */
static bool may_have_mounted(struct container *c, const char *name)
{
	hold(&c->lock);

	if (c->phase == PHASE_CREATED || c->phase == PHASE_EXITED || c->volumes_released ||
	    c->volumes_let_go)
		return false;
	return !c->config || config_uses(c->config, name);
}

static void unmount_unused(struct engine *e, const char *name)
{
	hold(&e->volumes_lock);
	struct container **list;
	bool used = false;
	size_t n;

	if (!volumes_is_mounted(e->volumes, name))
		return;
	container_store_all(e->store, &list, &n);
	for (size_t i = 0; i < n && !used; i++)
		used = may_have_mounted(list[i], name);
	container_list_free(list, n);
	if (!used)
		volumes_unmount(e->volumes, name);
}

void unmount_volumes(struct engine *e, struct container *c, const struct container_config *config)
{
	/* Of two that end at once, each sees that the other has let go, or is seen by it: neither is
	 * at rest yet. */
	{
		hold(&c->lock);
		c->volumes_let_go = true;
	}
	for (size_t i = 0; config && i < config->mounts.n; i++) {
		const struct mount_point *m = objects_at(&config->mounts, struct mount_point, i);

		if (is_volume(m))
			unmount_unused(e, m->name);
	}
}

void sweep_mounted_volumes(struct engine *e)
{
	autostrv char **mounted = volumes_mounted(e->volumes);

	for (char **name = mounted; name && *name; name++)
		unmount_unused(e, *name);
}

void notify_mounts_locked(struct engine *e, const struct container *c, int64_t time_ns,
			  bool mounted)
{
	const struct objects *mounts = c->config ? &c->config->mounts : NULL;

	for (size_t i = 0; mounts && i < mounts->n; i++) {
		const struct mount_point *m = objects_at(mounts, struct mount_point, i);

		if (!is_volume(m))
			continue;
		if (mounted)
			notify_volume(e, m->name, time_ns, "mount", "container", c->id,
				      "destination", m->destination, "driver", m->driver,
				      "propagation", m->propagation, "read/write",
				      m->rw ? "true" : "false", NULL);
		else
			notify_volume(e, m->name, time_ns, "unmount", "container", c->id, "driver",
				      m->driver, NULL);
	}
}
