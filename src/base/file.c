/* Files; see file.h. */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

#ifndef SYS_openat2
#define SYS_openat2 437 /* the same everywhere; musl 1.2.3 does not know it */
#endif

/* Reading and writing */

int write_all(int fd, const void *data, size_t n)
{
	const char *p = data;

	while (n > 0) {
		ssize_t r = write(fd, p, n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		p += r;
		n -= (size_t) r;
	}
	return 0;
}

ssize_t read_full(int fd, void *data, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t r = read(fd, (char *) data + done, n - done);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (r == 0)
			break;
		done += (size_t) r;
	}
	return (ssize_t) done;
}

/* Opens for reading without ever waiting for a writer at the other end of a fifo. */
static int open_regular_at(int dir, const char *name, struct stat *ret_st)
{
	autoclose int fd = openat(dir, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (fstat(fd, ret_st) < 0)
		return -errno;
	if (S_ISDIR(ret_st->st_mode))
		return -EISDIR;
	if (!S_ISREG(ret_st->st_mode))
		return -EINVAL;
	return take_fd(fd);
}

int read_file_at(int dir, const char *name, size_t max, char **ret_text, size_t *ret_len)
{
	autobuf text = {0};
	struct stat st;
	autoclose int fd = open_regular_at(dir, name, &st);
	size_t want;

	if (fd < 0)
		return fd;
	if (st.st_size > 0 && (uintmax_t) st.st_size > max)
		return -EFBIG;

	/* The size is a hint only where it is 0, as /proc says; one that grows meanwhile is read as
	 * it was. */
	want = st.st_size > 0 ? (size_t) st.st_size : 1;
	for (;;) {
		ssize_t r = read_full(fd, buf_reserve(&text, want), want);

		if (r < 0)
			return (int) r;
		text.len += (size_t) r;
		if (text.len > max)
			return -EFBIG;
		if ((size_t) r < want || text.len == (size_t) st.st_size)
			break;
		want = 4096;
	}
	text.text[text.len] = '\0';
	if (ret_len)
		*ret_len = text.len;
	*ret_text = buf_take(&text);
	return 0;
}

ssize_t read_once_at(int dir, const char *name, void *buf, size_t size)
{
	autoclose int fd = openat(dir, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	do {
		n = read(fd, buf, size);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

int read_small_at(int dir, const char *name, char *buf, size_t size)
{
	autoclose int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read_full(fd, buf, size);
	if (n < 0)
		return (int) n;
	if ((size_t) n == size)
		return -EFBIG;
	if (n > 0 && buf[n - 1] == '\n')
		n--;
	buf[n] = '\0';
	return 0;
}

int write_small_at(int dir, const char *name, const char *text)
{
	autoclose int fd = openat(dir, name, O_WRONLY | O_NOCTTY | O_CLOEXEC);
	size_t n = strlen(text);
	ssize_t r;

	if (fd < 0)
		return -errno;
	do {
		r = write(fd, text, n);
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	return (size_t) r == n ? 0 : -EIO;
}

/* Directories */

int open_dir_at(int dir, const char *path)
{
	int fd = openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* Opens the directory that holds dir/path and says the last part's name, which points into path. */
static int open_parent_at(int dir, const char *path, const char **ret_name)
{
	const char *slash = strrchr(path, '/');
	autofree char *parent = NULL;
	const char *name = slash ? slash + 1 : path;

	if (!*name || str_eq(name, ".") || str_eq(name, ".."))
		return -EINVAL;
	if (slash)
		parent = slash == path ? xstrdup("/") : xstrndup(path, (size_t) (slash - path));
	*ret_name = name;
	return open_dir_at(dir, parent ? parent : ".");
}

static int mkdir_one(const char *path, mode_t mode)
{
	struct stat st;

	if (mkdir(path, mode) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	if (stat(path, &st) < 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int mkdir_p(const char *path, mode_t mode)
{
	autofree char *part = xstrdup(path);
	int r;

	if (!*path)
		return -ENOENT;
	for (char *p = part + 1; *p; p++) {
		if (*p != '/' || p[-1] == '/')
			continue;
		*p = '\0';
		r = mkdir_one(part, mode);
		if (r < 0)
			return r;
		*p = '/';
	}
	return mkdir_one(part, mode);
}

int sync_dir(int dir)
{
	return fsync(dir) < 0 ? -errno : 0;
}

bool exists_at(int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Saving */

void save_tidy_at(int dir, const char *name)
{
	autofree char *tmp = xasprintf(".%s.new", name);

	(void) unlinkat(dir, tmp, 0);
}

/* A temp that a crash left behind is ours, for a file has one writer. */
static int create_temp(int dir, const char *tmp)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
	int fd = openat(dir, tmp, flags, 0600);

	if (fd < 0 && errno == EEXIST && unlinkat(dir, tmp, 0) == 0)
		fd = openat(dir, tmp, flags, 0600);
	return fd;
}

static int fill_temp(int dir, const char *tmp, const char *text, size_t len, enum save_mode mode,
		     struct err *err)
{
	autoclose int fd = create_temp(dir, tmp);
	int r;

	if (fd < 0)
		return err_sys(err, errno, "create %s", tmp);
	r = write_all(fd, text, len);
	if (r < 0)
		return err_sys(err, -r, "write %s", tmp);
	if (mode == SAVE_DURABLE && fsync(fd) < 0)
		return err_sys(err, errno, "fsync %s", tmp);
	return 0;
}

int save_file_at(int dir, const char *name, const char *text, size_t len, enum save_mode mode,
		 struct err *err)
{
	autofree char *tmp = NULL;
	const char *base = NULL;
	autoclose int parent = open_parent_at(dir, name, &base);

	if (parent < 0)
		return err_sys(err, -parent, "open directory of %s", name);
	tmp = xasprintf(".%s.new", base);
	if (fill_temp(parent, tmp, text, len, mode, err) < 0) {
		(void) unlinkat(parent, tmp, 0);
		return -1;
	}
	if (renameat(parent, tmp, parent, base) < 0) {
		err_sys(err, errno, "rename %s", tmp);
		(void) unlinkat(parent, tmp, 0);
		return -1;
	}
	if (mode == SAVE_DURABLE && fsync(parent) < 0)
		return err_sys(err, errno, "fsync directory of %s", name);
	return 0;
}

/*
 * Removing trees
 *
 * A tree may be deeper than we have stack or descriptors for. So the walk goes MAX_DEPTH levels
 * down; a directory deeper than that is lifted, by rename, to the top of the tree, where the next
 * round finds it. Each level holds one descriptor.
 *
 * openat2(RESOLVE_NO_XDEV) keeps us from what is mounted inside: unlike a look at st_dev it also
 * sees a bind mount of the same file system, which may be a user's volume.
 */
#define MAX_DEPTH 24
#define MAX_TRIES 4

struct removal {
	int top;	 /* where lifted directories go; -1 before it is open */
	uint64_t lifted; /* how many were so far */
};

static int empty_dir(struct removal *rm, DIR *d, unsigned depth);

static int open_below(int dir, const char *name, DIR **ret)
{
	struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS,
	};
	autoclose int fd = (int) syscall(SYS_openat2, dir, name, &how, sizeof how);

	if (fd < 0)
		return -errno;
	*ret = fdopendir(fd);
	if (!*ret)
		return -errno;
	(void) take_fd(fd);
	return 0;
}

static void closedir_p(DIR **d)
{
	if (*d)
		(void) closedir(*d);
}

static int lift(struct removal *rm, int dir, const char *name)
{
	char to[32] = ".lifted-";

	random_hex(to + strlen(to), 16);
	if (renameat(dir, name, rm->top, to) < 0)
		return errno == ENOENT ? 0 : -errno;
	rm->lifted++;
	return 0;
}

static int remove_dir(struct removal *rm, int dir, const char *name, unsigned depth)
{
	auto_(closedir_p) DIR *d = NULL;
	uint64_t lifted;
	int r;

	if (depth > MAX_DEPTH)
		return lift(rm, dir, name);
	r = open_below(dir, name, &d);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (rm->top < 0)
		rm->top = dirfd(d);

	/* Not empty after all: something was lifted to here, or somebody still writes; the latter
	 * gets a few rounds and no more. */
	for (unsigned tries = 0;;) {
		lifted = rm->lifted;
		r = empty_dir(rm, d, depth);
		if (r < 0)
			return r;
		if (unlinkat(dir, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
			return 0;
		if (errno != ENOTEMPTY && errno != EEXIST)
			return -errno;
		if (rm->lifted == lifted && ++tries >= MAX_TRIES)
			return -ENOTEMPTY;
	}
}

static int remove_entry(struct removal *rm, int dir, const char *name, bool is_dir, unsigned depth)
{
	if (!is_dir) {
		if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
			return 0;
		if (errno != EISDIR)
			return -errno;
	}
	return remove_dir(rm, dir, name, depth);
}

static int empty_dir(struct removal *rm, DIR *d, unsigned depth)
{
	struct dirent *e;
	int r;

	rewinddir(d);
	for (;;) {
		errno = 0;
		e = readdir(d);
		if (!e)
			return -errno;
		if (str_eq(e->d_name, ".") || str_eq(e->d_name, ".."))
			continue;
		r = remove_entry(rm, dirfd(d), e->d_name, e->d_type == DT_DIR, depth + 1);
		if (r < 0)
			return r;
	}
}

int remove_tree_at(int dir, const char *name)
{
	const char *base = NULL;
	autoclose int parent = open_parent_at(dir, name, &base);
	struct removal rm = {.top = -1};

	if (parent < 0)
		return parent == -ENOENT ? 0 : parent;
	return remove_entry(&rm, parent, base, false, 0);
}

int remove_tree_atomically_at(int dir, const char *name)
{
	const char *base = NULL;
	autoclose int parent = open_parent_at(dir, name, &base);
	char gone[32] = ".gone-";

	if (parent < 0)
		return parent == -ENOENT ? 0 : parent;
	random_hex(gone + strlen(gone), 16);
	if (renameat(parent, base, parent, gone) < 0)
		return errno == ENOENT ? 0 : -errno;
	return remove_tree_at(parent, gone);
}

/* Counting */

#define SIZE_DEPTH_MAX 256 /* a deeper tree is counted to here: each level holds a descriptor */

static int64_t dir_size(int dir, const char *name, int depth)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	auto_(closedir_p) DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *ent;
	int64_t total = 0;

	if (!d) {
		close_p(&fd);
		return 0;
	}
	while ((ent = readdir(d))) {
		struct stat st;

		if (str_eq(ent->d_name, ".") || str_eq(ent->d_name, "..") ||
		    fstatat(dirfd(d), ent->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (S_ISREG(st.st_mode))
			total += st.st_size / (int64_t) st.st_nlink;
		else if (S_ISDIR(st.st_mode) && depth < SIZE_DEPTH_MAX)
			total += dir_size(dirfd(d), ent->d_name, depth + 1);
	}
	return total;
}

int64_t tree_size_at(int dir, const char *name)
{
	return dir_size(dir, name, 0);
}
