/* Maps, and what a table of fields does to a struct: initialise, copy, compare, free. See json.h.
 */
#include <string.h>

#include "base/field_access.h"

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
		case FIELD_OPT_OBJECT:
			AT(f, obj, void *) = NULL;
			break;
		case FIELD_OBJECTS:
			AT(f, obj, struct objects) = (struct objects){0};
			break;
		case FIELD_JSON:
		case FIELD_REST:
			AT(f, obj, json_t *) = NULL;
			break;
		}
}

void fields_free_objects(const struct field *f, struct objects *o)
{
	for (size_t i = 0; i < o->n; i++)
		fields_free(f->sub, item(f, o, i));
	free(o->items);
}

void fields_objects_free(const struct field *fields, struct objects *list, size_t size)
{
	const struct field f = {.sub = fields, .sub_size = size};

	fields_free_objects(&f, list);
	*list = (struct objects){0};
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
	case FIELD_OPT_OBJECT:
		if (AT(f, obj, void *))
			fields_free(f->sub, AT(f, obj, void *));
		free(AT(f, obj, void *));
		break;
	case FIELD_OBJECTS:
		fields_free_objects(f, member(f, obj));
		break;
	case FIELD_JSON:
	case FIELD_REST:
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

void fields_objects_copy(const struct field *fields, struct objects *dst, const struct objects *src,
			 size_t size)
{
	const struct field f = {.sub = fields, .sub_size = size};

	copy_objects(&f, dst, src);
}

static void *copy_opt_object(const struct field *f, const void *src)
{
	void *dst = src ? xcalloc(1, f->sub_size) : NULL;

	if (src)
		fields_copy(f->sub, dst, src);
	return dst;
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
		case FIELD_OPT_OBJECT:
			AT(f, dst, void *) = copy_opt_object(f, AT(f, src, void *));
			break;
		case FIELD_OBJECTS:
			copy_objects(f, member(f, dst), member(f, src));
			break;
		case FIELD_JSON:
		case FIELD_REST:
			AT(f, dst, json_t *) = json_deep_copy(AT(f, src, json_t *));
			break;
		}
}

bool field_null(const struct field *f, const void *obj)
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
	case FIELD_REST:
		return !AT(f, obj, json_t *);
	case FIELD_OPT_OBJECT:
		return !AT(f, obj, void *);
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
	case FIELD_OPT_OBJECT:
		return !AT(f, a, void *) ||
		       fields_equal(f->sub, AT(f, a, void *), AT(f, b, void *));
	case FIELD_OBJECTS:
		return objects_equal(f, member(f, a), member(f, b));
	case FIELD_JSON:
	case FIELD_REST:
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
