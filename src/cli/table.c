/* Text tables; see table.h. */
#include "cli/table.h"

#include <string.h>

#include "cli/words.h"

#define PADDING	   3
#define COLUMN_MIN 7  /* with the padding 10, as docker's */
#define SHRINK_MIN 12 /* a column that gives way keeps this much */

void table_add(struct table *t, const char *cells)
{
	t->rows = xreallocarray(t->rows, t->n_rows + 1, sizeof *t->rows);
	t->rows[t->n_rows++] = strv_split(cells, '\t');
}

void table_free(struct table *t)
{
	for (size_t i = 0; i < t->n_rows; i++)
		strv_free(t->rows[i]);
	free(t->rows);
}

/* Columns that are copied from the screen, by their heading. */
static bool is_kept(const char *heading)
{
	static const char *const kept[] = {"NAMES",    "NAME",	    "CONTAINER ID",
					   "IMAGE ID", "CONTAINER", "ID"};

	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		if (str_eq(heading, kept[i]))
			return true;
	return false;
}

/* Takes from the widest column that may give way until the table fits, or none is left. */
static void shrink(char **heading, size_t *widths, size_t n, size_t room)
{
	for (;;) {
		size_t total = 0, widest = n;

		for (size_t i = 0; i < n; i++) {
			total += widths[i] + (i + 1 < n ? PADDING : 0);
			if (i < strv_len(heading) && is_kept(heading[i]))
				continue;
			if (widths[i] > SHRINK_MIN && (widest == n || widths[i] > widths[widest]))
				widest = i;
		}
		if (total <= room || widest == n)
			return;
		widths[widest]--;
	}
}

static void add_row(struct buf *out, char **row, const size_t *widths)
{
	for (size_t i = 0; row[i]; i++) {
		autofree char *cell = text_ellipsis(row[i], widths[i]);

		buf_adds(out, cell);
		if (row[i + 1])
			buf_addf(out, "%*s", (int) (widths[i] + PADDING - text_width(cell)), "");
	}
	buf_addc(out, '\n');
}

void table_format(const struct table *t, unsigned width, struct buf *out)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n_rows; i++)
		if (strv_len(t->rows[i]) > n)
			n = strv_len(t->rows[i]);
	if (n == 0)
		return;

	autofree size_t *widths = xcalloc(n, sizeof *widths);

	for (size_t i = 0; i < t->n_rows; i++) {
		for (size_t c = 0; t->rows[i][c]; c++) {
			size_t w = text_width(t->rows[i][c]);

			if (w < COLUMN_MIN)
				w = COLUMN_MIN;
			if (w > widths[c])
				widths[c] = w;
		}
	}
	if (width)
		shrink(t->rows[0], widths, n, width);
	for (size_t i = 0; i < t->n_rows; i++)
		add_row(out, t->rows[i], widths);
}
