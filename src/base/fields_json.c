/* What a table of fields does between a struct and JSON: load and save. See json.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/field_access.h"
#include "base/time.h"

/* Loading */

/* Where we are in the document, for the error only: linked upwards, on the stack. */
struct place {
	const struct place *up;
	const char *name; /* of the member, or NULL: */
	size_t index;	  /* of the element */
};

static void place_text(const struct place *p, struct buf *b)
{
	if (!p)
		return;
	place_text(p->up, b);
	if (p->name)
		buf_addf(b, "%s%s", b->len > 0 ? "." : "", p->name);
	else
		buf_addf(b, "[%zu]", p->index);
}

static int wrong(const struct place *at, struct err *err, const char *must)
{
	autobuf path = {0};

	place_text(at, &path);
	return err_set(err, ERR_INVALID, "%s%s%s", path.text ? path.text : "", at ? ": " : "",
		       must);
}

/* 1 where it, or an object in it, has members that no row names exactly; 0, or < 0. */
static int load_object(const struct field *fields, void *obj, const json_t *json,
		       const struct place *at, struct err *err);

static int load_bool(const json_t *j, bool *ret, const struct place *at, struct err *err)
{
	if (!json_is_boolean(j))
		return wrong(at, err, "must be true or false");
	*ret = json_is_true(j);
	return 0;
}

static int load_int(const json_t *j, int64_t *ret, const struct place *at, struct err *err)
{
	double real;

	if (json_is_integer(j)) {
		*ret = json_integer_value(j);
		return 0;
	}
	if (!json_is_real(j))
		return wrong(at, err, "must be a whole number");
	real = json_real_value(j);
	if (!(real >= -0x1p63 && real < 0x1p63))
		return wrong(at, err, "is too large");
	if (real != (double) (int64_t) real)
		return wrong(at, err, "must be a whole number");
	*ret = (int64_t) real;
	return 0;
}

static int load_str(const json_t *j, char **ret, const struct place *at, struct err *err)
{
	if (!json_is_string(j))
		return wrong(at, err, "must be a string");
	free(*ret);
	*ret = xstrdup(json_string_value(j));
	return 0;
}

static int load_time(const json_t *j, int64_t *ret, const struct place *at, struct err *err)
{
	const char *s = json_string_value(j);

	if (s && !*s) {
		*ret = 0;
		return 0;
	}
	return rfc3339_parse(s, ret) < 0 ? wrong(at, err, "must be a time as of RFC 3339") : 0;
}

static int load_strv(const json_t *j, char ***ret, const struct place *at, struct err *err)
{
	size_t n = json_is_array(j) ? json_array_size(j) : 1;
	autostrv char **v = NULL;

	if (!json_is_array(j) && !json_is_string(j))
		return wrong(at, err, "must be an array of strings");
	v = xcalloc(n + 1, sizeof *v);
	for (size_t i = 0; i < n; i++) {
		const json_t *e = json_is_array(j) ? json_array_get(j, i) : j;
		struct place here = {.up = at, .index = i};

		if (load_str(e, &v[i], &here, err) < 0)
			return -1;
	}
	strv_free(*ret);
	*ret = take(v);
	return 0;
}

static int load_set(const json_t *j, char ***ret, const struct place *at, struct err *err)
{
	autostrv char **v = NULL;
	const char *key;
	json_t *value;
	size_t i = 0;

	if (!json_is_object(j))
		return wrong(at, err, "must be an object");
	v = xcalloc(json_object_size(j) + 1, sizeof *v);
	json_object_foreach ((json_t *) (uintptr_t) j, key, value)
		v[i++] = xstrdup(key);
	strv_free(*ret);
	*ret = take(v);
	return 0;
}

