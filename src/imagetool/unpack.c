/* Writes a layer's entries; see unpack.h. */
#include "imagetool/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "imagetool/dirs.h"
#include "imagetool/names.h"

#define WHITEOUT_PREFIX ".wh."
#define WHITEOUT_META	".wh..wh."
#define WHITEOUT_OPAQUE ".wh..wh..opq"

/* The time of a directory can be set only when all its entries are there. */
struct dir_time {
	char *path;
	struct timespec mtime;
};

struct unpack {
	struct dirs dirs;
	struct budget *budget;
	int64_t size;
	bool opaque_root;

	struct dir_time *times;
	size_t n_times;
	size_t cap_times;
};

/* An entry on its way, for the helpers below. */
struct placed {
	struct archive_entry *e;
	const char *shown; /* its name, for messages */
	const char *path;  /* clean */
	int parent;	   /* borrowed from the unpack */
	const char *base;  /* the last component of path; "." of the root */
};

/* Opens the parent of p->path and fills in the rest of p. */
static int place(struct unpack *u, struct placed *p, struct err *err)
{
	p->parent = dirs_parent(&u->dirs, p->path, &p->base);
	return p->parent < 0 ? err_sys(err, -p->parent, "entry %s: open its directory", p->shown)
			     : 0;
}

/* Attributes */

static bool xattr_wanted(const char *name)
{
	if (str_eq(name, "security.capability"))
		return true;
	return str_has_prefix(name, "user.") && !str_has_prefix(name, "user.overlay.");
}

static int set_xattrs(int fd, const struct placed *p, struct err *err)
{
	const char *name;
	const void *value;
	size_t size;

	if (archive_entry_xattr_reset(p->e) == 0)
		return 0;
	while (archive_entry_xattr_next(p->e, &name, &value, &size) == ARCHIVE_OK) {
		if (!name || !xattr_wanted(name) || fsetxattr(fd, name, value, size, 0) == 0)
			continue;
		if (errno != ENOTSUP || name[0] == 's')
			return err_sys(err, errno, "entry %s: set %s", p->shown, name);
	}
	return 0;
}

static void entry_times(struct archive_entry *e, struct timespec ret[2])
{
	ret[0] = (struct timespec){
		.tv_sec = archive_entry_mtime(e),
		.tv_nsec = archive_entry_mtime_nsec(e),
	};
	ret[1] = ret[0];
}

/* Owner first: changing it takes setuid bits and capabilities away. */
static int set_attributes(int fd, const struct placed *p, struct err *err)
{
	if (fchown(fd, (uid_t) archive_entry_uid(p->e), (gid_t) archive_entry_gid(p->e)) < 0)
		return err_sys(err, errno, "entry %s: set its owner", p->shown);
	if (fchmod(fd, archive_entry_perm(p->e)) < 0)
		return err_sys(err, errno, "entry %s: set its mode", p->shown);
	return set_xattrs(fd, p, err);
}

