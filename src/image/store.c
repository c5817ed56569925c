/* Opening, closing, and what is asked of the store. */
#include "image/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "image/reference.h"

/* Opening */

static void closedir_p(DIR **d)
{
	if (*d)
		(void) closedir(*d);
}

/* The names in a directory, but "." and "..". */
static int list_dir(int dir, char ***ret, struct err *err)
{
	auto_(closedir_p) DIR *d = NULL;
	autoclose int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *e;
	size_t n = 0, cap = 0;
	char **names = NULL;

	if (fd < 0 || !(d = fdopendir(fd)))
		return err_sys(err, errno, "read the image store");
	(void) take_fd(fd);
	while ((e = readdir(d))) {
		if (str_eq(e->d_name, ".") || str_eq(e->d_name, ".."))
			continue;
		if (n + 1 >= cap) {
			cap = cap ? 2 * cap : 64;
			names = xreallocarray(names, cap, sizeof *names);
		}
		names[n++] = xstrdup(e->d_name);
		names[n] = NULL;
	}
	*ret = names;
	return 0;
}

static int open_dirs(struct images *s, struct err *err)
{
	const struct {
		const char *name;
		int *fd;
	} dirs[] = {
		{"", &s->root},
		{IMAGE_DIR_LAYERS, &s->layers},
		{IMAGE_DIR_BLOBS, &s->blobs},
		{IMAGE_DIR_IMAGES, &s->records},
		{IMAGE_DIR_STAGING, &s->staging},
	};

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		autofree char *path = xasprintf("%s/%s", s->root_path, dirs[i].name);
		int r = mkdir_p(path, 0700);

		if (r < 0)
			return err_sys(err, -r, "create %s", path);
		*dirs[i].fd = open_dir_at(AT_FDCWD, path);
		if (*dirs[i].fd < 0)
			return err_sys(err, -*dirs[i].fd, "open %s", path);
	}
	return 0;
}

static int sweep_staging(struct images *s, struct err *err)
{
	autostrv char **names = NULL;

	if (list_dir(s->staging, &names, err) < 0)
		return -1;
	for (char **name = names; name && *name; name++) {
		log_info("image: sweep staging/%s, which was not finished", *name);
		staging_remove(s, *name);
	}
	return 0;
}

struct loading {
	struct images *s;
	char **files;
	struct entry **entries;
};

static void load_one(void *arg, size_t i)
{
	struct loading *l = arg;
	autojson json_t *record = NULL;
	struct err err = {0};

	if (json_read_at(l->s->records, l->files[i], 4 * IMAGE_MAX_JSON, &record, &err) < 0 ||
	    entry_from_record(record, &l->entries[i], &err) < 0) {
		log_error("image: %s/" IMAGE_DIR_IMAGES "/%s: %s", l->s->root_path, l->files[i],
			  err.text);
		return;
	}
	if (!str_has_prefix(l->files[i], entry_hex(l->entries[i]))) {
		log_error("image: %s/" IMAGE_DIR_IMAGES "/%s is not the record of that image",
			  l->s->root_path, l->files[i]);
		entry_free(take(l->entries[i]));
	}
}

static bool is_record(const char *name)
{
	return str_has_suffix(name, ".json") && name[0] != '.';
}

/* What an interrupted save leaves. Other files here are not ours, and stay. */
static bool is_leftover(const char *name)
{
	return name[0] == '.' && str_has_suffix(name, ".json.new");
}

static int load_records(struct images *s, struct err *err)
{
	autostrv char **files = NULL;
	struct loading l = {.s = s};
	size_t n = 0;

	if (list_dir(s->records, &files, err) < 0)
		return -1;
	for (char **f = files; f && *f; f++) {
		if (is_record(*f)) {
			files[n++] = *f;
		} else {
			if (is_leftover(*f))
				(void) unlinkat(s->records, *f, 0);
			free(*f);
		}
	}
	if (files)
		files[n] = NULL;
	l.files = files;
	l.entries = xcalloc(n + 1, sizeof(struct entry *));
	parallel_for(n, n < 50 ? 1 : 4, load_one, &l);
	for (size_t i = 0; i < n; i++) {
		if (l.entries[i])
			l.entries[s->n++] = l.entries[i];
		else
			s->doubtful = true;
	}
	s->entries = l.entries;
	return 0;
}

int images_open(const char *data_root, const char *tool, struct images **ret, struct err *err)
{
	struct images *s = xnew(struct images);

	s->tool = xstrdup(tool);
	s->root_path = xasprintf("%s/image", data_root);
	s->layers_dir = xasprintf("%s/" IMAGE_DIR_LAYERS, s->root_path);
	s->root = s->layers = s->blobs = s->records = s->staging = -1;
	pthread_mutex_init(&s->verbs, NULL);
	pthread_mutex_init(&s->lock, NULL);

	if (open_dirs(s, err) < 0 || sweep_staging(s, err) < 0 || load_records(s, err) < 0) {
		images_close(s);
		return err_wrap(err, "image store");
	}
	index_sort(s);
	images_save_stale(s);
	*ret = s;
	return 0;
}

