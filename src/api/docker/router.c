/* Which handler answers what, and the way there: version, route, errors. */
#include <stdio.h>
#include <string.h>

#include "api/docker/docker.h"
#include "base/log.h"

/* The first that fits is taken. What is not supported yet has a line that says so; what the docker
 * CLI falls through to when it looks for a name of any kind (networks, plugins) says that
 * there is no such thing; docker's swarm endpoints say that this is no swarm. */
const struct route docker_routes[] = {
	{"GET", "/_ping", ping},
	{"HEAD", "/_ping", ping},
	{"GET", "/version", version},
	{"GET", "/info", info},
	{"GET", "/events", events_stream},
	{"GET", "/holdfast/restore", restore_report},
	{"POST", "/holdfast/repair", repair},
	{"GET", "/holdfast/upgrade", upgrade_report},
	{"POST", "/holdfast/upgrade", upgrade_begin},
	{"POST", "/holdfast/shutdown", shutdown_begin},
	{"DELETE", "/holdfast/shutdown", shutdown_cancel},

	{"GET", "/containers/json", container_list},
	{"POST", "/containers/create", container_create},
	{"POST", "/containers/prune", container_prune},
	{"GET", "/containers/{name}/json", container_inspect},
	{"GET", "/containers/{name}/logs", container_logs},
	{"GET", "/containers/{name}/top", container_top},
	{"POST", "/containers/{name}/wait", container_wait},
	{"POST", "/containers/{name}/start", container_start},
	{"POST", "/containers/{name}/stop", container_stop},
	{"POST", "/containers/{name}/restart", container_restart},
	{"POST", "/containers/{name}/kill", container_kill},
	{"POST", "/containers/{name}/pause", container_pause},
	{"POST", "/containers/{name}/unpause", container_unpause},
	{"POST", "/containers/{name}/rename", container_rename},
	{"POST", "/containers/{name}/update", container_update},
	{"DELETE", "/containers/{name}", container_remove},

	{"GET", "/images/json", image_list},
	{"POST", "/images/load", image_load},
	{"POST", "/images/create", image_create},
	{"POST", "/images/prune", image_prune},
	{"GET", "/images/get", image_get_many},
	{"GET", "/images/search", not_supported, "searching registries is"},
	{"GET", "/images/{name*}/json", image_inspect},
	{"GET", "/images/{name*}/history", image_history},
	{"GET", "/images/{name*}/get", image_get},
	{"POST", "/images/{name*}/tag", image_tag},
	{"POST", "/images/{name*}/push", not_supported, "pushing to registries is"},
	{"DELETE", "/images/{name*}", image_remove},
	{"GET", "/distribution/{name*}/json", not_supported, "asking registries is"},

	{"GET", "/networks", network_list},
	{"GET", "/networks/{name}", network_inspect},
	{"POST", "/networks/create", network_create_new},
	{"POST", "/networks/prune", network_prune},
	{"POST", "/networks/{name}/connect", network_connect},
	{"POST", "/networks/{name}/disconnect", network_disconnect},
	{"DELETE", "/networks/{name}", network_remove_one},
	{"GET", "/volumes", volume_list},
	{"POST", "/volumes/create", volume_create},
	{"POST", "/volumes/prune", volume_prune},
	{"GET", "/volumes/{name}", volume_inspect},
	{"PUT", "/volumes/{name}", not_swarm},
	{"DELETE", "/volumes/{name}", volume_remove},

	{"POST", "/containers/{name}/attach", container_attach},
	{"GET", "/containers/{name}/attach/ws", container_attach_websocket},
	{"POST", "/containers/{name}/resize", container_resize},
	{"POST", "/containers/{name}/exec", exec_create},
	{"GET", "/containers/{name}/stats", not_supported, "stats is"},
	{"GET", "/containers/{name}/changes", not_supported, "listing a container's changes is"},
	{"GET", "/containers/{name}/export", not_supported, "exporting a container is"},
	{"GET", "/containers/{name}/archive", not_supported, "copying from a container is"},
	{"HEAD", "/containers/{name}/archive", not_supported, "copying from a container is"},
	{"PUT", "/containers/{name}/archive", not_supported, "copying into a container is"},
	{"GET", "/containers/{name}/checkpoints", not_supported, "checkpoints are"},
	{"POST", "/containers/{name}/checkpoints", not_supported, "checkpoints are"},
	{"GET", "/exec/{name}/json", exec_inspect},
	{"POST", "/exec/{name}/start", exec_start},
	{"POST", "/exec/{name}/resize", exec_resize},
	{"POST", "/commit", not_supported, "committing a container is"},
	{"POST", "/build", not_supported, "building images is"},
	{"POST", "/build/prune", build_prune},
	{"POST", "/build/cancel", not_supported, "building images is"},
	{"POST", "/session", not_supported, "building images is"},
	{"POST", "/grpc", not_supported, "building images is"},
	{"POST", "/auth", not_supported, "logging in to a registry is"},
	{"GET", "/system/df", not_supported, "counting disk usage is"},

	{"GET", "/plugins", plugin_list},
	{"GET", "/plugins/privileges", not_supported, "plugins are"},
	{"POST", "/plugins/pull", not_supported, "plugins are"},
	{"POST", "/plugins/create", not_supported, "plugins are"},
	{"GET", "/plugins/{name*}/json", plugin_missing},
	{"DELETE", "/plugins/{name*}", plugin_missing},
	{"POST", "/plugins/{name*}/enable", plugin_missing},
	{"POST", "/plugins/{name*}/disable", plugin_missing},
	{"POST", "/plugins/{name*}/push", plugin_missing},
	{"POST", "/plugins/{name*}/set", plugin_missing},
	{"POST", "/plugins/{name*}/upgrade", plugin_missing},

	{"POST", "/swarm/init", not_supported, "swarm mode is"},
	{"POST", "/swarm/join", not_supported, "swarm mode is"},
	{"GET", "/swarm", not_swarm},
	{"GET", "/swarm/{name}", not_swarm},
	{"POST", "/swarm/{name}", not_swarm},
	{"GET", "/nodes", not_swarm},
	{"GET", "/nodes/{name}", not_swarm},
	{"POST", "/nodes/{name*}", not_swarm},
	{"DELETE", "/nodes/{name}", not_swarm},
	{"GET", "/services", not_swarm},
	{"GET", "/services/{name*}", not_swarm},
	{"POST", "/services/{name*}", not_swarm},
	{"DELETE", "/services/{name}", not_swarm},
	{"GET", "/tasks", not_swarm},
	{"GET", "/tasks/{name*}", not_swarm},
	{"GET", "/secrets", not_swarm},
	{"GET", "/secrets/{name}", not_swarm},
	{"POST", "/secrets/{name*}", not_swarm},
	{"DELETE", "/secrets/{name}", not_swarm},
	{"GET", "/configs", not_swarm},
	{"GET", "/configs/{name}", not_swarm},
	{"POST", "/configs/{name*}", not_swarm},
	{"DELETE", "/configs/{name}", not_swarm},
	{NULL},
};

