/*
 * The exec root must lie on a mount that is not shared: a shim mounts its container's rootfs below
 * it in a mount namespace of its own, and on a shared mount (systemd's default for /) that mount
 * would be propagated to the host. Where it is shared, the exec root is bind-mounted on itself,
 * once, and made private.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/file.h"
#include "engine/internal.h"

#define MOUNTINFO_MAX (16 << 20)
#define MARK_FILE     "private-mount"

static bool below(const char *path, const char *mount, size_t len)
{
	if (len == 1) /* "/" */
		return true;
	return !strncmp(path, mount, len) && (path[len] == '/' || path[len] == '\0');
}

/* The flags field of the last mount that covers path: does it say shared? (proc(5), mountinfo) */
bool mountinfo_is_shared(const char *mountinfo, const char *path)
{
	size_t best = 0;
	bool shared = false;

	for (const char *line = mountinfo; *line;
	     line += strcspn(line, "\n"), line += *line == '\n') {
		const char *field = line, *end, *flag;
		size_t len;

		for (int i = 0; i < 4 && field; i++) {
			field = strchr(field, ' ');
			field = field ? field + 1 : NULL;
		}
		if (!field)
			continue;
		len = strcspn(field, " \n");
		if (!below(path, field, len) || len < best)
			continue;
		best = len;
		end = strstr(field, " - ");
		flag = strstr(field, " shared:");
		shared = flag && end && flag < end;
	}
	return shared;
}

/* A file in the exec root says that the mount is ours; it is seen through the mount and without it.
 */
static int open_mark(const char *root, int flags)
{
	autofree char *path = xasprintf("%s/" MARK_FILE, root);

	return open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
}

int exec_root_make_private(const char *path, struct err *err)
{
	autoclose int mark = -1;
	autofree char *text = NULL, *real = realpath(path, NULL);
	int r;

	if (!real)
		return err_sys(err, errno, "%s", path);
	r = read_file_at(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, &text, NULL);
	if (r < 0)
		return err_sys(err, -r, "/proc/self/mountinfo");
	if (!mountinfo_is_shared(text, real))
		return 0;
	if (mount(real, real, NULL, MS_BIND, NULL) < 0 ||
	    mount(NULL, real, NULL, MS_PRIVATE, NULL) < 0)
		return err_sys(err, errno, "make %s a private mount", real);
	mark = open_mark(real, O_CREAT);
	log_info("exec root %s lay on a shared mount: it is a private one now", real);
	return mark < 0 ? err_sys(err, errno, "mark %s", real) : 0;
}

void exec_root_release(const char *path)
{
	autofree char *containers = xasprintf("%s/" LAYOUT_CONTAINERS, path);
	autoclose int mark = open_mark(path, 0);

	/* Only an empty one of our own making: shims' mounts and shared /dev/shm hang on it. */
	if (mark < 0 || rmdir(containers) < 0)
		return;
	close_p(&mark);
	mark = -1;
	if (umount2(path, UMOUNT_NOFOLLOW) < 0) {
		log_warn("unmount %s: %s", path, strerror(errno));
		return;
	}
	autofree char *mark_path = xasprintf("%s/" MARK_FILE, path);

	(void) unlink(mark_path);
}