void images_sweep(struct images *s, bool one_is_missing)
{
	hold(&s->verbs);

	s->claimed = true;
	if (one_is_missing) {
		s->doubtful = true;
		log_warn("image: nothing is swept, for a container may need an image whose record "
			 "is missing");
	}
	sweep_unclaimed(s);
}

void images_close(struct images *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++)
		entry_free(s->entries[i]);
	free(s->entries);
	free(s->names);
	close_p(&s->root);
	close_p(&s->layers);
	close_p(&s->blobs);
	close_p(&s->records);
	close_p(&s->staging);
	free(s->tool);
	free(s->root_path);
	free(s->layers_dir);
	pthread_mutex_destroy(&s->verbs);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* Asking */

int image_resolve(struct images *s, const char *ref, struct image **ret, struct err *err)
{
	struct entry *e;

	hold(&s->lock);
	if (index_resolve(s, ref, &e, err) < 0)
		return -1;
	*ret = image_ref(&e->snap->image);
	return 0;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

static void sort_strv(char **v)
{
	if (v)
		qsort(v, strv_len(v), sizeof *v, by_text);
}

char **image_tags(struct images *s, const struct image *im)
{
	char **tags = NULL;
	struct entry *e;

	hold(&s->lock);
	e = index_by_id(s, im->id + sizeof("sha256:") - 1);
	for (size_t i = 0; e && i < e->n_names; i++)
		strv_add(&tags, familiar_text(e->names[i].name));
	sort_strv(tags);
	return tags;
}

char **image_digests(struct images *s, const struct image *im)
{
	char **digests = NULL;
	struct entry *e;

	hold(&s->lock);
	e = index_by_id(s, im->id + sizeof("sha256:") - 1);
	for (char **d = e ? e->digests : NULL; d && *d; d++)
		strv_add(&digests, familiar_text(*d));
	sort_strv(digests);
	return digests;
}

char *image_familiar_name(const char *ref)
{
	autoreference r = {0};
	autofree char *text = NULL;

	if (reference_parse(ref, &r, NULL) < 0)
		return NULL;
	text = reference_text(&r);
	return xstrdup(familiar_text(text));
}

/* A layer that comes twice is named once, at the top: overlay refuses it twice, and all that the
 * lower one shows the upper one shows too. Below an opaque root nothing is seen. */
char **image_lower(struct images *s, const struct image *im)
{
	const struct snapshot *snap = (const struct snapshot *) im;
	char **lower = NULL;

	for (size_t i = snap->n_layers; i-- > 0;) {
		autofree char *path = xasprintf("%s/" LAYER_DIFF, snap->layers[i].dir);

		if (!strv_contains(lower, path))
			strv_add(&lower, path);
		if (snap->layers[i].opaque_root)
			break;
	}
	return lower;
}

const char *images_layers_dir(struct images *s)
{
	return s->layers_dir;
}

/* Not what a link leads to. */
static bool is_directory(int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

/* An image that is not in the index may be so for its record's sake. */
static int say_unreadable(struct images *s, const char *id, struct err *err)
{
	autofree char *name = xasprintf(
		"%s.json", str_has_prefix(id, "sha256:") ? id + sizeof("sha256:") - 1 : id);

	if (strchr(name, '/') || !exists_at(s->records, name))
		return -1;
	return err_set(err, ERR_NOT_FOUND,
		       "image %.19s: its record %s/" IMAGE_DIR_IMAGES "/%s cannot be read", id,
		       s->root_path, name);
}

int check_container_image_exist(struct images *s, const char *id, struct err *err)
{
	auto_(image_unref_p) struct image *im = NULL;
	autostrv char **lower = NULL;

	if (image_resolve(s, id, &im, err) < 0)
		return say_unreadable(s, id, err);
	lower = image_lower(s, im);
	for (char **l = lower; l && *l; l++)
		if (!is_directory(s->layers, *l))
			return err_set(err, ERR_NOT_FOUND,
				       "image %.19s: its layer %s/%s is missing", id, s->layers_dir,
				       *l);
	return 0;
}

static int by_dir(const void *a, const void *b)
{
	const struct layer_info *const *x = a, *const *y = b;

	return strcmp((*x)->dir, (*y)->dir);
}

int64_t images_disk_usage(struct images *s)
{
	autofree const struct layer_info **layers = NULL;
	int64_t total = 0;
	size_t n = 0;

	hold(&s->lock);
	for (size_t i = 0; i < s->n; i++)
		n += s->entries[i]->snap->n_layers;
	layers = xcalloc(n + 1, sizeof *layers);
	n = 0;
	for (size_t i = 0; i < s->n; i++)
		for (size_t k = 0; k < s->entries[i]->snap->n_layers; k++)
			layers[n++] = &s->entries[i]->snap->layers[k];
	qsort(layers, n, sizeof *layers, by_dir);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || !str_eq(layers[i]->dir, layers[i - 1]->dir))
			total += layers[i]->size + layers[i]->blob_size;
	return total;
}
