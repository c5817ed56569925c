/*
 * The Docker Engine API: what its files share. A handler answers one endpoint: it looks at the
 * call, asks the engine, and answers; or returns < 0 with err, which errors.c turns into docker's
 * JSON and status.
 */
#pragma once

#include "api/api.h"
#include "base/out.h"
#include "base/time.h"

struct api {
	struct api_options options;
};

struct route;

struct call {
	const struct api_options *o;
	struct engine *e;
	struct http_request *rq;
	const struct route *route;
	int version;	  /* 44 for 1.44 */
	const char *name; /* what stands in the path for {name}; "" where it has none */
};

/* 0: answered. < 0: err says what to answer instead. */
typedef int docker_handler(struct call *c, struct err *err);

/* A pattern has at most one variable: "{name}" is one segment, "{name*}" may contain slashes
 * (images). */
struct route {
	const char *method;
	const char *pattern;
	docker_handler *handler;
	const char *note; /* for the handlers that refuse: what is not supported */
};

/* router.c, pure: the route for the method and path (without version and trailing slash) and what
 * stands for its variable; else NULL, and *ret_allow names the methods that the path has, if any.
 * Caller frees. */
const struct route *route_find(const struct route *routes, const char *method, const char *path,
			       char **ret_name, char **ret_allow);
/* Splits "/v1.41/x" into version 41 and "/x"; without prefix the newest. ERR_INVALID where it is
 * not one of ours. */
int version_split(const char *path, int *ret_version, const char **ret_rest, struct err *err);
extern const struct route docker_routes[];

/* errors.c */
int status_of(const struct err *err);
void answer_error(struct http_request *rq, int status, const char *message);

/* params.c: what stands in the query, as docker reads it. */
bool param_bool(const struct call *c, const char *name, bool otherwise);
int param_int(const struct call *c, const char *name, int64_t otherwise, int64_t *ret,
	      struct err *err);
int param_filters(const struct call *c, const char *const *allowed, struct filters *ret,
		  struct err *err);
/* An instant; 0 where it is absent, at least 1 where it is there. */
int param_instant(const struct call *c, const char *name, int64_t *ret_ns, struct err *err);
/* h and w of a resize, in characters. */
int param_terminal_size(const struct call *c, int64_t *ret_rows, int64_t *ret_columns,
			struct err *err);
/* All values of a repeated parameter. strv, caller's. */
char **param_all(const struct call *c, const char *name);

/* "ctrl-p,ctrl-q" or "a,b" in hexadecimal, as the engine takes them; docker's own where text is
 * NULL or empty. Caller frees. */
int detach_keys_parse(const char *text, char **ret_hex, struct err *err);

/* The body, which must be a JSON object. New reference. */
int read_json(struct call *c, json_t **ret, struct err *err);
/* Reads a body away in which nothing can stand that matters: some clients send {}, or say once more as
 * JSON what stands in the query (dockerode, to attach). */
int ignore_body(struct call *c, struct err *err);
/* A member of the body, by its name in any case, as Go reads it. NULL where missing or null.
 * Borrowed. */
json_t *body_member(json_t *body, const char *name);

#define RAW_STREAM	   "application/vnd.docker.raw-stream"
#define MULTIPLEXED_STREAM "application/vnd.docker.multiplexed-stream"
/* attach.c: head of the response that turns the connection into streams: 101 where the client asked
 * for an upgrade, else 200 and bytes until it is closed. */
void hijack_head(struct call *c, bool tty, struct buf *ret);

/* answers */
void answer_json(struct call *c, int status, struct out *o);
void answer_empty(struct call *c, int status);

/* pieces that list and inspect share (networks.c, inspect.c) */
void out_container_networks(struct out *o, struct engine *e, const struct container_view *v);
void out_network_settings(struct out *o, struct engine *e, const struct container_view *v);
void out_port_list(struct out *o, const struct container_view *v);
void out_container_mounts(struct out *o, const struct objects *mounts);
const char *container_command(const struct config *config, char *const **ret_args);

docker_handler ping, version, info, restore_report;
docker_handler upgrade_begin, upgrade_report, shutdown_begin, shutdown_cancel;
docker_handler container_list, container_create, container_inspect, container_logs, container_wait;
docker_handler container_start, container_stop, container_restart, container_kill, container_pause;
docker_handler container_unpause, container_rename, container_update, container_remove;
docker_handler container_prune, container_top, container_attach, container_attach_websocket, container_resize;
docker_handler image_load, image_create, image_list, image_inspect, image_history, image_tag;
docker_handler image_remove, image_get, image_get_many, image_prune;
docker_handler events_stream;
docker_handler network_list, network_inspect, network_create_new, network_remove_one;
docker_handler repair, network_connect, network_disconnect, network_prune;
docker_handler volume_list, volume_inspect, volume_create, volume_remove, volume_prune;
docker_handler build_prune, plugin_list, plugin_missing;
docker_handler exec_create, exec_start, exec_resize, exec_inspect;
docker_handler not_supported, not_swarm;
