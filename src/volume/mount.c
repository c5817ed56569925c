/*
 * What options name, mounted; see volume.h. The directory that the mounts lie in is a shared mount
 * of its own: shims take a copy of all mounts into their namespaces, and by the sharing an unmount
 * reaches them, so that a file system goes when its last user does and not with whoever happened to
 * be started meanwhile.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "base/thread.h"
#include "volume/private.h"

/* The words of mount(8) that are flags of mount(2); all others go to the file system. */
static const struct {
	const char *word;
	unsigned long set, clear;
} words[] = {
	{"defaults", 0, 0},
	{"ro", MS_RDONLY, 0},
	{"rw", 0, MS_RDONLY},
	{"nosuid", MS_NOSUID, 0},
	{"suid", 0, MS_NOSUID},
	{"nodev", MS_NODEV, 0},
	{"dev", 0, MS_NODEV},
	{"noexec", MS_NOEXEC, 0},
	{"exec", 0, MS_NOEXEC},
	{"sync", MS_SYNCHRONOUS, 0},
	{"async", 0, MS_SYNCHRONOUS},
	{"dirsync", MS_DIRSYNC, 0},
	{"mand", MS_MANDLOCK, 0},
	{"nomand", 0, MS_MANDLOCK},
	{"noatime", MS_NOATIME, 0},
	{"atime", 0, MS_NOATIME},
	{"nodiratime", MS_NODIRATIME, 0},
	{"diratime", 0, MS_NODIRATIME},
	{"relatime", MS_RELATIME, 0},
	{"norelatime", 0, MS_RELATIME},
	{"strictatime", MS_STRICTATIME, 0},
	{"nostrictatime", 0, MS_STRICTATIME},
};

static bool take_word(const char *word, unsigned long *flags)
{
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcmp(words[i].word, word) != 0)
			continue;
		*flags = (*flags | words[i].set) & ~words[i].clear;
		return true;
	}
	return false;
}

static int mount_it(const struct volume_mount *m, const char *path)
{
	unsigned long flags = 0;
	autobuf data = {0};

	for (char **w = m->options; w && *w; w++)
		if (!take_word(*w, &flags))
			buf_addf(&data, "%s%s", data.len ? "," : "", *w);
	return mount(m->device, path, m->type, flags, data.text) < 0 ? -errno : 0;
}

/* Without asking a server that may be gone. */
static bool is_mounted(const char *path)
{
	struct statx st;

	return statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC, 0,
		     &st) == 0 &&
	       (st.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

static char *path_of(struct volumes *vs, const char *name)
{
	return xasprintf("%s/%s", vs->mounts_path, name);
}

bool volumes_is_mounted(struct volumes *vs, const char *name)
{
	autofree char *path = path_of(vs, name);

	return is_mounted(path);
}

/* A directory to mount on, in one that is there and shared. */
static int make_place(struct volumes *vs, const char *path)
{
	hold(&vs->mounts_lock);
	const char *top = vs->mounts_path;

	if (mkdir(top, 0711) < 0 && errno != EEXIST)
		return -errno;
	if (!is_mounted(top) && mount(top, top, NULL, MS_BIND, NULL) < 0)
		return -errno;
	if (mount(NULL, top, NULL, MS_SHARED, NULL) < 0)
		return -errno;
	return mkdir(path, 0711) < 0 && errno != EEXIST ? -errno : 0;
}

/* With the last of them goes the directory. */
static void remove_place(struct volumes *vs, const char *path)
{
	hold(&vs->mounts_lock);
	const char *top = vs->mounts_path;

	if (rmdir(path) < 0 && errno != ENOENT)
		log_warn("volumes: %s: %s", path, strerror(errno));
	if (is_mounted(top)) {
		autoclose int dir = open_dir_at(AT_FDCWD, top);

		if (dir < 0 || dir_is_empty(dir) != 1)
			return;
		close_p(&dir);
		dir = -1;
		if (umount2(top, UMOUNT_NOFOLLOW) < 0)
			log_warn("volumes: unmount %s: %s", top, strerror(errno));
	}
	(void) rmdir(top);
}

static int mount_once(struct volumes *vs, const struct volume *v, const struct volume_mount *m,
		      const char *path)
{
	autoclose int lock = lock_volume(vs, v->name);
	int r;

	if (lock < 0)
		return lock;
	if (is_mounted(path))
		return 0;
	r = make_place(vs, path);
	if (r == 0)
		r = mount_it(m, path);
	if (r < 0)
		remove_place(vs, path);
	return r;
}

int volumes_mount(struct volumes *vs, const struct volume *v, const struct volume_mount *m,
		  char **ret_path, struct err *err)
{
	autofree char *path = path_of(vs, v->name);
	int r = mount_once(vs, v, m, path);

	if (r < 0)
		return err_sys(err, -r,
			       "error while mounting volume '%s': failed to mount local volume: "
			       "mount %s:%s",
			       v->mountpoint, m->device, path);
	*ret_path = take(path);
	return 0;
}

void volumes_unmount(struct volumes *vs, const char *name)
{
	autofree char *path = path_of(vs, name);

	if (is_mounted(path) && umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
		log_warn("volume %s: unmount %s: %s", name, path, strerror(errno));
	else if (exists_at(AT_FDCWD, path))
		remove_place(vs, path);
}

char **volumes_mounted(struct volumes *vs)
{
	DIR *d = opendir(vs->mounts_path);
	char **names = NULL;
	struct dirent *ent;

	if (!d)
		return NULL;
	while ((ent = readdir(d)))
		if (volume_check_name(ent->d_name, NULL) == 0)
			strv_add(&names, ent->d_name);
	closedir(d);
	return names;
}
