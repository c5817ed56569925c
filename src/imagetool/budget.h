/*
 * How much an archive may still bring: one budget a load, taken from as entries and bytes come. It
 * bounds what a small archive can grow to (decompression bombs), not what an honest one may be.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"

struct budget {
	int64_t entries; /* left */
	int64_t bytes;
	int64_t max_entries; /* at first */
	int64_t max_bytes;
};

#define BUDGET_ENTRIES 5000000
#define BUDGET_BYTES   (256LL << 30)

static inline int budget_take_entry(struct budget *b, struct err *err)
{
	if (b->entries-- > 0)
		return 0;
	return err_set(err, ERR_TOO_LARGE, "more than %lld entries in the archive",
		       (long long) b->max_entries);
}

static inline int budget_take_bytes(struct budget *b, int64_t n, struct err *err)
{
	b->bytes -= n;
	if (b->bytes >= 0)
		return 0;
	return err_set(err, ERR_TOO_LARGE, "the archive unpacks to more than %lld bytes",
		       (long long) b->max_bytes);
}
