/*
 * Text tables: rows of cells in columns that line up, three spaces apart, as docker's. On a
 * terminal they are made to fit: the widest columns give way first, but never those that hold names
 * and ids, which people copy.
 */
#pragma once

#include "base/str.h"

/* Zero-initialise. */
struct table {
	char ***rows; /* each a strv of cells; the first row is the heading */
	size_t n_rows;
};

/* Adds a row from cells with tabs between. */
void table_add(struct table *t, const char *cells);
/* width 0: as wide as it gets. */
void table_format(const struct table *t, unsigned width, struct buf *out);
void table_free(struct table *t);
#define autotable auto_(table_free) struct table
