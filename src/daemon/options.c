/* Options of holdfastd; see options.h. One table serves the command line and the configuration
 * file. */
#include "daemon/options.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

#define CONFIG_MAX     (1 << 20)
#define CONFIG_DEFAULT "/etc/holdfast/daemon.json"
#define DATA_ROOT      "/var/lib/holdfast"
#define EXEC_ROOT      "/run/holdfast"

const char options_help[] =
	"Usage: holdfastd [OPTIONS]\n"
	"\n"
	"A container engine whose containers hold fast while it is gone. Speaks the Docker Engine "
	"API.\n"
	"\n"
	"Options:\n"
	"      --add-runtime NAME=PATH    Register a further OCI runtime (may be repeated)\n"
	"      --check                    Only check the options and the configuration file\n"
	"      --config-file FILE         Configuration file (default " CONFIG_DEFAULT
	", where it exists)\n"
	"      --data-root DIR            Images, containers, logs (default " DATA_ROOT ")\n"
	"  -D, --debug                    The same as --log-level debug\n"
	"      --default-runtime NAME     OCI runtime for containers (default: crun where it "
	"works, else runc)\n"
	"      --exec-root DIR            State of running containers (default " EXEC_ROOT ")\n"
	"  -G, --group NAME               Group of the sockets (default: holdfast or docker, where "
	"one exists)\n"
	"  -H, --host unix://PATH         Socket to listen on (may be repeated; default "
	"unix://EXEC-ROOT/holdfast.sock); fd:// for those that systemd or the keeper passes\n"
	"      --help                     Print this\n"
	"      --image-tool PATH          The holdfast-image program (default: beside holdfastd, "
	"or in " LIBEXEC ")\n"
	"      --keeper                   Hold the sockets, start holdfastd and start it again "
	"whenever "
	"it dies (for hosts without systemd)\n"
	"      --label KEY=VALUE          Label of this engine, shown by info (may be repeated)\n"
	"      --init                     Run an init in each container that does not say\n"
	"      --log-journal              Log lines with journald's level prefixes instead of time "
	"and level\n"
	"  -l, --log-level LEVEL          error, warn, info or debug (default info)\n"
	"  -p, --pidfile FILE             Write the daemon's pid there\n"
	"      --shim PATH                The holdfast-shim program (default: beside holdfastd, or "
	"in " LIBEXEC ")\n"
	"  -v, --version                  Print the version\n"
	"\n"
	"Signals:\n"
	"  SIGTERM, SIGINT   End: streams get their end, requests in flight finish; containers go "
	"on\n"
	"  SIGHUP            Where the program on disk is another one: change to it, in place and "
	"without losing a request. Else read the configuration file again: debug, log-level, "
	"labels, "
	"runtimes and default-runtime take effect at once\n";

enum key {
	KEY_ADD_RUNTIME = 256,
	KEY_CHECK,
	KEY_CONFIG_FILE,
	KEY_DATA_ROOT,
	KEY_DEFAULT_RUNTIME,
	KEY_EXEC_ROOT,
	KEY_HELP,
	KEY_IMAGE_TOOL,
	KEY_INIT,
	KEY_KEEPER,
	KEY_LABEL,
	KEY_LOG_JOURNAL,
	KEY_SHIM,
	KEY_GROUP = 'G',
	KEY_HOST = 'H',
	KEY_DEBUG = 'D',
	KEY_LOG_LEVEL = 'l',
	KEY_PIDFILE = 'p',
	KEY_VERSION = 'v',
};

