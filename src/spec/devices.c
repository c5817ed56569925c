/* Devices: nodes to make in the container, and the cgroup's rules about who may use which. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/mem.h"
#include "spec/private.h"

#define DEVICE_DEPTH_MAX 16

/* Called for each device node found. */
typedef void device_fn(struct out *o, const char *path, const struct stat *st,
		       const char *permissions);

static bool is_device(mode_t mode)
{
	return S_ISCHR(mode) || S_ISBLK(mode);
}

static void write_node(struct out *o, const char *path, const struct stat *st,
		       const char *permissions)
{
	(void) permissions;
	out_object(o, NULL);
	out_str(o, "path", path);
	out_str(o, "type", S_ISBLK(st->st_mode) ? "b" : "c");
	out_int(o, "major", major(st->st_rdev));
	out_int(o, "minor", minor(st->st_rdev));
	out_int(o, "fileMode", st->st_mode & 07777);
	out_int(o, "uid", st->st_uid);
	out_int(o, "gid", st->st_gid);
	out_end(o);
}

/* major, minor < 0: all. */
static void write_rule(struct out *o, bool allow, char type, int64_t maj, int64_t min,
		       const char *access)
{
	const char type_text[2] = {type, '\0'};

	out_object(o, NULL);
	out_bool(o, "allow", allow);
	if (type)
		out_str(o, "type", type_text);
	if (maj >= 0)
		out_int(o, "major", maj);
	if (min >= 0)
		out_int(o, "minor", min);
	out_str(o, "access", access);
	out_end(o);
}

static void write_device_rule(struct out *o, const char *path, const struct stat *st,
			      const char *permissions)
{
	(void) path;
	write_rule(o, true, S_ISBLK(st->st_mode) ? 'b' : 'c', major(st->st_rdev),
		   minor(st->st_rdev), permissions);
}

/* What privileged containers do not get of /dev: what they have their own of, and what is not
 * devices. */
static bool is_skipped(const char *name)
{
	static const char *const names[] = {".",     "..",	"pts",	"shm",
					    "fd",    "mqueue",	".lxc", ".lxd-mounts",
					    ".udev", "console", "ptmx", "core"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(names[i], name) == 0)
			return true;
	}
	return false;
}

/* Every device below the directory host_dir, named below dir. Returns how many. */
static size_t each_below(struct out *o, const char *host_dir, const char *dir,
			 const char *permissions, device_fn *fn, int depth)
{
	DIR *d = depth < DEVICE_DEPTH_MAX ? opendir(host_dir) : NULL;
	size_t n = 0;

	for (struct dirent *e; d && (e = readdir(d));) {
		autofree char *from = xasprintf("%s/%s", host_dir, e->d_name);
		autofree char *to = xasprintf("%s/%s", dir, e->d_name);
		struct stat st;

		if (is_skipped(e->d_name) || lstat(from, &st) < 0)
			continue;
		if (S_ISDIR(st.st_mode)) {
			n += each_below(o, from, to, permissions, fn, depth + 1);
		} else if (is_device(st.st_mode)) {
			fn(o, to, &st, permissions);
			n++;
		}
	}
	if (d)
		closedir(d);
	return n;
}

/* One of HostConfig.Devices: a device, a link to one, or a directory of them. */
static int each_of(struct out *o, const struct device *dev, device_fn *fn, struct err *err)
{
	const char *host = dev->path_on_host ? dev->path_on_host : "";
	autofree char *path =
		path_clean(str_empty(dev->path_in_container) ? host : dev->path_in_container);
	const char *permissions =
		str_empty(dev->cgroup_permissions) ? "rwm" : dev->cgroup_permissions;
	struct stat st;

	if (stat(host, &st) < 0)
		return err_sys(
			err, errno,
			"error gathering device information while adding custom device \"%s\"",
			host);
	if (is_device(st.st_mode)) {
		fn(o, path, &st, permissions);
		return 0;
	}
	if (S_ISDIR(st.st_mode) && each_below(o, host, path, permissions, fn, 0) > 0)
		return 0;
	return err_set(err, ERR_INVALID,
		       "error gathering device information while adding custom device \"%s\": not "
		       "a device node",
		       host);
}

static bool eat_number(const char **s)
{
	size_t n = strspn(*s, "0123456789");

	if (n == 0 && **s == '*')
		n = 1;
	*s += n;
	return n > 0 && n < 10;
}

/* "c 42:* rmw" */
static bool rule_is_good(const char *s)
{
	size_t n;

	if (!strchr("acb", *s) || !*s || s[1] != ' ')
		return false;
	s += 2;
	if (!eat_number(&s) || *s++ != ':' || !eat_number(&s) || *s++ != ' ')
		return false;
	n = strspn(s, "rwm");
	return n >= 1 && n <= 3 && s[n] == '\0';
}

int devices_check(const struct host_config *h, struct err *err)
{
	for (size_t i = 0; i < h->devices.n; i++) {
		const struct device *d = objects_at(&h->devices, struct device, i);
		const char *p = d->cgroup_permissions ? d->cgroup_permissions : "";

		if (str_empty(d->path_on_host))
			return err_set(err, ERR_INVALID,
				       "HostConfig.Devices: PathOnHost must not be empty");
		if (strspn(p, "rwm") != strlen(p) || strlen(p) > 3)
			return err_set(err, ERR_INVALID, "invalid device mode: %s", p);
	}
	for (char **r = h->device_cgroup_rules; r && *r; r++) {
		if (!rule_is_good(*r))
			return err_set(err, ERR_INVALID, "invalid device cgroup rule format: '%s'",
				       *r);
	}
	return 0;
}

static int each_device(struct build *b, device_fn *fn, struct err *err)
{
	const struct objects *devices = &b->in->host->devices;

	for (size_t i = 0; i < devices->n; i++) {
		if (each_of(&b->out, objects_at(devices, struct device, i), fn, err) < 0)
			return -1;
	}
	return 0;
}

int devices_write(struct build *b, struct err *err)
{
	out_array(&b->out, "devices");
	if (b->in->host->privileged)
		each_below(&b->out, "/dev", "/dev", "rwm", write_node, 0);
	if (each_device(b, write_node, err) < 0)
		return -1;
	out_array_end(&b->out);
	return 0;
}

static void write_user_rule(struct out *o, const char *rule)
{
	const char *min = strchr(rule, ':') + 1;

	write_rule(o, true, rule[0], rule[2] == '*' ? -1 : atoll(rule + 2),
		   *min == '*' ? -1 : atoll(min), strrchr(rule, ' ') + 1);
}

int device_rules_write(struct build *b, struct err *err)
{
	static const struct {
		int major, minor;
	} defaults[] = {{1, 5}, {1, 3}, {1, 9}, {1, 8}, {5, 0}, {5, 1}};
	const struct host_config *h = b->in->host;

	out_array(&b->out, "devices");
	if (h->privileged) {
		write_rule(&b->out, true, 0, -1, -1, "rwm");
		out_array_end(&b->out);
		return 0;
	}
	write_rule(&b->out, false, 0, -1, -1, "rwm");
	for (size_t i = 0; i < ARRAY_SIZE(defaults); i++)
		write_rule(&b->out, true, 'c', defaults[i].major, defaults[i].minor, "rwm");
	if (each_device(b, write_device_rule, err) < 0)
		return -1;
	for (char **r = h->device_cgroup_rules; r && *r; r++)
		write_user_rule(&b->out, *r);
	out_array_end(&b->out);
	return 0;
}
