/* POST /containers/{name}/attach and /containers/{name}/resize */
#include "api/docker/docker.h"

/* Some clients (dockerode) say their wishes once more as JSON; they stand in the query. */
#define IGNORED_BODY_MAX (1024 * 1024)

static int read_params(struct call *c, struct attach_request *ret, char **ret_keys, struct err *err)
{
	*ret = (struct attach_request){
		.in = param_bool(c, "stdin", false),
		.out = param_bool(c, "stdout", false),
		.err = param_bool(c, "stderr", false),
		.stream = param_bool(c, "stream", false),
		.logs = param_bool(c, "logs", false),
	};
	if (detach_keys_parse(http_query(c->rq, "detachKeys"), ret_keys, err) < 0)
		return -1;
	ret->detach_keys = *ret_keys;
	return 0;
}

static int ignore_body(struct call *c, struct err *err)
{
	autofree char *body = NULL;
	size_t n;

	return http_read_all(c->rq, IGNORED_BODY_MAX, &body, &n, err);
}

void hijack_head(struct call *c, bool tty, struct buf *ret)
{
	bool chunked;

	if (!http_header(c->rq, "Upgrade")) {
		http_hand_over_head(c->rq, 200, RAW_STREAM, HTTP_UNTIL_CLOSE, ret, &chunked);
		return;
	}
	http_set_header(c->rq, "Connection", "Upgrade");
	http_set_header(c->rq, "Upgrade", "tcp");
	http_hand_over_head(c->rq, 101, tty || c->version < 42 ? RAW_STREAM : MULTIPLEXED_STREAM,
			    HTTP_UPGRADED, ret, &chunked);
}

int container_attach(struct call *c, struct err *err)
{
	struct client_stream client = {.fd = http_fd(c->rq)};
	struct attach_request request;
	autofree char *keys = NULL;
	autobuf head = {0};
	bool tty;
	int r;

	if (read_params(c, &request, &keys, err) < 0 ||
	    engine_attach_check(c->e, c->name, &tty, err) < 0 || ignore_body(c, err) < 0)
		return -1;
	hijack_head(c, tty, &head);
	client.head = head.text;
	http_unread(c->rq, &client.read, &client.n_read);
	http_hand_over_begin(c->rq);
	r = engine_attach(c->e, c->name, &request, &client, err);
	http_hand_over_end(c->rq, r == 0);
	return r;
}

int container_resize(struct call *c, struct err *err)
{
	int64_t rows, columns;

	if (param_int(c, "h", 0, &rows, err) < 0 || param_int(c, "w", 0, &columns, err) < 0 ||
	    engine_resize(c->e, c->name, rows, columns, err) < 0)
		return -1;
	answer_empty(c, 200);
	return 0;
}