/* Matches, and yields what stands for the variable (not terminated). */
static bool pattern_match(const char *pattern, const char *path, const char **ret_var,
			  size_t *ret_len)
{
	const char *open = strchr(pattern, '{');
	const char *suffix = open ? strchr(open, '}') + 1 : NULL;
	size_t prefix = open ? (size_t) (open - pattern) : strlen(pattern);
	size_t len = strlen(path);

	*ret_len = 0;
	if (!open)
		return strcmp(pattern, path) == 0;
	if (len <= prefix + strlen(suffix) || strncmp(pattern, path, prefix) != 0 ||
	    strcmp(path + len - strlen(suffix), suffix) != 0)
		return false;
	*ret_var = path + prefix;
	*ret_len = len - prefix - strlen(suffix);
	return suffix[-2] == '*' || !memchr(*ret_var, '/', *ret_len);
}

const struct route *route_find(const struct route *routes, const char *method, const char *path,
			       char **ret_name, char **ret_allow)
{
	autobuf allow = {0};

	for (const struct route *r = routes; r->method; r++) {
		const char *var = NULL;
		size_t n;

		if (!pattern_match(r->pattern, path, &var, &n))
			continue;
		if (strcmp(r->method, method) == 0) {
			*ret_name = xstrndup(var ? var : "", n);
			return r;
		}
		buf_addf(&allow, "%s%s", allow.len ? ", " : "", r->method);
	}
	if (allow.len)
		*ret_allow = buf_take(&allow);
	return NULL;
}

