/*
 * JSON: jansson's trees at the door, plain structs inside. A table of fields describes a struct
 * once and serves reading, writing, freeing, copying and comparing, so that the directions cannot
 * drift.
 *
 *	static const struct field health_fields[] = {
 *		FIELD(struct health, "Test", FIELD_STRV, test),
 *		FIELD(struct health, "Interval", FIELD_INT, interval_ns),
 *		FIELD_END,
 *	};
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

static inline void json_decref_p(json_t **j)
{
	json_decref(*j);
}
#define autojson auto_(json_decref_p)

enum field_type {
	FIELD_BOOL, /* bool */
	FIELD_INT,  /* int64_t; a real without fraction is read too */
	FIELD_STR,  /* char *; null and missing are NULL; NULL is written as "" */
	FIELD_STRV, /* char **; array of strings, or one string as array of one; null is NULL, [] is
		     * a vector of length 0, see FIELD_NULLABLE for the way back */
	FIELD_SET,  /* char **; object whose keys count: {"80/tcp":{}} */
	FIELD_MAP,  /* struct strmap; object of strings (null reads as "") */
	FIELD_TIME, /* int64_t ns; RFC 3339 in JSON */
	FIELD_OPT_INT,	  /* int64_t; null and missing are FIELD_UNSET, which is written as null */
	FIELD_OPT_BOOL,	  /* int; the same with FIELD_UNSET_BOOL */
	FIELD_OBJECT,	  /* embedded struct described by sub */
	FIELD_OPT_OBJECT, /* pointer to such a struct, owned; null and missing are NULL, which is
			   * written as null */
	FIELD_OBJECTS,	  /* struct objects; array of objects, each a struct described by sub */
	FIELD_JSON,	  /* json_t *, kept as it came; NULL is written as null */
	FIELD_REST, /* json_t *; what no row reads, below FIELD_OBJECTs too, to be written back
		     * as it came: see FIELD_KEEP_REST */
};

#define FIELD_UNSET	 INT64_MIN
#define FIELD_UNSET_BOOL (-1)

/* Ordered string-to-string map; keys and values alternate in a strv: k, v, k, v, NULL. */
struct strmap {
	char **kv;
};
const char *strmap_get(const struct strmap *m, const char *key); /* NULL where absent */
void strmap_set(struct strmap *m, const char *key, const char *value);
#define strmap_foreach(m, k, v) \
	for (char **it_ = (m)->kv; it_ && it_[0] && ((k) = it_[0], (v) = it_[1], 1); it_ += 2)

/* An array of structs. */
struct objects {
	void *items;
	size_t n;
};
/* The i-th as T *. */
#define objects_at(o, T, i) (&((T *) (o)->items)[i])

struct field {
	const char *name;
	enum field_type type;
	unsigned flags;
	size_t offset;
	const struct field *sub;
	size_t sub_size;
};

enum {
	FIELD_OMIT = 1,	    /* left out of the JSON while zero/NULL/empty/unset */
	FIELD_NULLABLE = 2, /* a NULL STR, STRV, SET, MAP, OBJECTS is null, not "" [] {} {} [] */
};

#define FIELD(T, json_name, field_type, member)                                      \
	{                                                                            \
		.name = json_name, .type = field_type, .offset = offsetof(T, member) \
	}
#define FIELD_F(T, json_name, field_type, member, field_flags)                        \
	{                                                                             \
		.name = json_name, .type = field_type, .offset = offsetof(T, member), \
		.flags = field_flags                                                  \
	}
#define FIELD_SUB(T, json_name, field_type, member, table, U, field_flags)            \
	{                                                                             \
		.name = json_name, .type = field_type, .offset = offsetof(T, member), \
		.sub = table, .sub_size = sizeof(U), .flags = field_flags             \
	}
/* A row for files, which a later version may have written: members that no row of the table reads
 * are kept here (NULL: there are none) and written back, so that an older program in between loses
 * nothing. Elements of a FIELD_OBJECTS and FIELD_OPT_OBJECTs keep none: they come and go. */
#define FIELD_KEEP_REST(T, member)                                            \
	{                                                                     \
		.name = "", .type = FIELD_REST, .offset = offsetof(T, member) \
	}
#define FIELD_END            \
	{                    \
		.name = NULL \
	}

/* Sets every field to its empty value (FIELD_UNSET for the OPT types). Frees nothing. */
void fields_init(const struct field *fields, void *obj);
/* Reads obj (initialised) from a JSON object. Null and missing leave the value as it is, unknown
 * keys are ignored (but see FIELD_KEEP_REST); names match exactly, else without regard to case, as
 * Go does. A wrong type is ERR_INVALID and names the field: "HostConfig.Memory: must be a whole
 * number"; obj then holds a part and is still the caller's to free. [] is read as a vector of no
 * strings, not as NULL. */
int fields_load(const struct field *fields, void *obj, const json_t *json, struct err *err);
/* The same of text that fields_save() and json_text() have written, NUL behind it, into an obj that
 * is as fields_init() leaves it: ten times as fast, for it builds no tree. False where the text is of
 * another kind, be it JSON or not: obj is empty again, and fields_load() will know. Where it is true
 * fields_load() would have read the same. */
bool fields_load_own(const struct field *fields, void *obj, const char *text, size_t len);
/* New reference. */
json_t *fields_save(const struct field *fields, const void *obj);
/* The same without what a freshly initialised object has too: what fields_load() needs not be told.
 */
json_t *fields_save_told(const struct field *fields, const void *obj, size_t size);
/* Adds the fields to an existing JSON object. */
void fields_save_into(const struct field *fields, const void *obj, json_t *into);
void fields_free(const struct field *fields, void *obj);
/* Frees an array of such objects, each of `size` bytes, and empties it. */
void fields_objects_free(const struct field *fields, struct objects *list, size_t size);
/* Deep copy of such an array into an uninitialised one. */
void fields_objects_copy(const struct field *fields, struct objects *dst, const struct objects *src,
			 size_t size);
/* Deep copy into an uninitialised dst. */
void fields_copy(const struct field *fields, void *dst, const void *src);
bool fields_equal(const struct field *fields, const void *a, const void *b);

/* Reads and parses a JSON file, at most `max` bytes; the error names the file and the place, and
 * has errnum EBADMSG where the file is there but is no JSON. */
int json_read_at(int dir, const char *name, size_t max, json_t **ret, struct err *err);
/* Compact JSON through save_file_at(). */
int json_save_at(int dir, const char *name, const json_t *json, enum save_mode mode,
		 struct err *err);
/* Compact text; caller frees. */
char *json_text(const json_t *json);
/* String member of an object, NULL where missing or of another type. Borrowed. */
const char *json_str(const json_t *obj, const char *key);
/* Integer member, `otherwise` where missing or of another type. */
int64_t json_int(const json_t *obj, const char *key, int64_t otherwise);