/* As set_attributes() for what is not opened: links and device nodes. */
static int set_attributes_of_node(const struct placed *p, bool link, struct err *err)
{
	struct timespec times[2];

	entry_times(p->e, times);
	if (fchownat(p->parent, p->base, (uid_t) archive_entry_uid(p->e),
		     (gid_t) archive_entry_gid(p->e), AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, errno, "entry %s: set its owner", p->shown);
	if (!link && fchmodat(p->parent, p->base, archive_entry_perm(p->e), 0) < 0)
		return err_sys(err, errno, "entry %s: set its mode", p->shown);
	if (utimensat(p->parent, p->base, times, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, errno, "entry %s: set its time", p->shown);
	return 0;
}

/* The kinds of entries. Each makes a new inode; what had the name before is removed. */

static int remove_earlier(struct unpack *u, const struct placed *p, struct err *err)
{
	int r;

	u->dirs.stale = true;
	r = remove_tree_at(p->parent, p->base);
	return r < 0 ? err_sys(err, -r, "entry %s: replace the earlier one", p->shown) : 0;
}

static int write_data(struct unpack *u, const struct placed *p, int fd, struct archive *a,
		      struct err *err)
{
	const void *data;
	la_int64_t offset;
	int64_t end = 0;
	size_t n;
	int r;

	while ((r = archive_read_data_block(a, &data, &n, &offset)) == ARCHIVE_OK ||
	       r == ARCHIVE_WARN) {
		const char *from = data;

		if (budget_take_bytes(u->budget, (int64_t) n, err) < 0)
			return -1;
		while (n > 0) {
			ssize_t done = pwrite(fd, from, n, offset);

			if (done < 0 && errno == EINTR)
				continue;
			if (done < 0)
				return err_sys(err, errno, "entry %s: write", p->shown);
			from += done;
			offset += done;
			n -= (size_t) done;
		}
		end = offset;
	}
	if (r != ARCHIVE_EOF)
		return err_set(err, ERR_INVALID, "entry %s: %s", p->shown, archive_error_string(a));
	/* A hole at its end. */
	if (archive_entry_size(p->e) > end && ftruncate(fd, archive_entry_size(p->e)) < 0)
		return err_sys(err, errno, "entry %s: set its size", p->shown);
	return 0;
}

static int make_file(struct unpack *u, const struct placed *p, struct archive *a, struct err *err)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	struct timespec times[2];
	autoclose int fd = openat(p->parent, p->base, flags, 0600);

	if (fd < 0 && errno == EEXIST) {
		if (remove_earlier(u, p, err) < 0)
			return -1;
		fd = openat(p->parent, p->base, flags, 0600);
	}
	if (fd < 0)
		return err_sys(err, errno, "entry %s: create", p->shown);
	if (write_data(u, p, fd, a, err) < 0 || set_attributes(fd, p, err) < 0)
		return -1;
	entry_times(p->e, times);
	if (futimens(fd, times) < 0)
		return err_sys(err, errno, "entry %s: set its time", p->shown);
	u->size += archive_entry_size(p->e);
	return 0;
}

static void remember_dir_time(struct unpack *u, const struct placed *p)
{
	struct timespec times[2];

	entry_times(p->e, times);
	if (u->n_times == u->cap_times) {
		u->cap_times = u->cap_times ? 2 * u->cap_times : 64;
		u->times = xreallocarray(u->times, u->cap_times, sizeof *u->times);
	}
	u->times[u->n_times++] = (struct dir_time){.path = xstrdup(p->path), .mtime = times[1]};
}

static int make_directory(struct unpack *u, const struct placed *p, struct err *err)
{
	autoclose int fd = *p->path ? dirs_make(&u->dirs, p->parent, p->base, true)
				    : openat(u->dirs.root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(err, *p->path ? -fd : errno, "entry %s: make the directory",
			       p->shown);
	remember_dir_time(u, p);
	return set_attributes(fd, p, err);
}

static int make_symlink(struct unpack *u, const struct placed *p, struct err *err)
{
	const char *target = archive_entry_symlink(p->e);

	if (str_empty(target))
		return err_set(err, ERR_INVALID, "entry %s: a link to nothing", p->shown);
	if (symlinkat(target, p->parent, p->base) < 0) {
		if (errno != EEXIST)
			return err_sys(err, errno, "entry %s: create the link", p->shown);
		if (remove_earlier(u, p, err) < 0)
			return -1;
		if (symlinkat(target, p->parent, p->base) < 0)
			return err_sys(err, errno, "entry %s: create the link", p->shown);
	}
	return set_attributes_of_node(p, true, err);
}

static int make_node(struct unpack *u, const struct placed *p, struct err *err)
{
	mode_t mode = archive_entry_filetype(p->e) | 0600;
	dev_t dev = S_ISFIFO(mode) ? 0 : archive_entry_rdev(p->e);

	if (mknodat(p->parent, p->base, mode, dev) < 0) {
		if (errno != EEXIST)
			return err_sys(err, errno, "entry %s: create the node", p->shown);
		if (remove_earlier(u, p, err) < 0)
			return -1;
		if (mknodat(p->parent, p->base, mode, dev) < 0)
			return err_sys(err, errno, "entry %s: create the node", p->shown);
	}
	return set_attributes_of_node(p, false, err);
}

/* Links inside the layer only: a target in a lower layer does not exist here. */
static int make_hardlink(struct unpack *u, const struct placed *p, struct err *err)
{
	char shown[PRINTABLE_MAX], path[PATH_MAX];
	const char *target = printable(archive_entry_hardlink(p->e), shown);
	autofree char *up = NULL;
	autoclose int dir = -1;
	const char *slash, *base;
	struct stat a, b;

	if (clean_path(archive_entry_hardlink(p->e), path, sizeof path) < 0 || !*path)
		return err_set(err, ERR_INVALID, "entry %s: its link leads out of the layer: %s",
			       p->shown, target);
	slash = strrchr(path, '/');
	base = slash ? slash + 1 : path;
	up = xstrndup(path, slash ? (size_t) (slash - path) : 0);
	dir = dirs_open(u->dirs.root, up, O_PATH | O_DIRECTORY);
	if (dir < 0)
		return err_sys(err, -dir, "entry %s: link to %s", p->shown, target);

	if (linkat(dir, base, p->parent, p->base, 0) == 0)
		return 0;
	if (errno != EEXIST)
		return err_sys(err, errno, "entry %s: link to %s", p->shown, target);
	if (fstatat(dir, base, &a, AT_SYMLINK_NOFOLLOW) == 0 &&
	    fstatat(p->parent, p->base, &b, AT_SYMLINK_NOFOLLOW) == 0 && a.st_ino == b.st_ino)
		return 0; /* is that link already */
	if (remove_earlier(u, p, err) < 0)
		return -1;
	if (linkat(dir, base, p->parent, p->base, 0) < 0)
		return err_sys(err, errno, "entry %s: link to %s", p->shown, target);
	return 0;
}

/* Whiteouts. They speak of lower layers only: what this layer has under the name, before or after,
 * stays. */

static int make_opaque(struct unpack *u, const struct placed *p, struct err *err)
{
	autoclose int fd = openat(p->parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return err_sys(err, errno, "entry %s: open its directory", p->shown);
	if (!strchr(p->path, '/'))
		u->opaque_root = true;
	r = dirs_set_opaque(fd);
	return r < 0 ? err_sys(err, -r, "entry %s: make its directory opaque", p->shown) : 0;
}

static int make_whiteout(struct unpack *u, const struct placed *p, struct err *err)
{
	const char *hidden = p->base + sizeof(WHITEOUT_PREFIX) - 1;
	autoclose int fd = -1;
	int r;

	if (str_eq(hidden, "") || str_eq(hidden, ".") || str_eq(hidden, ".."))
		return err_set(err, ERR_INVALID, "entry %s: a whiteout of nothing", p->shown);
	if (mknodat(p->parent, hidden, S_IFCHR, makedev(0, 0)) == 0)
		return 0;
	if (errno != EEXIST)
		return err_sys(err, errno, "entry %s: make the whiteout", p->shown);

	fd = openat(p->parent, hidden, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return 0; /* a file hides what is below anyway */
	r = dirs_set_opaque(fd);
	return r < 0 ? err_sys(err, -r, "entry %s: make the directory opaque", p->shown) : 0;
}

/* The whole */

static int make_entry(struct unpack *u, const struct placed *p, struct archive *a, struct err *err)
{
	if (str_eq(p->base, WHITEOUT_OPAQUE))
		return make_opaque(u, p, err);
	if (str_has_prefix(p->base, WHITEOUT_META))
		return 0;
	if (str_has_prefix(p->base, WHITEOUT_PREFIX))
		return make_whiteout(u, p, err);
	if (!*p->path && (archive_entry_hardlink(p->e) || archive_entry_filetype(p->e) != AE_IFDIR))
		return err_set(err, ERR_INVALID, "entry %s: the layer's root must be a directory",
			       p->shown);
	if (archive_entry_hardlink(p->e))
		return make_hardlink(u, p, err);

	switch (archive_entry_filetype(p->e)) {
	case AE_IFREG:
		return make_file(u, p, a, err);
	case AE_IFDIR:
		return make_directory(u, p, err);
	case AE_IFLNK:
		return make_symlink(u, p, err);
	case AE_IFCHR:
	case AE_IFBLK:
	case AE_IFIFO:
		return make_node(u, p, err);
	default:
		return err_set(err, ERR_INVALID, "entry %s: unknown type", p->shown);
	}
}

int unpack_entry(struct unpack *u, struct archive *a, struct archive_entry *e, struct err *err)
{
	const char *name = archive_entry_pathname(e);
	char shown[PRINTABLE_MAX], path[PATH_MAX];
	struct placed p = {.e = e, .path = path};
	int r;

	if (!name)
		return err_set(err, ERR_INVALID, "an entry without a name");
	p.shown = printable(name, shown);
	if (budget_take_entry(u->budget, err) < 0)
		return -1;
	r = clean_path(name, path, sizeof path);
	if (r == -EXDEV)
		return err_set(err, ERR_INVALID, "entry %s: its name leads out of the layer",
			       shown);
	if (r < 0)
		return err_set(err, ERR_INVALID, "entry %s: its name of %zu bytes is too long",
			       shown, strlen(name));
	if (place(u, &p, err) < 0)
		return -1;
	return make_entry(u, &p, a, err);
}

struct unpack *unpack_new(int root, struct budget *budget)
{
	struct unpack *u = xnew(struct unpack);

	u->dirs.root = root;
	u->budget = budget;
	u->dirs.parent = -1;
	return u;
}

int unpack_finish(struct unpack *u, struct unpack_result *ret, struct err *err)
{
	for (size_t i = 0; i < u->n_times; i++) {
		struct timespec times[2] = {u->times[i].mtime, u->times[i].mtime};
		autoclose int fd = dirs_open(u->dirs.root, u->times[i].path,
					     O_RDONLY | O_DIRECTORY | O_NOFOLLOW);

		if (fd >= 0 && futimens(fd, times) < 0)
			return err_sys(err, errno, "set the time of a directory");
	}
	ret->size = u->size;
	ret->opaque_root = u->opaque_root;
	return 0;
}

void unpack_free(struct unpack *u)
{
	if (!u)
		return;
	dirs_release(&u->dirs);
	for (size_t i = 0; i < u->n_times; i++)
		free(u->times[i].path);
	free(u->times);
	free(u);
}
