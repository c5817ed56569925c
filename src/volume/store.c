/* The volumes on disk; see volume.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "base/time.h"
#include "volume/private.h"

#define FILE_MAX (1 << 20)

/* volume.json */
struct record {
	int64_t version;
	char *driver;
	int64_t created_ns;
	struct strmap labels;
	struct strmap options;
};

static const struct field record_fields[] = {
	FIELD(struct record, "Version", FIELD_INT, version),
	FIELD(struct record, "Driver", FIELD_STR, driver),
	FIELD(struct record, "Created", FIELD_TIME, created_ns),
	FIELD_F(struct record, "Labels", FIELD_MAP, labels, FIELD_OMIT),
	FIELD_F(struct record, "Options", FIELD_MAP, options, FIELD_OMIT),
	FIELD_END,
};

static void record_free(struct record *r)
{
	fields_free(record_fields, r);
}

void volume_free(struct volume *v)
{
	if (!v)
		return;
	free(v->name);
	free(v->driver);
	free(v->mountpoint);
	free(v->problem);
	strv_free(v->labels.kv);
	strv_free(v->options.kv);
	free(v);
}

void volume_list_free(struct volume **list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		volume_free(list[i]);
	free(list);
}

bool volume_is_anonymous(const struct volume *v)
{
	return strmap_get(&v->labels, VOLUME_ANONYMOUS) != NULL;
}

int volumes_open(const char *data_root, const char *exec_root, struct volumes **ret,
		 struct err *err)
{
	autofree char *path = xasprintf("%s/" VOLUMES_DIR, data_root);
	int fd, r = mkdir_p(path, 0711);

	if (r < 0)
		return err_sys(err, -r, "%s", path);
	fd = open_dir_at(AT_FDCWD, path);
	if (fd < 0)
		return err_sys(err, -fd, "%s", path);
	*ret = xnew(struct volumes);
	(*ret)->path = take(path);
	(*ret)->dir = fd;
	(*ret)->mounts_path = xasprintf("%s/" VOLUMES_DIR, exec_root);
	pthread_mutex_init(&(*ret)->mounts_lock, NULL);
	return 0;
}

void volumes_close(struct volumes *vs)
{
	if (!vs)
		return;
	close_p(&vs->dir);
	free(vs->path);
	free(vs->mounts_path);
	pthread_mutex_destroy(&vs->mounts_lock);
	free(vs);
}

/* Reading ----------------------------------------------------------------------------------- */

static int read_record(int dir, struct record *ret, struct err *err)
{
	auto_(record_free) struct record rec = {0};
	autojson json_t *json = NULL;

	if (json_read_at(dir, VOLUME_FILE, FILE_MAX, &json, err) < 0 ||
	    fields_load(record_fields, &rec, json, err) < 0)
		return -1;
	if (rec.version > VOLUME_FORMAT)
		return err_set(err, ERR_NOT_SUPPORTED,
			       VOLUME_FILE " has format %lld, which a later version wrote",
			       (long long) rec.version);
	*ret = rec;
	rec = (struct record){0};
	return 0;
}

/* Is it still the directory of that name, or was it removed meanwhile? */
static bool is_still(const struct volumes *vs, const char *entry, int dir)
{
	struct stat ours, theirs;

	return fstat(dir, &ours) == 0 &&
	       fstatat(vs->dir, entry, &theirs, AT_SYMLINK_NOFOLLOW) == 0 &&
	       ours.st_ino == theirs.st_ino && ours.st_dev == theirs.st_dev;
}

