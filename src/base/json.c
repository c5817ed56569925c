/* JSON and tables of fields; see json.h. */
#include "base/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/time.h"

/* Maps */

const char *strmap_get(const struct strmap *m, const char *key)
{
	const char *k, *v;

	strmap_foreach (m, k, v)
		if (strcmp(k, key) == 0)
			return v;
	return NULL;
}

void strmap_set(struct strmap *m, const char *key, const char *value)
{
	for (char **kv = m->kv; kv && kv[0]; kv += 2)
		if (strcmp(kv[0], key) == 0) {
			char *copy = xstrdup(value ? value : "");

			free(kv[1]);
			kv[1] = copy;
			return;
		}
	strv_add(&m->kv, key);
	strv_add(&m->kv, value ? value : "");
}

static bool strmap_equal(const struct strmap *a, const struct strmap *b)
{
	const char *k, *v;

	if (strv_len(a->kv) != strv_len(b->kv))
		return false;
	strmap_foreach (a, k, v)
		if (!str_eq(strmap_get(b, k), v))
			return false;
	return true;
}

/* Fields */

static void *member(const struct field *f, const void *obj)
{
	return (char *) (uintptr_t) obj + f->offset;
}

/* The member of field f in obj as T. */
#define AT(f, obj, T) (*(T *) member(f, obj))

/* The i-th of a FIELD_OBJECTS. */
static void *item(const struct field *f, const struct objects *o, size_t i)
{
	return (char *) o->items + i * f->sub_size;
}

void fields_init(const struct field *fields, void *obj)
{
	for (const struct field *f = fields; f->name; f++)
		switch (f->type) {
		case FIELD_BOOL:
			AT(f, obj, bool) = false;
			break;
		case FIELD_INT:
		case FIELD_TIME:
			AT(f, obj, int64_t) = 0;
			break;
		case FIELD_STR:
			AT(f, obj, char *) = NULL;
			break;
		case FIELD_STRV:
		case FIELD_SET:
			AT(f, obj, char **) = NULL;
			break;
		case FIELD_MAP:
			AT(f, obj, struct strmap) = (struct strmap){0};
			break;
		case FIELD_OPT_INT:
			AT(f, obj, int64_t) = FIELD_UNSET;
			break;
		case FIELD_OPT_BOOL:
			AT(f, obj, int) = FIELD_UNSET_BOOL;
			break;
		case FIELD_OBJECT:
			fields_init(f->sub, member(f, obj));
			break;
		case FIELD_OBJECTS:
			AT(f, obj, struct objects) = (struct objects){0};
			break;
		case FIELD_JSON:
			AT(f, obj, json_t *) = NULL;
			break;
		}
}

static void free_objects(const struct field *f, struct objects *o)
{
	for (size_t i = 0; i < o->n; i++)
		fields_free(f->sub, item(f, o, i));
	free(o->items);
}

static void free_field(const struct field *f, void *obj)
{
	switch (f->type) {
	case FIELD_STR:
		free(AT(f, obj, char *));
		break;
	case FIELD_STRV:
	case FIELD_SET:
		strv_free(AT(f, obj, char **));
		break;
	case FIELD_MAP:
		strv_free(AT(f, obj, struct strmap).kv);
		break;
	case FIELD_OBJECT:
		fields_free(f->sub, member(f, obj));
		break;
	case FIELD_OBJECTS:
		free_objects(f, member(f, obj));
		break;
	case FIELD_JSON:
		json_decref(AT(f, obj, json_t *));
		break;
	case FIELD_BOOL:
	case FIELD_INT:
	case FIELD_TIME:
	case FIELD_OPT_INT:
	case FIELD_OPT_BOOL:
		break;
	}
}

void fields_free(const struct field *fields, void *obj)
{
	for (const struct field *f = fields; f->name; f++)
		free_field(f, obj);
	/* So that freeing twice, or after a move by assignment and init, does no harm. */
	fields_init(fields, obj);
}

