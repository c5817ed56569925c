/* GET /containers/{name}/logs */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "api/docker/docker.h"

#define BATCH (64 * 1024)

struct logs_call {
	struct logs_query query;
	struct logs_format format;
};

static int read_params(struct call *c, struct logs_call *l, struct err *err)
{
	const char *tail = http_query(c->rq, "tail");

	l->query = (struct logs_query){
		.want_stdout = param_bool(c, "stdout", false),
		.want_stderr = param_bool(c, "stderr", false),
		.follow = param_bool(c, "follow", false),
		.tail = -1,
	};
	l->format.timestamps = param_bool(c, "timestamps", false);
	l->format.details = param_bool(c, "details", false);
	if (!l->query.want_stdout && !l->query.want_stderr)
		return err_set(err, ERR_INVALID,
			       "Bad parameters: you must choose at least one stream");
	/* "all", and whatever else is no number, is all. */
	if (tail && (parse_i64(tail, &l->query.tail) < 0 || l->query.tail < 0))
		l->query.tail = -1;
	if (param_instant(c, "since", &l->query.since_ns, err) < 0 ||
	    param_instant(c, "until", &l->query.until_ns, err) < 0)
		return -1;
	return 0;
}

/* One entry as the client wants it: framed where there are two streams to tell apart. */
static void add_entry(struct buf *b, const struct logs_call *l, const struct log_entry *e)
{
	char time[RFC3339_MAX];
	size_t prefix = 0;

	if (l->format.timestamps)
		prefix = strlen(rfc3339_format(e->time_ns, time)) + 1;
	if (!l->format.tty) {
		uint32_t n = (uint32_t) (prefix + l->format.details + e->len);
		unsigned char head[8] = {e->stream, 0, 0, 0, n >> 24, n >> 16, n >> 8, n};

		buf_add(b, head, sizeof head);
	}
	if (l->format.timestamps) {
		buf_add(b, time, prefix - 1);
		buf_addc(b, ' ');
	}
	if (l->format.details) /* docker puts the attributes of the log driver here: there are none
				*/
		buf_addc(b, ' ');
	buf_add(b, e->text, e->len);
}

static int flush(struct call *c, struct buf *b)
{
	int r = b->len ? http_write(c->rq, b->text, b->len) : 0;

	b->len = 0;
	return r;
}

/* Until there is more to read: 0, or -1 where nobody wants it any more. */
static int wait_for_more(struct call *c, const struct engine_logs *logs)
{
	struct pollfd p[] = {
		{.fd = http_fd(c->rq), .events = POLLRDHUP},
		{.fd = engine_end_fd(c->e), .events = POLLIN},
		{.events = POLLIN},
		{.events = POLLIN},
	};
	int fds[2];

	engine_logs_fds(logs, fds);
	p[2].fd = fds[0];
	p[3].fd = fds[1];
	if (poll(p, ARRAY_SIZE(p), -1) < 0)
		return errno == EINTR ? 0 : -1;
	return p[0].revents || p[1].revents ? -1 : 0;
}

static int copy(struct call *c, const struct logs_call *l, struct engine_logs *logs,
		struct err *err)
{
	autobuf b = {0};

	for (;;) {
		struct log_entry e;
		int r = engine_logs_next(logs, &e, err);

		if (r == 1)
			add_entry(&b, l, &e);
		if ((r != 1 || b.len >= BATCH) && flush(c, &b) < 0)
			return 0; /* the client has gone */
		if (r < 0)
			return r;
		if (r == 2 || (r == 0 && (!l->query.follow || wait_for_more(c, logs) < 0)))
			return 0;
	}
}

static const char *content_type(const struct call *c, const struct logs_call *l)
{
	return l->format.tty || c->version < 42 ? RAW_STREAM : MULTIPLEXED_STREAM;
}

/* Who follows is the shim's, and does not notice when we go. */
static bool hand_over(struct call *c, const struct logs_call *l, struct engine_logs *logs)
{
	struct client_stream client = {.fd = http_fd(c->rq)};
	autobuf head = {0};
	bool done;

	client.chunked =
		http_hand_over_head(c->rq, 200, content_type(c, l), HTTP_CHUNKED, NULL, &head);
	http_unread(c->rq, &client.read, &client.n_read);
	client.head = head.text;
	http_hand_over_begin(c->rq);
	done = engine_logs_hand_over(logs, &l->format, &client);
	http_hand_over_end(c->rq, done);
	return done;
}

int container_logs(struct call *c, struct err *err)
{
	struct engine_logs *logs;
	struct logs_call l = {0};
	int r = 0;

	if (read_params(c, &l, err) < 0 ||
	    engine_logs_open(c->e, c->name, &l.query, &logs, &l.format.tty, err) < 0)
		return -1;
	if (!l.query.follow || !hand_over(c, &l, logs)) {
		http_begin(c->rq, 200, content_type(c, &l));
		r = copy(c, &l, logs, err);
	}
	engine_logs_free(logs);
	return r;
}
