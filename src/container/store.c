/*
 * The store of containers: two sorted arrays of pointers, by id and by name. They are small (8 to
 * 16 bytes a container), give prefix search for short ids, and moving 80 KB for the ten-thousandth
 * container is cheaper than chasing its tree.
 */
#include "container/container.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/thread.h"

struct entry {
	char *key;
	struct container *c;
};

struct index {
	struct entry *items;
	size_t n;
	size_t cap;
};

struct container_store {
	pthread_mutex_t lock; /* the two indexes, and the names of containers that are in them */
	struct index by_id;   /* holds a reference each; keys are the containers' own */
	struct index by_name; /* holds none; keys are owned */
	int data_dir;
	int exec_dir;
};

/* Where key is, or where it belongs. */
static size_t index_find(const struct index *x, const char *key, bool *ret_found)
{
	size_t low = 0, high = x->n;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (strcmp(x->items[mid].key, key) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	*ret_found = low < x->n && !strcmp(x->items[low].key, key);
	return low;
}

static void index_insert(struct index *x, size_t at, char *key, struct container *c)
{
	if (x->n == x->cap) {
		x->cap = x->cap ? x->cap * 2 : 64;
		x->items = xreallocarray(x->items, x->cap, sizeof *x->items);
	}
	memmove(x->items + at + 1, x->items + at, (x->n - at) * sizeof *x->items);
	x->items[at] = (struct entry){key, c};
	x->n++;
}

static void index_remove(struct index *x, size_t at)
{
	x->n--;
	memmove(x->items + at, x->items + at + 1, (x->n - at) * sizeof *x->items);
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

void container_store_close(struct container_store *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->by_id.n; i++)
		container_unref(s->by_id.items[i].c);
	for (size_t i = 0; i < s->by_name.n; i++)
		free(s->by_name.items[i].key);
	free(s->by_id.items);
	free(s->by_name.items);
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
	bool found;
	size_t at = index_find(&s->by_name, name, &found);

	if (found)
		return err_set(err, ERR_CONFLICT,
			       "Conflict. The container name \"/%s\" is already in use by "
			       "container \"%s\". "
			       "You have to remove (or rename) that container to be able to reuse "
			       "that name.",
			       name, s->by_name.items[at].c->id);
	index_insert(&s->by_name, at, xstrdup(name), c);
	return 0;
}

void container_name_index_remove(struct container_store *s, const char *name,
				 const struct container *c)
{
	hold(&s->lock);
	bool found;
	size_t at;

	if (!name)
		return;
	at = index_find(&s->by_name, name, &found);
	if (!found || s->by_name.items[at].c != c)
		return;
	free(s->by_name.items[at].key);
	index_remove(&s->by_name, at);
}

void container_store_add(struct container_store *s, struct container *c)
{
	hold(&s->lock);
	bool found;
	size_t at = index_find(&s->by_id, c->id, &found);

	if (!found)
		index_insert(&s->by_id, at, c->id, container_ref(c));
}

void container_store_remove(struct container_store *s, struct container *c)
{
	hold(&s->lock);
	bool found;
	size_t at = index_find(&s->by_id, c->id, &found);

	if (!found || s->by_id.items[at].c != c)
		return;
	index_remove(&s->by_id, at);
	container_unref(c);
}

/* The container that has this name or id, or the only one whose id begins so. */
static struct container *find_locked(struct container_store *s, const char *ref,
				     bool *ret_ambiguous)
{
	size_t len = strlen(ref);
	bool found;
	size_t at = index_find(&s->by_id, ref, &found);

	*ret_ambiguous = false;
	if (found)
		return s->by_id.items[at].c;
	at = index_find(&s->by_name, ref[0] == '/' ? ref + 1 : ref, &found);
	if (found) /* a name may be taken by a create that has not ended */
		return s->by_name.items[at].c;
	if (len == 0 || len >= CONTAINER_ID_LEN)
		return NULL;
	at = index_find(&s->by_id, ref, &found);
	if (at == s->by_id.n || strncmp(s->by_id.items[at].key, ref, len) != 0)
		return NULL;
	*ret_ambiguous = at + 1 < s->by_id.n && !strncmp(s->by_id.items[at + 1].key, ref, len);
	return *ret_ambiguous ? NULL : s->by_id.items[at].c;
}

int container_lookup(struct container_store *s, const char *ref, struct container **ret,
		     struct err *err)
{
	hold(&s->lock);
	bool ambiguous, found;
	struct container *c = find_locked(s, ref, &ambiguous);

	if (ambiguous)
		return err_set(err, ERR_INVALID, "Multiple IDs found with provided prefix: %s",
			       ref);
	if (c)
		(void) index_find(&s->by_id, c->id, &found);
	if (!c || !found)
		return err_set(err, ERR_NOT_FOUND, "No such container: %s", ref);
	*ret = container_ref(c);
	return 0;
}

static int newest_first(const void *a, const void *b)
{
	const struct container *x = *(struct container *const *) a,
			       *y = *(struct container *const *) b;

	if (x->created_ns == y->created_ns)
		return strcmp(x->id, y->id);
	return x->created_ns < y->created_ns ? 1 : -1;
}

void container_store_all(struct container_store *s, struct container ***ret, size_t *ret_n)
{
	struct container **list;
	size_t n;

	{
		hold(&s->lock);
		n = s->by_id.n;
		list = xreallocarray(NULL, n + 1, sizeof *list);
		for (size_t i = 0; i < n; i++)
			list[i] = container_ref(s->by_id.items[i].c);
	}
	qsort(list, n, sizeof *list, newest_first);
	*ret = list;
	*ret_n = n;
}

void container_list_free(struct container **list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		container_unref(list[i]);
	free(list);
}