static void copy_objects(const struct field *f, struct objects *dst, const struct objects *src)
{
	*dst = (struct objects){.items = src->items ? xcalloc(src->n, f->sub_size) : NULL,
				.n = src->n};
	for (size_t i = 0; i < src->n; i++)
		fields_copy(f->sub, item(f, dst, i), item(f, src, i));
}

void fields_copy(const struct field *fields, void *dst, const void *src)
{
	for (const struct field *f = fields; f->name; f++)
		switch (f->type) {
		case FIELD_BOOL:
			AT(f, dst, bool) = AT(f, src, bool);
			break;
		case FIELD_INT:
		case FIELD_TIME:
		case FIELD_OPT_INT:
			AT(f, dst, int64_t) = AT(f, src, int64_t);
			break;
		case FIELD_OPT_BOOL:
			AT(f, dst, int) = AT(f, src, int);
			break;
		case FIELD_STR:
			AT(f, dst, char *) = xstrdup(AT(f, src, char *));
			break;
		case FIELD_STRV:
		case FIELD_SET:
			AT(f, dst, char **) = strv_copy(AT(f, src, char **));
			break;
		case FIELD_MAP:
			AT(f, dst, struct strmap).kv = strv_copy(AT(f, src, struct strmap).kv);
			break;
		case FIELD_OBJECT:
			fields_copy(f->sub, member(f, dst), member(f, src));
			break;
		case FIELD_OBJECTS:
			copy_objects(f, member(f, dst), member(f, src));
			break;
		case FIELD_JSON:
			AT(f, dst, json_t *) = json_deep_copy(AT(f, src, json_t *));
			break;
		}
}

/* Whether the field has no value that JSON could show: unset, or NULL where the table says that
 * this is not the same as empty. */
static bool field_null(const struct field *f, const void *obj)
{
	switch (f->type) {
	case FIELD_STR:
		return (f->flags & FIELD_NULLABLE) && !AT(f, obj, char *);
	case FIELD_STRV:
	case FIELD_SET:
		return (f->flags & FIELD_NULLABLE) && !AT(f, obj, char **);
	case FIELD_MAP:
		return (f->flags & FIELD_NULLABLE) && !AT(f, obj, struct strmap).kv;
	case FIELD_OBJECTS:
		return (f->flags & FIELD_NULLABLE) && !AT(f, obj, struct objects).items;
	case FIELD_OPT_INT:
		return AT(f, obj, int64_t) == FIELD_UNSET;
	case FIELD_OPT_BOOL:
		return AT(f, obj, int) == FIELD_UNSET_BOOL;
	case FIELD_JSON:
		return !AT(f, obj, json_t *);
	case FIELD_BOOL:
	case FIELD_INT:
	case FIELD_TIME:
	case FIELD_OBJECT:
		return false;
	}
	return false;
}

static bool strv_equal(char *const *a, char *const *b)
{
	size_t n = strv_len(a);

	if (n != strv_len(b))
		return false;
	for (size_t i = 0; i < n; i++)
		if (strcmp(a[i], b[i]) != 0)
			return false;
	return true;
}

static bool set_equal(char *const *a, char *const *b)
{
	if (strv_len(a) != strv_len(b))
		return false;
	for (; a && *a; a++)
		if (!strv_contains(b, *a))
			return false;
	return true;
}

static bool objects_equal(const struct field *f, const struct objects *a, const struct objects *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!fields_equal(f->sub, item(f, a, i), item(f, b, i)))
			return false;
	return true;
}

/* Where NULL and "" are written alike they are equal. */
static bool text_equal(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "") == 0;
}

static bool field_equal(const struct field *f, const void *a, const void *b)
{
	const json_t *ja, *jb;

	switch (f->type) {
	case FIELD_BOOL:
		return AT(f, a, bool) == AT(f, b, bool);
	case FIELD_INT:
	case FIELD_TIME:
	case FIELD_OPT_INT:
		return AT(f, a, int64_t) == AT(f, b, int64_t);
	case FIELD_OPT_BOOL:
		return AT(f, a, int) == AT(f, b, int);
	case FIELD_STR:
		return text_equal(AT(f, a, char *), AT(f, b, char *));
	case FIELD_STRV:
		return strv_equal(AT(f, a, char **), AT(f, b, char **));
	case FIELD_SET:
		return set_equal(AT(f, a, char **), AT(f, b, char **));
	case FIELD_MAP:
		return strmap_equal(member(f, a), member(f, b));
	case FIELD_OBJECT:
		return fields_equal(f->sub, member(f, a), member(f, b));
	case FIELD_OBJECTS:
		return objects_equal(f, member(f, a), member(f, b));
	case FIELD_JSON:
		ja = AT(f, a, json_t *);
		jb = AT(f, b, json_t *);
		return ja == jb || json_equal(ja, jb);
	}
	return false;
}

