/* The Docker Engine API (1.44, minimum 1.24) on an engine: the only place that knows HTTP status.
 */
#pragma once

#include "engine/engine.h"
#include "http/http.h"

#define API_VERSION	"1.44"
#define API_MIN_VERSION "1.24"

struct api;

struct api_options {
	struct engine *engine;
	const char *seccomp_profile; /* for info, NULL: none */
	const char *init_path;	     /* for info */
	int64_t started_ns;
	/* Asks for a live upgrade; 0: the server is paused, and it will come. */
	int (*upgrade)(void *arg, struct err *err);
	void *upgrade_arg;
	const char *upgraded_from; /* version that this daemon has taken over from; NULL: none */
	const char *upgrade_error; /* why the last upgrade came to nothing; NULL */
};

struct api *api_new(const struct api_options *o);
void api_free(struct api *a);
/* The event `daemon reload`. */
void api_tell_reload(struct api *a);
/* An http_handler; arg is the struct api. */
void api_handle(void *arg, struct http_request *rq);
