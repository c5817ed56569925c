/*
 * logs. With -f it goes on through ends of the daemon: the container does not notice them, and its
 * log is whole, so after the reconnection the stream goes on at the last line shown. For that the
 * lines are always asked for with their times, which are cut off again unless -t wants them:
 *
 *	without tty	frames, each an entry: its time, a space, the text
 *	with tty	bytes; a time stands at the start of each entry, found by its shape
 *
 * The daemon gives entries from a time on, so those of the very last time come again: as many as
 * were shown of it are skipped.
 */
#include <endian.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/time.h"
#include "cli/cli.h"
#include "cli/logs_stamp.h"

struct logs_options {
	bool follow, timestamps, details;
	const char *since, *until, *tail;
};

#define O(letter, name, type, member, value, help) \
	OPTION(struct logs_options, letter, name, type, member, value, help)

const struct option logs_options[] = {
	O(0, "details", OPTION_FLAG, details, NULL, NULL),
	O('f', "follow", OPTION_FLAG, follow, NULL, "Follow log output"),
	O(0, "since", OPTION_STR, since, "string",
	  "Show logs since timestamp (e.g. \"2013-01-02T13:23:37Z\") or relative (e.g. \"42m\" for "
	  "42 minutes)"),
	O('n', "tail", OPTION_STR, tail, "string",
	  "Number of lines to show from the end of the logs (default \"all\")"),
	O('t', "timestamps", OPTION_FLAG, timestamps, NULL, "Show timestamps"),
	O(0, "until", OPTION_STR, until, "string",
	  "Show logs before a timestamp (e.g. \"2013-01-02T13:23:37Z\") or relative (e.g. \"42m\" "
	  "for 42 minutes)"),
	OPTION_END,
};

struct reader {
	const struct cli *cli;
	const struct logs_options *o;
	const char *ref;
	struct buf since, until; /* as the API takes them; text NULL: not given */
	int64_t asked_ns;	 /* when the log was asked for first */
	bool stamped;		 /* times are asked for */
	bool tty;
	bool again;	  /* it is not the first connection */
	int64_t last_ns;  /* time of the last entry shown; 0: none yet */
	int64_t count;	  /* entries shown of that time */
	int64_t skip;	  /* of these, still to be skipped after a reconnection */
	size_t shown;	  /* tty: bytes shown of the last entry, which a loss may tear */
	size_t drop;	  /* tty: bytes of the current entry that were shown before */
	struct buf input; /* what came and is not whole yet */
	struct buf out;	  /* what is shown with the next write to out_fd */
	int out_fd;
	struct patience patience;
};

/* what is shown ------------------------------------------------------------------------------ */

static int flush(struct reader *r, struct err *err)
{
	int result = write_all(r->out_fd, r->out.text, r->out.len);

	r->out.len = 0;
	return result < 0 ? err_sys(err, -result, "write the output") : 0;
}

/* Many lines make one write; the order of the two descriptors stays. */
static int show(struct reader *r, int fd, const char *text, size_t n, struct err *err)
{
	if (fd != r->out_fd && r->out.len && flush(r, err) < 0)
		return -1;
	r->out_fd = fd;
	buf_add(&r->out, text, n);
	return 0;
}

/* An entry of this time begins: false where it was shown before the connection was lost. Of the
 * last of those, a tty's may have been shown in part. */
static bool begin_entry(struct reader *r, int64_t ns)
{
	if (r->skip > 0 && ns == r->last_ns) {
		r->skip--;
		r->drop = r->skip ? SIZE_MAX : r->shown;
		return false;
	}
	r->skip = 0;
	r->drop = r->shown = 0;
	r->count = ns == r->last_ns ? r->count + 1 : 1;
	r->last_ns = ns;
	return true;
}

static int show_entry(struct reader *r, int fd, const char *text, size_t n, struct err *err)
{
	size_t stamp;
	int64_t ns;

	if (r->stamped && (stamp = logs_stamp(text, n, &ns)) > 0) {
		if (!begin_entry(r, ns))
			return 0;
		if (!r->o->timestamps) {
			text += stamp;
			n -= stamp;
		}
	}
	return show(r, fd, text, n, err);
}

