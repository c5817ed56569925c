/* Writing JSON; see out.h. */
#include "base/out.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/time.h"

/* Most texts are short, and nothing in them wants escaping: then one copy is all. */
static void quoted(struct out *o, const char *s)
{
	size_t n = 0;
	char *to;

	while (json_plain[(unsigned char) s[n]])
		n++;
	if (s[n]) {
		buf_addc(&o->b, '"');
		buf_add_json(&o->b, s, strlen(s));
		buf_addc(&o->b, '"');
		return;
	}
	to = buf_reserve(&o->b, n + 2);
	*to++ = '"';
	memcpy(to, s, n);
	memcpy(to + n, "\"", 2);
	o->b.len += n + 2;
}

static void begin(struct out *o, const char *key)
{
	if (o->comma)
		buf_addc(&o->b, ',');
	o->comma = true;
	if (key) {
		quoted(o, key);
		buf_addc(&o->b, ':');
	}
}

static void open(struct out *o, const char *key, char bracket)
{
	begin(o, key);
	buf_addc(&o->b, bracket);
	o->comma = false;
}

static void end(struct out *o, char bracket)
{
	buf_addc(&o->b, bracket);
	o->comma = true;
}

void out_object(struct out *o, const char *key)
{
	open(o, key, '{');
}

void out_end(struct out *o)
{
	end(o, '}');
}

void out_array(struct out *o, const char *key)
{
	open(o, key, '[');
}

void out_array_end(struct out *o)
{
	end(o, ']');
}

void out_str(struct out *o, const char *key, const char *value)
{
	begin(o, key);
	quoted(o, value ? value : "");
}

void out_str_or_null(struct out *o, const char *key, const char *value)
{
	if (value)
		out_str(o, key, value);
	else
		out_null(o, key);
}

void out_fmt(struct out *o, const char *key, const char *fmt, ...)
{
	autofree char *s = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		abort();
	va_end(ap);
	out_str(o, key, s);
}

void out_int(struct out *o, const char *key, int64_t value)
{
	begin(o, key);
	buf_addf(&o->b, "%lld", (long long) value);
}

void out_uint(struct out *o, const char *key, uint64_t value)
{
	begin(o, key);
	buf_addf(&o->b, "%" PRIu64, value);
}

void out_raw(struct out *o, const char *key, const char *text)
{
	begin(o, key);
	buf_adds(&o->b, text);
}

void out_bool(struct out *o, const char *key, bool value)
{
	begin(o, key);
	buf_adds(&o->b, value ? "true" : "false");
}

void out_null(struct out *o, const char *key)
{
	begin(o, key);
	buf_add(&o->b, "null", 4);
}

void out_time(struct out *o, const char *key, int64_t ns)
{
	char text[RFC3339_MAX];

	out_str(o, key, rfc3339_format(ns, text));
}

void out_strv(struct out *o, const char *key, char *const *v)
{
	out_array(o, key);
	for (; v && *v; v++)
		out_str(o, NULL, *v);
	out_array_end(o);
}

void out_map(struct out *o, const char *key, const struct strmap *m)
{
	const char *k, *v;

	out_object(o, key);
	strmap_foreach (m, k, v)
		out_str(o, k, v);
	out_end(o);
}

static int add_text(const char *text, size_t n, void *arg)
{
	buf_add(arg, text, n);
	return 0;
}

void out_json(struct out *o, const char *key, const json_t *j)
{
	begin(o, key);
	if (!j || json_dump_callback(j, add_text, &o->b, JSON_COMPACT | JSON_ENCODE_ANY) < 0)
		buf_add(&o->b, "null", 4);
}

void out_fields(struct out *o, const char *key, const struct field *fields, const void *obj)
{
	autojson json_t *j = fields_save(fields, obj);

	out_json(o, key, j);
}

void out_newline(struct out *o)
{
	buf_addc(&o->b, '\n');
	o->comma = false;
}
