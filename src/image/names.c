/* Who has which name, and the one way by which an image's record changes. */
#include <string.h>

#include "base/log.h"
#include "base/time.h"
#include "image/store.h"

/* Now, but after whatever time the name's owner so far has, should the clock have gone back. */
static int64_t time_to_take(struct images *s, const char *name)
{
	const struct entry *owner = index_by_name(s, name);
	int64_t now = now_ns();

	for (size_t i = 0; owner && i < owner->n_names; i++)
		if (str_eq(owner->names[i].name, name) && owner->names[i].tagged_ns >= now)
			return owner->names[i].tagged_ns + 1;
	return now;
}

static bool has_name(const struct entry *e, const char *name)
{
	for (size_t i = 0; i < e->n_names; i++)
		if (str_eq(e->names[i].name, name))
			return true;
	return false;
}

static int save_stale(struct images *s, struct entry *e, struct err *err)
{
	autojson json_t *record = NULL;
	json_t *names;

	if (record_read(s, entry_hex(e), &record, err) < 0)
		return -1;
	names = json_object_get(record, "Names");
	for (size_t i = json_array_size(names); i-- > 0;) {
		const char *name = json_str(json_array_get(names, i), "Name");

		if (name && !has_name(e, name))
			(void) json_array_remove(names, i);
	}
	return record_save(s, entry_hex(e), record, err);
}

void images_save_stale(struct images *s)
{
	for (size_t i = 0; i < s->n; i++) {
		struct err err = {0};

		if (!s->entries[i]->stale)
			continue;
		/* Harmless: the new owner has the later time, and the next change tries again. */
		if (save_stale(s, s->entries[i], &err) < 0)
			log_warn("image %.12s lost a name, but its record still has it: %s",
				 entry_hex(s->entries[i]), err.text);
		else
			s->entries[i]->stale = false;
	}
}

/* A save that failed may have put the record in place, though not surely on disk: what the client
 * is told to have failed is not to show up after a restart. */
static void put_back(struct images *s, const char *hex, const json_t *was)
{
	struct err err = {0};

	if (was ? record_save(s, hex, was, &err) < 0 : record_remove(s, hex, &err) < 0)
		log_warn("image %.12s: a change that failed may be there after a restart: %s", hex,
			 err.text);
}

int image_put(struct images *s, const char *hex, json_t *record, char *const *names,
	      struct err *err)
{
	autojson json_t *was = NULL;
	struct entry *e;

	for (; names && *names; names++)
		record_add_name(record, *names, time_to_take(s, *names));
	/* Read before it is written: what we could not read again is refused. */
	if (entry_from_record(record, &e, err) < 0)
		return -1;
	(void) record_read(s, hex, &was, NULL);
	if (record_save(s, hex, record, err) < 0) {
		put_back(s, hex, was);
		entry_free(e);
		return -1;
	}
	{
		hold(&s->lock);
		index_put(s, e);
	}
	images_save_stale(s);
	return 0;
}

int image_untag(struct images *s, const char *hex, const char *name, struct err *err)
{
	autojson json_t *record = NULL;

	if (record_read(s, hex, &record, err) < 0)
		return -1;
	record_remove_name(record, name);
	return image_put(s, hex, record, NULL, err);
}