bool fields_equal(const struct field *fields, const void *a, const void *b)
{
	for (const struct field *f = fields; f->name; f++)
		if (field_null(f, a) != field_null(f, b) || !field_equal(f, a, b))
			return false;
	return true;
}

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
	free_objects(f, ret);
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
	case FIELD_OBJECTS:
		return load_objects(f, j, member(f, obj), &at, err);
	case FIELD_JSON:
		json_decref(AT(f, obj, json_t *));
		AT(f, obj, json_t *) = json_incref(j);
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
	bool all_exact;

	if (!json_is_object(json))
		return wrong(at, err, "must be an object");
	/* What we wrote ourselves has exact names only: spare it the other search. */
	for (const struct field *f = fields; f->name; f++)
		exact += json_object_get(json, f->name) != NULL;
	all_exact = exact == json_object_size(json);

	for (const struct field *f = fields; f->name; f++) {
		json_t *j = json_object_get(json, f->name);

		if (!j && !all_exact)
			j = get_any_case(json, f->name);
		if (j && !json_is_null(j) && load_field(f, obj, j, at, err) < 0)
			return -1;
	}
	return 0;
}

int fields_load(const struct field *fields, void *obj, const json_t *json, struct err *err)
{
	return load_object(fields, obj, json, NULL, err);
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
	case FIELD_OBJECTS:
		return save_objects(f, member(f, obj));
	case FIELD_JSON:
		/* A copy: what we return is the caller's, to change as he likes. */
		return json_deep_copy(AT(f, obj, json_t *));
	}
	return NULL;
}

void fields_save_into(const struct field *fields, const void *obj, json_t *into)
{
	for (const struct field *f = fields; f->name; f++) {
		json_t *j;

		if ((f->flags & FIELD_OMIT) && field_empty(f, obj))
			continue;
		j = field_null(f, obj) ? json_null() : save_field(f, obj);
		json_object_set_new_nocheck(into, f->name, j);
	}
}

json_t *fields_save(const struct field *fields, const void *obj)
{
	json_t *j = json_object();

	fields_save_into(fields, obj, j);
	return j;
}

/* Files and texts */

int json_read_at(int dir, const char *name, size_t max, json_t **ret, struct err *err)
{
	autofree char *text = NULL;
	json_error_t bad;
	json_t *json;
	size_t len;
	int r;

	r = read_file_at(dir, name, max, &text, &len);
	if (r < 0)
		return err_sys(err, -r, "read %s", name);
	json = json_loadb(text, len, 0, &bad);
	if (!json) {
		err_set(err, ERR_SYSTEM, "%s: line %d, column %d: %s", name, bad.line, bad.column,
			bad.text);
		if (err)
			err->errnum = EBADMSG; /* there, but no JSON: not to be taken for absent */
		return -1;
	}
	*ret = json;
	return 0;
}

int json_save_at(int dir, const char *name, const json_t *json, enum save_mode mode,
		 struct err *err)
{
	autofree char *text = json_text(json);

	return save_file_at(dir, name, text, strlen(text), mode, err);
}

char *json_text(const json_t *json)
{
	char *text = json ? json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY) : xstrdup("null");

	if (!text)
		abort(); /* out of memory */
	return text;
}

const char *json_str(const json_t *obj, const char *key)
{
	return json_string_value(json_object_get(obj, key));
}

int64_t json_int(const json_t *obj, const char *key, int64_t otherwise)
{
	const json_t *j = json_object_get(obj, key);

	return json_is_integer(j) ? json_integer_value(j) : otherwise;
}
