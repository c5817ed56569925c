/*
 * Layers and blobs that no record names. Removing is a rename into staging/, so that a layer is
 * there whole or not at all; its files go after that.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "image/store.h"

/* Layers */

static void bury(struct images *s, int dir, const char *name)
{
	char grave[64];
	int r;

	snprintf(grave, sizeof grave, "gone-");
	random_hex(grave + strlen(grave), 16);
	if (renameat(dir, name, s->staging, grave) < 0) {
		if (errno != ENOENT)
			log_warn("image: cannot remove %s: %s", name, strerror(errno));
		return;
	}
	r = remove_tree_at(s->staging, grave);
	if (r < 0)
		log_warn("image: cannot remove staging/%s: %s", grave, strerror(-r));
}

static void bury_blob(struct images *s, const char *hex)
{
	if (unlinkat(s->blobs, hex, 0) < 0 && errno != ENOENT)
		log_warn("image: cannot remove blob %s: %s", hex, strerror(errno));
}

/* What is claimed, as sorted names. */
struct claims {
	const char **names;
	size_t n;
};

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

static bool is_claimed(const struct claims *c, const char *name)
{
	return c->n && bsearch(&name, c->names, c->n, sizeof *c->names, by_text);
}

static void collect_claims(struct images *s, struct claims *layers, struct claims *blobs)
{
	size_t total = 0;

	for (size_t i = 0; i < s->n; i++)
		total += s->entries[i]->snap->n_layers;
	layers->names = xcalloc(total + 1, sizeof *layers->names);
	blobs->names = xcalloc(total + s->n + 1, sizeof *blobs->names);
	for (size_t i = 0; i < s->n; i++) {
		const struct snapshot *snap = s->entries[i]->snap;

		blobs->names[blobs->n++] = entry_hex(s->entries[i]);
		for (size_t k = 0; k < snap->n_layers; k++) {
			layers->names[layers->n++] = snap->layers[k].dir;
			blobs->names[blobs->n++] = snap->layers[k].blob;
		}
	}
	qsort(layers->names, layers->n, sizeof *layers->names, by_text);
	qsort(blobs->names, blobs->n, sizeof *blobs->names, by_text);
}

static void closedir_p(DIR **d)
{
	if (*d)
		(void) closedir(*d);
}

static void sweep_dir(struct images *s, int dir, const struct claims *claims,
		      void (*remove_one)(struct images *s, int dir, const char *name))
{
	auto_(closedir_p) DIR *d = NULL;
	autostrv char **gone = NULL;
	autoclose int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *e;

	if (fd < 0 || !(d = fdopendir(fd)))
		return;
	(void) take_fd(fd);
	while ((e = readdir(d)))
		if (!str_eq(e->d_name, ".") && !str_eq(e->d_name, "..") &&
		    !is_claimed(claims, e->d_name))
			strv_add(&gone, e->d_name);
	for (char **name = gone; name && *name; name++) {
		log_info("image: sweep %s, which no image needs", *name);
		remove_one(s, dir, *name);
	}
}

static void remove_blob(struct images *s, int dir, const char *name)
{
	bury_blob(s, name);
}

void sweep_unclaimed(struct images *s)
{
	struct claims layers = {0}, blobs = {0};

	s->litter = false;
	if (s->doubtful || !s->claimed)
		return;
	collect_claims(s, &layers, &blobs);
	sweep_dir(s, s->layers, &layers, bury);
	sweep_dir(s, s->blobs, &blobs, remove_blob);
	free(layers.names);
	free(blobs.names);
}

/* Does any image in the index need it? */
static void find_needed(struct images *s, const struct layer_info *l, bool *ret_layer,
			bool *ret_blob)
{
	*ret_layer = *ret_blob = false;
	for (size_t i = 0; i < s->n; i++) {
		const struct snapshot *snap = s->entries[i]->snap;

		for (size_t k = 0; k < snap->n_layers; k++) {
			*ret_layer |= str_eq(snap->layers[k].dir, l->dir);
			*ret_blob |= str_eq(snap->layers[k].blob, l->blob);
		}
	}
}

int64_t sweep_image(struct images *s, const struct snapshot *gone)
{
	int64_t freed = 0;

	if (s->busy > 0 || s->doubtful || !s->claimed)
		s->litter = true;
	for (size_t i = 0; i < gone->n_layers; i++) {
		const struct layer_info *l = &gone->layers[i];
		bool layer, blob, seen = false;

		find_needed(s, l, &layer, &blob);
		for (size_t k = 0; k < i; k++)
			seen |= str_eq(gone->layers[k].dir, l->dir);
		if (!layer && !seen)
			freed += l->size;
		if (s->litter)
			continue;
		if (!layer)
			bury(s, s->layers, l->dir);
		if (!blob)
			bury_blob(s, l->blob);
	}
	if (!s->litter)
		bury_blob(s, gone->image.id + sizeof("sha256:") - 1);
	return freed;
}

/* Who is at work */

void images_busy(struct images *s)
{
	hold(&s->verbs);
	s->busy++;
}

void images_idle(struct images *s)
{
	hold(&s->verbs);

	if (--s->busy == 0 && s->litter)
		sweep_unclaimed(s);
}
