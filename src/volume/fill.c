/*
 * Filling an empty volume; see volume.h. What is being copied lies in .fill-<name>, so that a copy
 * which is cut short is nothing; a rename to .filled-<name> makes it valid, and what then remains
 * is to move its entries, each of which is done or not. The volume's directory itself is not
 * replaced: a container that runs may have it mounted.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/copy.h"
#include "base/file.h"
#include "base/log.h"
#include "volume/private.h"

/* The same, inside of a directory that a volume's options name. */
#define INSIDE_FILL   ".holdfast-fill"
#define INSIDE_FILLED ".holdfast-filled"

static DIR *open_entries(int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d)
		close_p(&fd);
	return d;
}

int dir_is_empty(int dir)
{
	DIR *d = open_entries(dir);
	struct dirent *ent;
	int n = 0;

	if (!d)
		return -errno;
	while ((ent = readdir(d)))
		n += strcmp(ent->d_name, ".") != 0 && strcmp(ent->d_name, "..") != 0 &&
		     !str_has_prefix(ent->d_name, INSIDE_FILL);
	closedir(d);
	return n == 0;
}

/* What a user has put there meanwhile stays his. */
static int move_entries(int from, int to)
{
	DIR *d = open_entries(from);
	struct dirent *ent;
	int r = 0;

	if (!d)
		return -errno;
	while (r == 0 && (ent = readdir(d))) {
		const char *name = ent->d_name;

		if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
		    renameat2(from, name, to, name, RENAME_NOREPLACE) < 0 && errno != EEXIST &&
		    errno != ENOENT)
			r = -errno;
	}
	closedir(d);
	return r;
}

/* Where one volume is filled: its directory, and beside it what is to come. */
struct place {
	int target;
	int stage; /* borrowed */
	char *fill;
	char *filled;
};

static void place_close(struct place *p)
{
	close_p(&p->target);
	free(p->fill);
	free(p->filled);
}

/* device: what is bind-mounted in the place of _data, or NULL. Renames want one file system, so
 * what is to come lies in it. */
static int open_place(struct volumes *vs, const char *name, const char *device, struct place *ret)
{
	autofree char *data = xasprintf("%s/" VOLUME_DATA, name);

	ret->target = device ? open_dir_at(AT_FDCWD, device) : open_dir_at(vs->dir, data);
	ret->stage = device ? ret->target : vs->dir;
	ret->fill = device ? xstrdup(INSIDE_FILL) : xasprintf(PREFIX_FILL "%s", name);
	ret->filled = device ? xstrdup(INSIDE_FILLED) : xasprintf(PREFIX_FILLED "%s", name);
	return ret->target < 0 ? ret->target : 0;
}

/* Moves what is filled into the directory, where that is still to be done. */
static int complete(const struct place *p)
{
	autoclose int from = open_dir_at(p->stage, p->filled);
	int r;

	if (from < 0)
		return from == -ENOENT ? 0 : from;
	r = move_entries(from, p->target);
	if (r == 0)
		r = copy_attributes_at(from, ".", p->target, ".");
	if (r == 0)
		r = sync_dir(p->target);
	return r < 0 ? r : remove_tree_at(p->stage, p->filled);
}

int volumes_complete_fill(struct volumes *vs, const char *name)
{
	auto_(place_close) struct place p = {0};
	int r = open_place(vs, name, NULL, &p);

	/* A volume that is gone needs no content. */
	return r == -ENOENT ? remove_tree_at(vs->dir, p.filled) : r < 0 ? r : complete(&p);
}

int lock_volume(struct volumes *vs, const char *name)
{
	int fd = open_dir_at(vs->dir, name);

	while (fd >= 0 && flock(fd, LOCK_EX) < 0) {
		int e = errno;

		if (e == EINTR)
			continue;
		(void) close(fd);
		return -e;
	}
	return fd;
}

/* A directory to copy to, if the volume is empty. */
static int prepare(struct volumes *vs, struct volume_fill *f)
{
	auto_(place_close) struct place p = {0};
	int r = open_place(vs, f->name, f->device, &p);

	if (r == 0)
		r = complete(&p);
	if (r == 0)
		r = dir_is_empty(p.target);
	if (r <= 0)
		return r;
	r = remove_tree_at(p.stage, p.fill);
	if (r < 0)
		return r;
	if (mkdirat(p.stage, p.fill, 0700) < 0)
		return -errno;
	f->path = xasprintf("%s/%s", f->device ? f->device : vs->path, p.fill);
	return 0;
}

static void fill_free(struct volume_fill *f)
{
	free(f->path);
	free(f->name);
	free(f->device);
	close_p(&f->lock);
	*f = (struct volume_fill){.lock = -1};
}

int volumes_fill_begin(struct volumes *vs, const struct volume *v, bool pending,
		       struct volume_fill *ret, struct err *err)
{
	int r;

	*ret = (struct volume_fill){.lock = -1, .pending = pending, .name = xstrdup(v->name)};
	if (v->problem)
		return 0;
	if (strmap_get(&v->options, "type")) {
		if (!volume_is_bind(v) || access(strmap_get(&v->options, "device"), F_OK) < 0)
			return 0;
		ret->device = xstrdup(strmap_get(&v->options, "device"));
	} else if (pending) {
		/* Nobody sees it, nor will, if this is cut short. */
		ret->path = xasprintf("%s/" PREFIX_PENDING "%s/" VOLUME_DATA, vs->path, v->name);
		return 0;
	}
	ret->lock = pending ? open_dir_at(vs->dir, ".") : lock_volume(vs, v->name);
	r = ret->lock < 0 ? ret->lock : prepare(vs, ret);
	if (r == 0)
		return 0;
	fill_free(ret);
	return err_sys(err, -r, "fill volume %s", v->name);
}

static int end(struct volumes *vs, const struct volume_fill *f, bool copied)
{
	auto_(place_close) struct place p = {0};
	int r = open_place(vs, f->name, f->device, &p);

	if (r < 0 || !copied)
		return r < 0 ? r : remove_tree_at(p.stage, p.fill);
	if (renameat2(p.stage, p.fill, p.stage, p.filled, RENAME_NOREPLACE) < 0)
		return -errno;
	return complete(&p);
}

int volumes_fill_end(struct volumes *vs, struct volume_fill *f, bool copied, struct err *err)
{
	int r = 0;

	if (f->path && (!f->pending || f->device))
		r = end(vs, f, copied);
	if (r < 0)
		(void) err_sys(err, -r, "fill volume %s", f->name);
	fill_free(f);
	return r < 0 ? -1 : 0;
}