/* Shows the whole frames of the input: {stream, 0, 0, 0, length (big endian)}, text. */
static int show_frames(struct reader *r, struct err *err)
{
	size_t at = 0;

	while (r->input.len - at >= 8) {
		const char *head = r->input.text + at;
		uint32_t n;

		memcpy(&n, head + 4, sizeof n);
		n = be32toh(n);
		if (head[0] > 3 || head[1] || head[2] || head[3])
			return err_set(err, ERR_SYSTEM, "the daemon's log stream is damaged");
		if (r->input.len - at - 8 < n)
			break;
		if (head[0] == 3) {
			(void) flush(r, NULL);
			return err_set(err, ERR_SYSTEM, "%.*s", (int) n, head + 8);
		}
		if (show_entry(r, head[0] == 2 ? STDERR_FILENO : STDOUT_FILENO, head + 8, n, err) <
		    0)
			return -1;
		at += 8 + n;
	}
	buf_consume(&r->input, at);
	return 0;
}

/* Shows a part of the current entry of a raw stream. */
static int show_part(struct reader *r, const char *text, size_t n, struct err *err)
{
	size_t drop = r->drop < n ? r->drop : n;

	if (r->drop != SIZE_MAX)
		r->drop -= drop;
	r->shown += n - drop;
	return show(r, STDOUT_FILENO, text + drop, n - drop, err);
}

/* Shows what is there of a raw stream, and keeps what may be half a time at its end. A time before
 * the last entry's is text that the container wrote. */
static int show_raw(struct reader *r, struct err *err)
{
	const char *text = r->input.text;
	size_t n = r->input.len, at = 0, from = 0;

	while (r->stamped && at < n) {
		int64_t ns;
		size_t stamp = logs_stamp(text + at, n - at, &ns);

		if (stamp == 0 && logs_stamp_may_begin(text + at, n - at))
			break;
		if (stamp == 0 || ns < r->last_ns) {
			at++;
			continue;
		}
		if (show_part(r, text + from, at - from, err) < 0)
			return -1;
		(void) begin_entry(r, ns);
		from = r->o->timestamps ? at : at + stamp;
		at += stamp;
	}
	if (!r->stamped)
		at = n;
	if (show_part(r, text + from, at - from, err) < 0)
		return -1;
	buf_consume(&r->input, at);
	return 0;
}

static int show_stream(struct reader *r, struct response *response, struct err *err)
{
	for (;;) {
		char *room = buf_reserve(&r->input, 64 * 1024);
		ssize_t n = response_read(response, room, 64 * 1024, err);

		if (n < 0)
			return -1;
		if (n == 0)
			break;
		r->input.len += (size_t) n;
		if ((r->tty ? show_raw(r, err) : show_frames(r, err)) < 0 || flush(r, err) < 0)
			return -1;
	}
	if (r->tty && r->input.len && show_part(r, r->input.text, r->input.len, err) < 0)
		return -1;
	return flush(r, err);
}

/* asking ------------------------------------------------------------------------------------- */

static void add_since(struct reader *r, struct buf *target)
{
	int64_t from = r->last_ns;

	if (!from && r->again && str_eq(r->o->tail, "0"))
		from = r->asked_ns;
	if (from) {
		buf_addf(target, "&since=%lld.%09lld", (long long) (from / NSEC_PER_SEC),
			 (long long) (from % NSEC_PER_SEC));
		return;
	}
	url_query(target, "since", r->since.text);
	url_query(target, "tail", r->o->tail);
}

