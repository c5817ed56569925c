/* The directories of a layer that is being written; see dirs.h. */
#include "imagetool/dirs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

#define OVERLAY_OPAQUE	  "trusted.overlay.opaque"
#define IMPLICIT_DIR_MODE 0755

int dirs_open(int root, const char *path, int flags)
{
	struct open_how how = {
		.flags = (unsigned) (flags | O_CLOEXEC),
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
	};
	int fd = (int) syscall(SYS_openat2, root, *path ? path : ".", &how, sizeof how);

	return fd < 0 ? -errno : fd;
}

static bool is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(0, 0);
}

int dirs_set_opaque(int dir)
{
	return fsetxattr(dir, OVERLAY_OPAQUE, "y", 1, 0) < 0 ? -errno : 0;
}

/* Takes away what is not a directory so that one can be made. *ret_whiteout: what it hid must stay
 * hidden. */
static int clear_for_dir(struct dirs *d, int parent, const char *base, bool replace,
			 bool *ret_whiteout)
{
	struct stat st;

	if (fstatat(parent, base, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return 0;
	*ret_whiteout = is_whiteout(&st);
	if (!*ret_whiteout && !replace)
		return -ENOTDIR;
	d->stale = true;
	if (unlinkat(parent, base, 0) < 0 || mkdirat(parent, base, IMPLICIT_DIR_MODE) < 0)
		return -errno;
	return 0;
}

int dirs_make(struct dirs *d, int parent, const char *base, bool replace)
{
	autoclose int fd = -1;
	bool whiteout = false;
	int r;

	if (mkdirat(parent, base, IMPLICIT_DIR_MODE) < 0) {
		r = errno == EEXIST ? clear_for_dir(d, parent, base, replace, &whiteout) : -errno;
		if (r < 0)
			return r;
	}
	fd = openat(parent, base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = whiteout ? dirs_set_opaque(fd) : 0;
	return r < 0 ? r : take_fd(fd);
}

/* Opens the directory `path`, making what is missing of it. */
static int open_or_make_dir(struct dirs *d, const char *path)
{
	autofree char *up = NULL;
	autoclose int above = -1;
	const char *slash;
	int fd;

	fd = dirs_open(d->root, path, O_PATH | O_DIRECTORY);
	if ((fd != -ENOENT && fd != -ENOTDIR) || !*path)
		return fd;

	slash = strrchr(path, '/');
	up = xstrndup(path, slash ? (size_t) (slash - path) : 0);
	above = open_or_make_dir(d, up);
	return above < 0 ? above : dirs_make(d, above, slash ? slash + 1 : path, false);
}

int dirs_parent(struct dirs *d, const char *path, const char **ret_base)
{
	const char *slash = strrchr(path, '/');
	autofree char *up = xstrndup(path, slash ? (size_t) (slash - path) : 0);

	if (d->stale || d->parent < 0 || !str_eq(up, d->parent_path)) {
		int fd = open_or_make_dir(d, up);

		if (fd < 0)
			return fd;
		close_p(&d->parent);
		free(d->parent_path);
		d->parent = fd;
		d->parent_path = take(up);
		d->stale = false;
	}
	*ret_base = *path ? (slash ? slash + 1 : path) : ".";
	return d->parent;
}

void dirs_release(struct dirs *d)
{
	close_p(&d->parent);
	free(d->parent_path);
}
