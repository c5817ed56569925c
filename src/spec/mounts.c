/*
 * From Binds, Mounts and Tmpfs to mount points: docker's syntax, docker's words for what is wrong
 * with it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"
#include "spec/private.h"

char *path_clean(const char *path)
{
	bool rooted = path[0] == '/';
	autostrv char **parts = strv_split(path, '/');
	autobuf out = {0};
	size_t n = 0;

	for (char **p = parts; *p; p++) {
		char *part = *p;

		*p = NULL;
		if (!*part || strcmp(part, ".") == 0 ||
		    (strcmp(part, "..") == 0 && rooted && n == 0)) {
			free(part);
		} else if (strcmp(part, "..") == 0 && n > 0 && strcmp(parts[n - 1], "..") != 0) {
			free(part);
			free(take(parts[--n]));
		} else {
			parts[n++] = part;
		}
	}
	/* What was moved forward left no hole: everything from n on is NULL. */
	if (rooted)
		buf_addc(&out, '/');
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_addc(&out, '/');
		buf_adds(&out, parts[i]);
	}
	if (out.len == 0)
		buf_addc(&out, '.');
	return buf_take(&out);
}

size_t path_depth(const char *clean)
{
	size_t n = 0;

	if (clean[0] == '/' && !clean[1])
		return 0;
	for (; *clean; clean++)
		n += *clean == '/';
	return n;
}

static struct mount_point *add_mount(struct objects *o)
{
	struct mount_point *m;

	o->items = xreallocarray(o->items, o->n + 1, sizeof *m);
	m = objects_at(o, struct mount_point, o->n++);
	*m = (struct mount_point){0};
	return m;
}

static bool is_propagation(const char *s)
{
	static const char *const words[] = {"private", "rprivate", "shared",
					    "rshared", "slave",	   "rslave"};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcmp(words[i], s) == 0)
			return true;
	}
	return false;
}

/* The mode of a bind, "ro,z,rslave": at most one word of each kind. */
struct bind_mode {
	bool ro;
	bool nocopy;
	const char *propagation; /* into the split words */
};

static int parse_mode(char *const *words, struct bind_mode *ret)
{
	int access = 0, label = 0, propagation = 0, copy = 0, consistency = 0;
	struct bind_mode m = {0};

	for (; *words; words++) {
		const char *w = *words;

		if (strcmp(w, "ro") == 0 || strcmp(w, "rw") == 0) {
			access++;
			m.ro = w[1] == 'o';
		} else if (strcmp(w, "z") == 0 || strcmp(w, "Z") == 0) {
			label++; /* SELinux; nothing to do without it, as dockerd */
		} else if (strcmp(w, "nocopy") == 0) {
			copy++;
			m.nocopy = true;
		} else if (strcmp(w, "consistent") == 0 || strcmp(w, "cached") == 0 ||
			   strcmp(w, "delegated") == 0) {
			consistency++;
		} else if (is_propagation(w)) {
			propagation++;
			m.propagation = w;
		} else {
			return -EINVAL;
		}
	}
	if (access > 1 || label > 1 || propagation > 1 || copy > 1 || consistency > 1)
		return -EINVAL;
	*ret = m;
	return 0;
}

static bool is_mode(const char *s)
{
	autostrv char **words = strv_split(s, ',');
	struct bind_mode m;

	return *s && parse_mode(words, &m) == 0;
}

/* What follows "invalid mount config for type ...: ". */
static int destination_check(const char *dest, char **ret_clean, struct err *err)
{
	autofree char *clean = NULL;

	if (str_empty(dest))
		return err_set(err, ERR_INVALID, "field Target must not be empty");
	if (dest[0] != '/')
		return err_set(err, ERR_INVALID,
			       "invalid mount path: '%s' mount path must be absolute", dest);
	clean = path_clean(dest);
	if (strcmp(clean, "/") == 0)
		return err_set(err, ERR_INVALID, "invalid specification: destination can't be '/'");
	*ret_clean = take(clean);
	return 0;
}