static const struct option long_options[] = {
	{"add-runtime", required_argument, NULL, KEY_ADD_RUNTIME},
	{"check", no_argument, NULL, KEY_CHECK},
	{"config-file", required_argument, NULL, KEY_CONFIG_FILE},
	{"data-root", required_argument, NULL, KEY_DATA_ROOT},
	{"debug", no_argument, NULL, KEY_DEBUG},
	{"default-runtime", required_argument, NULL, KEY_DEFAULT_RUNTIME},
	{"exec-root", required_argument, NULL, KEY_EXEC_ROOT},
	{"group", required_argument, NULL, KEY_GROUP},
	{"help", no_argument, NULL, KEY_HELP},
	{"host", required_argument, NULL, KEY_HOST},
	{"image-tool", required_argument, NULL, KEY_IMAGE_TOOL},
	{"init", no_argument, NULL, KEY_INIT},
	{"keeper", no_argument, NULL, KEY_KEEPER},
	{"label", required_argument, NULL, KEY_LABEL},
	{"log-journal", no_argument, NULL, KEY_LOG_JOURNAL},
	{"log-level", required_argument, NULL, KEY_LOG_LEVEL},
	{"pidfile", required_argument, NULL, KEY_PIDFILE},
	{"shim", required_argument, NULL, KEY_SHIM},
	{"version", no_argument, NULL, KEY_VERSION},
	{0},
};

static void set(char **s, const char *value)
{
	free(*s);
	*s = xstrdup(value);
}

static int set_absolute(char **s, const char *key, const char *value, struct err *err)
{
	if (value[0] != '/')
		return err_set(err, ERR_INVALID, "%s: '%s' is not an absolute path", key, value);
	set(s, value);
	return 0;
}

static int add_host(struct options *o, const char *value, struct err *err)
{
	bool passed = str_eq(value, "fd://");

	if (!passed && (!str_has_prefix(value, "unix://") || value[strlen("unix://")] != '/'))
		return err_set(err, ERR_INVALID,
			       "host: '%s' is neither of the form unix:///path nor fd:// (other "
			       "transports are not supported)",
			       value);
	strv_add(&o->hosts, value);
	return 0;
}

static int add_label(struct options *o, const char *value, struct err *err)
{
	const char *eq = strchr(value, '=');

	if (!eq || eq == value)
		return err_set(err, ERR_INVALID, "label: '%s' is not of the form KEY=VALUE", value);
	strv_add(&o->labels, value);
	return 0;
}

static int add_runtime(struct options *o, const char *name, const char *path, struct err *err)
{
	if (str_empty(name) || str_empty(path) || path[0] != '/')
		return err_set(err, ERR_INVALID,
			       "add-runtime: '%s=%s' is not of the form NAME=/PATH", name ?: "",
			       path ?: "");
	strmap_set(&o->runtimes, name, path);
	return 0;
}

static int add_runtime_text(struct options *o, const char *value, struct err *err)
{
	const char *eq = strchr(value, '=');
	autofree char *name = NULL;

	if (!eq)
		return err_set(err, ERR_INVALID, "add-runtime: '%s' is not of the form NAME=/PATH",
			       value);
	name = xstrndup(value, (size_t) (eq - value));
	return add_runtime(o, name, eq + 1, err);
}

/* One key with its value; value is NULL for keys that take none. */
static int apply(struct options *o, int key, const char *value, struct err *err)
{
	switch (key) {
	case KEY_ADD_RUNTIME:
		return add_runtime_text(o, value, err);
	case KEY_CONFIG_FILE:
		return set_absolute(&o->config_file, "config-file", value, err);
	case KEY_DATA_ROOT:
		return set_absolute(&o->data_root, "data-root", value, err);
	case KEY_DEFAULT_RUNTIME:
		set(&o->default_runtime, value);
		return 0;
	case KEY_EXEC_ROOT:
		return set_absolute(&o->exec_root, "exec-root", value, err);
	case KEY_GROUP:
		set(&o->group, value);
		return 0;
	case KEY_HELP:
		o->show_help = true;
		return 0;
	case KEY_HOST:
		return add_host(o, value, err);
	case KEY_IMAGE_TOOL:
		return set_absolute(&o->image_tool, "image-tool", value, err);
	case KEY_CHECK:
		o->check = true;
		return 0;
	case KEY_KEEPER:
		o->keeper = true;
		return 0;
	case KEY_LABEL:
		return add_label(o, value, err);
	case KEY_INIT:
		o->init = true;
		return 0;
	case KEY_DEBUG:
		o->log_level = LOG_LEVEL_DEBUG;
		return 0;
	case KEY_LOG_JOURNAL:
		o->log_journal = true;
		return 0;
	case KEY_LOG_LEVEL:
		return log_level_parse(value, &o->log_level) < 0
			       ? err_set(err, ERR_INVALID,
					 "log-level: '%s' is not error, warn, info or debug", value)
			       : 0;
	case KEY_PIDFILE:
		return set_absolute(&o->pidfile, "pidfile", value, err);
	case KEY_SHIM:
		return set_absolute(&o->shim, "shim", value, err);
	case KEY_VERSION:
		o->show_version = true;
		return 0;
	default:
		return err_set(err, ERR_INVALID, "unknown option");
	}
}

