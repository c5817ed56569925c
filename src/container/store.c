/*
 * The store of containers: two sorted arrays of pointers, by id and by age, and a hash table of
 * names. The arrays are small (8 bytes a container), give prefix search for short ids and lists
 * that need no sorting, and moving 80 KB for the ten-thousandth container is cheaper than chasing
 * its tree.
 */
#include "container/container.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/thread.h"

struct array {
	struct container **items;
	size_t n;
	size_t cap;
};

struct name {
	struct name *next; /* in its bucket */
	struct container *c;
	size_t hash;
	char text[];
};

struct names {
	struct name **buckets; /* a power of two of them */
	size_t n_buckets;
	size_t n;
};

struct container_store {
	pthread_mutex_t lock; /* the indexes, and the names of containers that are in them */
	struct array by_id;   /* holds a reference each */
	struct array by_age;  /* the same, oldest first; holds none */
	struct names names;   /* holds none */
	int data_dir;
	int exec_dir;
};

/* Arrays */

/* Where the first is that does not come before `key`. */
static size_t array_find(const struct array *x,
			 int (*compare)(const struct container *, const void *), const void *key)
{
	size_t low = 0, high = x->n;

	/* New ones are the youngest; and a restore adds in order. */
	if (high > 0 && compare(x->items[high - 1], key) < 0)
		return high;
	while (low < high) {
		size_t mid = (low + high) / 2;

		if (compare(x->items[mid], key) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static void array_insert(struct array *x, size_t at, struct container *c)
{
	if (x->n == x->cap) {
		x->cap = x->cap ? x->cap * 2 : 64;
		x->items = xreallocarray(x->items, x->cap, sizeof(struct container *));
	}
	memmove(x->items + at + 1, x->items + at, (x->n - at) * sizeof(struct container *));
	x->items[at] = c;
	x->n++;
}

static void array_remove(struct array *x, size_t at)
{
	x->n--;
	memmove(x->items + at, x->items + at + 1, (x->n - at) * sizeof(struct container *));
}

static int compare_id(const struct container *c, const void *id)
{
	return strcmp(c->id, id);
}

static int compare_age(const struct container *c, const void *other)
{
	const struct container *o = other;

	if (c->created_ns == o->created_ns)
		return strcmp(o->id, c->id);
	return c->created_ns < o->created_ns ? -1 : 1;
}

static bool has_id(const struct container_store *s, const char *id, size_t *ret_at)
{
	*ret_at = array_find(&s->by_id, compare_id, id);
	return *ret_at < s->by_id.n && !strcmp(s->by_id.items[*ret_at]->id, id);
}

/* Names */

/* Where it hangs, or would: *result is NULL where there is none. There must be buckets. */
static struct name **name_find(const struct names *x, const char *name, size_t hash)
{
	struct name **at = &x->buckets[hash & (x->n_buckets - 1)];

	while (*at && ((*at)->hash != hash || strcmp((*at)->text, name) != 0))
		at = &(*at)->next;
	return at;
}

static void names_grow(struct names *x)
{
	struct names more = {.n_buckets = x->n_buckets ? 2 * x->n_buckets : 64, .n = x->n};

	more.buckets = xcalloc(more.n_buckets, sizeof(struct name *));
	for (size_t i = 0; i < x->n_buckets; i++)
		for (struct name *n = x->buckets[i], *next; n; n = next) {
			struct name **to = &more.buckets[n->hash & (more.n_buckets - 1)];

			next = n->next;
			n->next = *to;
			*to = n;
		}
	free(x->buckets);
	*x = more;
}

static struct container *name_owner(const struct names *x, const char *name)
{
	struct name *n = x->n > 0 ? *name_find(x, name, str_hash(name)) : NULL;

	return n ? n->c : NULL;
}

static int open_containers(const char *root, struct err *err)
{
	autofree char *path = xasprintf("%s/" LAYOUT_CONTAINERS, root);
	int r;

	r = mkdir_p(path, 0711);
	if (r == 0)
		r = open_dir_at(AT_FDCWD, path);
	return r < 0 ? err_sys(err, -r, "%s", path) : r;
}

int container_store_open(const char *data_root, const char *exec_root, struct container_store **ret,
			 struct err *err)
{
	autoclose int data = open_containers(data_root, err);
	autoclose int exec = data < 0 ? -1 : open_containers(exec_root, err);
	struct container_store *s;

	if (exec < 0)
		return -1;
	s = xnew(struct container_store);
	pthread_mutex_init(&s->lock, NULL);
	s->data_dir = take_fd(data);
	s->exec_dir = take_fd(exec);
	*ret = s;
	return 0;
}

static void names_free(struct names *x)
{
	for (size_t i = 0; i < x->n_buckets; i++)
		for (struct name *n = x->buckets[i], *next; n; n = next) {
			next = n->next;
			free(n);
		}
	free(x->buckets);
}

void container_store_close(struct container_store *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->by_id.n; i++)
		container_unref(s->by_id.items[i]);
	free(s->by_id.items);
	free(s->by_age.items);
	names_free(&s->names);
	close_p(&s->data_dir);
	close_p(&s->exec_dir);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

int container_store_data_dir(const struct container_store *s)
{
	return s->data_dir;
}

int container_store_exec_dir(const struct container_store *s)
{
	return s->exec_dir;
}

int container_open_data(const struct container_store *s, const char *id)
{
	return open_dir_at(s->data_dir, id);
}

int container_open_exec(const struct container_store *s, const char *id)
{
	return open_dir_at(s->exec_dir, id);
}

int container_name_index_add(struct container_store *s, const char *name, struct container *c,
			     struct err *err)
{
	hold(&s->lock);
	size_t hash = str_hash(name), len = strlen(name);
	struct container *owner = name_owner(&s->names, name);
	struct name *n, **at;

	if (owner)
		return err_set(err, ERR_CONFLICT,
			       "Conflict. The container name \"/%s\" is already in use by "
			       "container \"%s\". "
			       "You have to remove (or rename) that container to be able to reuse "
			       "that name.",
			       name, owner->id);
	if (s->names.n == s->names.n_buckets)
		names_grow(&s->names);
	n = xmalloc(sizeof *n + len + 1);
	*n = (struct name){.c = c, .hash = hash};
	memcpy(n->text, name, len + 1);
	at = name_find(&s->names, name, hash);
	*at = n;
	s->names.n++;
	return 0;
}

void container_name_index_remove(struct container_store *s, const char *name,
				 const struct container *c)
{
	hold(&s->lock);
	struct name *n, **at;

	if (!name || s->names.n == 0)
		return;
	at = name_find(&s->names, name, str_hash(name));
	n = *at;
	if (!n || n->c != c)
		return;
	*at = n->next;
	free(n);
	s->names.n--;
}

void container_store_add(struct container_store *s, struct container *c)
{
	hold(&s->lock);
	size_t at;

	if (has_id(s, c->id, &at))
		return;
	array_insert(&s->by_id, at, container_ref(c));
	array_insert(&s->by_age, array_find(&s->by_age, compare_age, c), c);
}

/* To be sorted without a look at each container for each comparison. */
struct by_id {
	uint64_t head; /* of the id: two are hardly ever alike */
	struct container *c;
};

static int lowest_id(const void *a, const void *b)
{
	const struct by_id *x = a, *y = b;

	if (x->head == y->head)
		return strcmp(x->c->id, y->c->id);
	return x->head < y->head ? -1 : 1;
}

void container_store_fill(struct container_store *s, struct container *const *list, size_t n)
{
	hold(&s->lock);
	autofree struct by_id *ids = xcalloc(n, sizeof *ids);

	for (size_t i = 0; i < n; i++) {
		memcpy(&ids[i].head, list[i]->id, sizeof ids[i].head);
		ids[i].head = be64toh(ids[i].head);
		ids[i].c = list[i];
	}
	qsort(ids, n, sizeof *ids, lowest_id);
	for (size_t i = 0; i < n; i++) {
		array_insert(&s->by_age, i, list[i]);
		array_insert(&s->by_id, i, container_ref(ids[i].c));
	}
}

void container_store_remove(struct container_store *s, struct container *c)
{
	hold(&s->lock);
	size_t at;

	if (!has_id(s, c->id, &at) || s->by_id.items[at] != c)
		return;
	array_remove(&s->by_id, at);
	array_remove(&s->by_age, array_find(&s->by_age, compare_age, c));
	container_unref(c);
}

/* The container that has this name or id, or the only one whose id begins so. */
static struct container *find_locked(struct container_store *s, const char *ref,
				     bool *ret_ambiguous)
{
	size_t len = strlen(ref), at;
	struct container *c;

	*ret_ambiguous = false;
	if (has_id(s, ref, &at))
		return s->by_id.items[at];
	c = name_owner(&s->names, ref[0] == '/' ? ref + 1 : ref);
	if (c) /* a name may be taken by a create that has not ended */
		return c;
	if (len == 0 || len >= CONTAINER_ID_LEN || at == s->by_id.n ||
	    strncmp(s->by_id.items[at]->id, ref, len) != 0)
		return NULL;
	*ret_ambiguous = at + 1 < s->by_id.n && !strncmp(s->by_id.items[at + 1]->id, ref, len);
	return *ret_ambiguous ? NULL : s->by_id.items[at];
}

int container_lookup(struct container_store *s, const char *ref, struct container **ret,
		     struct err *err)
{
	hold(&s->lock);
	bool ambiguous;
	struct container *c = find_locked(s, ref, &ambiguous);
	size_t at;

	if (ambiguous)
		return err_set(err, ERR_INVALID, "Multiple IDs found with provided prefix: %s",
			       ref);
	if (!c || !has_id(s, c->id, &at))
		return err_set(err, ERR_NOT_FOUND, "No such container: %s", ref);
	*ret = container_ref(c);
	return 0;
}

void container_store_all(struct container_store *s, struct container ***ret, size_t *ret_n)
{
	hold(&s->lock);
	size_t n = s->by_age.n;
	struct container **list = xreallocarray(NULL, n + 1, sizeof *list);

	for (size_t i = 0; i < n; i++)
		list[i] = container_ref(s->by_age.items[n - 1 - i]);
	*ret = list;
	*ret_n = n;
}

void container_list_free(struct container **list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		container_unref(list[i]);
	free(list);
}
