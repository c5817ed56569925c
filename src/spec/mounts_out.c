/* The document's "mounts": the default ones, the user's, and the files of /etc that the daemon
 * writes. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "spec/private.h"

static const struct mount_point *mount_at(const struct objects *mounts, const char *dest)
{
	for (size_t i = 0; mounts && i < mounts->n; i++) {
		const struct mount_point *m = objects_at(mounts, struct mount_point, i);

		if (strcmp(m->destination, dest) == 0)
			return m;
	}
	return NULL;
}

static void write_mount(struct build *b, const char *dest, const char *type, const char *source,
			const char *const *options)
{
	struct out *o = &b->out;

	out_object(o, NULL);
	out_str(o, "destination", dest);
	out_str(o, "type", type);
	out_str(o, "source", source);
	out_strv(o, "options", (char *const *) options);
	out_end(o);
}

/* Default mounts yield to the user's: to one at the same place, and those in /dev to one at /dev.
 */
static bool is_shadowed(const struct build *b, const char *dest)
{
	if (mount_at(b->in->mounts, dest))
		return true;
	return str_has_prefix(dest, "/dev/") && mount_at(b->in->mounts, "/dev");
}

static void write_shm(struct build *b)
{
	const struct host_config *h = b->in->host;
	const char *path = b->in->shm_path		  ? b->in->shm_path
			   : mode_is(h->ipc_mode, "host") ? "/dev/shm"
							  : NULL;
	char size[32];

	if (path) {
		write_mount(b, "/dev/shm", "bind", path,
			    (const char *const[]){"rbind", "rprivate", NULL});
		return;
	}
	snprintf(size, sizeof size, "size=%lld",
		 (long long) (h->shm_size > 0 ? h->shm_size : 64 << 20));
	write_mount(b, "/dev/shm", "tmpfs", "shm",
		    (const char *const[]){"nosuid", "noexec", "nodev", "mode=1777", size, NULL});
}

static void write_defaults(struct build *b)
{
	const struct host_config *h = b->in->host;
	bool writable = h->privileged && !h->readonly_rootfs;
	bool ipc = !mode_is(h->ipc_mode, "none");
	const char *ro = h->readonly_rootfs ? "ro" : NULL;

	if (!is_shadowed(b, "/proc"))
		write_mount(b, "/proc", "proc", "proc",
			    (const char *const[]){"nosuid", "noexec", "nodev", NULL});
	if (!is_shadowed(b, "/dev"))
		write_mount(b, "/dev", "tmpfs", "tmpfs",
			    (const char *const[]){"nosuid", "strictatime", "mode=755",
						  "size=65536k", NULL});
	if (!is_shadowed(b, "/dev/pts"))
		write_mount(b, "/dev/pts", "devpts", "devpts",
			    (const char *const[]){"nosuid", "noexec", "newinstance",
						  "ptmxmode=0666", "mode=0620", "gid=5", NULL});
	if (!is_shadowed(b, "/sys"))
		write_mount(b, "/sys", "sysfs", "sysfs",
			    (const char *const[]){"nosuid", "noexec", "nodev", writable ? ro : "ro",
						  NULL});
	if (!is_shadowed(b, "/sys/fs/cgroup"))
		write_mount(b, "/sys/fs/cgroup", "cgroup", "cgroup",
			    (const char *const[]){"nosuid", "noexec", "nodev",
						  h->privileged ? ro : "ro", NULL});
	if (ipc && !is_shadowed(b, "/dev/mqueue"))
		write_mount(b, "/dev/mqueue", "mqueue", "mqueue",
			    (const char *const[]){"nosuid", "noexec", "nodev", NULL});
	if (ipc && !is_shadowed(b, "/dev/shm"))
		write_shm(b);
}

const struct mount_spec *spec_mount_at(const struct host_config *h, const char *dest)
{
	for (size_t i = 0; i < h->mounts.n; i++) {
		const struct mount_spec *s = objects_at(&h->mounts, struct mount_spec, i);
		autofree char *clean = s->target ? path_clean(s->target) : NULL;

		if (clean && strcmp(clean, dest) == 0)
			return s;
	}
	return NULL;
}

/* mount_setattr(2) with AT_RECURSIVE: Linux 5.12. */
static bool kernel_has_rro(void)
{
	struct utsname u;
	int major = 0, minor = 0;

	return uname(&u) == 0 && sscanf(u.release, "%d.%d", &major, &minor) == 2 &&
	       (major > 5 || (major == 5 && minor >= 12));
}

/* "ro" of API 1.44 means the mounts below as well, where kernel and wish allow. */
static const char *read_only_word(const struct build *b, const struct mount_point *m)
{
	const struct mount_spec *s = spec_mount_at(b->in->host, m->destination);

	if (m->rw)
		return NULL;
	if ((s && s->bind.read_only_non_recursive) || m->non_recursive)
		return "ro";
	return kernel_has_rro() ? "rro" : "ro";
}