static const struct option *find_option(const char *name)
{
	for (const struct option *p = long_options; p->name; p++)
		if (!strcmp(p->name, name))
			return p;
	return NULL;
}

/* "runtimes": {"name": {"path": "/usr/bin/x"}}, as daemon.json has them. */
static int load_runtimes(struct options *o, json_t *value, struct err *err)
{
	const char *name;
	json_t *rt;

	if (!json_is_object(value))
		return err_set(err, ERR_INVALID, "runtimes: must be an object");
	json_object_foreach (value, name, rt) {
		const char *path = json_str(rt, "path");

		if (!path)
			return err_set(err, ERR_INVALID, "runtimes.%s.path: must be a string",
				       name);
		if (!strmap_get(&o->runtimes, name) && add_runtime(o, name, path, err) < 0)
			return -1;
	}
	return 0;
}

static int load_list(struct options *o, const char *key, json_t *value,
		     int (*add)(struct options *, const char *, struct err *), struct err *err)
{
	json_t *item;
	size_t i;

	if (!json_is_array(value))
		return err_set(err, ERR_INVALID, "%s: must be an array of strings", key);
	json_array_foreach (value, i, item) {
		if (!json_is_string(item))
			return err_set(err, ERR_INVALID, "%s[%zu]: must be a string", key, i);
		if (add(o, json_string_value(item), err) < 0)
			return -1;
	}
	return 0;
}

static bool is_for_the_command_line(int key)
{
	return key == KEY_HELP || key == KEY_VERSION || key == KEY_CONFIG_FILE ||
	       key == KEY_CHECK || key == KEY_KEEPER || key == KEY_HOST || key == KEY_LABEL ||
	       key == KEY_ADD_RUNTIME;
}

static int load_key(struct options *o, const char *key, json_t *value, struct err *err)
{
	const struct option *p = find_option(key);

	if (!strcmp(key, "runtimes"))
		return load_runtimes(o, value, err);
	if (!strcmp(key, "hosts"))
		return load_list(o, key, value, add_host, err);
	if (!strcmp(key, "labels"))
		return load_list(o, key, value, add_label, err);
	if (!p || is_for_the_command_line(p->val))
		return err_set(err, ERR_INVALID, "unknown key '%s'", key);
	if (p->has_arg == no_argument) {
		if (!json_is_boolean(value))
			return err_set(err, ERR_INVALID, "%s: must be true or false", key);
		return json_is_true(value) ? apply(o, p->val, NULL, err) : 0;
	}
	if (!json_is_string(value))
		return err_set(err, ERR_INVALID, "%s: must be a string", key);
	return apply(o, p->val, json_string_value(value), err);
}

static int load_file(struct options *o, const char *path, bool must_exist, struct err *err)
{
	autojson json_t *json = NULL;
	const char *key;
	json_t *value;

	if (!must_exist && !exists_at(AT_FDCWD, path))
		return 0;
	if (json_read_at(AT_FDCWD, path, CONFIG_MAX, &json, err) < 0)
		return -1;
	if (!json_is_object(json))
		return err_set(err, ERR_INVALID, "%s: must be a JSON object", path);
	json_object_foreach (json, key, value) {
		if (load_key(o, key, value, err) < 0)
			return err_wrap(err, "%s", path);
	}
	return 0;
}

