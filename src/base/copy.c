/* Copying attributes; see copy.h. */
#include "base/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/str.h"

#define XATTRS_MAX (64 << 10) /* the kernel's limit, of a list and of a value */
#define OVERLAYS   "trusted.overlay."

/* By the path, since a link cannot be opened for this. */
static char *path_at(int dir, const char *name)
{
	return xasprintf("/proc/self/fd/%d/%s", dir, name);
}

static int copy_xattrs(const char *from, const char *to)
{
	autofree char *names = xmalloc(XATTRS_MAX);
	autofree char *value = xmalloc(XATTRS_MAX);
	ssize_t n = llistxattr(from, names, XATTRS_MAX);

	if (n < 0)
		return errno == EOPNOTSUPP ? 0 : -errno;
	for (const char *name = names; name < names + n; name += strlen(name) + 1) {
		ssize_t size;

		if (str_has_prefix(name, OVERLAYS))
			continue;
		size = lgetxattr(from, name, value, XATTRS_MAX);
		if (size < 0 && errno == ENODATA)
			continue;
		if (size < 0)
			return -errno;
		if (lsetxattr(to, name, value, (size_t) size, 0) < 0 && errno != EOPNOTSUPP)
			return -errno;
	}
	return 0;
}

/* The owner first, for a change of it takes capabilities and set-id bits away; times last. */
int copy_attributes_at(int from_dir, const char *from, int to_dir, const char *to)
{
	autofree char *from_path = path_at(from_dir, from);
	autofree char *to_path = path_at(to_dir, to);
	struct stat st;
	int r;

	if (fstatat(from_dir, from, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fchownat(to_dir, to, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	r = copy_xattrs(from_path, to_path);
	if (r < 0)
		return r;
	if (!S_ISLNK(st.st_mode) && fchmodat(to_dir, to, st.st_mode & 07777, 0) < 0)
		return -errno;
	if (utimensat(to_dir, to, (struct timespec[]){st.st_atim, st.st_mtim},
		      AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return 0;
}
