/*
 * JSON on its way out, written as text while it is composed: a list of a thousand containers is a
 * buffer, not a tree. A key of NULL is a member of an array.
 */
#pragma once

#include "base/json.h"
#include "base/str.h"

struct out {
	struct buf b;
	bool comma; /* before the next member */
};
#define autoout auto_(out_free) struct out

static inline void out_free(struct out *o)
{
	buf_free(&o->b);
}

void out_object(struct out *o, const char *key);
void out_end(struct out *o);
void out_array(struct out *o, const char *key);
void out_array_end(struct out *o);
void out_str(struct out *o, const char *key, const char *value); /* NULL is "" */
void out_str_or_null(struct out *o, const char *key, const char *value);
void out_fmt(struct out *o, const char *key, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void out_int(struct out *o, const char *key, int64_t value);
void out_uint(struct out *o, const char *key, uint64_t value);
void out_bool(struct out *o, const char *key, bool value);
void out_null(struct out *o, const char *key);
void out_time(struct out *o, const char *key, int64_t ns);     /* RFC 3339 */
void out_strv(struct out *o, const char *key, char *const *v); /* NULL is [] */
void out_map(struct out *o, const char *key, const struct strmap *m);
void out_json(struct out *o, const char *key, const json_t *j); /* NULL is null */
void out_fields(struct out *o, const char *key, const struct field *fields, const void *obj);
/* text is JSON already. */
void out_raw(struct out *o, const char *key, const char *text);
/* A line of a stream of JSON. */
void out_newline(struct out *o);
