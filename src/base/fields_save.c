/* From a struct to JSON, by its table of fields; see json.h. */
#include <string.h>

#include "base/field_access.h"
#include "base/time.h"

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