static int load_map(const json_t *j, struct strmap *ret, const struct place *at, struct err *err)
{
	autostrv char **kv = NULL;
	const char *key;
	json_t *value;
	size_t i = 0;

	if (!json_is_object(j))
		return wrong(at, err, "must be an object of strings");
	kv = xcalloc(2 * json_object_size(j) + 1, sizeof *kv);
	json_object_foreach ((json_t *) (uintptr_t) j, key, value) {
		struct place here = {.up = at, .name = key};

		if (!json_is_string(value) && !json_is_null(value))
			return wrong(&here, err, "must be a string");
		kv[i++] = xstrdup(key);
		kv[i++] = xstrdup(json_is_null(value) ? "" : json_string_value(value));
	}
	strv_free(ret->kv);
	ret->kv = take(kv);
	return 0;
}

static int load_objects(const struct field *f, const json_t *j, struct objects *ret,
			const struct place *at, struct err *err)
{
	size_t n = json_array_size(j);

	if (!json_is_array(j))
		return wrong(at, err, "must be an array");
	fields_free_objects(f, ret);
	*ret = (struct objects){.items = xcalloc(n, f->sub_size), .n = n};
	for (size_t i = 0; i < n; i++)
		fields_init(f->sub, item(f, ret, i));
	for (size_t i = 0; i < n; i++) {
		const json_t *e = json_array_get(j, i);
		struct place here = {.up = at, .index = i};

		if (!json_is_null(e) && load_object(f->sub, item(f, ret, i), e, &here, err) < 0)
			return -1;
	}
	return 0;
}

static int load_opt_object(const struct field *f, void **ret, const json_t *json,
			   const struct place *at, struct err *err)
{
	if (!*ret) {
		*ret = xcalloc(1, f->sub_size);
		fields_init(f->sub, *ret);
	}
	return load_object(f->sub, *ret, json, at, err);
}

static int load_field(const struct field *f, void *obj, json_t *j, const struct place *up,
		      struct err *err)
{
	const struct place at = {.up = up, .name = f->name};
	bool b = false;

	switch (f->type) {
	case FIELD_BOOL:
		return load_bool(j, member(f, obj), &at, err);
	case FIELD_INT:
	case FIELD_OPT_INT:
		return load_int(j, member(f, obj), &at, err);
	case FIELD_OPT_BOOL:
		if (load_bool(j, &b, &at, err) < 0)
			return -1;
		AT(f, obj, int) = b;
		return 0;
	case FIELD_STR:
		return load_str(j, member(f, obj), &at, err);
	case FIELD_STRV:
		return load_strv(j, member(f, obj), &at, err);
	case FIELD_SET:
		return load_set(j, member(f, obj), &at, err);
	case FIELD_MAP:
		return load_map(j, member(f, obj), &at, err);
	case FIELD_TIME:
		return load_time(j, member(f, obj), &at, err);
	case FIELD_OBJECT:
		return load_object(f->sub, member(f, obj), j, &at, err);
	case FIELD_OPT_OBJECT:
		return load_opt_object(f, member(f, obj), j, &at, err);
	case FIELD_OBJECTS:
		return load_objects(f, j, member(f, obj), &at, err);
	case FIELD_JSON:
		json_decref(AT(f, obj, json_t *));
		AT(f, obj, json_t *) = json_incref(j);
		return 0;
	case FIELD_REST: /* of all, when all is read */
		return 0;
	}
	return -1;
}

static json_t *get_any_case(const json_t *json, const char *name)
{
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *) (uintptr_t) json, key, value)
		if (strcasecmp(key, name) == 0)
			return value;
	return NULL;
}

static int load_object(const struct field *fields, void *obj, const json_t *json,
		       const struct place *at, struct err *err)
{
	size_t exact = 0;
	bool all_exact, inexact_below = false;

	if (!json_is_object(json))
		return wrong(at, err, "must be an object");
	/* What we wrote ourselves has exact names only: spare it the other search. */
	for (const struct field *f = fields; f->name; f++)
		exact += json_object_get(json, f->name) != NULL;
	all_exact = exact == json_object_size(json);

	for (const struct field *f = fields; f->name; f++) {
		json_t *j = json_object_get(json, f->name);
		int r = 0;

		if (!j && !all_exact)
			j = get_any_case(json, f->name);
		if (j && !json_is_null(j))
			r = load_field(f, obj, j, at, err);
		if (r < 0)
			return -1;
		inexact_below |= r > 0;
	}
	return !all_exact || inexact_below;
}

