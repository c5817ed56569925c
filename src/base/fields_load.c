/* From JSON to a struct, by its table of fields; see json.h. */
#include <string.h>
#include <strings.h>

#include "base/field_access.h"
#include "base/time.h"

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
