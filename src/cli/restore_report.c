/*
 * restore-report: what the daemon found and did when it started last. The report is the daemon's, and
 * may grow: single values are shown as lines, lists of objects as tables, in the order in which they
 * come; keys are told in plain words. --json gives it as it is.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/list.h"
#include "cli/table.h"
#include "cli/words.h"

struct report_options {
	bool json, whole;
	const char *format;
};

#define O(letter, name, type, member, value, help)                                                 \
	OPTION(struct report_options, letter, name, type, member, value, help)

const struct option restore_report_options[] = {
	O('f', "format", OPTION_STR, format, "string", "Format output: 'json', or a Go template"),
	O(0, "json", OPTION_FLAG, json, NULL, "Print the report as JSON"),
	O(0, "no-trunc", OPTION_FLAG, whole, NULL, "Don't truncate output"),
	OPTION_END,
};

/* "StartedAt", "started_at" -> "started at"; in capitals for headings. */
static char *key_words(const char *key, bool capitals)
{
	autobuf b = {0};

	for (const char *p = key; *p; p++) {
		bool hump = isupper((unsigned char) *p) && p > key &&
			    (islower((unsigned char) p[-1]) || (p[1] && islower((unsigned char) p[1])));

		if (*p == '_' || *p == '-' || hump)
			buf_addc(&b, ' ');
		if (*p != '_' && *p != '-')
			buf_addc(&b, (char) (capitals ? toupper(*p) : tolower(*p)));
	}
	return buf_take(&b);
}

/* A value in a line or a cell; ids are cut. */
static char *value_words(const char *key, const json_t *v, bool whole)
{
	const char *text = json_string_value(v);

	if (text && !whole && (str_is_hex(text, 64) || str_has_prefix(text, "sha256:")))
		return short_id(text, false);
	if (text)
		return text_quoted(text);
	if (json_is_null(v))
		return xstrdup("");
	return json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
}

/* The keys of all objects of a list, in the order in which they come first. */
static char **all_keys(const json_t *list)
{
	char **keys = NULL;
	size_t i;
	json_t *object, *value;
	const char *key;

	json_array_foreach(list, i, object)
		json_object_foreach(object, key, value)
			if (!strv_contains(keys, key))
				strv_add(&keys, key);
	return keys;
}

static void print_table(const struct cli *cli, const char *title, const json_t *list, bool whole)
{
	autostrv char **keys = all_keys(list);
	autotable table = {0};
	autobuf line = {0};
	autofree char *title_words = key_words(title, false);
	size_t i;
	json_t *object;

	for (char **key = keys; *key; key++) {
		autofree char *heading = key_words(*key, true);

		buf_addf(&line, "%s%s", line.len ? "\t" : "", heading);
	}
	table_add(&table, line.text);
	json_array_foreach(list, i, object) {
		line.len = 0;
		for (char **key = keys; *key; key++) {
			const json_t *v = json_object_get(object, *key);
			autofree char *cell = v ? value_words(*key, v, whole) : xstrdup("");

			buf_addf(&line, "%s%s", key == keys ? "" : "\t", cell);
		}
		table_add(&table, line.text);
	}
	line.len = 0;
	table_format(&table, whole ? 0 : cli->width, &line);
	printf("\n%s (%zu):\n%s", title_words, json_array_size(list), line.text);
}

/* Lines "key: value"; objects within as further lines, indented. */
static void print_lines(const json_t *object, int indent, bool whole)
{
	const char *key;
	json_t *v;

	json_object_foreach((json_t *) object, key, v) {
		autofree char *words = key_words(key, false);

		if (json_is_object(json_array_get(v, 0)))
			continue;
		if (json_is_object(v)) {
			printf("%*s%s:\n", indent, "", words);
			print_lines(v, indent + 2, whole);
			continue;
		}

		autofree char *value = value_words(key, v, whole);

		printf("%*s%s: %s\n", indent, "", words, value);
	}
}

static void print_report(const struct cli *cli, const json_t *report, bool whole)
{
	const char *key;
	json_t *v;

	print_lines(report, 0, whole);
	json_object_foreach((json_t *) report, key, v)
		if (json_is_object(json_array_get(v, 0)))
			print_table(cli, key, v, whole);
}

int command_restore_report(struct cli *cli, int argc, char **argv)
{
	struct report_options o = {0};
	autojson json_t *report = NULL;
	struct err err = {0};

	(void) cli_begin(cli, &o, argc, argv);
	if (client_call(cli->address, "GET", "/holdfast/restore", NULL, &report, &err) < 0)
		return cli_fail(&err);
	if (!report)
		return cli_failf("the daemon has made no restore yet");
	if (o.json || !str_empty(o.format))
		return value_print(o.json ? NULL : o.format, report, &err) < 0 ? cli_fail(&err) : EXIT_OK;
	print_report(cli, report, o.whole);
	return EXIT_OK;
}
