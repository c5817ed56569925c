/* Reads an image archive's members; see members.h. */
#include "imagetool/members.h"

#include <archive_entry.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/str.h"
#include "imagetool/names.h"

#define MAX_MEMBERS    100000
#define MAX_TEXT_BYTES (64 << 20)
#define BLOB_PREFIX    "blobs/sha256/"

static int by_name(const void *a, const void *b)
{
	const struct member *x = a, *y = b;
	int r = strcmp(x->name, y->name);

	return r ? r : (x->number < y->number ? -1 : 1);
}

/* The digest that a member's name claims for its bytes, or NULL. */
static const char *claimed_blob(const char *name)
{
	const char *hex = name + sizeof(BLOB_PREFIX) - 1;

	return str_has_prefix(name, BLOB_PREFIX) && str_is_hex(hex, DIGEST_HEX_LEN) ? hex : NULL;
}

/* Is a member with this name surely a layer that we have? Its bytes are hashed all the same. */
static bool is_stored(int root, const struct member *m, enum compression compression)
{
	const char *hex = claimed_blob(m->name);
	char path[PATH_MAX];
	struct layer l;

	if (!hex)
		return false;
	if (compression == COMPRESSION_TAR)
		return layer_stored(root, hex, &l) == 0;
	snprintf(path, sizeof path, IMAGE_DIR_BLOBS "/%s", hex);
	return exists_at(root, path);
}

static int read_layer(struct member *m, struct sniffed *s, int staging, struct budget *budget,
		      struct err *err)
{
	char name[64];
	autoclose int work = -1;

	snprintf(name, sizeof name, STAGING_WORK "/%u", m->number);
	if (mkdirat(staging, name, 0700) < 0)
		return err_sys(err, errno, "create %s", name);
	work = open_dir_at(staging, name);
	if (work < 0)
		return err_sys(err, -work, "open %s", name);
	m->kind = MEMBER_LAYER;
	return layer_read(s, work, budget, &m->layer, err);
}

/* Small ones are kept, others only hashed. */
static int read_other(struct members *all, struct member *m, struct sniffed *s, struct err *err)
{
	const struct stream in = sniffed_stream(s);
	auto_(buf_free) struct buf text = {0};
	const void *data;
	ssize_t n;

	m->kind = MEMBER_SMALL;
	while ((n = in.next(in.arg, &data, err)) > 0) {
		if (m->kind == MEMBER_OTHER)
			continue;
		buf_add(&text, data, (size_t) n);
		if (text.len > IMAGE_MAX_JSON) {
			m->kind = MEMBER_OTHER;
			buf_free(&text);
		}
	}
	if (n < 0)
		return -1;
	all->text_bytes += (int64_t) text.len;
	if (all->text_bytes > MAX_TEXT_BYTES)
		return err_set(err, ERR_TOO_LARGE, "more than %d MiB of small files in the archive",
			       MAX_TEXT_BYTES >> 20);
	if (m->kind == MEMBER_SMALL)
		m->text = buf_take(&text);
	return 0;
}

static bool is_fatal(const struct err *e)
{
	return e->kind == ERR_TOO_LARGE || e->kind == ERR_SYSTEM;
}

static int read_content(struct members *all, struct member *m, struct sniffed *s, int root,
			int staging, struct budget *budget, struct err *err)
{
	if (s->compression == COMPRESSION_OTHER || is_stored(root, m, s->compression)) {
		if (read_other(all, m, s, err) < 0)
			return -1;
		if (s->compression != COMPRESSION_OTHER)
			m->kind = MEMBER_STORED;
		digest_end(s->digest, m->digest);
	} else if (read_layer(m, s, staging, budget, &m->err) == 0) {
		memcpy(m->digest, m->layer.source, sizeof m->digest);
	} else {
		/* It may not be a layer of any image: then nobody asks. */
		const struct stream rest = sniffed_stream(s);

		if (is_fatal(&m->err)) {
			if (err)
				*err = m->err;
			return err_wrap(err, "%s", m->name);
		}
		if (stream_drain(&rest, err) < 0)
			return -1;
		digest_end(s->digest, m->digest);
	}
	m->size = s->size;
	return 0;
}

static int read_member(struct members *all, struct member *m, struct archive *a, int root,
		       int staging, struct budget *budget, struct err *err)
{
	auto_(sniffed_close) struct sniffed s = {0};
	char shown[PRINTABLE_MAX];
	const char *claimed = claimed_blob(m->name);
	struct entry_stream es;
	const struct stream in = entry_stream(&es, a);

	if (sniffed_open(&s, &in, err) < 0 ||
	    read_content(all, m, &s, root, staging, budget, err) < 0)
		return err_wrap(err, "read the archive");
	if (claimed && !str_eq(claimed, m->digest))
		return err_set(err, ERR_INVALID, "%s does not match its digest: it is sha256:%s",
			       printable(m->name, shown), m->digest);
	return 0;
}

