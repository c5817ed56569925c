/* shim.conf; see shim_config.h. */
#include "wire/shim_config.h"

#include <string.h>

#include "base/file.h"
#include "wire/kv.h"
#include "wire/layout.h"

#define CONFIG_MAX_BYTES (64 * 1024)

void shim_config_format(struct buf *b, const struct shim_config *c)
{
	kv_add_int(b, "version", 1);
	kv_add(b, "id", c->id);
	kv_add(b, "runtime", c->runtime);
	kv_add(b, "runtime-root", c->runtime_root);
	if (c->runtime_timeout_ms)
		kv_add_int(b, "runtime-timeout-ms", c->runtime_timeout_ms);
	kv_add_int(b, "systemd-cgroup", c->systemd_cgroup);
	if (c->cgroup)
		kv_add(b, "cgroup", c->cgroup);
	if (c->layers_dir)
		kv_add(b, "layers-dir", c->layers_dir);
	for (char **l = c->lower; l && *l; l++)
		kv_add(b, "lower", *l);
	if (c->volatile_opt)
		kv_add(b, "overlay-options", c->volatile_opt);
	for (char **j = c->join; j && *j; j++)
		kv_add(b, "join", *j);
	kv_add_int(b, "tty", c->tty);
	kv_add_int(b, "open-stdin", c->open_stdin);
	kv_add_int(b, "stdin-once", c->stdin_once);
	kv_add_int(b, "log-file", c->log_file);
	kv_add_int(b, "log-max-size", c->log_max_size);
	kv_add_int(b, "log-max-files", c->log_max_files);
	kv_add(b, "restart", restart_name_text(c->restart));
	kv_add_int(b, "restart-max", c->restart_max);
	kv_add_int(b, "restart-count", c->restart_count);
	kv_add_int(b, "restart-delay", c->restart_delay_ns);
}

/* A reader of one file: remembers the first thing that is wrong with it. */
struct reading {
	const struct kv *kv;
	struct err *err;
	int r;
};

static void wrong(struct reading *in, const char *key, const char *what)
{
	if (in->r == 0)
		in->r = err_set(in->err, ERR_INVALID, "%s: %s: %s", LAYOUT_SHIM_CONF, key, what);
}

static char *get_text(struct reading *in, const char *key, bool needed)
{
	const char *s = kv_get(in->kv, key);

	if (needed && str_empty(s))
		wrong(in, key, "is missing");
	return xstrdup(s);
}

static int64_t get_int(struct reading *in, const char *key, int64_t min, int64_t otherwise)
{
	const char *s = kv_get(in->kv, key);
	int64_t n = otherwise;

	if (s && (parse_i64(s, &n) < 0 || n < min))
		wrong(in, key, "is not a number that makes sense");
	return n;
}

static bool get_bool(struct reading *in, const char *key)
{
	return get_int(in, key, 0, 0) != 0;
}

static enum restart_name get_restart(struct reading *in, const char *key)
{
	enum restart_name name = RESTART_NO;

	if (restart_name_parse(kv_get(in->kv, key), &name) < 0)
		wrong(in, key, "is no restart policy");
	return name;
}

static char **get_list(struct reading *in, const char *key)
{
	autostrv char **list = NULL;

	for (char **i = in->kv->items; i && *i; i += 2)
		if (str_eq(i[0], key))
			strv_add(&list, i[1]);
	return take(list);
}

int shim_config_read(int dir, struct shim_config *ret, struct err *err)
{
	autofree char *text = NULL;
	autokv kv = {0};
	struct shim_config c;
	size_t len;
	int r;

	r = read_file_at(dir, LAYOUT_SHIM_CONF, CONFIG_MAX_BYTES, &text, &len);
	if (r < 0)
		return err_sys(err, -r, "read %s", LAYOUT_SHIM_CONF);
	if (kv_parse(text, len, &kv) < 0)
		return err_set(err, ERR_INVALID, "%s is damaged", LAYOUT_SHIM_CONF);

	struct reading in = {.kv = &kv, .err = err};

	c = (struct shim_config){
		.id = get_text(&in, "id", true),
		.runtime = get_text(&in, "runtime", true),
		.runtime_root = get_text(&in, "runtime-root", true),
		.runtime_timeout_ms = get_int(&in, "runtime-timeout-ms", 0, 0),
		.systemd_cgroup = get_bool(&in, "systemd-cgroup"),
		.cgroup = get_text(&in, "cgroup", false),
		.layers_dir = get_text(&in, "layers-dir", false),
		.lower = get_list(&in, "lower"),
		.volatile_opt = get_text(&in, "overlay-options", false),
		.join = get_list(&in, "join"),
		.tty = get_bool(&in, "tty"),
		.open_stdin = get_bool(&in, "open-stdin"),
		.stdin_once = get_bool(&in, "stdin-once"),
		.log_file = get_bool(&in, "log-file"),
		.log_max_size = get_int(&in, "log-max-size", INT64_MIN, 0),
		.log_max_files = get_int(&in, "log-max-files", 1, 1),
		.restart = get_restart(&in, "restart"),
		.restart_max = get_int(&in, "restart-max", 0, 0),
		.restart_count = get_int(&in, "restart-count", 0, 0),
		.restart_delay_ns = get_int(&in, "restart-delay", 0, 0),
	};
	if (c.lower && str_empty(c.layers_dir))
		wrong(&in, "layers-dir", "is missing");
	if (in.r < 0) {
		shim_config_free(&c);
		return in.r;
	}
	*ret = c;
	return 0;
}

void shim_config_free(struct shim_config *c)
{
	free(c->id);
	free(c->runtime);
	free(c->runtime_root);
	free(c->cgroup);
	free(c->layers_dir);
	strv_free(c->lower);
	free(c->volatile_opt);
	strv_free(c->join);
	*c = (struct shim_config){0};
}