static bool is_volume_name(const char *s)
{
	static const char alnum[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

	return strspn(s, alnum) > 0 && s[1] &&
	       s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")] ==
		       '\0';
}

static int refuse_volume(const char *source, struct err *err)
{
	if (!is_volume_name(source))
		return err_set(err, ERR_INVALID,
			       "create %s: \"%s\" includes invalid characters for a local volume "
			       "name, only "
			       "\"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass "
			       "a host directory, use "
			       "absolute path",
			       source, source);
	return err_set(err, ERR_NOT_SUPPORTED,
		       "volume \"%s\" in HostConfig.Binds: volumes are not supported yet", source);
}

/* "source:destination[:mode]" */
static int parse_bind(const char *raw, struct mount_point *m, struct err *err)
{
	autostrv char **parts = strv_split(raw, ':');
	autostrv char **words = NULL;
	size_t n = strv_len(parts);
	struct bind_mode mode = {0};

	if (n < 2 || n > 3 || !parts[0][0] || !parts[1][0] || (n == 2 && is_mode(parts[1])))
		return err_set(err, ERR_INVALID, "invalid volume specification: '%s'", raw);
	if (n == 3) {
		words = strv_split(parts[2], ',');
		if (!parts[2][0] || parse_mode(words, &mode) < 0)
			return err_set(err, ERR_INVALID, "invalid mode: %s", parts[2]);
	}
	if (destination_check(parts[1], &m->destination, err) < 0) {
		err_wrap(err, "invalid mount config for type \"%s\"",
			 parts[0][0] == '/' ? "bind" : "volume");
		return err_wrap(err, "invalid volume specification: '%s'", raw);
	}
	if (parts[0][0] != '/')
		return refuse_volume(parts[0], err);
	if (mode.nocopy)
		return err_set(err, ERR_INVALID,
			       "invalid volume specification: '%s': invalid mount config for type "
			       "\"bind\": field "
			       "VolumeOptions must not be specified",
			       raw);
	m->type = xstrdup("bind");
	m->source = path_clean(parts[0]);
	m->mode = xstrdup(n == 3 ? parts[2] : "");
	m->rw = !mode.ro;
	m->propagation = xstrdup(mode.propagation ? mode.propagation : "rprivate");
	m->create_source = true;
	return 0;
}

static bool bind_options_set(const struct mount_bind_options *o)
{
	return o->propagation || o->non_recursive || o->create_mountpoint ||
	       o->read_only_non_recursive || o->read_only_force_recursive;
}

static int bind_from_mount(const struct mount_spec *s, struct mount_point *m, struct err *err)
{
	struct stat st;

	if (str_empty(s->source))
		return err_set(err, ERR_INVALID, "field Source must not be empty");
	if (s->volume_options && json_object_size(s->volume_options) > 0)
		return err_set(err, ERR_INVALID, "field VolumeOptions must not be specified");
	if (s->tmpfs.size_bytes || s->tmpfs.mode)
		return err_set(err, ERR_INVALID, "field TmpfsOptions must not be specified");
	if (!str_empty(s->bind.propagation) && !is_propagation(s->bind.propagation))
		return err_set(err, ERR_INVALID, "invalid propagation mode: %s",
			       s->bind.propagation);
	if (s->bind.read_only_force_recursive && (!s->read_only || s->bind.read_only_non_recursive))
		return err_set(err, ERR_INVALID, "mount options conflict: ReadOnlyForceRecursive");
	if (s->source[0] != '/')
		return err_set(err, ERR_INVALID,
			       "invalid mount path: '%s' mount path must be absolute", s->source);
	if (!s->bind.create_mountpoint && stat(s->source, &st) < 0) {
		if (errno != ENOENT && errno != ENOTDIR)
			return err_sys(err, errno, "%s", s->source);
		return err_set(err, ERR_INVALID, "bind source path does not exist: %s", s->source);
	}
	m->source = path_clean(s->source);
	m->mode = xstrdup("");
	m->propagation = xstrdup(str_empty(s->bind.propagation) ? "rprivate" : s->bind.propagation);
	m->non_recursive = s->bind.non_recursive;
	m->create_source = s->bind.create_mountpoint;
	return 0;
}

/* TmpfsOptions in the words of mount(8). */
static char *tmpfs_mode(const struct mount_spec *s)
{
	static const struct {
		int64_t unit;
		const char *suffix;
	} units[] = {{1LL << 30, "g"}, {1 << 20, "m"}, {1 << 10, "k"}, {1, ""}};
	autobuf text = {0};
	size_t i = 0;

	if (s->read_only)
		buf_adds(&text, ",ro");
	if (s->tmpfs.mode)
		buf_addf(&text, ",mode=%llo", (unsigned long long) s->tmpfs.mode);
	if (s->tmpfs.size_bytes) {
		while (s->tmpfs.size_bytes % units[i].unit != 0)
			i++;
		buf_addf(&text, ",size=%lld%s", (long long) (s->tmpfs.size_bytes / units[i].unit),
			 units[i].suffix);
	}
	return xstrdup(text.len ? text.text + 1 : "");
}

static int tmpfs_from_mount(const struct mount_spec *s, struct mount_point *m, struct err *err)
{
	if (!str_empty(s->source))
		return err_set(err, ERR_INVALID, "field Source must not be specified");
	if (bind_options_set(&s->bind))
		return err_set(err, ERR_INVALID, "field BindOptions must not be specified");
	if (s->tmpfs.size_bytes < 0)
		return err_set(err, ERR_INVALID, "size must not be negative");
	if (s->tmpfs.mode < 0 || s->tmpfs.mode > 07777)
		return err_set(err, ERR_INVALID, "invalid mode");
	m->source = xstrdup("");
	m->propagation = xstrdup("");
	m->mode = tmpfs_mode(s);
	return 0;
}

static int parse_mount(const struct mount_spec *s, struct mount_point *m, struct err *err)
{
	const char *type = str_empty(s->type) ? "volume" : s->type;
	int r = destination_check(s->target, &m->destination, err);

	m->type = xstrdup(type);
	m->rw = !s->read_only;
	if (r < 0)
		;
	else if (strcmp(type, "bind") == 0)
		r = bind_from_mount(s, m, err);
	else if (strcmp(type, "tmpfs") == 0)
		r = tmpfs_from_mount(s, m, err);
	else if (strcmp(type, "volume") == 0 || strcmp(type, "image") == 0)
		return err_set(err, ERR_NOT_SUPPORTED,
			       "HostConfig.Mounts of type \"%s\" are not supported yet", type);
	else
		r = err_set(err, ERR_INVALID, "mount type unknown");
	if (r < 0)
		return err_wrap(err, "invalid mount config for type \"%s\"", type);
	return 0;
}

static int parse_tmpfs(const char *dest, const char *options, struct mount_point *m,
		       struct err *err)
{
	autostrv char **merged = NULL;

	if (destination_check(dest, &m->destination, err) < 0 ||
	    tmpfs_options(options, &merged, err) < 0)
		return -1;
	m->type = xstrdup("tmpfs");
	m->source = xstrdup("");
	m->mode = xstrdup(options);
	m->propagation = xstrdup("");
	m->rw = !strv_contains(merged, "ro");
	return 0;
}

/* The names of one meaning: of those the last said wins. */
static const char *const tmpfs_flags[][2] = {
	{"ro", "rw"},
	{"exec", "noexec"},
	{"suid", "nosuid"},
	{"dev", "nodev"},
	{"atime", "noatime"},
	{"diratime", "nodiratime"},
	{"relatime", "norelatime"},
	{"strictatime", "nostrictatime"},
	{"async", "sync"},
	{"mand", "nomand"},
	{"dirsync", NULL},
	{"defaults", NULL},
};
static const char *const tmpfs_keys[] = {"size",      "mode",	   "uid", "gid",
					 "nr_inodes", "nr_blocks", "mpol"};

/* Number of the group that an option belongs to, or -EINVAL. */
static int tmpfs_group(const char *option)
{
	size_t len = strcspn(option, "=");

	for (size_t i = 0; i < ARRAY_SIZE(tmpfs_flags) && !option[len]; i++) {
		if (strcmp(option, tmpfs_flags[i][0]) == 0 ||
		    (tmpfs_flags[i][1] && strcmp(option, tmpfs_flags[i][1]) == 0))
			return (int) i;
	}
	for (size_t i = 0; i < ARRAY_SIZE(tmpfs_keys) && option[len]; i++) {
		if (strlen(tmpfs_keys[i]) == len && strncmp(option, tmpfs_keys[i], len) == 0 &&
		    option[len + 1])
			return (int) (ARRAY_SIZE(tmpfs_flags) + i);
	}
	return is_propagation(option) ? (int) (ARRAY_SIZE(tmpfs_flags) + ARRAY_SIZE(tmpfs_keys))
				      : -EINVAL;
}

int tmpfs_options(const char *user, char ***ret, struct err *err)
{
	autofree char *all = xasprintf("noexec,nosuid,nodev,rprivate%s%s",
				       str_empty(user) ? "" : ",", user ? user : "");
	autostrv char **words = strv_split(all, ',');
	size_t n = strv_len(words);

	for (size_t i = 0; i < n; i++) {
		if (tmpfs_group(words[i]) < 0)
			return err_set(err, ERR_INVALID, "invalid tmpfs option \"%s\"", words[i]);
	}
	for (size_t i = 0; i < n; i++) {
		bool again = false;

		for (size_t j = i + 1; j < n && !again; j++)
			again = tmpfs_group(words[i]) == tmpfs_group(words[j]);
		if (!again)
			strv_add(ret, words[i]);
	}
	return 0;
}

static int by_depth(const void *a, const void *b)
{
	const struct mount_point *x = a, *y = b;
	size_t dx = path_depth(x->destination), dy = path_depth(y->destination);

	if (dx != dy)
		return dx < dy ? -1 : 1;
	return strcmp(x->destination, y->destination);
}

static int collect(const struct host_config *host, struct objects *o, struct err *err)
{
	const char *dest, *options;

	for (char **b = host->binds; b && *b; b++) {
		if (parse_bind(*b, add_mount(o), err) < 0)
			return -1;
	}
	for (size_t i = 0; i < host->mounts.n; i++) {
		if (parse_mount(objects_at(&host->mounts, struct mount_spec, i), add_mount(o),
				err) < 0)
			return -1;
	}
	strmap_foreach (&host->tmpfs, dest, options) {
		if (parse_tmpfs(dest, options, add_mount(o), err) < 0)
			return -1;
	}
	return 0;
}

static void free_mounts(struct objects *o)
{
	for (size_t i = 0; i < o->n; i++)
		fields_free(mount_point_fields, objects_at(o, struct mount_point, i));
	free(o->items);
}

int spec_mounts(const struct config *config, const struct host_config *host, struct objects *ret,
		struct err *err)
{
	auto_(free_mounts) struct objects o = {0};

	if (collect(host, &o, err) < 0)
		return -1;
	if (o.n > 1)
		qsort(o.items, o.n, sizeof(struct mount_point), by_depth);
	for (size_t i = 1; i < o.n; i++) {
		const char *dest = objects_at(&o, struct mount_point, i)->destination;

		if (strcmp(dest, objects_at(&o, struct mount_point, i - 1)->destination) == 0)
			return err_set(err, ERR_INVALID, "Duplicate mount point: %s", dest);
	}
	*ret = o;
	o = (struct objects){0};
	return 0;
}
