/* The small languages behind -v, --mount, --tmpfs, --device, --ulimit and the block I/O flags. */
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "cli/create.h"

/* Room for one more of size bytes at the end; zeroed. */
static void *objects_grow(struct objects *o, size_t size)
{
	o->items = xreallocarray(o->items, o->n + 1, size);

	void *item = (char *) o->items + o->n++ * size;

	memset(item, 0, size);
	return item;
}

/* "./x" and "../x" (and ".") from here, the rest as it is. */
static char *absolute(const char *path)
{
	char here[PATH_MAX];

	if (path[0] != '.' || !getcwd(here, sizeof here))
		return xstrdup(path);
	if (str_eq(path, "."))
		return xstrdup(here);
	return xasprintf("%s/%s", here, str_has_prefix(path, "./") ? path + 2 : path);
}

int volume_parse(const char *text, char ***binds, char ***volumes, struct err *err)
{
	autostrv char **parts = strv_split(text, ':');
	size_t n = strv_len(parts);
	autofree char *source = NULL;

	if (n > 3 || str_empty(parts[0]) || (n > 1 && str_empty(parts[1])))
		return err_set(err, ERR_INVALID, "invalid volume specification: '%s'", text);
	if (n == 1) {
		strv_add(volumes, text);
		return 0;
	}
	source = absolute(parts[0]);
	strv_add_owned(binds, n == 2 ? xasprintf("%s:%s", source, parts[1])
				     : xasprintf("%s:%s:%s", source, parts[1], parts[2]));
	return 0;
}

void tmpfs_parse(const char *text, struct strmap *tmpfs)
{
	const char *colon = strchr(text, ':');
	autofree char *path = colon ? xstrndup(text, (size_t) (colon - text)) : xstrdup(text);

	strmap_set(tmpfs, path, colon ? colon + 1 : "");
}

/* --mount ------------------------------------------------------------------------------------ */

static void replace(char **member, char *value)
{
	free(*member);
	*member = value;
}

static int flag_value(const char *key, const char *value, bool *ret, struct err *err)
{
	if (!value || str_eq(value, "true") || str_eq(value, "1"))
		*ret = true;
	else if (str_eq(value, "false") || str_eq(value, "0"))
		*ret = false;
	else
		return err_set(err, ERR_INVALID, "invalid value for %s: %s", key, value);
	return 0;
}

static int set_recursive(struct mount_spec *m, const char *value, struct err *err)
{
	if (str_eq(value, "disabled"))
		m->bind.non_recursive = true;
	else if (str_eq(value, "writable"))
		m->bind.read_only_non_recursive = true;
	else if (str_eq(value, "readonly"))
		m->bind.read_only_force_recursive = true;
	else if (!str_eq(value, "enabled"))
		return err_set(
			err, ERR_INVALID,
			"invalid value for bind-recursive: %s (must be \"enabled\", \"disabled\", "
			"\"writable\", or \"readonly\")",
			value);
	return 0;
}

static int parse_mode(const char *value, int64_t *ret)
{
	char *end;

	*ret = strtol(value, &end, 8);
	return *value && !*end && *ret >= 0 && *ret <= 07777 ? 0 : -1;
}

/* One key of --mount; value is NULL where there is no '='. */
static int mount_key(struct mount_spec *m, const char *key, const char *value, struct err *err)
{
	if (str_eq(key, "readonly") || str_eq(key, "ro"))
		return flag_value(key, value, &m->read_only, err);
	if (str_eq(key, "bind-nonrecursive"))
		return flag_value(key, value, &m->bind.non_recursive, err);
	if (str_eq(key, "bind-create-src"))
		return flag_value(key, value, &m->bind.create_mountpoint, err);
	if (str_eq(key, "volume-nocopy"))
		return flag_value(key, value, &m->volume.no_copy, err);
	if (!value)
		return err_set(err, ERR_INVALID, "invalid field '%s' must be a key=value pair",
			       key);

	if (str_eq(key, "type"))
		replace(&m->type, xstrdup(value));
	else if (str_eq(key, "source") || str_eq(key, "src"))
		replace(&m->source, absolute(value));
	else if (str_eq(key, "target") || str_eq(key, "dst") || str_eq(key, "destination"))
		replace(&m->target, xstrdup(value));
	else if (str_eq(key, "consistency"))
		replace(&m->consistency, xstrdup(value));
	else if (str_eq(key, "bind-propagation"))
		replace(&m->bind.propagation, xstrdup(value));
	else if (str_eq(key, "bind-recursive"))
		return set_recursive(m, value, err);
	else if (str_eq(key, "volume-label"))
		set_pair(&m->volume.labels, value);
	else if (str_eq(key, "volume-driver"))
		replace(&m->volume.driver.name, xstrdup(value));
	else if (str_eq(key, "volume-opt"))
		set_pair(&m->volume.driver.options, value);
	else if (str_eq(key, "volume-subpath"))
		replace(&m->volume.subpath, xstrdup(value));
	else if (str_eq(key, "tmpfs-size")) {
		if (parse_size(value, &m->tmpfs.size_bytes) < 0)
			return err_set(err, ERR_INVALID, "invalid value for tmpfs-size: %s", value);
	} else if (str_eq(key, "tmpfs-mode")) {
		if (parse_mode(value, &m->tmpfs.mode) < 0)
			return err_set(err, ERR_INVALID, "invalid value for tmpfs-mode: %s", value);
	} else {
		return err_set(err, ERR_INVALID, "unexpected key '%s' in '%s=%s'", key, key, value);
	}
	return 0;
}

