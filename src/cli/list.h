/*
 * What --format means for lists (ps, images, history, ...): rows are JSON objects of printable
 * values, one shape shows them all.
 *
 *	(none), "table"		the list's own table
 *	"table TEMPLATE"	a table of these columns
 *	"json"			one object a line
 *	"TEMPLATE"		a line for each row
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "base/json.h"
#include "cli/cli.h"

struct list {
	const char *table; /* its own table, as TEMPLATE */
	const struct heading {
		const char *field;
		const char *text;
	} * headings; /* ended by NULL */
};

/* Reads the format: before anything is asked of the daemon, since it may name what to ask for. */
struct list_format;
int list_format_new(const struct list *list, const char *format, struct list_format **ret,
		    struct err *err);
void list_format_free(struct list_format *f);
DEFINE_AUTO(struct list_format *, list_format_free);
#define autolist_format auto_(list_format_free_p) struct list_format *
/* True if the format shows this field, or may. */
bool list_format_shows(const struct list_format *f, const char *field);

/* Prints the rows (array of objects); cut to the terminal's width unless whole. */
int list_print(const struct cli *cli, const struct list_format *f, const json_t *rows, bool whole,
	       struct err *err);

/* A one-line format for one value: NULL or "" pretty JSON, "json" compact, else a template. */
int value_print(const char *format, json_t *value, struct err *err);
/* Template text as typed in a shell: \n and \t are what they say. Caller frees. */
char *format_unescaped(const char *format);
