/*
 * Loading what fields_save() and json_text() have written, without a tree in between: a restore
 * reads ten thousand containers, and half of its time went into trees. Known are compact text,
 * exact names in the order of the table, and values as they are saved. Whatever else it is -
 * members of a later version, a hand's edits, damage - is for fields_load() to see, which takes all
 * of JSON and says what is wrong with it. See json.h.
 */
#include <string.h>

#include "base/field_access.h"
#include "base/time.h"

#define DISTINCT_MAX 64 /* members of a map: each is compared with those before it */

/* The text ends in a NUL, which is part of no value: so nothing here looks for the end. */
struct reader {
	const char *p;
	const char *end;
	char **items; /* of the vector that is being read */
	size_t n, cap;
};

static bool got(struct reader *r, char c)
{
	if (*r->p != c)
		return false;
	r->p++;
	return true;
}

static bool got_word(struct reader *r, const char *word)
{
	size_t n = strlen(word);

	if (strncmp(r->p, word, n) != 0)
		return false;
	r->p += n;
	return true;
}

/* A member's name, whose first quotation mark has been read, and the colon. */
static bool got_name(struct reader *r, const char *name)
{
	const char *p = r->p;

	for (; *name; name++)
		if (*p++ != *name)
			return false;
	if (p[0] != '"' || p[1] != ':')
		return false;
	r->p = p + 2;
	return true;
}

/* Strings */

