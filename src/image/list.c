/* Lists of images, with docker's filters. */
#include <string.h>

#include "base/time.h"
#include "image/reference.h"
#include "image/store.h"

const char *const image_filter_keys[] = {"reference", "dangling", "label", "before",
					 "since",     "until",	  NULL};

static int newest_first(const void *a, const void *b)
{
	const struct image *x = *(struct image *const *) a, *y = *(struct image *const *) b;

	if (x->created_ns != y->created_ns)
		return x->created_ns > y->created_ns ? -1 : 1;
	return strcmp(x->id, y->id);
}

void image_list_free(struct image **list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		image_unref(list[i]);
	free(list);
}

/* What the filters ask, looked up once. */
struct query {
	const struct filters *filters;
	bool all;
	bool dangling_given;
	bool dangling;
	int64_t before_ns; /* INT64_MAX: any */
	int64_t since_ns;  /* INT64_MIN: any */
};

/* "before" and "since" name images; of several the strictest counts. */
static int created_of(struct images *s, const struct filters *f, const char *key, bool earliest,
		      int64_t *io, struct err *err)
{
	const char *k, *v;
	struct entry *e;

	strmap_foreach (&f->pairs, k, v) {
		if (!str_eq(k, key))
			continue;
		if (index_resolve(s, v, &e, err) < 0)
			return -1;
		if ((e->snap->image.created_ns < *io) == earliest)
			*io = e->snap->image.created_ns;
	}
	return 0;
}

static int read_query(struct images *s, const struct filters *f, bool all, struct query *q,
		      struct err *err)
{
	const char *until = f ? filters_get(f, "until") : NULL;
	int64_t until_ns;

	*q = (struct query){
		.filters = f, .all = all, .before_ns = INT64_MAX, .since_ns = INT64_MIN};
	if (!f)
		return 0;
	q->dangling_given = filters_has(f, "dangling");
	if (filters_bool(f, "dangling", false, &q->dangling, err) < 0 ||
	    created_of(s, f, "before", true, &q->before_ns, err) < 0 ||
	    created_of(s, f, "since", false, &q->since_ns, err) < 0)
		return -1;
	if (!until)
		return 0;
	if (instant_parse(until, now_ns(), &until_ns) < 0)
		return err_set(err, ERR_INVALID, "invalid filter 'until': %s is no time", until);
	if (until_ns < q->before_ns)
		q->before_ns = until_ns;
	return 0;
}

/* path.Match against "name:tag" and "name", both familiar. */
static bool reference_matches(const struct filters *f, const char *normalised)
{
	const char *familiar = familiar_text(normalised);
	const char *end = strrchr(familiar, ':');
	autofree char *name = NULL;
	const char *k, *v;

	name = end ? xstrndup(familiar, (size_t) (end - familiar)) : xstrdup(familiar);
	strmap_foreach (&f->pairs, k, v)
		if (str_eq(k, "reference") && (str_glob(v, familiar) || str_glob(v, name)))
			return true;
	return false;
}

static bool names_match(const struct query *q, const struct entry *e)
{
	if (!q->filters || !filters_has(q->filters, "reference"))
		return true;
	for (size_t i = 0; i < e->n_names; i++)
		if (reference_matches(q->filters, e->names[i].name))
			return true;
	return false;
}

static bool is_parent(struct images *s, const struct entry *e)
{
	for (size_t i = 0; i < s->n; i++)
		if (str_eq(s->entries[i]->snap->image.parent, e->snap->image.id))
			return true;
	return false;
}

static bool query_matches(struct images *s, const struct query *q, const struct entry *e)
{
	const struct image *im = &e->snap->image;

	if (im->created_ns >= q->before_ns || im->created_ns <= q->since_ns)
		return false;
	if (q->dangling_given && q->dangling != (e->n_names == 0))
		return false;
	if (q->filters && !filters_match_labels(q->filters, "label", &im->config.labels))
		return false;
	if (!names_match(q, e))
		return false;
	/* What a builder left between two images. */
	return q->all || e->n_names > 0 || !is_parent(s, e);
}

int images_list_filtered(struct images *s, const struct filters *f, bool all, struct image ***ret,
			 size_t *ret_n, struct err *err)
{
	struct image **list;
	struct query q;
	size_t n = 0;

	hold(&s->lock);
	if (read_query(s, f, all, &q, err) < 0)
		return -1;
	list = xcalloc(s->n + 1, sizeof *list);
	for (size_t i = 0; i < s->n; i++)
		if (query_matches(s, &q, s->entries[i]))
			list[n++] = image_ref(&s->entries[i]->snap->image);
	qsort(list, n, sizeof *list, newest_first);
	*ret = list;
	*ret_n = n;
	return 0;
}

void images_list(struct images *s, struct image ***ret, size_t *ret_n)
{
	(void) images_list_filtered(s, NULL, true, ret, ret_n, NULL);
}
