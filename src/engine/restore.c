/*
 * restore: what the daemon does at start. Phase 1 loads every container from disk, in parallel, and
 * corrects what can be told from files alone; then the API may open. Phase 2 reconciles each
 * container that had, or may have, processes, on the workers; a request for one of them waits for
 * that one only. Claim, then sweep: what no container claimed goes last, where it is provably ours.
 * Each restore leaves a report.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "engine/networks.h"
#include "engine/restore.h"
#include "engine/volumes.h"

#define LOAD_THREADS 16 /* a cold disk answers sixteen faster than two */

static void restore_free(struct restore *r)
{
	for (size_t i = 0; i < r->n_items; i++)
		container_unref(r->items[i].c);
	for (size_t i = 0; i < r->n_images; i++) {
		free(r->images[i].id);
		free(r->images[i].missing);
	}
	free(r->images);
	free(r->items);
	strv_free(r->ids);
	strv_free(r->volumes_gone);
	strv_free(r->exec_ids);
	strv_free(r->swept);
	strv_free(r->left);
	free(r);
}

/* All of them, or an error: what is not read is not known, and what nobody knows may be swept. */
static int read_ids(int dir, char ***ret_ids, char ***ret_others, struct err *err)
{
	int fd = open_dir_at(dir, "."), r;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	size_t n = 0, cap = 0;
	autostrv char **ids = NULL;
	struct dirent *ent;

	if (!d) {
		(void) err_sys(err, fd < 0 ? -fd : errno, "read the containers' directory");
		close_p(&fd);
		return -1;
	}
	while (errno = 0, (ent = readdir(d))) {
		if (!strcmp(ent->d_name, ".") || !strcmp(ent->d_name, ".."))
			continue;
		if (!str_is_hex(ent->d_name, CONTAINER_ID_LEN)) {
			strv_add(ret_others, ent->d_name);
			continue;
		}
		if (n + 1 >= cap) { /* by hand: strv_add counts anew each time */
			cap = cap ? cap * 2 : 256;
			ids = xreallocarray(ids, cap, sizeof *ids);
		}
		ids[n++] = xstrdup(ent->d_name);
		ids[n] = NULL;
	}
	r = errno;
	(void) closedir(d);
	if (r != 0)
		return err_sys(err, r, "read the containers' directory");
	*ret_ids = take(ids);
	return 0;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

static void load_one(void *arg, size_t i)
{
	struct restore *r = arg;
	bool has_exec = r->exec_ids &&
			bsearch(&r->ids[i], r->exec_ids, r->n_exec, sizeof *r->exec_ids, by_text);
	struct err err = {0};

	if (container_load(r->e->store, r->ids[i], has_exec, &r->loaded[i], &err) < 0 &&
	    err.kind != ERR_NOT_FOUND)
		log_warn("restore: %s", err.text);
}

static const char *missing_image(struct restore *r, const char *id)
{
	struct image_answer *a;
	struct err err = {0};

	for (size_t i = 0; i < r->n_images; i++)
		if (!strcmp(r->images[i].id, id))
			return r->images[i].missing;
	r->images = xreallocarray(r->images, r->n_images + 1, sizeof *r->images);
	a = &r->images[r->n_images++];
	a->id = xstrdup(id);
	a->missing =
		check_container_image_exist(r->e->images, id, &err) < 0 ? xstrdup(err.text) : NULL;
	return a->missing;
}

/* A container that may still run keeps running, with the loss reported; another is dead. */
static void check_image(struct restore *r, struct container *c)
{
	const char *missing;

	if (c->phase == PHASE_REMOVING)
		return;
	missing =
		c->config ? missing_image(r, c->config->image_id ?: "") : "its image is not known";
	if (!missing)
		return;
	r->image_missing = true;
	if (c->phase == PHASE_DEAD) /* for another reason */
		return;
	free(c->problem);
	c->problem = xstrdup(missing);
	log_warn("container %.12s (%s): %s", c->id, c->name, missing);
	if (c->phase == PHASE_CREATED || c->phase == PHASE_EXITED) {
		c->phase = PHASE_DEAD;
		c->handled = true;
	}
}

/* Of two directories that claim one name the older keeps it. */
static void index_name(struct restore *r, struct container *c)
{
	autofree char *wish = c->name ? take(c->name) : xasprintf("dead_%.12s", c->id);

	if (container_name_index_add(r->e->store, wish, c, NULL) == 0) {
		c->name = take(wish);
		return;
	}
	c->name = xasprintf("%s_%.12s", wish, c->id);
	log_warn("container %.12s: its name %s belongs to an older container; it is %s now", c->id,
		 wish, c->name);
	(void) container_name_index_add(r->e->store, c->name, c, NULL);
}

/* To be sorted by what is at hand, without a look at each container for each comparison. */
struct by_age {
	int64_t created_ns;
	struct container *c;
};

static int oldest_first(const void *a, const void *b)
{
	const struct by_age *x = a, *y = b;

	if (x->created_ns == y->created_ns)
		return strcmp(y->c->id, x->c->id);
	return x->created_ns < y->created_ns ? -1 : 1;
}

static void sort_by_age(struct container **list, size_t n)
{
	autofree struct by_age *sorted = xcalloc(n, sizeof *sorted);

	for (size_t i = 0; i < n; i++)
		sorted[i] = (struct by_age){list[i]->created_ns, list[i]};
	qsort(sorted, n, sizeof *sorted, oldest_first);
	for (size_t i = 0; i < n; i++)
		list[i] = sorted[i].c;
}

static void sort_out(struct restore *r, struct container **list, size_t n)
{
	r->items = xcalloc(n, sizeof *r->items);
	for (size_t i = 0; i < n; i++) {
		struct container *c = list[i];

		index_name(r, c);
		networks_claim(r->e, c);
		check_image(r, c);
		if (c->phase == PHASE_DEAD)
			log_warn("container %.12s (%s): dead: %s", c->id, c->name,
				 c->problem ?: "?");
		if (c->handled && c->phase != PHASE_DEAD)
			r->resting++;
		else
			r->items[r->n_items++] = (struct handled){.c = container_ref(c)};
	}
	container_store_fill(r->e->store, list, n);
}

/* A directory whose create did not come to its end: config.json was never there, so nobody was told
 * its id. Only what create makes is taken away. */
static void sweep_unfinished(struct restore *r, const char *id)
{
	autoclose int dir = container_open_data(r->e->store, id);
	int top = container_store_data_dir(r->e->store);

	if (dir < 0)
		return;
	save_tidy_at(dir, LAYOUT_CONFIG);
	(void) unlinkat(dir, LAYOUT_RUNS, 0); /* empty: it has no config.json and no state.json */
	if (unlinkat(top, id, AT_REMOVEDIR) == 0)
		strv_add_owned(&r->swept, xasprintf("unfinished create %.12s", id));
	else
		strv_add_owned(&r->left, xasprintf("directory %s: no container's, not empty", id));
}

static void collect_loaded(struct restore *r)
{
	size_t n = strv_len(r->ids), found = 0;
	struct container **list = xreallocarray(NULL, n + 1, sizeof *list);

	for (size_t i = 0; i < n; i++)
		if (r->loaded[i])
			list[found++] = r->loaded[i];
		else
			sweep_unfinished(r, r->ids[i]);
	sort_by_age(list, found);
	sort_out(r, list, found);
	container_list_free(list, found);
	free(take(r->loaded));
}

static void leave(struct restore *r, const char *name)
{
	strv_add_owned(&r->left, xasprintf("%s: not ours by its name", name));
}

/* Removals that were cut short left the renamed directory. */
static void sweep_gone(struct restore *r, char *const *names)
{
	for (; names && *names; names++) {
		if (!gone_is(*names))
			leave(r, *names);
		else if (gone_finish(r->e, *names) == 0)
			strv_add_owned(&r->swept,
				       xasprintf("removed container's files %s", *names));
	}
}

int engine_restore_load(struct engine *e, struct err *err)
{
	struct restore *r = xnew(struct restore);
	autostrv char **others = NULL, **exec_others = NULL;

	*r = (struct restore){.e = e, .begun_ns = now_ns()};
	if (read_ids(container_store_data_dir(e->store), &r->ids, &others, err) < 0 ||
	    read_ids(container_store_exec_dir(e->store), &r->exec_ids, &exec_others, err) < 0) {
		restore_free(r);
		return -1;
	}
	r->n_exec = strv_len(r->exec_ids);
	if (r->n_exec > 0)
		qsort(r->exec_ids, r->n_exec, sizeof *r->exec_ids, by_text);
	r->loaded = xcalloc(strv_len(r->ids), sizeof *r->loaded);
	parallel_for(strv_len(r->ids), LOAD_THREADS, load_one, r);
	collect_loaded(r);
	sweep_gone(r, others);
	recover_volumes(e, &r->volumes_gone, &r->left);
	r->loaded_ns = now_ns();
	r->pending = r->n_items + 1; /* the networks */
	e->restore = r;
	return 0;
}

/* An exec directory without a container: a removal that was cut short, unless a shim lives in it.
 */
static void sweep_exec(struct restore *r)
{
	int top = container_store_exec_dir(r->e->store);
	autostrv char **others = NULL;
	autostrv char **ids = NULL;
	struct err err = {0};

	if (read_ids(top, &ids, &others, &err) < 0) {
		log_warn("exec directories are not swept: %s", err.text);
		return;
	}
	for (char **id = ids; id && *id; id++) {
		auto_(container_unref_p) struct container *c = NULL;
		autoclose int dir = -1;

		if (container_lookup(r->e->store, *id, &c, NULL) == 0 ||
		    exists_at(container_store_data_dir(r->e->store), *id))
			continue;
		dir = open_dir_at(top, *id);
		if (dir < 0 || shim_pulse(dir) != PULSE_NONE)
			strv_add_owned(&r->left,
				       xasprintf("exec directory %.12s: its shim lives", *id));
		else if (remove_tree_at(top, *id) == 0)
			strv_add_owned(&r->swept, xasprintf("exec directory %.12s", *id));
	}
	for (char **name = others; name && *name; name++)
		leave(r, *name);
}

void restore_drop(struct engine *e)
{
	if (e->restore)
		restore_free(take(e->restore));
}

/* Files of volumes that were removed, or never came to be. */
static void sweep_volumes(struct restore *r)
{
	for (char **gone = r->volumes_gone; gone && *gone; gone++) {
		volumes_delete(r->e->volumes, *gone);
		strv_add_owned(&r->swept, xasprintf("unfinished volume's files %s", *gone));
	}
}

static void tidy_all(struct engine *e)
{
	struct container **list;
	size_t n;

	container_store_all(e->store, &list, &n);
	for (size_t i = 0; i < n; i++)
		if (!container_tidy(e->store, list[i], false))
			resume_tidy(e, list[i]);
	container_list_free(list, n);
}

static void finish(void *arg)
{
	struct restore *r = arg;

	r->handled_ns = now_ns();
	tidy_all(r->e);
	sweep_exec(r);
	sweep_volumes(r);
	sweep_mounted_volumes(r->e);
	images_sweep(r->e->images, r->image_missing);
	restore_write_report(r);
	r->e->restore = NULL;
	restore_free(r);
}

struct handle_job {
	struct restore *r;
	size_t i;
};

static void one_less(struct restore *r)
{
	if (__atomic_sub_fetch(&r->pending, 1, __ATOMIC_ACQ_REL) == 0)
		finish(r);
}

static void handle_one(void *arg)
{
	struct handle_job *j = arg;
	struct restore *r = j->r;

	reconcile(r->e, r->items[j->i].c, &r->items[j->i].f);
	free(j);
	one_less(r);
}

/* Beside the containers: what is right of it goes on meanwhile. */
static void repair_networks(void *arg)
{
	struct restore *r = arg;
	struct err err = {0};

	if (networks_repair(r->e->networks, false, &err) < 0)
		log_error("networks: %s", err.text);
	one_less(r);
}

void engine_restore_handle(struct engine *e)
{
	struct restore *r = e->restore;
	size_t n = r->n_items;

	r->opened_ns = now_ns();
	sessions_begin(e);
	workers_submit(e->workers, NULL, repair_networks, r);
	/* The last job frees r: it is not looked at after the last submit. */
	for (size_t i = 0; i < n; i++) {
		struct handle_job *j = xnew(struct handle_job);

		*j = (struct handle_job){r, i};
		workers_submit(e->workers, r->items[i].c, handle_one, j);
	}
}