/* Propagation of the host's mount that holds path, from mountinfo's optional fields. */
static int propagation_of(const char *path, bool *ret_shared, bool *ret_slave,
			  char ret_at[static PATH_MAX])
{
	autofree char *text = NULL;
	char real[PATH_MAX], *save = NULL;
	size_t best = 0;

	if (!realpath(path, real))
		return -errno;
	if (read_file_at(AT_FDCWD, "/proc/self/mountinfo", 4 << 20, &text, NULL) < 0)
		return -EIO;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *dash = strstr(line, " - ");
		char at[PATH_MAX];
		size_t n;

		if (dash)
			*dash = '\0';
		if (!dash || sscanf(line, "%*s %*s %*s %*s %4095s", at) != 1)
			continue;
		n = strcmp(at, "/") == 0 ? 0 : strlen(at);
		if (strncmp(real, at, n) != 0 || (real[n] != '/' && real[n] != '\0') || n < best)
			continue;
		best = n;
		snprintf(ret_at, PATH_MAX, "%s", at);
		*ret_shared = strstr(line, " shared:") != NULL;
		*ret_slave = strstr(line, " master:") != NULL;
	}
	return 0;
}

/* A shared or slave mount in the container needs a host mount that has something to share. */
static int propagation_check(const struct mount_point *m, struct err *err)
{
	bool shared = false, slave = false;
	char at[PATH_MAX] = "/";
	bool want_shared = str_has_suffix(m->propagation, "shared");
	int r;

	if (!want_shared && !str_has_suffix(m->propagation, "slave"))
		return 0;
	r = propagation_of(m->source, &shared, &slave, at);
	if (r < 0)
		return err_sys(err, -r, "%s", m->source);
	if (want_shared && !shared)
		return err_set(err, ERR_INVALID,
			       "path %s is mounted on %s but it is not a shared mount", m->source,
			       at);
	if (!want_shared && !shared && !slave)
		return err_set(err, ERR_INVALID,
			       "path %s is mounted on %s but it is not a shared or slave mount",
			       m->source, at);
	return 0;
}

static const struct spec_device *device_at(const struct build *b, const char *dest)
{
	const struct objects *o = b->in->devices;

	for (size_t i = 0; o && i < o->n; i++) {
		const struct spec_device *d = objects_at(o, struct spec_device, i);

		if (strcmp(d->destination, dest) == 0)
			return d;
	}
	return NULL;
}

/* A volume whose options name something to mount. */
static void write_device(struct build *b, const struct mount_point *m, const struct spec_device *d)
{
	autostrv char **options = strv_copy(d->options);

	strv_add(&options, "rprivate");
	if (!m->rw)
		strv_add(&options, "ro");
	write_mount(b, m->destination, d->type, d->source, (const char *const *) options);
}

static int write_user_mount(struct build *b, const struct mount_point *m, struct err *err)
{
	if (strcmp(m->type, "tmpfs") == 0) {
		autostrv char **options = NULL;

		if (tmpfs_options(m->mode, &options, err) < 0)
			return -1;
		write_mount(b, m->destination, "tmpfs", "tmpfs", (const char *const *) options);
		return 0;
	}
	if (device_at(b, m->destination)) {
		write_device(b, m, device_at(b, m->destination));
		return 0;
	}
	if (propagation_check(m, err) < 0)
		return -1;
	const char *options[4] = {m->non_recursive ? "bind" : "rbind",
				  str_empty(m->propagation) ? "rprivate" : m->propagation};
	options[2] = read_only_word(b, m);
	write_mount(b, m->destination, "bind", m->source, options);
	return 0;
}

static void write_etc_files(struct build *b)
{
	const struct spec_input *in = b->in;
	const char *const files[][2] = {
		{"/etc/resolv.conf", in->resolv_conf_path},
		{"/etc/hostname", in->hostname_path},
		{"/etc/hosts", in->hosts_path},
	};
	const char *ro = in->host->readonly_rootfs ? "ro" : NULL;

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		if (files[i][1] && !mount_at(in->mounts, files[i][0]))
			write_mount(b, files[i][0], "bind", files[i][1],
				    (const char *const[]){"rbind", "rprivate", ro, NULL});
	}
}

int mounts_write(struct build *b, struct err *err)
{
	const struct objects *mounts = b->in->mounts;
	size_t n = mounts ? mounts->n : 0, i = 0;

	out_array(&b->out, "mounts");
	write_defaults(b);
	/* Sorted by depth: a user's /etc goes under our /etc/hosts, his /etc/x/y over it. */
	for (; i < n && path_depth(objects_at(mounts, struct mount_point, i)->destination) < 2;
	     i++) {
		if (write_user_mount(b, objects_at(mounts, struct mount_point, i), err) < 0)
			return -1;
	}
	write_etc_files(b);
	for (; i < n; i++) {
		if (write_user_mount(b, objects_at(mounts, struct mount_point, i), err) < 0)
			return -1;
	}
	if (has_init(b->in))
		write_mount(b, "/sbin/docker-init", "bind", b->in->init_path,
			    (const char *const[]){"bind", "ro", NULL});
	out_array_end(&b->out);
	return 0;
}

const char *mounts_root_propagation(const struct objects *mounts)
{
	const char *found = NULL;

	for (size_t i = 0; mounts && i < mounts->n; i++) {
		const struct mount_point *m = objects_at(mounts, struct mount_point, i);

		if (str_has_suffix(m->propagation ? m->propagation : "", "shared"))
			return "shared";
		if (str_has_suffix(m->propagation ? m->propagation : "", "slave"))
			found = "rslave";
	}
	return found;
}