/* What a backslash and this letter mean; '\0' for \u, which is left to jansson, and for damage. */
static char meaning(char letter)
{
	static const char letters[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
	const char *at = letter ? strchr(letters, letter) : NULL;

	return at ? meant[at - letters] : '\0';
}

/* A string in which not all is plain; s is its first byte. */
static char *read_rich_string(struct reader *r, const char *s)
{
	autobuf text = {0};

	while (*s != '"') {
		const unsigned char *u = (const unsigned char *) s;
		size_t len = json_plain[*u] ? 1 : utf8_len(u, (size_t) (r->end - s), NULL);
		char c = *s == '\\' ? meaning(s[1]) : '\0';

		if (*s == '\\' && c) {
			buf_addc(&text, c);
			s += 2;
		} else if (len > 1 || json_plain[(unsigned char) *s]) {
			buf_add(&text, s, len);
			s += len;
		} else {
			return NULL;
		}
	}
	r->p = s + 1;
	return buf_take(&text);
}

/* The caller's; NULL where there is none. */
static char *read_string(struct reader *r)
{
	const char *s = r->p + 1, *end = s;
	char *text;

	if (*r->p != '"')
		return NULL;
	while (json_plain[(unsigned char) *end])
		end++;
	if (*end != '"')
		return read_rich_string(r, s);
	text = xmalloc((size_t) (end - s) + 1);
	*(char *) mempcpy(text, s, (size_t) (end - s)) = '\0';
	r->p = end + 1;
	return text;
}

static bool read_str(struct reader *r, char **ret)
{
	free(*ret);
	*ret = read_string(r);
	return *ret;
}

static bool read_time(struct reader *r, int64_t *ret)
{
	autofree char *text = read_string(r);

	if (text && !*text)
		*ret = 0;
	return text && (!*text || rfc3339_parse(text, ret) == 0);
}

/* Numbers and words */

static bool read_int(struct reader *r, int64_t *ret)
{
	bool negative = got(r, '-');
	const char *first = r->p;
	int64_t v = 0; /* below zero, where there is room for one more */

	for (; *r->p >= '0' && *r->p <= '9'; r->p++)
		if (__builtin_mul_overflow(v, 10, &v) || __builtin_sub_overflow(v, *r->p - '0', &v))
			return false;
	/* A real is for fields_load(), which takes one without a fraction. */
	if (r->p == first || (*first == '0' && r->p > first + 1) || strchr(".eE", *r->p) ||
	    (!negative && v == INT64_MIN))
		return false;
	*ret = negative ? v : -v;
	return true;
}

static bool read_bool(struct reader *r, bool *ret)
{
	*ret = got_word(r, "true");
	return *ret || got_word(r, "false");
}

static bool read_opt_bool(struct reader *r, int *ret)
{
	bool b = false;

	if (!read_bool(r, &b))
		return false;
	*ret = b;
	return true;
}

/* Vectors: gathered first, so that each gets the room it needs and no more. */

static void gather(struct reader *r, char *s)
{
	if (r->n == r->cap) {
		r->cap = r->cap ? 2 * r->cap : 64;
		r->items = xreallocarray(r->items, r->cap, sizeof *r->items);
	}
	r->items[r->n++] = s;
}

static bool gather_string(struct reader *r)
{
	char *s = read_string(r);

	if (s)
		gather(r, s);
	return s;
}

static void take_gathered(struct reader *r, char ***ret)
{
	char **v = xcalloc(r->n + 1, sizeof *v);

	if (r->n > 0)
		memcpy(v, r->items, r->n * sizeof *v);
	r->n = 0;
	strv_free(*ret);
	*ret = v;
}

static bool read_strv(struct reader *r, char ***ret)
{
	if (!got(r, '['))
		return false;
	for (size_t i = 0; !got(r, ']'); i++)
		if ((i > 0 && !got(r, ',')) || !gather_string(r))
			return false;
	take_gathered(r, ret);
	return true;
}

/* A key and its colon. One that was there before means what jansson makes of it. */
static bool gather_key(struct reader *r, size_t step)
{
	if (!gather_string(r) || !got(r, ':') || r->n > DISTINCT_MAX * step)
		return false;
	for (size_t i = 0; i + 1 < r->n; i += step)
		if (!strcmp(r->items[i], r->items[r->n - 1]))
			return false;
	return true;
}

static bool read_set(struct reader *r, char ***ret)
{
	if (!got(r, '{'))
		return false;
	for (size_t i = 0; !got(r, '}'); i++)
		if ((i > 0 && !got(r, ',')) || !gather_key(r, 1) || !got_word(r, "{}"))
			return false;
	take_gathered(r, ret);
	return true;
}

static bool read_map(struct reader *r, struct strmap *ret)
{
	if (!got(r, '{'))
		return false;
	for (size_t i = 0; !got(r, '}'); i++)
		if ((i > 0 && !got(r, ',')) || !gather_key(r, 2) || !gather_string(r))
			return false;
	take_gathered(r, &ret->kv);
	return true;
}

/* Any JSON that begins with a bracket, and so has its end in itself. */
static bool read_json(struct reader *r, json_t **ret)
{
	json_error_t end;
	json_t *j;

	if (*r->p != '{' && *r->p != '[')
		return false;
	j = json_loadb(r->p, (size_t) (r->end - r->p), JSON_DISABLE_EOF_CHECK, &end);
	if (!j)
		return false;
	json_decref(*ret);
	*ret = j;
	r->p += end.position;
	return true;
}

/* Objects */

static bool read_object(struct reader *r, const struct field *fields, void *obj);

static bool read_objects(struct reader *r, const struct field *f, struct objects *ret)
{
	if (!got(r, '['))
		return false;
	fields_free_objects(f, ret);
	*ret = (struct objects){.items = xcalloc(0, f->sub_size)};
	for (; !got(r, ']');) {
		if (ret->n > 0 && !got(r, ','))
			return false;
		ret->items = xreallocarray(ret->items, ret->n + 1, f->sub_size);
		memset(item(f, ret, ret->n), 0, f->sub_size);
		fields_init(f->sub, item(f, ret, ret->n));
		if (!read_object(r, f->sub, item(f, ret, ret->n++)))
			return false;
	}
	return true;
}

static bool read_opt_object(struct reader *r, const struct field *f, void **ret)
{
	if (!*ret) {
		*ret = xcalloc(1, f->sub_size);
		fields_init(f->sub, *ret);
	}
	return read_object(r, f->sub, *ret);
}

static bool read_field(struct reader *r, const struct field *f, void *obj)
{
	switch (f->type) {
	case FIELD_BOOL:
		return read_bool(r, member(f, obj));
	case FIELD_INT:
	case FIELD_OPT_INT:
		return read_int(r, member(f, obj));
	case FIELD_OPT_BOOL:
		return read_opt_bool(r, member(f, obj));
	case FIELD_STR:
		return read_str(r, member(f, obj));
	case FIELD_STRV:
		return read_strv(r, member(f, obj));
	case FIELD_SET:
		return read_set(r, member(f, obj));
	case FIELD_MAP:
		return read_map(r, member(f, obj));
	case FIELD_TIME:
		return read_time(r, member(f, obj));
	case FIELD_OBJECT:
		return read_object(r, f->sub, member(f, obj));
	case FIELD_OPT_OBJECT:
		return read_opt_object(r, f, member(f, obj));
	case FIELD_OBJECTS:
		return read_objects(r, f, member(f, obj));
	case FIELD_JSON:
		return read_json(r, member(f, obj));
	case FIELD_REST:
		break;
	}
	return false;
}

/* Never back in the table: so what is there twice, or unknown, comes to the table's end. */
static bool read_object(struct reader *r, const struct field *fields, void *obj)
{
	const struct field *f = fields;

	if (!got(r, '{'))
		return false;
	for (; !got(r, '}'); f++) {
		if ((r->p[-1] != '{' && !got(r, ',')) || !got(r, '"'))
			return false;
		while (f->name && (f->type == FIELD_REST || !got_name(r, f->name)))
			f++;
		if (!f->name || (!got_word(r, "null") && !read_field(r, f, obj)))
			return false;
	}
	return true;
}

bool fields_load_own(const struct field *fields, void *obj, const char *text, size_t len)
{
	struct reader r = {.p = text, .end = text + len};
	bool ok = read_object(&r, fields, obj) && r.p == r.end;

	while (r.n > 0)
		free(r.items[--r.n]);
	free(r.items);
	if (!ok) {
		fields_free(fields, obj);
		fields_init(fields, obj);
	}
	return ok;
}