/* The volume in the directory `entry` of volumes/: 0, or -ENOENT where that is none. */
static int load(struct volumes *vs, const char *entry, const char *name, struct volume **ret)
{
	autoclose int dir = openat(vs->dir, entry, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct record rec = {0};
	struct err err = {0};
	struct volume *v;

	if (dir < 0)
		return -errno;
	v = xnew(struct volume);
	v->name = xstrdup(name);
	v->mountpoint = xasprintf("%s/%s/" VOLUME_DATA, vs->path, name);
	if (read_record(dir, &rec, &err) < 0) {
		/* Its files go after its name. */
		if (!is_still(vs, entry, dir)) {
			volume_free(v);
			return -ENOENT;
		}
		v->problem = xstrdup(err.text);
		rec.driver = xstrdup(VOLUME_DRIVER);
	}
	v->driver = rec.driver;
	v->created_ns = rec.created_ns;
	v->labels = rec.labels;
	v->options = rec.options;
	*ret = v;
	return 0;
}

int volumes_get(struct volumes *vs, const char *name, struct volume **ret, struct err *err)
{
	int r = volume_check_name(name, NULL) < 0 ? -ENOENT : load(vs, name, name, ret);

	if (r == -ENOENT || r == -ENOTDIR || r == -ELOOP)
		return err_set(err, ERR_NOT_FOUND, "get %s: no such volume", name);
	return r < 0 ? err_sys(err, -r, "get %s", name) : 0;
}

/* A volume with options has nothing in _data: something else is mounted in its place. So one with
 * something in it is a plain one, whatever its volume.json would say. */
static int check_usable(const struct volume *v, struct err *err)
{
	autoclose int data = open_dir_at(AT_FDCWD, v->mountpoint);

	if (data < 0)
		return err_sys(err, -data, "volume %s has lost its data: %s", v->name,
			       v->mountpoint);
	if (v->problem && dir_is_empty(data) != 0)
		return err_set(err, ERR_CONFLICT,
			       "volume %s is empty and cannot be read, so it may be one that is "
			       "mounted from elsewhere: %s",
			       v->name, v->problem);
	return 0;
}

int volumes_get_usable(struct volumes *vs, const char *name, struct volume **ret, struct err *err)
{
	auto_(volume_free_p) struct volume *v = NULL;

	if (volumes_get(vs, name, &v, err) < 0 || check_usable(v, err) < 0)
		return -1;
	*ret = take(v);
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(struct volume *const *) a)->name, (*(struct volume *const *) b)->name);
}

static DIR *open_volumes(struct volumes *vs, struct err *err)
{
	int fd = openat(vs->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d) {
		(void) err_sys(err, errno, "list %s", vs->path);
		close_p(&fd);
	}
	return d;
}

int volumes_list(struct volumes *vs, struct volume ***ret, size_t *ret_n, struct err *err)
{
	DIR *d = open_volumes(vs, err);
	struct volume **list = NULL;
	size_t n = 0, cap = 0;
	struct dirent *ent;

	if (!d)
		return -1;
	while ((ent = readdir(d))) {
		struct volume *v;

		if (volume_check_name(ent->d_name, NULL) < 0 ||
		    load(vs, ent->d_name, ent->d_name, &v) < 0)
			continue;
		if (n == cap) {
			cap = cap ? cap * 2 : 16;
			list = xreallocarray(list, cap, sizeof *list);
		}
		list[n++] = v;
	}
	closedir(d);
	if (n > 1)
		qsort(list, n, sizeof *list, by_name);
	*ret = list;
	*ret_n = n;
	return 0;
}

int64_t volumes_size(struct volumes *vs, const char *name)
{
	autofree char *data = xasprintf("%s/" VOLUME_DATA, name);

	return tree_size_at(vs->dir, data);
}

/* Making ------------------------------------------------------------------------------------ */

/* A whole volume under a name that nobody looks for. */
static int fill_entry(int dir, const struct volume_request *rq, struct err *err)
{
	struct record rec = {
		.version = VOLUME_FORMAT,
		.driver = (char *) VOLUME_DRIVER,
		.created_ns = now_ns(),
	};
	autojson json_t *json = NULL;

	if (rq->labels)
		rec.labels.kv = strv_copy(rq->labels->kv);
	if (rq->options)
		rec.options.kv = strv_copy(rq->options->kv);
	if (str_empty(rq->name))
		strmap_set(&rec.labels, VOLUME_ANONYMOUS, "");
	json = fields_save(record_fields, &rec);
	strv_free(rec.labels.kv);
	strv_free(rec.options.kv);
	/* By its mode, whatever our umask is. */
	if (mkdirat(dir, VOLUME_DATA, 0755) < 0 || fchmodat(dir, VOLUME_DATA, 0755, 0) < 0)
		return err_sys(err, errno, "make " VOLUME_DATA);
	return json_save_at(dir, VOLUME_FILE, json, SAVE_DURABLE, err);
}

