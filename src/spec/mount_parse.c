/* One mount point: docker's syntax, docker's words for what is wrong with it. */
#include <errno.h>
#include <sys/stat.h>

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

/* A volume at m->destination, named or not. */
static void be_volume(struct mount_point *m, const char *name, const char *driver)
{
	m->type = xstrdup("volume");
	m->anonymous = str_empty(name);
	m->name = m->anonymous ? NULL : xstrdup(name);
	m->driver = xstrdup(str_empty(driver) ? "local" : driver);
	m->source = xstrdup("");
	m->propagation = xstrdup("");
}

/* "source:destination[:mode]" */
int mount_parse_bind(const char *raw, const char *driver, struct mount_point *m, struct err *err)
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
	m->rw = !mode.ro;
	if (parts[0][0] != '/') {
		if (mode.propagation)
			return err_set(
				err, ERR_INVALID,
				"invalid volume specification: '%s': invalid mount config "
				"for type \"volume\": field BindOptions must not be specified",
				raw);
		be_volume(m, parts[0], driver);
		m->mode = xstrdup(n == 3 ? parts[2] : "z"); /* "z" is docker's default for them */
		m->no_copy = mode.nocopy;
		return 0;
	}
	if (mode.nocopy)
		return err_set(err, ERR_INVALID,
			       "invalid volume specification: '%s': invalid mount config for type "
			       "\"bind\": field "
			       "VolumeOptions must not be specified",
			       raw);
	m->type = xstrdup("bind");
	m->source = path_clean(parts[0]);
	m->mode = xstrdup(n == 3 ? parts[2] : "");
	m->propagation = xstrdup(mode.propagation ? mode.propagation : "rprivate");
	m->create_source = true;
	return 0;
}

int mount_parse_volume(const char *path, const char *driver, struct mount_point *m, struct err *err)
{
	if (destination_check(path, &m->destination, err) < 0)
		return err_wrap(err, "invalid volume specification: '%s'", path);
	be_volume(m, NULL, driver);
	m->mode = xstrdup("");
	m->rw = true;
	return 0;
}

static bool bind_options_set(const struct mount_bind_options *o)
{
	return o->propagation || o->non_recursive || o->create_mountpoint ||
	       o->read_only_non_recursive || o->read_only_force_recursive;
}

static bool volume_options_set(const struct mount_volume_options *o)
{
	return o->no_copy || o->labels.kv || o->driver.name || o->driver.options.kv || o->subpath;
}

static int bind_from_mount(const struct mount_spec *s, struct mount_point *m, struct err *err)
{
	struct stat st;

	if (str_empty(s->source))
		return err_set(err, ERR_INVALID, "field Source must not be empty");
	if (volume_options_set(&s->volume))
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
	if (volume_options_set(&s->volume))
		return err_set(err, ERR_INVALID, "field VolumeOptions must not be specified");
	if (s->tmpfs.size_bytes < 0)
		return err_set(err, ERR_INVALID, "size must not be negative");
	if (s->tmpfs.mode < 0 || s->tmpfs.mode > 07777)
		return err_set(err, ERR_INVALID, "invalid mode");
	m->source = xstrdup("");
	m->propagation = xstrdup("");
	m->mode = tmpfs_mode(s);
	return 0;
}

static int volume_from_mount(const struct mount_spec *s, struct mount_point *m, struct err *err)
{
	if (bind_options_set(&s->bind))
		return err_set(err, ERR_INVALID, "field BindOptions must not be specified");
	if (s->tmpfs.size_bytes || s->tmpfs.mode)
		return err_set(err, ERR_INVALID, "field TmpfsOptions must not be specified");
	if (str_empty(s->source) && s->read_only)
		return err_set(err, ERR_INVALID,
			       "must not set ReadOnly mode when using anonymous volumes");
	if (!str_empty(s->volume.subpath))
		return err_set(err, ERR_INVALID,
			       "VolumeOptions.Subpath needs API version 1.45, which is not ours");
	be_volume(m, s->source, s->volume.driver.name);
	m->mode = xstrdup("z");
	m->no_copy = s->volume.no_copy;
	return 0;
}

int mount_parse(const struct mount_spec *s, struct mount_point *m, struct err *err)
{
	const char *type = str_empty(s->type) ? "volume" : s->type;
	int r = destination_check(s->target, &m->destination, err);

	m->rw = !s->read_only;
	if (strcmp(type, "volume") == 0) {
		if (r == 0)
			r = volume_from_mount(s, m, err);
		return r < 0 ? err_wrap(err, "invalid mount config for type \"%s\"", type) : 0;
	}
	m->type = xstrdup(type);
	if (r < 0)
		;
	else if (strcmp(type, "bind") == 0)
		r = bind_from_mount(s, m, err);
	else if (strcmp(type, "tmpfs") == 0)
		r = tmpfs_from_mount(s, m, err);
	else if (strcmp(type, "image") == 0)
		return err_set(err, ERR_NOT_SUPPORTED,
			       "HostConfig.Mounts of type \"%s\" are not supported yet", type);
	else
		r = err_set(err, ERR_INVALID, "mount type unknown");
	if (r < 0)
		return err_wrap(err, "invalid mount config for type \"%s\"", type);
	return 0;
}

int mount_parse_tmpfs(const char *dest, const char *options, struct mount_point *m, struct err *err)
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

/* "container[:mode]" */
int spec_volumes_from(const char *text, char **ret_container, bool *ret_read_only, struct err *err)
{
	const char *colon = strchr(text, ':');
	autostrv char **words = NULL;
	struct bind_mode mode = {0};

	if (!*text || colon == text)
		return err_set(err, ERR_INVALID, "malformed volumes-from specification: %s", text);
	if (colon) {
		words = strv_split(colon + 1, ',');
		if (parse_mode(words, &mode) < 0 || mode.propagation || mode.nocopy)
			return err_set(err, ERR_INVALID, "invalid mode: %s", colon + 1);
	}
	*ret_container = colon ? xstrndup(text, (size_t) (colon - text)) : xstrdup(text);
	*ret_read_only = mode.ro;
	return 0;
}
