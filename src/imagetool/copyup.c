/*
 * copy-up: what an image has in a directory, copied to where a volume begins. The image's layers
 * are mounted as a container would see them, in a mount namespace of our own that ends with us;
 * what is found there was written by strangers, so its links are never followed out of it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/copy.h"
#include "base/file.h"
#include "image/layout.h"
#include "imagetool/imagetool.h"

#define DEPTH_MAX 256			  /* each level holds two descriptors and a stream */
#define PIECE_MAX (1 << 30)		  /* of one copy_file_range(2) */
#define MOUNTS	  "../" IMAGE_DIR_STAGING /* seen from layers/: any directory that is there */

/* A file that has several names, and the first of them in the copy. */
struct linked {
	dev_t dev;
	ino_t ino;
	char *path;
};

struct copy {
	int to; /* the copy's root */
	struct linked *linked;
	size_t n_linked;
	char path[PATH_MAX]; /* of the entry in hand, below the root */
};

static void copy_free(struct copy *c)
{
	for (size_t i = 0; i < c->n_linked; i++)
		free(c->linked[i].path);
	free(c->linked);
}

/* Mounting ---------------------------------------------------------------------------------- */

static int mount_layers(char *const *layers, struct err *err)
{
	autobuf options = {0};

	/* Overlay wants two at least; an empty one hides nothing. */
	buf_adds(&options, "lowerdir=");
	for (; *layers; layers++)
		buf_addf(&options, "%s:", *layers);
	buf_adds(&options, MOUNTS "/none");
	if (options.len >= (size_t) sysconf(_SC_PAGESIZE))
		return err_set(err, ERR_TOO_LARGE, "the image has too many layers");
	if (mount("overlay", MOUNTS "/root", "overlay", MS_RDONLY, options.text) < 0)
		return err_sys(err, errno, "mount the image");
	return 0;
}

/* The image's root directory. Nothing of this is seen outside, and all of it ends with us. */
static int open_image(const char *image_dir, char *const *layers, struct err *err)
{
	int fd;

	if (unshare(CLONE_NEWNS) < 0 || mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_sys(err, errno, "make a mount namespace");
	if (chdir(image_dir) < 0 || chdir(IMAGE_DIR_LAYERS) < 0)
		return err_sys(err, errno, "enter %s/" IMAGE_DIR_LAYERS, image_dir);
	if (mount("tmpfs", MOUNTS, "tmpfs", 0, "size=64k,mode=700") < 0 ||
	    mkdir(MOUNTS "/root", 0700) < 0 || mkdir(MOUNTS "/none", 0700) < 0)
		return err_sys(err, errno, "make a place to mount the image");
	if (mount_layers(layers, err) < 0)
		return -1;
	fd = open_dir_at(AT_FDCWD, MOUNTS "/root");
	return fd < 0 ? err_sys(err, -fd, "open the image") : fd;
}

/* The directory at path, as the image's own links lead there: a descriptor, or -errno. */
static int open_in_image(int root, const char *path)
{
	struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	int fd = (int) syscall(SYS_openat2, root, path, &how, sizeof how);

	return fd < 0 ? -errno : fd;
}

/* Copying ----------------------------------------------------------------------------------- */

static int copy_content(int from, const char *name, int to)
{
	autoclose int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	autoclose int out =
		in < 0 ? -1 : openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	autofree char *piece = NULL;
	ssize_t n;

	if (out < 0)
		return -errno;
	do {
		n = copy_file_range(in, NULL, out, NULL, PIECE_MAX, 0);
	} while (n > 0);
	if (n == 0)
		return 0;
	if (errno != EXDEV && errno != EINVAL && errno != EOPNOTSUPP)
		return -errno;
	piece = xmalloc(1 << 20);
	while ((n = read(in, piece, 1 << 20)) > 0) {
		int r = write_all(out, piece, (size_t) n);

		if (r < 0)
			return r;
	}
	return n < 0 ? -errno : 0;
}

static int copy_link(int from, const char *name, int to)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(from, name, target, sizeof target - 1);

	if (n < 0)
		return -errno;
	target[n] = '\0';
	return symlinkat(target, to, name) < 0 ? -errno : 0;
}

