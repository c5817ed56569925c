/* See mounts.h. */
#include "shim/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "wire/layout.h"

#define ROOTFS LAYOUT_BUNDLE "/" LAYOUT_ROOTFS

/* A directory's descriptor keeps pointing into the namespace it was opened in, where we may neither
 * mount nor take a layer from. Opens it once more by its path, and replaces it if it is the same
 * directory. */
static int reopen_here(int fd, struct err *err)
{
	autoclose int again = -1;
	char link[32], path[PATH_MAX];
	struct stat was, is;
	ssize_t n;

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof path - 1);
	if (n < 0)
		return err_sys(err, errno, "read %s", link);
	path[n] = '\0';
	again = open_dir_at(AT_FDCWD, path);
	if (again < 0)
		return err_sys(err, -again, "open %s", path);
	if (fstat(fd, &was) < 0 || fstat(again, &is) < 0 || was.st_dev != is.st_dev ||
	    was.st_ino != is.st_ino)
		return err_set(err, ERR_SYSTEM, "%s is not the directory it was", path);
	if (dup3(again, fd, O_CLOEXEC) < 0)
		return err_sys(err, errno, "replace %s", link);
	return 0;
}

static int enter_own_namespace(struct mounts *m, struct err *err)
{
	if (m->own_namespace)
		return 0;
	if (unshare(CLONE_NEWNS) < 0)
		return err_sys(err, errno, "make a mount namespace");
	if (reopen_here(m->data, err) < 0 || reopen_here(m->exec, err) < 0)
		return -1;
	m->own_namespace = true;
	return 0;
}

/* All layers by their short names and what is written by descriptor: the kernel takes one page of
 * options, and what users put into paths (':', ',') would end an option. */
static int overlay_options(const struct mounts *m, const struct shim_config *c, struct buf *ret,
			   struct err *err)
{
	buf_adds(ret, "lowerdir=");
	for (char **l = c->lower; *l; l++)
		buf_addf(ret, "%s%s", l == c->lower ? "" : ":", *l);
	buf_addf(ret, ",upperdir=/proc/self/fd/%d/" LAYOUT_UPPER, m->data);
	buf_addf(ret, ",workdir=/proc/self/fd/%d/" LAYOUT_WORK, m->data);
	if (!str_empty(c->volatile_opt))
		buf_addf(ret, ",%s", c->volatile_opt);
	if (ret->len >= (size_t) sysconf(_SC_PAGESIZE))
		return err_set(err, ERR_TOO_LARGE,
			       "the image has too many layers: the names of its %zu layers need "
			       "%zu bytes, "
			       "and the kernel takes one page",
			       strv_len(c->lower), ret->len);
	return 0;
}

static int mount_overlay(const struct mounts *m, const struct shim_config *c, const char *target,
			 struct err *err)
{
	autobuf options = {0};

	if (overlay_options(m, c, &options, err) < 0)
		return -1;
	if (chdir(c->layers_dir) < 0)
		return err_sys(err, errno, "enter %s", c->layers_dir);
	if (mount("overlay", target, "overlay", 0, options.text) < 0)
		return err_sys(err, errno, "mount overlay of %zu layers from %s",
			       strv_len(c->lower), c->layers_dir);
	return 0;
}

static int mount_rootfs(const struct mounts *m, const struct shim_config *c, struct err *err)
{
	char target[64], upper[64];
	int r = 0;

	snprintf(target, sizeof target, "/proc/self/fd/%d/" ROOTFS, m->exec);
	snprintf(upper, sizeof upper, "/proc/self/fd/%d/" LAYOUT_UPPER, m->data);
	if (c->lower && c->lower[0])
		r = mount_overlay(m, c, target, err);
	else if (mount(upper, target, NULL, MS_BIND, NULL) < 0)
		r = err_sys(err, errno, "bind " LAYOUT_UPPER " on " ROOTFS);

	if (fchdir(m->exec) < 0 && r == 0)
		r = err_sys(err, errno, "enter the exec directory");
	return r;
}

int mounts_up(struct mounts *m, const struct shim_config *c, struct err *err)
{
	if (m->mounted)
		return 0;
	if (enter_own_namespace(m, err) < 0)
		return -1;
	if (mount_rootfs(m, c, err) < 0)
		return -1;
	m->mounted = true;
	return 0;
}

/* Namespaces that a run has joined, its own network among them: the kernel keeps them as long. */
static void let_namespaces_go(void)
{
	static const char *const joined[] = {"net", "pid", "ipc"};
	char target[32];

	for (size_t i = 0; i < ARRAY_SIZE(joined); i++) {
		snprintf(target, sizeof target, LAYOUT_BUNDLE "/" LAYOUT_NS_PREFIX "%s", joined[i]);
		while (umount2(target, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
			;
	}
}

void mounts_down(struct mounts *m)
{
	if (m->own_namespace)
		let_namespaces_go();
	if (!m->mounted)
		return;
	if (umount2(ROOTFS, MNT_DETACH) < 0)
		log_warn("unmount " ROOTFS ": error %d", errno);
	m->mounted = false;
}

void mounts_leave(struct mounts *m)
{
	mounts_down(m);
	if (chdir("/") < 0)
		log_warn("leave the exec directory: error %d", errno);
}
