/* Times before log entries; see logs_stamp.h. */
#include "cli/logs_stamp.h"

#include <string.h>

#include "base/time.h"

static const char shape[] = "0000-00-00T00:00:00.000000000Z ";
#define SHAPE_LEN (sizeof shape - 1)

/* The first n characters have the shape of a time. */
static bool fits(const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (shape[i] == '0' ? text[i] < '0' || text[i] > '9' : text[i] != shape[i])
			return false;
	return true;
}

size_t logs_stamp(const char *text, size_t n, int64_t *ret_ns)
{
	char stamp[SHAPE_LEN];

	if (n < SHAPE_LEN || !fits(text, SHAPE_LEN))
		return 0;
	memcpy(stamp, text, SHAPE_LEN - 1);
	stamp[SHAPE_LEN - 1] = '\0';
	return rfc3339_parse(stamp, ret_ns) < 0 ? 0 : SHAPE_LEN;
}

bool logs_stamp_may_begin(const char *text, size_t n)
{
	return n < SHAPE_LEN && fits(text, n);
}
