/*
 * restore-report: what the daemon found and did when it started last, by container: what was
 * written of it, what was seen of it, what followed, and why. --json gives the report as the daemon
 * has it.
 */
#include <ctype.h>
#include <stdio.h>

#include "base/time.h"
#include "cli/cli.h"
#include "cli/list.h"
#include "cli/words.h"

struct report_options {
	bool json, whole;
	const char *format;
};

#define O(letter, name, type, member, value, help) \
	OPTION(struct report_options, letter, name, type, member, value, help)

const struct option restore_report_options[] = {
	O('f', "format", OPTION_STR, format, "string", "Format output: 'json', or a Go template"),
	O(0, "json", OPTION_FLAG, json, NULL, "Print the report as JSON"),
	O(0, "no-trunc", OPTION_FLAG, whole, NULL, "Don't truncate output"),
	OPTION_END,
};

static const struct list containers = {
	.table = "{{.Id}}\t{{.Name}}\t{{.Written}}\t{{.Seen}}\t{{.Verdict}}\t{{.Now}}\t{{.Why}}",
	.headings =
		(const struct heading[]){
			{"Id", "CONTAINER ID"},
			{"Name", "NAME"},
			{"Written", "WRITTEN"},
			{"Seen", "SEEN"},
			{"Verdict", "VERDICT"},
			{"Now", "NOW"},
			{"Why", "WHY"},
			{NULL, NULL},
		},
};

/* "4.1 ms (1.2 load, 0.1 open, 2.7 handle, 0.1 sweep)", with the phases that the daemon names. */
static void add_times(struct buf *b, const json_t *ms)
{
	autobuf phases = {0};
	double all = 0;
	const char *name;
	json_t *value;

	json_object_foreach ((json_t *) ms, name, value) {
		all += json_number_value(value);
		buf_addf(&phases, "%s%.1f %c%s", phases.len ? ", " : "", json_number_value(value),
			 tolower(name[0]), name + 1);
	}
	buf_addf(b, "%.1f ms (%s)", all, phases.text ?: "");
}

/* "Restored 5 containers in 4.1 ms (...), 3 minutes ago; 2 of them at rest" */
static void print_head(const json_t *report)
{
	int64_t resting = json_int(report, "Resting", 0), ns;
	int64_t all = resting + (int64_t) json_array_size(json_object_get(report, "Containers"));
	const char *time = json_str(report, "Time");
	autobuf b = {0};

	buf_addf(&b, "Restored %lld container%s in ", (long long) all, all == 1 ? "" : "s");
	add_times(&b, json_object_get(report, "Milliseconds"));
	if (time && rfc3339_parse(time, &ns) == 0) {
		autofree char *ago = ago_words(ns, now_ns());

		buf_addf(&b, ", %c%s", tolower(ago[0]), ago + 1);
	}
	if (resting)
		buf_addf(&b, "; %lld of them at rest, with nothing to do", (long long) resting);
	puts(b.text);
}

/* A row has every column, whatever the daemon's version leaves out. */
static json_t *row_of(const json_t *container, bool whole)
{
	json_t *row = json_object();

	for (const struct heading *h = containers.headings; h->field; h++) {
		const char *text = json_str(container, h->field);
		autofree char *cell = str_eq(h->field, "Id")
					      ? short_id(text ? text : "", whole)
					      : text_quoted(str_empty(text) ? "-" : text);

		json_object_set_new(row, h->field, json_string(cell));
	}
	return row;
}

static int print_containers(const struct cli *cli, const json_t *report, bool whole,
			    struct err *err)
{
	const json_t *handled = json_object_get(report, "Containers");
	autojson json_t *rows = json_array();
	autolist_format format = NULL;
	size_t i;
	json_t *container;

	if (json_array_size(handled) == 0)
		return 0;
	json_array_foreach (handled, i, container)
		json_array_append_new(rows, row_of(container, whole));
	putchar('\n');
	if (list_format_new(&containers, NULL, &format, err) < 0)
		return -1;
	return list_print(cli, format, rows, whole, err);
}

static void print_texts(const char *title, const json_t *texts)
{
	size_t i;
	json_t *text;

	if (json_array_size(texts))
		printf("\n%s:\n", title);
	json_array_foreach (texts, i, text)
		printf("  %s\n", json_is_string(text) ? json_string_value(text) : "?");
}

int command_restore_report(struct cli *cli, int argc, char **argv)
{
	struct report_options o = {0};
	autojson json_t *report = NULL;
	struct err err = {0};

	(void) cli_begin(cli, &o, argc, argv);
	if (client_call(cli->address, "GET", "/holdfast/restore", NULL, &report, &err) < 0)
		return cli_fail(&err);
	if (!json_is_object(report))
		return cli_failf("the daemon has made no restore yet");
	if (o.json || !str_empty(o.format))
		return value_print(o.json ? NULL : o.format, report, &err) < 0 ? cli_fail(&err)
									       : EXIT_OK;
	print_head(report);
	if (print_containers(cli, report, o.whole, &err) < 0)
		return cli_fail(&err);
	print_texts("Swept, since nobody claimed it", json_object_get(report, "Swept"));
	print_texts("Left in place", json_object_get(report, "Left"));
	return EXIT_OK;
}
