/*
 * The mount points of a container: those that VolumesFrom, Binds, Mounts, Tmpfs and Volumes ask for,
 * of which none hides another unsaid.
 */
#include "base/mem.h"
#include "spec/private.h"

static struct mount_point *add_mount(struct objects *o)
{
	struct mount_point *m;

	o->items = xreallocarray(o->items, o->n + 1, sizeof *m);
	m = objects_at(o, struct mount_point, o->n++);
	*m = (struct mount_point){0};
	return m;
}

static int by_depth(const void *a, const void *b)
{
	const struct mount_point *x = a, *y = b;
	size_t dx = path_depth(x->destination), dy = path_depth(y->destination);

	if (dx != dy)
		return dx < dy ? -1 : 1;
	return strcmp(x->destination, y->destination);
}

static struct mount_point *find_mount(const struct objects *o, const char *destination)
{
	for (size_t i = 0; i < o->n; i++) {
		struct mount_point *m = objects_at(o, struct mount_point, i);

		if (strcmp(m->destination, destination) == 0)
			return m;
	}
	return NULL;
}

/* Those of another container, the last said first served; its tmpfs is its own. */
static void take_from(const struct spec_volumes_from *from, struct objects *o)
{
	for (size_t i = 0; i < from->mounts->n; i++) {
		const struct mount_point *theirs = objects_at(from->mounts, struct mount_point, i);
		struct mount_point *m;

		if (strcmp(theirs->type, "tmpfs") == 0)
			continue;
		m = find_mount(o, theirs->destination);
		if (m)
			fields_free(mount_point_fields, m);
		else
			m = add_mount(o);
		fields_copy(mount_point_fields, m, theirs);
		m->rw = theirs->rw && !from->read_only;
		m->no_copy = true;
	}
}

/* Adds *m, which moves; what was taken from another container yields to it. */
static int put_mount(struct objects *o, size_t n_taken, struct mount_point *m, struct err *err)
{
	struct mount_point *other = find_mount(o, m->destination);

	if (!other) {
		*add_mount(o) = *m;
	} else if (other < objects_at(o, struct mount_point, n_taken)) {
		fields_free(mount_point_fields, other);
		*other = *m;
	} else {
		return err_set(err, ERR_INVALID, "Duplicate mount point: %s", m->destination);
	}
	*m = (struct mount_point){0};
	return 0;
}

static void free_mount(struct mount_point *m)
{
	fields_free(mount_point_fields, m);
}

static int collect_host(const struct host_config *host, size_t n_taken, struct objects *o,
			struct err *err)
{
	const char *dest, *options;

	for (char **b = host->binds; b && *b; b++) {
		auto_(free_mount) struct mount_point m = {0};

		if (mount_parse_bind(*b, host->volume_driver, &m, err) < 0 ||
		    put_mount(o, n_taken, &m, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < host->mounts.n; i++) {
		auto_(free_mount) struct mount_point m = {0};

		if (mount_parse(objects_at(&host->mounts, struct mount_spec, i), &m, err) < 0 ||
		    put_mount(o, n_taken, &m, err) < 0)
			return -1;
	}
	strmap_foreach (&host->tmpfs, dest, options) {
		auto_(free_mount) struct mount_point m = {0};

		if (mount_parse_tmpfs(dest, options, &m, err) < 0 ||
		    put_mount(o, n_taken, &m, err) < 0)
			return -1;
	}
	return 0;
}

/* "-v /path", and what an image declares: a volume of its own, where nothing else is. */
static int collect_anonymous(const struct config *config, const struct host_config *host,
			     struct objects *o, struct err *err)
{
	for (char **v = config->volumes; v && *v; v++) {
		auto_(free_mount) struct mount_point m = {0};

		if (mount_parse_volume(*v, host->volume_driver, &m, err) < 0)
			return -1;
		if (find_mount(o, m.destination))
			continue;
		*add_mount(o) = m;
		m = (struct mount_point){0};
	}
	return 0;
}

static void free_mounts(struct objects *o)
{
	fields_objects_free(mount_point_fields, o, sizeof(struct mount_point));
}

int spec_mounts(const struct config *config, const struct host_config *host,
		const struct spec_volumes_from *from, size_t n_from, struct objects *ret,
		struct err *err)
{
	auto_(free_mounts) struct objects o = {0};

	for (size_t i = 0; i < n_from; i++)
		take_from(&from[i], &o);
	if (collect_host(host, o.n, &o, err) < 0 || collect_anonymous(config, host, &o, err) < 0)
		return -1;
	if (o.n > 1)
		qsort(o.items, o.n, sizeof(struct mount_point), by_depth);
	*ret = o;
	o = (struct objects){0};
	return 0;
}