/* Fields with commas between; one in double quotes may hold commas ("" is a quote). */
static char **csv_split(const char *text)
{
	autobuf field = {0};
	char **fields = NULL;
	bool quoted = false;

	for (const char *p = text;; p++) {
		if (*p == '"' && quoted && p[1] == '"') {
			buf_addc(&field, *p++);
		} else if (*p == '"') {
			quoted = !quoted;
		} else if (!*p || (*p == ',' && !quoted)) {
			strv_add_owned(&fields, buf_take(&field));
			if (!*p)
				return fields;
		} else {
			buf_addc(&field, *p);
		}
	}
}

int mount_parse(const char *text, struct objects *mounts, struct err *err)
{
	struct mount_spec *m = objects_grow(mounts, sizeof *m);
	autostrv char **fields = csv_split(text);

	for (char **f = fields; *f; f++) {
		char *value = strchr(*f, '=');

		if (value)
			*value++ = '\0';
		if (mount_key(m, *f, value, err) < 0)
			return -1;
	}
	if (!m->type)
		m->type = xstrdup("volume");
	if (str_empty(m->target))
		return err_set(err, ERR_INVALID, "target is required in --mount %s", text);
	return 0;
}

/* devices, limits ---------------------------------------------------------------------------- */

static bool is_device_mode(const char *s)
{
	return *s && strspn(s, "rwm") == strlen(s);
}

int device_parse(const char *text, struct objects *devices, struct err *err)
{
	autostrv char **parts = strv_split(text, ':');
	size_t n = strv_len(parts);
	const char *inside = parts[0], *mode = "rwm";

	if (n > 3 || (n == 3 && !is_device_mode(parts[2])) || str_empty(parts[0]))
		return err_set(err, ERR_INVALID, "invalid device specification: %s", text);
	if (n == 3)
		mode = parts[2];
	if (n >= 2 && n != 3 && is_device_mode(parts[1]))
		mode = parts[1];
	else if (n >= 2)
		inside = parts[1];

	struct device *d = objects_grow(devices, sizeof *d);

	d->path_on_host = xstrdup(parts[0]);
	d->path_in_container = xstrdup(inside);
	d->cgroup_permissions = xstrdup(mode);
	return 0;
}

static int parse_limit(const char *s, int64_t *ret)
{
	if (str_eq(s, "unlimited")) {
		*ret = -1;
		return 0;
	}
	return parse_i64(s, ret);
}

int ulimit_parse(const char *text, struct objects *ulimits, struct err *err)
{
	const char *equals = strchr(text, '=');
	const char *colon = equals ? strchr(equals, ':') : NULL;
	autofree char *soft = NULL;
	int64_t soft_limit, hard_limit;

	if (!equals || equals == text)
		return err_set(err, ERR_INVALID, "invalid ulimit argument: %s (name=soft[:hard])",
			       text);
	soft = colon ? xstrndup(equals + 1, (size_t) (colon - equals - 1)) : xstrdup(equals + 1);
	if (parse_limit(soft, &soft_limit) < 0 ||
	    parse_limit(colon ? colon + 1 : soft, &hard_limit) < 0)
		return err_set(err, ERR_INVALID, "invalid ulimit argument: %s (limits are numbers)",
			       text);
	if (hard_limit != -1 && (soft_limit > hard_limit || soft_limit == -1))
		return err_set(err, ERR_INVALID,
			       "ulimit soft limit must be less than or equal to hard limit: %s",
			       text);

	struct ulimit *u = objects_grow(ulimits, sizeof *u);

	u->name = xstrndup(text, (size_t) (equals - text));
	u->soft = soft_limit;
	u->hard = hard_limit;
	return 0;
}

/* "path:rest" -> the path; NULL where it is not so. */
static char *device_path(const char *text, const char **ret_rest)
{
	const char *colon = strrchr(text, ':');

	if (!colon || text[0] != '/')
		return NULL;
	*ret_rest = colon + 1;
	return xstrndup(text, (size_t) (colon - text));
}

int throttle_parse(const char *text, bool bytes, struct objects *devices, struct err *err)
{
	const char *rate_text;
	autofree char *path = device_path(text, &rate_text);
	int64_t rate;

	if (!path || (bytes ? parse_size(rate_text, &rate) : parse_i64(rate_text, &rate)) < 0 ||
	    rate < 0)
		return err_set(err, ERR_INVALID, "invalid rate for device: %s (DEVICE:NUMBER%s)",
			       text, bytes ? "[UNIT]" : "");

	struct throttle_device *t = objects_grow(devices, sizeof *t);

	t->path = take(path);
	t->rate = rate;
	return 0;
}

int weight_parse(const char *text, struct objects *devices, struct err *err)
{
	const char *weight_text;
	autofree char *path = device_path(text, &weight_text);
	int64_t weight;

	if (!path || parse_i64(weight_text, &weight) < 0 ||
	    (weight && (weight < 10 || weight > 1000)))
		return err_set(err, ERR_INVALID, "invalid weight for device: %s (DEVICE:10..1000)",
			       text);

	struct weight_device *w = objects_grow(devices, sizeof *w);

	w->path = take(path);
	w->weight = weight;
	return 0;
}
