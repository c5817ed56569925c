/* Lists and their formats; see list.h. */
#include "cli/list.h"

#include <stdio.h>
#include <string.h>

#include "cli/table.h"
#include "cli/template.h"

enum shape { SHAPE_TABLE, SHAPE_JSON, SHAPE_LINES };

struct list_format {
	const struct list *list;
	enum shape shape;
	struct template *template;
};

char *format_unescaped(const char *format)
{
	autobuf b = {0};

	for (const char *p = format; *p; p++) {
		if (p[0] == '\\' && (p[1] == 'n' || p[1] == 't'))
			buf_addc(&b, *++p == 'n' ? '\n' : '\t');
		else
			buf_addc(&b, *p);
	}
	return buf_take(&b);
}

int list_format_new(const struct list *list, const char *format, struct list_format **ret,
		    struct err *err)
{
	autolist_format f = xnew(struct list_format);
	const char *columns = list->table;

	f->list = list;
	if (str_eq(format, "json")) {
		f->shape = SHAPE_JSON;
	} else if (str_empty(format) || str_eq(format, "table")) {
		f->shape = SHAPE_TABLE;
	} else if (str_has_prefix(format, "table ")) {
		f->shape = SHAPE_TABLE;
		columns = format + strlen("table ");
	} else {
		f->shape = SHAPE_LINES;
		columns = format;
	}
	if (f->shape != SHAPE_JSON) {
		autofree char *text = format_unescaped(columns);

		if (template_parse(text, &f->template, err) < 0)
			return -1;
	}
	*ret = take(f);
	return 0;
}

void list_format_free(struct list_format *f)
{
	if (!f)
		return;
	template_free(f->template);
	free(f);
}

bool list_format_shows(const struct list_format *f, const char *field)
{
	return f->template ? template_mentions(f->template, field) : false;
}

/* The column of {{.Label "x"}} is headed x. */
static json_t *label_headings(const json_t *rows)
{
	json_t *headings = json_object(), *row, *value;
	const char *key;
	size_t i;

	json_array_foreach (rows, i, row)
		json_object_foreach (json_object_get(row, "Label"), key, value)
			json_object_set_new(headings, key, json_string(key));
	return headings;
}

static json_t *heading_row(const struct list *list, const json_t *rows)
{
	json_t *row = json_object();

	for (const struct heading *h = list->headings; h->field; h++)
		json_object_set_new(row, h->field, json_string(h->text));
	json_object_set_new(row, "Label", label_headings(rows));
	return row;
}

static int print_table(const struct cli *cli, const struct list_format *f, const json_t *rows,
		       bool whole, struct err *err)
{
	autojson json_t *heading = heading_row(f->list, rows);
	autotable table = {0};
	autobuf out = {0};
	size_t i;
	json_t *row;

	if (template_run(f->template, heading, &out, err) < 0)
		return -1;
	table_add(&table, out.text ? out.text : "");
	json_array_foreach (rows, i, row) {
		out.len = 0;
		buf_adds(&out, "");
		if (template_run(f->template, row, &out, err) < 0)
			return -1;
		table_add(&table, out.text);
	}
	out.len = 0;
	table_format(&table, whole ? 0 : cli->width, &out);
	fwrite(out.text, 1, out.len, stdout);
	return 0;
}

int list_print(const struct cli *cli, const struct list_format *f, const json_t *rows, bool whole,
	       struct err *err)
{
	autobuf out = {0};
	size_t i;
	json_t *row;

	if (f->shape == SHAPE_TABLE)
		return print_table(cli, f, rows, whole, err);
	json_array_foreach (rows, i, row) {
		if (f->shape == SHAPE_JSON) {
			autofree char *text = NULL;

			json_object_del(row, "Label"); /* the function, not a field */
			text = json_text(row);
			buf_adds(&out, text);
		} else if (template_run(f->template, row, &out, err) < 0) {
			return -1;
		}
		buf_addc(&out, '\n');
	}
	fwrite(out.text ? out.text : "", 1, out.len, stdout);
	return 0;
}

int value_print(const char *format, json_t *value, struct err *err)
{
	autotemplate t = NULL;
	autobuf out = {0};

	if (str_empty(format) || str_eq(format, "json")) {
		size_t how = str_empty(format) ? JSON_INDENT(4) : JSON_COMPACT;
		autofree char *text = json_dumps(value, how | JSON_ENCODE_ANY);

		puts(text ? text : "null");
		return 0;
	}

	autofree char *unescaped = format_unescaped(format);

	if (template_parse(unescaped, &t, err) < 0 || template_run(t, value, &out, err) < 0)
		return -1;
	puts(out.text ? out.text : "");
	return 0;
}