/* 1: it is there now, as another name of what was copied before. */
static int link_again(struct copy *c, const struct stat *st, int to, const char *name)
{
	if (st->st_nlink < 2)
		return 0;
	for (size_t i = 0; i < c->n_linked; i++) {
		const struct linked *l = &c->linked[i];

		if (l->dev == st->st_dev && l->ino == st->st_ino)
			return linkat(c->to, l->path, to, name, 0) < 0 ? -errno : 1;
	}
	c->linked = xreallocarray(c->linked, c->n_linked + 1, sizeof *c->linked);
	c->linked[c->n_linked++] = (struct linked){st->st_dev, st->st_ino, xstrdup(c->path)};
	return 0;
}

static int copy_dir(struct copy *c, int from, int to, unsigned depth);

static int copy_subdir(struct copy *c, int from, const char *name, int to, unsigned depth)
{
	autoclose int below = -1, copy = -1;

	if (depth == DEPTH_MAX)
		return -ELOOP;
	if (mkdirat(to, name, 0700) < 0)
		return -errno;
	below = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	copy = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (below < 0 || copy < 0)
		return -errno;
	return copy_dir(c, below, copy, depth + 1);
}

static int copy_entry(struct copy *c, int from, const char *name, int to, unsigned depth)
{
	struct stat st;
	int r;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return copy_subdir(c, from, name, to, depth); /* attributes and all */
	r = link_again(c, &st, to, name);
	if (r != 0)
		return r < 0 ? r : 0;
	if (S_ISREG(st.st_mode))
		r = copy_content(from, name, to);
	else if (S_ISLNK(st.st_mode))
		r = copy_link(from, name, to);
	else
		r = mknodat(to, name, st.st_mode, st.st_rdev) < 0 ? -errno : 0;
	return r < 0 ? r : copy_attributes_at(from, name, to, name);
}

static int copy_entries(struct copy *c, DIR *d, int to, unsigned depth)
{
	size_t len = strlen(c->path);
	struct dirent *ent;

	for (;;) {
		int r;

		errno = 0;
		ent = readdir(d);
		if (!ent)
			return -errno;
		if (strcmp(ent->d_name, ".") == 0 || strcmp(ent->d_name, "..") == 0)
			continue;
		if (len + strlen(ent->d_name) + 2 > sizeof c->path)
			return -ENAMETOOLONG;
		sprintf(c->path + len, "%s%s", len ? "/" : "", ent->d_name);
		r = copy_entry(c, dirfd(d), ent->d_name, to, depth);
		if (r < 0)
			return r; /* and c->path says where */
		c->path[len] = '\0';
	}
}

static int copy_dir(struct copy *c, int from, int to, unsigned depth)
{
	int fd = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d) {
		r = -errno;
		close_p(&fd);
		return r;
	}
	r = copy_entries(c, d, to, depth);
	closedir(d);
	return r < 0 ? r : copy_attributes_at(from, ".", to, ".");
}

static int copy_up(int from, const char *to_path, struct err *err)
{
	auto_(copy_free) struct copy c = {.to = open_dir_at(AT_FDCWD, to_path)};
	autoclose int to = c.to;
	int r = to < 0 ? to : copy_dir(&c, from, to, 0);

	if (r == -ELOOP)
		return err_set(err, ERR_TOO_LARGE, "%.200s: more than %d directories deep", c.path,
			       DEPTH_MAX);
	/* In one go, rather than file by file: what is said to be copied is on disk. */
	if (r == 0 && syncfs(to) < 0)
		r = -errno;
	return r < 0 ? err_sys(err, -r, "copy %.200s to %s", c.path, to_path) : 0;
}

int tool_copy_up(const char *image_dir, const char *to, const char *path, char *const *layers,
		 json_t **ret, struct err *err)
{
	autoclose int root = open_image(image_dir, layers, err);
	autoclose int from = -1;

	if (root < 0)
		return -1;
	from = open_in_image(root, path);
	if (from == -ENOTDIR)
		return err_set(err, ERR_INVALID,
			       "cannot mount volume over existing file, file exists %s", path);
	if (from < 0 && from != -ENOENT)
		return err_sys(err, -from, "open %s of the image", path);
	if (from >= 0 && copy_up(from, to, err) < 0)
		return -1;
	*ret = json_pack("{sb}", "Copied", from >= 0);
	return 0;
}
