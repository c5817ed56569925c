/* GET /events */
#include <errno.h>
#include <poll.h>

#include "api/docker/docker.h"

#define BATCH (64 * 1024)

static void add_event(struct out *o, struct event *ev)
{
	autojson json_t *j = event_json(ev);

	out_json(o, NULL, j);
	out_newline(o);
	event_free(ev);
}

/* Until an event may be there: 0, or -1 where nobody wants it any more. */
static int wait_for_event(struct call *c, const struct event_listener *l)
{
	struct pollfd p[] = {
		{.fd = http_fd(c->rq), .events = POLLRDHUP},
		{.fd = engine_end_fd(c->e), .events = POLLIN},
		{.fd = events_fd(l), .events = POLLIN},
	};

	if (poll(p, ARRAY_SIZE(p), -1) < 0)
		return errno == EINTR ? 0 : -1;
	return p[0].revents || p[1].revents ? -1 : 0;
}

static void copy(struct call *c, struct event_listener *l)
{
	autoout o = {0};

	for (;;) {
		struct event ev;
		int r = events_next(l, &ev);

		if (r == 1)
			add_event(&o, &ev);
		if (r != 1 || o.b.len >= BATCH) {
			if (o.b.len && http_write(c->rq, o.b.text, o.b.len) < 0)
				return;
			o.b.len = 0;
		}
		if (r == 2 || (r == 0 && wait_for_event(c, l) < 0))
			return;
	}
}

int events_stream(struct call *c, struct err *err)
{
	struct event_listener *l;
	struct filters f = {0};
	int64_t since, until;
	int r;

	if (param_instant(c, "since", &since, err) < 0 ||
	    param_instant(c, "until", &until, err) < 0)
		return -1;
	if (since && until && since > until)
		return err_set(err, ERR_INVALID,
			       "`since` time (%s) cannot be after `until` time (%s)",
			       http_query(c->rq, "since"), http_query(c->rq, "until"));
	if (param_filters(c, event_filter_keys, &f, err) < 0)
		return -1;
	/* The past is whole when restore has told what happened while there was no daemon. */
	if (since || until)
		engine_await_restore(c->e);
	r = events_listen(engine_events(c->e), since, until, &f, &l, err);
	filters_free(&f);
	if (r < 0)
		return r;
	http_begin(c->rq, 200, "application/json");
	copy(c, l);
	events_unlisten(l);
	return 0;
}