/* The row that reads this member, NULL where there is none. */
static const struct field *row_of(const struct field *fields, const char *key)
{
	for (const struct field *f = fields; f->name; f++)
		if (f->type != FIELD_REST && strcasecmp(f->name, key) == 0)
			return f;
	return NULL;
}

/* What the table does not read of an object; NULL where it reads all. New reference. */
static json_t *unread(const struct field *fields, const json_t *json)
{
	json_t *rest = NULL, *value, *keep;
	const char *key;

	json_object_foreach ((json_t *) (uintptr_t) json, key, value) {
		const struct field *f = row_of(fields, key);

		if (f && f->type == FIELD_OBJECT)
			keep = unread(f->sub, value);
		else
			keep = f ? NULL : json_incref(value);
		if (!keep)
			continue;
		if (!rest)
			rest = json_object();
		json_object_set_new_nocheck(rest, key, keep);
	}
	return rest;
}

int fields_load(const struct field *fields, void *obj, const json_t *json, struct err *err)
{
	int r = load_object(fields, obj, json, NULL, err);

	if (r < 0)
		return -1;
	for (const struct field *f = fields; f->name; f++)
		if (f->type == FIELD_REST) {
			json_decref(AT(f, obj, json_t *));
			AT(f, obj, json_t *) = r > 0 ? unread(fields, json) : NULL;
		}
	return 0;
}
/* Saving */

/* A JSON string of any bytes: jansson refuses what is not UTF-8, we write U+FFFD for it. */
static json_t *string_json(const char *s)
{
	json_t *j = json_string(s);
	autobuf text = {0};

	if (j)
		return j;
	buf_addc(&text, '"');
	buf_add_json(&text, s, strlen(s));
	buf_addc(&text, '"');
	j = json_loadb(text.text, text.len, JSON_DECODE_ANY, NULL);
	if (!j)
		abort(); /* out of memory */
	return j;
}

static void set_any_key(json_t *into, const char *key, json_t *value)
{
	autojson json_t *k = string_json(key);

	json_object_set_new(into, json_string_value(k), value);
}

static json_t *save_strv(char *const *v)
{
	json_t *j = json_array();

	for (; v && *v; v++)
		json_array_append_new(j, string_json(*v));
	return j;
}

static json_t *save_set(char *const *v)
{
	json_t *j = json_object();

	for (; v && *v; v++)
		set_any_key(j, *v, json_object());
	return j;
}

static json_t *save_map(const struct strmap *m)
{
	json_t *j = json_object();
	const char *k, *v;

	strmap_foreach (m, k, v)
		set_any_key(j, k, string_json(v));
	return j;
}

static json_t *save_time(int64_t ns)
{
	char text[RFC3339_MAX];

	return json_string(rfc3339_format(ns, text));
}

static json_t *save_objects(const struct field *f, const struct objects *o)
{
	json_t *j = json_array();

	for (size_t i = 0; i < o->n; i++)
		json_array_append_new(j, fields_save(f->sub, item(f, o, i)));
	return j;
}

static bool object_empty(const struct field *fields, const void *obj);

static bool field_empty(const struct field *f, const void *obj)
{
	switch (f->type) {
	case FIELD_BOOL:
		return !AT(f, obj, bool);
	case FIELD_INT:
	case FIELD_TIME:
		return AT(f, obj, int64_t) == 0;
	case FIELD_STR:
		return str_empty(AT(f, obj, char *));
	case FIELD_STRV:
	case FIELD_SET:
		return strv_len(AT(f, obj, char **)) == 0;
	case FIELD_MAP:
		return strv_len(AT(f, obj, struct strmap).kv) == 0;
	case FIELD_OPT_INT:
	case FIELD_OPT_BOOL:
	case FIELD_JSON:
	case FIELD_OPT_OBJECT:
	case FIELD_REST:
		return field_null(f, obj);
	case FIELD_OBJECT:
		return object_empty(f->sub, member(f, obj));
	case FIELD_OBJECTS:
		return AT(f, obj, struct objects).n == 0;
	}
	return false;
}

