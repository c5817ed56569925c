/* POST /containers/{name}/wait */
#include <errno.h>
#include <poll.h>

#include "api/docker/docker.h"

static int parse_condition(const char *s, enum wait_condition *ret, struct err *err)
{
	if (str_empty(s) || str_eq(s, "not-running"))
		*ret = WAIT_NOT_RUNNING;
	else if (str_eq(s, "next-exit"))
		*ret = WAIT_NEXT_EXIT;
	else if (str_eq(s, "removed"))
		*ret = WAIT_REMOVED;
	else
		return err_set(err, ERR_INVALID, "invalid condition: \"%s\"", s);
	return 0;
}

/* 1: the end has come; 0: the client has gone, or we must go. */
static int wait_for_end(struct call *c, struct engine_wait *w, int64_t *ret_code,
			const char **ret_error)
{
	struct pollfd p[] = {
		{.fd = http_fd(c->rq), .events = POLLRDHUP},
		{.fd = engine_end_fd(c->e), .events = POLLIN},
		{.fd = engine_wait_fd(w), .events = POLLIN},
	};

	while (engine_wait_result(w, ret_code, ret_error) == 0) {
		if (p[0].revents || p[1].revents)
			return 0;
		if (poll(p, ARRAY_SIZE(p), -1) < 0 && errno != EINTR)
			return 0;
	}
	return 1;
}

int container_wait(struct call *c, struct err *err)
{
	enum wait_condition condition = WAIT_NOT_RUNNING;
	struct engine_wait *w;
	const char *error = "";
	autoout o = {0};
	int64_t code;

	if (parse_condition(c->version < 30 ? NULL : http_query(c->rq, "condition"), &condition,
			    err) < 0 ||
	    engine_wait_begin(c->e, c->name, condition, &w, err) < 0)
		return -1;
	/* The head at once: the CLI starts the container only when it has seen it. */
	http_begin(c->rq, 200, "application/json");
	if (wait_for_end(c, w, &code, &error)) {
		out_object(&o, NULL);
		out_int(&o, "StatusCode", code);
		if (str_empty(error)) {
			out_null(&o, "Error");
		} else {
			out_object(&o, "Error");
			out_str(&o, "Message", error);
			out_end(&o);
		}
		out_end(&o);
		out_newline(&o);
		(void) http_write(c->rq, o.b.text, o.b.len);
	} else {
		http_abort(c->rq); /* no exit code is better than a wrong one */
	}
	engine_wait_free(w);
	return 0;
}
