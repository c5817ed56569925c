/* The index in memory: two sorted arrays, by id and by name. See store.h for the locks. */
#include <string.h>

#include "image/reference.h"
#include "image/store.h"

/* The first entry whose id is not before hex. */
static size_t lower_bound(struct images *s, const char *hex)
{
	size_t low = 0, high = s->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (strcmp(entry_hex(s->entries[mid]), hex) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static size_t name_lower_bound(struct images *s, const char *name)
{
	size_t low = 0, high = s->n_names;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (strcmp(s->names[mid].name, name) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct entry *index_by_prefix(struct images *s, const char *hex)
{
	size_t i = lower_bound(s, hex);

	if (i == s->n || !str_has_prefix(entry_hex(s->entries[i]), hex))
		return NULL;
	if (i + 1 < s->n && str_has_prefix(entry_hex(s->entries[i + 1]), hex))
		return NULL;
	return s->entries[i];
}

struct entry *index_by_id(struct images *s, const char *hex)
{
	return strlen(hex) == DIGEST_HEX_LEN ? index_by_prefix(s, hex) : NULL;
}

struct entry *index_by_name(struct images *s, const char *name)
{
	size_t i = name_lower_bound(s, name);

	return i < s->n_names && str_eq(s->names[i].name, name) ? s->names[i].entry : NULL;
}

static struct entry *by_digest(struct images *s, const struct reference *r)
{
	autofree char *canonical = xasprintf("%s@%s", r->name, r->digest);
	struct entry *e;

	for (size_t i = 0; i < s->n; i++)
		if (strv_contains(s->entries[i]->digests, canonical))
			return s->entries[i];
	/* docker's containerd store knows images by this too: the image's own id. */
	e = index_by_id(s, r->digest + sizeof("sha256:") - 1);
	for (size_t i = 0; e && i < e->n_names; i++)
		if (str_has_prefix(e->names[i].name, r->name) &&
		    e->names[i].name[strlen(r->name)] == ':')
			return e;
	return NULL;
}

static bool is_hex_prefix(const char *s)
{
	size_t n = strlen(s);

	return n > 0 && n <= DIGEST_HEX_LEN && strspn(s, "0123456789abcdef") == n;
}

int index_resolve(struct images *s, const char *ref, struct entry **ret, struct err *err)
{
	const char *hex = str_has_prefix(ref, "sha256:") ? ref + 7 : ref;
	autoreference r = {0};
	autofree char *text = NULL;
	struct entry *e = NULL;

	if (str_is_hex(hex, DIGEST_HEX_LEN)) {
		e = index_by_id(s, hex);
		if (!e)
			return err_set(err, ERR_NOT_FOUND, "No such image: sha256:%s", hex);
		*ret = e;
		return 0;
	}
	if (reference_parse(ref, &r, err) < 0)
		return -1;
	reference_add_default_tag(&r);
	text = reference_text(&r);
	e = r.digest ? by_digest(s, &r) : index_by_name(s, text);
	if (!e && is_hex_prefix(hex))
		e = index_by_prefix(s, hex);
	if (!e)
		return err_set(err, ERR_NOT_FOUND, "No such image: %s", familiar_text(text));
	*ret = e;
	return 0;
}

/* Changes */

static void forget_name(struct entry *e, const char *name)
{
	for (size_t i = 0; i < e->n_names; i++) {
		if (e->names[i].name != name)
			continue;
		free(e->names[i].name);
		e->names[i] = e->names[--e->n_names];
		e->stale = true;
		return;
	}
}

static void add_names(struct images *s, struct entry *e)
{
	s->names = xreallocarray(s->names, s->n_names + e->n_names + 1, sizeof *s->names);
	for (size_t i = 0; i < e->n_names; i++) {
		const char *name = e->names[i].name;
		size_t at = name_lower_bound(s, name);

		if (at < s->n_names && str_eq(s->names[at].name, name)) {
			if (s->names[at].entry != e)
				forget_name(s->names[at].entry, s->names[at].name);
			s->names[at] = (struct name_owner){name, e};
			continue;
		}
		memmove(&s->names[at + 1], &s->names[at], (s->n_names - at) * sizeof *s->names);
		s->names[at] = (struct name_owner){name, e};
		s->n_names++;
	}
}

static void drop_names(struct images *s, const struct entry *e)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->n_names; i++)
		if (s->names[i].entry != e)
			s->names[kept++] = s->names[i];
	s->n_names = kept;
}

void index_drop(struct images *s, struct entry *e)
{
	size_t i = lower_bound(s, entry_hex(e));

	drop_names(s, e);
	memmove(&s->entries[i], &s->entries[i + 1], (s->n - i - 1) * sizeof *s->entries);
	s->n--;
	entry_free(e);
}

void index_put(struct images *s, struct entry *e)
{
	size_t i = lower_bound(s, entry_hex(e));

	if (i < s->n && str_eq(entry_hex(s->entries[i]), entry_hex(e))) {
		drop_names(s, s->entries[i]);
		entry_free(s->entries[i]);
	} else {
		s->entries = xreallocarray(s->entries, s->n + 1, sizeof *s->entries);
		memmove(&s->entries[i + 1], &s->entries[i], (s->n - i) * sizeof *s->entries);
		s->n++;
	}
	s->entries[i] = e;
	add_names(s, e);
}

static int by_id(const void *a, const void *b)
{
	return strcmp(entry_hex(*(struct entry *const *) a), entry_hex(*(struct entry *const *) b));
}

/* By name; of several owners the one that has it longest comes last. */
static int by_name_and_time(const void *a, const void *b)
{
	const struct name_owner *x = a, *y = b;
	const struct owned_name *nx = NULL, *ny = NULL;
	int r = strcmp(x->name, y->name);

	if (r != 0)
		return r;
	for (size_t i = 0; i < x->entry->n_names; i++)
		if (x->entry->names[i].name == x->name)
			nx = &x->entry->names[i];
	for (size_t i = 0; i < y->entry->n_names; i++)
		if (y->entry->names[i].name == y->name)
			ny = &y->entry->names[i];
	if (nx->tagged_ns != ny->tagged_ns)
		return nx->tagged_ns > ny->tagged_ns ? -1 : 1;
	return strcmp(entry_hex(x->entry), entry_hex(y->entry));
}

/* Sorts what was collected at open; a name that two images claim stays with the later. */
void index_sort(struct images *s)
{
	size_t total = 0, kept = 0;

	if (s->n > 0)
		qsort(s->entries, s->n, sizeof(struct entry *), by_id);
	for (size_t i = 0; i < s->n; i++)
		total += s->entries[i]->n_names;
	s->names = xcalloc(total + 1, sizeof *s->names);
	for (size_t i = 0; i < s->n; i++)
		for (size_t k = 0; k < s->entries[i]->n_names; k++)
			s->names[s->n_names++] =
				(struct name_owner){s->entries[i]->names[k].name, s->entries[i]};
	if (total > 0)
		qsort(s->names, s->n_names, sizeof *s->names, by_name_and_time);
	for (size_t i = 0; i < s->n_names; i++) {
		if (kept > 0 && str_eq(s->names[kept - 1].name, s->names[i].name))
			forget_name(s->names[i].entry, s->names[i].name);
		else
			s->names[kept++] = s->names[i];
	}
	s->n_names = kept;
}
