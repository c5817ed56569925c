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

/* Says whether the container's shim has it now. */
static bool hand_over(struct call *c, enum wait_condition condition)
{
	struct client_stream client = {.fd = http_fd(c->rq)};
	autobuf head = {0};
	int r;

	client.chunked =
		http_hand_over_head(c->rq, 200, "application/json", HTTP_CHUNKED, NULL, &head);
	client.head = head.text;
	http_unread(c->rq, &client.read, &client.n_read);
	http_hand_over_begin(c->rq);
	r = engine_wait_hand_over(c->e, c->name, condition, &client);
	http_hand_over_end(c->rq, r > 0);
	return r > 0;
}

/* What its shim cannot: the answer is known, or there is no shim. */
static int wait_here(struct call *c, enum wait_condition condition, struct err *err)
{
	struct engine_wait *w;
	const char *error = "";
	autoout o = {0};
	int64_t code;

	if (engine_wait_begin(c->e, c->name, condition, &w, err) < 0)
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

int container_wait(struct call *c, struct err *err)
{
	enum wait_condition condition = WAIT_NOT_RUNNING;

	if (parse_condition(c->version < 30 ? NULL : http_query(c->rq, "condition"), &condition,
			    err) < 0 ||
	    ignore_body(c, err) < 0)
		return -1;
	return hand_over(c, condition) ? 0 : wait_here(c, condition, err);
}
