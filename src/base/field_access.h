/*
 * How base/fields*.c reach the member that a row of a field table describes.
 * Private to base/.
 */
#pragma once

#include <stdint.h>

#include "base/json.h"

static inline void *member(const struct field *f, const void *obj)
{
	return (char *) (uintptr_t) obj + f->offset;
}

/* The member of field f in obj as T. */
#define AT(f, obj, T) (*(T *) member(f, obj))

/* The i-th of a FIELD_OBJECTS. */
static inline void *item(const struct field *f, const struct objects *o, size_t i)
{
	return (char *) o->items + i * f->sub_size;
}

/* Whether the field has no value that JSON could show: unset, or NULL where the table says that
 * NULL is told from empty. */
bool field_null(const struct field *f, const void *obj);
/* Frees the items and forgets them. */
void fields_free_objects(const struct field *f, struct objects *o);
