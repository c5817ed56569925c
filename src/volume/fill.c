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

#include "base/copy.h"
#include "base/file.h"
#include "base/log.h"
#include "volume/private.h"

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
		n += strcmp(ent->d_name, ".") != 0 && strcmp(ent->d_name, "..") != 0;
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

int volumes_complete_fill(struct volumes *vs, const char *name)
{
	autofree char *filled = xasprintf(PREFIX_FILLED "%s", name);
	autofree char *data = xasprintf("%s/" VOLUME_DATA, name);
	autoclose int from = open_dir_at(vs->dir, filled);
	autoclose int to = from < 0 ? -1 : open_dir_at(vs->dir, data);
	int r;

	if (from == -ENOENT)
		return 0;
	if (from < 0)
		return from;
	r = to;
	if (to >= 0)
		r = move_entries(from, to);
	if (r >= 0)
		r = copy_attributes_at(from, ".", to, ".");
	if (r >= 0)
		r = sync_dir(to);
	/* A volume that is gone needs no content. */
	if (r == 0 || r == -ENOENT)
		r = remove_tree_at(vs->dir, filled);
	return r;
}

/* The volume's directory, with the lock: held by the process, so that who dies lets go. */
static int lock_volume(struct volumes *vs, const char *name)
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

/* A place to copy to, if the volume is empty. */
static int prepare(struct volumes *vs, struct volume_fill *f)
{
	autofree char *fill = xasprintf(PREFIX_FILL "%s", f->name);
	autoclose int data = open_dir_at(f->lock, VOLUME_DATA);
	int r = data;

	if (r >= 0)
		r = volumes_complete_fill(vs, f->name);
	if (r >= 0)
		r = dir_is_empty(data);
	if (r <= 0)
		return r;
	r = remove_tree_at(vs->dir, fill);
	if (r < 0)
		return r;
	if (mkdirat(vs->dir, fill, 0700) < 0)
		return -errno;
	f->path = xasprintf("%s/%s", vs->path, fill);
	return 0;
}

int volumes_fill_begin(struct volumes *vs, const struct volume *v, bool pending,
		       struct volume_fill *ret, struct err *err)
{
	struct volume_fill f = {.lock = -1, .pending = pending};
	int r = 0;

	*ret = f;
	if (v->problem || strmap_get(&v->options, "type"))
		return 0;
	f.name = xstrdup(v->name);
	if (pending) {
		/* Nobody sees it, nor will, if this is cut short. */
		f.path = xasprintf("%s/" PREFIX_PENDING "%s/" VOLUME_DATA, vs->path, v->name);
	} else {
		f.lock = lock_volume(vs, v->name);
		r = f.lock < 0 ? f.lock : prepare(vs, &f);
	}
	if (r < 0) {
		(void) volumes_fill_end(vs, &f, false, NULL);
		return err_sys(err, -r, "fill volume %s", v->name);
	}
	*ret = f;
	return 0;
}

static int end(struct volumes *vs, const struct volume_fill *f, bool copied)
{
	autofree char *fill = xasprintf(PREFIX_FILL "%s", f->name);
	autofree char *filled = xasprintf(PREFIX_FILLED "%s", f->name);

	if (!copied)
		return remove_tree_at(vs->dir, fill);
	if (renameat2(vs->dir, fill, vs->dir, filled, RENAME_NOREPLACE) < 0)
		return -errno;
	return volumes_complete_fill(vs, f->name);
}

int volumes_fill_end(struct volumes *vs, struct volume_fill *f, bool copied, struct err *err)
{
	int r = 0;

	if (f->path && !f->pending)
		r = end(vs, f, copied);
	if (r < 0)
		(void) err_sys(err, -r, "fill volume %s", f->name);
	free(f->path);
	free(f->name);
	close_p(&f->lock);
	*f = (struct volume_fill){.lock = -1};
	return r < 0 ? -1 : 0;
}