static struct member *add_member(struct members *all, const char *name)
{
	if (all->n == all->cap) {
		all->cap = all->cap ? 2 * all->cap : 64;
		all->items = xreallocarray(all->items, all->cap, sizeof *all->items);
	}
	all->items[all->n] = (struct member){.name = xstrdup(name), .number = (unsigned) all->n};
	return &all->items[all->n++];
}

/* Where a link leads, as a clean name: a symlink starts in its own directory, a hard link at the
 * top. */
static int link_target(struct member *m, struct archive_entry *e, struct err *err)
{
	const char *hard = archive_entry_hardlink(e), *soft = archive_entry_symlink(e);
	const char *slash = strrchr(m->name, '/');
	autofree char *joined = NULL;
	char shown[PRINTABLE_MAX], clean[PATH_MAX];

	if (hard)
		joined = xstrdup(hard);
	else
		joined = xasprintf("%.*s/%s", slash ? (int) (slash - m->name) : 0, m->name,
				   soft ? soft : "");
	if (clean_path(joined, clean, sizeof clean) < 0)
		return err_set(err, ERR_INVALID, "%s is a link out of the archive",
			       printable(m->name, shown));
	m->kind = MEMBER_LINK;
	m->target = xstrdup(clean);
	return 0;
}

static int read_entry(struct members *all, struct archive *a, struct archive_entry *e, int root,
		      int staging, struct budget *budget, struct err *err)
{
	const char *name = archive_entry_pathname(e);
	char shown[PRINTABLE_MAX], clean[PATH_MAX];
	bool link = archive_entry_hardlink(e) || archive_entry_filetype(e) == AE_IFLNK;

	if (!link && archive_entry_filetype(e) != AE_IFREG)
		return 0;
	if (!name || clean_path(name, clean, sizeof clean) < 0 || !*clean)
		return err_set(err, ERR_INVALID, "the archive has a member with a bad name: %s",
			       printable(name ? name : "", shown));
	if (all->n >= MAX_MEMBERS)
		return err_set(err, ERR_TOO_LARGE, "more than %d members in the archive",
			       MAX_MEMBERS);
	if (link)
		return link_target(add_member(all, clean), e, err);
	return read_member(all, add_member(all, clean), a, root, staging, budget, err);
}

static void archive_read_free_p(struct archive **a)
{
	(void) archive_read_free(*a);
}

int members_read(struct members *all, int fd, int root, int staging, struct budget *budget,
		 struct err *err)
{
	auto_(archive_read_free_p) struct archive *a = archive_read_new();
	autofree struct fd_stream *fs = xnew(struct fd_stream);
	struct stream in = fd_stream(fs, fd);
	struct archive_input input;
	struct archive_entry *e;
	int r;

	enable_filters(a);
	(void) archive_read_support_format_tar(a);
	(void) archive_read_support_format_empty(a);
	if (archive_open_stream(a, &input, &in, err) < 0)
		return err_wrap(err, "not an image archive");
	for (;;) {
		r = archive_read_next_header(a, &e);
		if (r == ARCHIVE_EOF)
			break;
		if (r != ARCHIVE_OK && r != ARCHIVE_WARN) {
			(void) archive_failed(a, &input, err);
			return err_wrap(err, "read the archive");
		}
		if (read_entry(all, a, e, root, staging, budget, err) < 0)
			return -1;
	}
	/* To its end, so that the sender is not cut off in the middle of padding. */
	(void) stream_drain(&in, NULL);
	qsort(all->items, all->n, sizeof *all->items, by_name);
	return 0;
}

/* The last one with this name, as tar has it. */
static struct member *find_plain(struct members *all, const char *name)
{
	size_t low = 0, high = all->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (strcmp(all->items[mid].name, name) <= 0)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == 0 || !str_eq(all->items[low - 1].name, name))
		return NULL;
	return &all->items[low - 1];
}

struct member *members_find(struct members *all, const char *name)
{
	char clean[PATH_MAX];
	struct member *m;

	if (clean_path(name, clean, sizeof clean) < 0)
		return NULL;
	m = find_plain(all, clean);
	for (int hops = 0; m && m->kind == MEMBER_LINK; hops++)
		m = hops < 8 ? find_plain(all, m->target) : NULL;
	return m;
}

void members_free(struct members *all)
{
	for (size_t i = 0; i < all->n; i++) {
		free(all->items[i].name);
		free(all->items[i].text);
		free(all->items[i].target);
	}
	free(all->items);
	*all = (struct members){0};
}
