/*
 * events: follows what happens, through ends of the daemon: it keeps a journal, so what happened
 * meanwhile comes after the reconnection, and what was shown already is told from its time.
 */
#include <stdio.h>
#include <string.h>

#include "base/time.h"
#include "cli/cli.h"
#include "cli/list.h"
#include "cli/template.h"
#include "cli/words.h"

struct events_options {
	char **filters;
	const char *format, *since, *until;
};

#define O(letter, name, type, member, value, help) \
	OPTION(struct events_options, letter, name, type, member, value, help)

const struct option events_options[] = {
	O('f', "filter", OPTION_LIST, filters, "filter",
	  "Filter output based on conditions provided"),
	O(0, "format", OPTION_STR, format, "string", "Format output: 'json', or a Go template"),
	O(0, "since", OPTION_STR, since, "string", "Show all events created since timestamp"),
	O(0, "until", OPTION_STR, until, "string", "Stream events until this timestamp"),
	OPTION_END,
};

/* After a loss the question reaches this far back, since an event is told late when the daemon was
 * away at its time; what was shown already is known from the ring. */
#define OVERLAP_NS (2 * NSEC_PER_SEC)
#define RING	   512

struct follow {
	const struct cli *cli;
	const struct events_options *o;
	const struct template *template; /* NULL: docker's own line, or JSON */
	struct buf since, until;	 /* as the API takes them; text NULL: not given */
	int64_t since_ns; /* the same as a number; the time of asking where not given */
	int64_t until_ns;
	int64_t last_ns; /* the youngest event shown; 0: none yet */
	bool again;	 /* it is not the first connection */
	struct shown {
		int64_t ns;
		char *text;
	} ring[RING]; /* what was shown last */
	size_t n_shown;
	struct patience patience;
};

/* "2026-11-24T03:45:34.123456789Z container start <id> (image=busybox, name=x)" */
static void print_line(const json_t *event, int64_t ns)
{
	const json_t *actor = json_object_get(event, "Actor");
	const char *type = json_str(event, "Type"), *action = json_str(event, "Action");
	const char *id = json_str(actor, "ID");
	autofree char *stamp = time_stamp(ns);
	autofree char *pairs = pairs_words(json_object_get(actor, "Attributes"), ", ");

	printf("%s %s %s %s", stamp, type ? type : "", action ? action : "", id ? id : "");
	if (*pairs)
		printf(" (%s)", pairs);
	putchar('\n');
}

static int print_event(const struct follow *f, json_t *event, const char *text, int64_t ns,
		       struct err *err)
{
	autobuf out = {0};

	if (str_empty(f->o->format)) {
		print_line(event, ns);
	} else if (!f->template) {
		puts(text);
	} else {
		if (template_run(f->template, event, &out, err) < 0)
			return -1;
		puts(out.text ? out.text : "");
	}
	(void) fflush(stdout);
	return 0;
}

/* Notes an event as shown; false where it was shown before the connection was lost. */
static bool is_new(struct follow *f, const char *text, int64_t ns)
{
	struct shown *slot = &f->ring[f->n_shown % RING];

	for (size_t i = 0; f->again && i < RING && i < f->n_shown; i++)
		if (f->ring[i].ns == ns && str_eq(f->ring[i].text, text))
			return false;
	free(slot->text);
	*slot = (struct shown){.ns = ns, .text = xstrdup(text)};
	f->n_shown++;
	if (ns > f->last_ns)
		f->last_ns = ns;
	return true;
}

/* Where to go on after a loss: no further back than the ring remembers. */
static int64_t resume_at(const struct follow *f)
{
	int64_t from = f->last_ns - OVERLAP_NS;

	if (f->n_shown >= RING && f->ring[f->n_shown % RING].ns > from)
		from = f->ring[f->n_shown % RING].ns;
	return from > f->since_ns ? from : f->since_ns;
}

/* Shows what comes until the stream ends (0) or breaks (< 0). */
static int follow_stream(struct follow *f, struct response *r, struct err *err)
{
	autobuf line = {0};
	int got;

	while ((got = response_line(r, &line, err)) > 0) {
		autojson json_t *event = line.len ? json_loadb(line.text, line.len, 0, NULL) : NULL;
		int64_t ns = json_int(event, "timeNano", json_int(event, "time", 0) * NSEC_PER_SEC);

		if (event && is_new(f, line.text, ns) &&
		    print_event(f, event, line.text, ns, err) < 0)
			return -1;
	}
	return got;
}

static int ask(struct follow *f, struct response **ret, struct err *err)
{
	autobuf target = {0}, since = {0};

	if (f->again) {
		int64_t from = resume_at(f);

		buf_addf(&since, "%lld.%09lld", (long long) (from / NSEC_PER_SEC),
			 (long long) (from % NSEC_PER_SEC));
	}
	buf_adds(&target, CLIENT_API "/events");
	url_query(&target, "since", since.text ? since.text : f->since.text);
	url_query(&target, "until", f->until.text);
	if (target_filters(&target, f->o->filters, err) < 0 ||
	    request_send(f->cli->address, &(struct request){.method = "GET", .target = target.text},
			 ret, err) < 0)
		return -1;
	return response_head(*ret, err);
}

static int follow(struct follow *f, struct err *err)
{
	for (;;) {
		autoresponse r = NULL;

		if (ask(f, &r, err) == 0) {
			patience_reset(&f->patience);
			if (follow_stream(f, r, err) == 0) {
				/* A clean end that nobody asked for: the daemon is ending. */
				if (f->until.text && now_ns() >= f->until_ns)
					return 0;
				client_gone(err);
			}
			f->again = true;
		}
		if (!f->again || patience_wait(&f->patience, err) < 0)
			return -1;
	}
}

static int run(struct follow *f, struct err *err)
{
	const struct events_options *o = f->o;
	autotemplate template = NULL;

	if (!str_empty(o->format) && !str_eq(o->format, "json")) {
		autofree char *text = format_unescaped(o->format);

		if (template_parse(text, &template, err) < 0)
			return -1;
	}
	f->template = template;
	if (o->since && instant_query(o->since, &f->since, err) < 0)
		return -1;
	if (o->until && instant_query(o->until, &f->until, err) < 0)
		return -1;
	f->since_ns = now_ns();
	if (o->until)
		(void) instant_parse(o->until, f->since_ns, &f->until_ns);
	if (o->since)
		(void) instant_parse(o->since, f->since_ns, &f->since_ns);
	return follow(f, err);
}

int command_events(struct cli *cli, int argc, char **argv)
{
	struct events_options o = {0};
	struct follow f = {.cli = cli, .o = &o};
	struct err err = {0};
	int r;

	(void) cli_begin(cli, &o, argc, argv);
	r = run(&f, &err);
	buf_free(&f.since);
	buf_free(&f.until);
	for (size_t i = 0; i < RING; i++)
		free(f.ring[i].text);
	strv_free(o.filters);
	return r < 0 ? cli_fail(&err) : EXIT_OK;
}