static int make_entry(struct volumes *vs, const char *entry, const struct volume_request *rq,
		      struct err *err)
{
	autoclose int dir = -1;

	if (mkdirat(vs->dir, entry, 0711) < 0)
		return err_sys(err, errno, "make %s/%s", vs->path, entry);
	dir = open_dir_at(vs->dir, entry);
	if (dir < 0 ? err_sys(err, -dir, "open %s/%s", vs->path, entry) < 0
		    : fill_entry(dir, rq, err) < 0) {
		(void) remove_tree_at(vs->dir, entry);
		return -1;
	}
	return 0;
}

/* Gives the entry its name: 0 or -errno; -EEXIST where another has it. */
static int rename_whole(struct volumes *vs, const char *entry, const char *name)
{
	if (renameat2(vs->dir, entry, vs->dir, name, RENAME_NOREPLACE) < 0)
		return -errno;
	return sync_dir(vs->dir);
}

static int check_request(const struct volume_request *rq, struct err *err)
{
	if (!str_empty(rq->name) && volume_check_name(rq->name, err) < 0)
		return -1;
	if (!str_empty(rq->driver) && strcmp(rq->driver, VOLUME_DRIVER) != 0)
		return err_set(err, ERR_NOT_FOUND,
			       "create %s: error looking up volume plugin %s: plugin \"%s\" not "
			       "found",
			       rq->name ?: "", rq->driver, rq->driver);
	if (volume_check_options(rq->options, err) < 0)
		return err_wrap(err, "create %s", rq->name ?: "");
	return 0;
}

/* 0: there is one, and it is what was asked for. -ENOENT: there is none. Else -1 with err. */
static int find(struct volumes *vs, const struct volume_request *rq, struct volume **ret,
		struct err *err)
{
	auto_(volume_free_p) struct volume *v = NULL;
	struct err why = {0};

	if (volumes_get(vs, rq->name, &v, &why) < 0) {
		if (why.kind == ERR_NOT_FOUND)
			return -ENOENT;
		if (err)
			*err = why;
		return -1;
	}
	if (!str_empty(rq->driver) && strcmp(rq->driver, v->driver) != 0)
		return err_set(err, ERR_CONFLICT,
			       "create %s: driver '%s' already has volume '%s': volume name must "
			       "be unique",
			       rq->name, v->driver, rq->name);
	*ret = take(v);
	return 0;
}

int volumes_create(struct volumes *vs, const struct volume_request *rq, struct volume **ret,
		   bool *ret_made, struct err *err)
{
	char random[VOLUME_ID_LEN + 1], entry[sizeof PREFIX_NEW + 16] = PREFIX_NEW;
	bool named = !str_empty(rq->name);
	const char *name = rq->name;
	int r;

	if (named) {
		r = find(vs, rq, ret, err);
		*ret_made = false;
		if (r != -ENOENT)
			return r;
	} else {
		random_hex(random, VOLUME_ID_LEN);
		name = random;
	}
	if (check_request(rq, err) < 0)
		return -1;
	random_hex(entry + strlen(entry), 16);
	if (make_entry(vs, entry, rq, err) < 0)
		return err_wrap(err, "create %s", name);
	r = rename_whole(vs, entry, name);
	if (r < 0)
		(void) remove_tree_at(vs->dir, entry);
	if (r == -EEXIST && named) { /* another request was faster; or it is no volume */
		int found = find(vs, rq, ret, err);

		if (found != -ENOENT)
			return found;
	}
	if (r < 0)
		return err_sys(err, -r, "create %s", name);
	*ret_made = true;
	return volumes_get(vs, name, ret, err);
}

int volumes_create_pending(struct volumes *vs, const struct volume_request *rq, struct volume **ret,
			   struct err *err)
{
	struct volume_request nameless = *rq;
	autofree char *entry = xasprintf(PREFIX_PENDING "%s", rq->name);
	int r;

