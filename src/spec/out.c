/* Writing JSON front to back; see private.h. A tree would be built and walked for nothing: this is
 * on the start path. */
#include <inttypes.h>
#include <stdio.h>

#include "spec/private.h"

static void begin(struct out *o, const char *key)
{
	if (o->comma)
		buf_addc(&o->b, ',');
	o->comma = true;
	if (!key)
		return;
	buf_addc(&o->b, '"');
	buf_add_json(&o->b, key, strlen(key));
	buf_add(&o->b, "\":", 2);
}

void out_open(struct out *o, const char *key, char bracket)
{
	begin(o, key);
	buf_addc(&o->b, bracket);
	o->comma = false;
}

void out_close(struct out *o, char bracket)
{
	buf_addc(&o->b, bracket);
	o->comma = true;
}

void out_str(struct out *o, const char *key, const char *value)
{
	begin(o, key);
	buf_addc(&o->b, '"');
	buf_add_json(&o->b, value, strlen(value));
	buf_addc(&o->b, '"');
}

void out_raw(struct out *o, const char *key, const char *text)
{
	begin(o, key);
	buf_adds(&o->b, text);
}

void out_int(struct out *o, const char *key, int64_t value)
{
	char text[24];

	snprintf(text, sizeof text, "%" PRId64, value);
	out_raw(o, key, text);
}

void out_uint(struct out *o, const char *key, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof text, "%" PRIu64, value);
	out_raw(o, key, text);
}

void out_bool(struct out *o, const char *key, bool value)
{
	out_raw(o, key, value ? "true" : "false");
}

void out_strv(struct out *o, const char *key, char *const *v)
{
	out_open(o, key, '[');
	for (; v && *v; v++)
		out_str(o, NULL, *v);
	out_close(o, ']');
}
