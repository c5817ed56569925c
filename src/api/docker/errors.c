/* From our kinds of errors to HTTP's. */
#include <string.h>

#include "api/docker/docker.h"

int status_of(const struct err *err)
{
	switch (err->kind) {
	case ERR_INVALID:
		return 400;
	case ERR_UNAUTHORIZED:
		return 401;
	case ERR_FORBIDDEN:
		return 403;
	case ERR_NOT_FOUND:
		return 404;
	case ERR_CONFLICT:
		return 409;
	case ERR_NOT_MODIFIED:
		return 304;
	case ERR_TOO_LARGE:
		return 413;
	case ERR_NOT_SUPPORTED:
		return 501;
	case ERR_UNAVAILABLE:
		return 503;
	case ERR_NONE:
	case ERR_SYSTEM:
		return 500;
	}
	return 500;
}

void answer_error(struct http_request *rq, int status, const char *message)
{
	autoout o = {0};

	if (status == 304) {
		http_respond(rq, status, NULL, NULL, 0);
		return;
	}
	out_object(&o, NULL);
	out_str(&o, "message", message);
	out_end(&o);
	out_newline(&o);
	http_respond(rq, status, "application/json", o.b.text, o.b.len);
}

void answer_json(struct call *c, int status, struct out *o)
{
	out_newline(o);
	http_respond(c->rq, status, "application/json", o->b.text, o->b.len);
}

void answer_empty(struct call *c, int status)
{
	http_respond(c->rq, status, NULL, NULL, 0);
}

int not_supported(struct call *c, struct err *err)
{
	return err_set(err, ERR_NOT_SUPPORTED, "%s not supported yet", c->route->note);
}

int not_swarm(struct call *c, struct err *err)
{
	return err_set(err, ERR_UNAVAILABLE,
		       "This node is not a swarm manager. Holdfast has no swarm mode.");
}