	if (check_request(rq, err) < 0)
		return -1;
	nameless.name = NULL; /* nobody named it */
	if (make_entry(vs, entry, &nameless, err) < 0)
		return err_wrap(err, "create %s", rq->name);
	r = sync_dir(vs->dir);
	if (r == 0)
		r = load(vs, entry, rq->name, ret);
	return r < 0 ? err_sys(err, -r, "create %s", rq->name) : 0;
}

int volumes_publish(struct volumes *vs, const char *name, struct err *err)
{
	autofree char *entry = xasprintf(PREFIX_PENDING "%s", name);
	int r = rename_whole(vs, entry, name);

	if (r == -ENOENT && exists_at(vs->dir, name))
		return 0;
	return r < 0 ? err_sys(err, -r, "create %s", name) : 1;
}

int volumes_drop_pending(struct volumes *vs, const char *name, char *ret_gone)
{
	autofree char *entry = xasprintf(PREFIX_PENDING "%s", name);

	return volumes_move_away(vs, entry, ret_gone);
}

/* Removing ---------------------------------------------------------------------------------- */

int volumes_move_away(struct volumes *vs, const char *entry, char *ret_gone)
{
	char gone[VOLUME_GONE_MAX] = PREFIX_GONE;

	random_hex(gone + strlen(gone), 16);
	if (renameat(vs->dir, entry, vs->dir, gone) < 0)
		return -errno;
	strcpy(ret_gone, gone);
	return 0;
}

/* What somebody has mounted there is not ours to delete. */
static bool is_mounted_on(struct volumes *vs, const char *name)
{
	autofree char *data = xasprintf("%s/" VOLUME_DATA, name);
	struct statx st;

	return statx(vs->dir, data, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, 0, &st) == 0 &&
	       (st.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

int volumes_take_away(struct volumes *vs, const char *name, char *ret_gone, struct err *err)
{
	int r;

	if (is_mounted_on(vs, name))
		return err_set(err, ERR_CONFLICT,
			       "remove %s: something is mounted on %s/%s/" VOLUME_DATA, name,
			       vs->path, name);
	r = volumes_move_away(vs, name, ret_gone);
	if (r == -ENOENT)
		return err_set(err, ERR_NOT_FOUND, "get %s: no such volume", name);
	if (r < 0)
		return err_sys(err, -r, "remove %s", name);
	r = sync_dir(vs->dir);
	if (r < 0)
		log_warn("volume %s: removed, but a power failure may bring it back: %s", name,
			 strerror(-r));
	return 0;
}

void volumes_delete(struct volumes *vs, const char *gone)
{
	int r = remove_tree_at(vs->dir, gone);

	if (r < 0)
		log_warn("volumes: %s/%s is left for the next sweep: %s", vs->path, gone,
			 strerror(-r));
}

/* After a crash ----------------------------------------------------------------------------- */

static void complete(struct volumes *vs, const char *name)
{
	int r = volumes_complete_fill(vs, name);

	if (r < 0)
		log_warn("volume %s: what it was to begin with is not all there: %s", name,
			 strerror(-r));
}

void volumes_recover(struct volumes *vs, char ***ret_pending, char ***ret_gone)
{
	struct err err = {0};
	DIR *d = open_volumes(vs, &err);
	char gone[VOLUME_GONE_MAX];
	struct dirent *ent;

	if (!d) {
		log_warn("volumes: %s", err.text);
		return;
	}
	while ((ent = readdir(d))) {
		const char *name = ent->d_name;

		if (str_has_prefix(name, PREFIX_GONE))
			strv_add(ret_gone, name);
		else if (str_has_prefix(name, PREFIX_PENDING))
			strv_add(ret_pending, name + strlen(PREFIX_PENDING));
		else if (str_has_prefix(name, PREFIX_FILLED))
			complete(vs, name + strlen(PREFIX_FILLED));
		else if ((str_has_prefix(name, PREFIX_NEW) || str_has_prefix(name, PREFIX_FILL)) &&
			 volumes_move_away(vs, name, gone) == 0)
			strv_add(ret_gone, gone);
	}
	closedir(d);
}