static int ask(struct reader *r, bool follow, struct response **ret, struct err *err)
{
	autobuf target = {0};
	const char *type;

	target_container(&target, r->ref, "logs?stdout=1&stderr=1");
	if (follow)
		url_query(&target, "follow", "1");
	if (r->stamped)
		url_query(&target, "timestamps", "1");
	if (r->o->details)
		url_query(&target, "details", "1");
	add_since(r, &target);
	url_query(&target, "until", r->until.text);
	if (request_send(r->cli->address, &(struct request){.method = "GET", .target = target.text},
			 ret, err) < 0 ||
	    response_head(*ret, err) < 0)
		return -1;
	type = response_content_type(*ret);
	if (type)
		r->tty = str_eq(type, "application/vnd.docker.raw-stream");
	r->input.len = 0;
	r->skip = r->count;
	r->drop = 0;
	return 0;
}

/* The state of the container: which run it is in, and whether that goes on. */
static int look(struct reader *r, char **ret_started, bool *ret_running, bool *ret_tty,
		struct err *err)
{
	autojson json_t *c = NULL;
	autobuf target = {0};
	const json_t *state;
	const char *started;

	target_container(&target, r->ref, "json");
	if (client_call(r->cli->address, "GET", target.text, NULL, &c, err) < 0)
		return -1;
	state = json_object_get(c, "State");
	started = json_str(state, "StartedAt");
	*ret_started = xstrdup(started ? started : "");
	*ret_running = json_is_true(json_object_get(state, "Running"));
	*ret_tty = json_is_true(json_object_get(json_object_get(c, "Config"), "Tty"));
	return 0;
}

/*
 * The stream ended cleanly: because the run ended, or because the daemon did. It was the daemon if
 * the same run goes on; and if the run is over, it may have ended meanwhile: then the rest is
 * fetched, which is nothing where the stream had told it all. 1 to follow on, 0 the end, < 0.
 */
static int after_end(struct reader *r, const char *started, struct err *err)
{
	autofree char *started_now = NULL;
	autoresponse rest = NULL;
	bool running, tty;

	if (r->until.text)
		return 0;
	if (look(r, &started_now, &running, &tty, err) < 0)
		return err->kind == ERR_NOT_FOUND ? 0 : -1;
	if (running && str_eq(started, started_now))
		return 1;
	if (!str_eq(started, started_now))
		return 0; /* another run: docker's logs -f ends with its own */
	if (ask(r, false, &rest, err) < 0)
		return err->kind == ERR_NOT_FOUND ? 0 : -1;
	return show_stream(r, rest, err);
}

static int follow(struct reader *r, const char *started, struct err *err)
{
	for (;;) {
		autoresponse response = NULL;
		int result = ask(r, true, &response, err);

		if (result == 0) {
			patience_reset(&r->patience);
			result = show_stream(r, response, err);
			if (result == 0)
				result = after_end(r, started, err);
			if (result == 0)
				return 0;
			r->again = true;
			if (result > 0)
				client_gone(err);
		}
		if (!r->again || patience_wait(&r->patience, err) < 0)
			return -1;
	}
}

static int run(struct reader *r, struct err *err)
{
	const struct logs_options *o = r->o;
	autofree char *started = NULL;
	autoresponse response = NULL;
	bool running;

	if (o->since && instant_query(o->since, &r->since, err) < 0)
		return -1;
	if (o->until && instant_query(o->until, &r->until, err) < 0)
		return -1;
	r->asked_ns = now_ns();
	r->stamped = o->follow || o->timestamps;
	if (look(r, &started, &running, &r->tty, err) < 0)
		return -1;
	if (o->follow)
		return follow(r, started, err);
	r->stamped = o->timestamps;
	return ask(r, false, &response, err) < 0 ? -1 : show_stream(r, response, err);
}

int command_logs(struct cli *cli, int argc, char **argv)
{
	struct logs_options o = {0};
	struct reader r = {.cli = cli, .o = &o, .out_fd = STDOUT_FILENO};
	struct err err = {0};
	int result;

	(void) cli_begin(cli, &o, argc, argv);
	r.ref = argv[0];
	result = run(&r, &err);
	buf_free(&r.since);
	buf_free(&r.until);
	buf_free(&r.input);
	buf_free(&r.out);
	return result < 0 ? cli_fail(&err) : EXIT_OK;
}