static bool object_empty(const struct field *fields, const void *obj)
{
	for (const struct field *f = fields; f->name; f++)
		if (!field_empty(f, obj))
			return false;
	return true;
}

static json_t *save_field(const struct field *f, const void *obj)
{
	const char *s;

	switch (f->type) {
	case FIELD_BOOL:
		return json_boolean(AT(f, obj, bool));
	case FIELD_INT:
	case FIELD_OPT_INT:
		return json_integer(AT(f, obj, int64_t));
	case FIELD_OPT_BOOL:
		return json_boolean(AT(f, obj, int));
	case FIELD_STR:
		s = AT(f, obj, char *);
		return string_json(s ? s : "");
	case FIELD_STRV:
		return save_strv(AT(f, obj, char **));
	case FIELD_SET:
		return save_set(AT(f, obj, char **));
	case FIELD_MAP:
		return save_map(member(f, obj));
	case FIELD_TIME:
		return save_time(AT(f, obj, int64_t));
	case FIELD_OBJECT:
		return fields_save(f->sub, member(f, obj));
	case FIELD_OPT_OBJECT:
		return fields_save(f->sub, AT(f, obj, void *));
	case FIELD_OBJECTS:
		return save_objects(f, member(f, obj));
	case FIELD_JSON:
		/* A copy: what we return is the caller's, to change as he likes. */
		return json_deep_copy(AT(f, obj, json_t *));
	case FIELD_REST: /* has no name of its own: fields_save_into() */
		break;
	}
	return NULL;
}

/* Never over what a row has written. */
static void add_rest(json_t *into, json_t *rest)
{
	const char *key;
	json_t *value, *here;

	json_object_foreach (rest, key, value) {
		here = json_object_get(into, key);
		if (!here)
			json_object_set_new_nocheck(into, key, json_deep_copy(value));
		else if (json_is_object(here) && json_is_object(value))
			add_rest(here, value);
	}
}

void fields_save_into(const struct field *fields, const void *obj, json_t *into)
{
	for (const struct field *f = fields; f->name; f++) {
		json_t *j;

		if (f->type == FIELD_REST || ((f->flags & FIELD_OMIT) && field_empty(f, obj)))
			continue;
		j = field_null(f, obj) ? json_null() : save_field(f, obj);
		json_object_set_new_nocheck(into, f->name, j);
	}
	for (const struct field *f = fields; f->name; f++)
		if (f->type == FIELD_REST)
			add_rest(into, AT(f, obj, json_t *));
}

json_t *fields_save(const struct field *fields, const void *obj)
{
	json_t *j = json_object();

	fields_save_into(fields, obj, j);
	return j;
}

/* Takes out of j what is the same in other. */
static void drop_same(json_t *j, const json_t *other)
{
	const char *key;
	json_t *value;
	void *next;

	json_object_foreach_safe(j, next, key, value)
	{
		json_t *same = json_object_get(other, key);

		if (json_is_object(value) && json_is_object(same) && json_object_size(same) > 0)
			drop_same(value, same);
		if (json_equal(value, same) ||
		    (json_object_size(same) > 0 && json_is_object(value) &&
		     json_object_size(value) == 0))
			(void) json_object_del(j, key);
	}
}

json_t *fields_save_told(const struct field *fields, const void *obj, size_t size)
{
	autofree void *blank = xcalloc(1, size);
	autojson json_t *unset = NULL;
	json_t *j = fields_save(fields, obj);

	fields_init(fields, blank);
	unset = fields_save(fields, blank);
	drop_same(j, unset);
	fields_free(fields, blank);
	return j;
}