#define MINOR(v) (atoi((v) + 2)) /* of "1.44" */

int version_split(const char *path, int *ret_version, const char **ret_rest, struct err *err)
{
	size_t n = path[0] == '/' && path[1] == 'v' ? strspn(path + 2, "0123456789.") : 0;
	long major, minor = 0;
	char text[16], *end;

	*ret_version = MINOR(API_VERSION);
	*ret_rest = path;
	if (n == 0 || path[2 + n] != '/')
		return 0;

	snprintf(text, sizeof text, "%.*s", (int) (n < sizeof text ? n : 0), path + 2);
	major = strtol(text, &end, 10);
	if (end > text && *end == '.')
		minor = strtol(end + 1, &end, 10);
	if (end == text || *end || major > 1000 || minor > 100000)
		return err_set(err, ERR_INVALID, "invalid API version: %.*s", n > 64 ? 64 : (int) n,
			       path + 2);
	if (major > 1 || (major == 1 && minor > MINOR(API_VERSION)))
		return err_set(err, ERR_INVALID,
			       "client version %s is too new. Maximum supported API version is %s",
			       text, API_VERSION);
	if (major < 1 || minor < MINOR(API_MIN_VERSION))
		return err_set(
			err, ERR_INVALID,
			"client version %s is too old. Minimum supported API version is %s, please "
			"upgrade your client to a newer version",
			text, API_MIN_VERSION);
	*ret_version = (int) minor;
	*ret_rest = path + 2 + n;
	return 0;
}

struct api *api_new(const struct api_options *o)
{
	struct api *a = xnew(struct api);

	a->options = *o;
	return a;
}

void api_free(struct api *a)
{
	free(a);
}

static void set_headers(struct http_request *rq)
{
	http_set_header(rq, "Api-Version", API_VERSION);
	http_set_header(rq, "Docker-Experimental", "false");
	http_set_header(rq, "Ostype", "linux");
	http_set_header(rq, "Server", "Holdfast/" HOLDFAST_VERSION " (linux)");
}

/* Without the slash that some clients put behind ("/networks/"). Caller frees. */
static char *without_slash(const char *path)
{
	size_t n = strlen(path);

	return xstrndup(path, n > 1 && path[n - 1] == '/' ? n - 1 : n);
}

void api_handle(void *arg, struct http_request *rq)
{
	struct api *a = arg;
	struct call c = {.o = &a->options, .e = a->options.engine, .rq = rq};
	autofree char *path = without_slash(http_path(rq));
	autofree char *name = NULL;
	autofree char *allow = NULL;
	struct err err = {0};
	const char *rest;

	set_headers(rq);
	if (version_split(path, &c.version, &rest, &err) < 0) {
		answer_error(rq, status_of(&err), err.text);
		return;
	}
	c.route = route_find(docker_routes, http_method(rq), rest, &name, &allow);
	if (!c.route && allow) {
		http_set_header(rq, "Allow", allow);
		answer_error(rq, 405, "method not allowed");
		return;
	}
	if (!c.route) {
		answer_error(rq, 404, "page not found");
		return;
	}
	c.name = name;
	log_debug("api: %s %s", http_method(rq), path);
	if (c.route->handler(&c, &err) == 0)
		return;
	if (status_of(&err) == 500)
		log_error("api: %s %s: %s", http_method(rq), path, err.text);
	else
		log_debug("api: %s %s: %s", http_method(rq), path, err.text);
	/* Where the head of a good answer is out, the error cannot be told any more but by breaking
	 * off. */
	if (http_begun(rq))
		http_abort(rq);
	else
		answer_error(rq, status_of(&err), err.text);
}