/* What the command line says is said last, and so over the file; lists of the command line replace
 * the file's. */
static int parse_command_line(int argc, char **argv, struct options *o, struct err *err)
{
	int key, at;

	optind = 1;
	opterr = 0;
	while (at = optind,
	       (key = getopt_long(argc, argv, ":DG:H:l:p:v", long_options, NULL)) != -1) {
		if (key == ':')
			return err_set(err, ERR_INVALID, "%s needs a value", argv[at]);
		if (key == '?')
			return err_set(err, ERR_INVALID, "unknown option %s (see holdfastd --help)",
				       argv[at]);
		if (apply(o, key, optarg, err) < 0)
			return -1;
	}
	if (optind < argc)
		return err_set(err, ERR_INVALID, "unexpected argument '%s' (see holdfastd --help)",
			       argv[optind]);
	return 0;
}

/* A program of ours: beside the daemon's own, or where packages put it. */
static int find_program(char **path, const char *name, struct err *err)
{
	char self[PATH_MAX];
	ssize_t n;
	char *slash;

	if (*path)
		return access(*path, X_OK) < 0 ? err_sys(err, errno, "%s", *path) : 0;
	n = readlink("/proc/self/exe", self, sizeof self - 1);
	if (n > 0) {
		self[n] = '\0';
		slash = strrchr(self, '/');
		*path = xasprintf("%.*s/%s", (int) (slash - self), self, name);
		if (access(*path, X_OK) == 0)
			return 0;
		free(take(*path));
	}
	*path = xasprintf(LIBEXEC "/%s", name);
	return access(*path, X_OK) < 0 ? err_sys(err, errno, "%s", *path) : 0;
}

static int fill_defaults(struct options *o, struct err *err)
{
	if (!o->data_root)
		o->data_root = xstrdup(DATA_ROOT);
	if (!o->exec_root)
		o->exec_root = xstrdup(EXEC_ROOT);
	o->hosts_by_default = !o->hosts;
	if (!o->hosts)
		strv_add_owned(&o->hosts, xasprintf("unix://%s/holdfast.sock", o->exec_root));
	if (find_program(&o->shim, "holdfast-shim", err) < 0 ||
	    (o->keeper && find_program(&o->keeper_path, "holdfast-keeper", err) < 0))
		return -1;
	return find_program(&o->image_tool, "holdfast-image", err);
}

int options_parse(int argc, char **argv, struct options *ret, struct err *err)
{
	struct options cmd = {.log_level = LOG_LEVEL_INFO}, o = {.log_level = LOG_LEVEL_INFO};
	int r;

	/* Once for --config-file, --help and faults, then for good over the file. */
	r = parse_command_line(argc, argv, &cmd, err);
	if (r == 0 && !cmd.show_help && !cmd.show_version)
		r = load_file(&o, cmd.config_file ?: CONFIG_DEFAULT, cmd.config_file != NULL, err);
	if (r == 0 && cmd.hosts)
		strv_free(take(o.hosts));
	if (r == 0 && cmd.labels)
		strv_free(take(o.labels));
	if (r == 0)
		r = parse_command_line(argc, argv, &o, err);
	options_free(&cmd);
	if (r == 0 && !o.show_help && !o.show_version)
		r = fill_defaults(&o, err);
	if (r < 0) {
		options_free(&o);
		return -1;
	}
	*ret = o;
	return 0;
}

void options_free(struct options *o)
{
	free(o->data_root);
	free(o->exec_root);
	strv_free(o->hosts);
	free(o->pidfile);
	free(o->config_file);
	free(o->group);
	free(o->default_runtime);
	strv_free(o->runtimes.kv);
	free(o->shim);
	free(o->image_tool);
	free(o->keeper_path);
	strv_free(o->labels);
}
