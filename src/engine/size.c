/* How much a container has written: the apparent sizes of the files in its upper directory, as
 * docker counts. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "engine/internal.h"

#define SIZE_DEPTH_MAX 256 /* a deeper tree is counted to here: its descriptors are ours */

static int64_t dir_size(int fd, int depth)
{
	DIR *d = fdopendir(fd);
	struct dirent *ent;
	int64_t total = 0;

	if (!d) {
		(void) close(fd);
		return 0;
	}
	while ((ent = readdir(d))) {
		struct stat st;

		if (!strcmp(ent->d_name, ".") || !strcmp(ent->d_name, "..") ||
		    fstatat(dirfd(d), ent->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (S_ISREG(st.st_mode)) {
			total += st.st_size / (int64_t) st.st_nlink;
		} else if (S_ISDIR(st.st_mode) && depth < SIZE_DEPTH_MAX) {
			int sub = openat(dirfd(d), ent->d_name,
					 O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

			if (sub >= 0)
				total += dir_size(sub, depth + 1);
		}
	}
	closedir(d);
	return total;
}

int64_t container_size_rw(struct engine *e, const char *id)
{
	autoclose int dir = container_open_data(e->store, id);
	int upper;

	if (dir < 0)
		return 0;
	upper = openat(dir, LAYOUT_UPPER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return upper < 0 ? 0 : dir_size(upper, 0);
}
