/* Reads one layer; see layer.h. */
#include "imagetool/layer.h"

#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "imagetool/pump.h"
#include "imagetool/unpack.h"

#define WORK_BLOB "blob"

static void archive_read_free_p(struct archive **a)
{
	(void) archive_read_free(*a);
}

static void archive_write_free_p(struct archive **a)
{
	(void) archive_write_free(*a);
}

/*
 * The flow of a layer's bytes:
 *
 *	source ─ kept as it came? ─► blob
 *	   └► raw reader, which decompresses ─► tar reader ─► unpack
 *	                                     └► pump (2nd thread) ─ diff id, and for a plain tar: zstd ─► blob
 */
struct flow {
	struct stream source;
	struct archive *raw;
	struct archive_input raw_input;
	struct entry_stream raw_stream;
	struct stream tar; /* the uncompressed bytes */

	int blob_fd;
	bool keep_source; /* the blob is the source itself */
	struct digest *blob_digest;
	int64_t blob_size;
	struct archive *zstd; /* makes the blob of a plain tar */

	struct pump *pump;
	struct digest *diff_digest;
	int64_t tar_size;
};

static int blob_add(struct flow *f, const void *data, size_t n, struct err *err)
{
	int r = write_all(f->blob_fd, data, n);

	if (r < 0)
		return err_sys(err, -r, "write a blob");
	f->blob_size += (int64_t) n;
	return 0;
}

static ssize_t source_next(void *arg, const void **ret_data, struct err *err)
{
	struct flow *f = arg;
	ssize_t n = f->source.next(f->source.arg, ret_data, err);

	if (n > 0 && f->keep_source && blob_add(f, *ret_data, (size_t) n, err) < 0)
		return -1;
	return n;
}

static la_ssize_t zstd_write(struct archive *a, void *arg, const void *data, size_t n)
{
	struct flow *f = arg;
	struct err err = {0};

	if (blob_add(f, data, n, &err) < 0) {
		archive_set_error(a, err.errnum, "%s", err.text);
		return -1;
	}
	digest_add(f->blob_digest, data, n);
	return (la_ssize_t) n;
}

/* The blob of a plain tar: the same bytes as one zstd frame. */
static int zstd_open(struct flow *f, struct err *err)
{
	auto_(archive_write_free_p) struct archive *a = archive_write_new();
	struct archive_entry *e;

	if (archive_write_set_format_raw(a) != ARCHIVE_OK ||
	    archive_write_add_filter_zstd(a) != ARCHIVE_OK ||
	    archive_write_set_filter_option(a, "zstd", "compression-level", "1") != ARCHIVE_OK ||
	    archive_write_set_bytes_per_block(a, 0) != ARCHIVE_OK ||
	    archive_write_open2(a, f, NULL, zstd_write, NULL, NULL) != ARCHIVE_OK)
		return err_set(err, ERR_SYSTEM, "start zstd: %s", archive_error_string(a));
	e = archive_entry_new();
	archive_entry_set_filetype(e, AE_IFREG);
	(void) archive_write_header(a, e);
	archive_entry_free(e);
	f->zstd = take(a);
	return 0;
}

static int tar_bytes(void *arg, const void *data, size_t n, struct err *err)
{
	struct flow *f = arg;

	if (f->diff_digest)
		digest_add(f->diff_digest, data, n);
	if (f->zstd && archive_write_data(f->zstd, data, n) != (la_ssize_t) n)
		return err_set(err, ERR_SYSTEM, "compress: %s", archive_error_string(f->zstd));
	return 0;
}

/* What the tar reader pulls. */
static ssize_t tar_next(void *arg, const void **ret_data, struct err *err)
{
	struct flow *f = arg;
	ssize_t n = f->tar.next(f->tar.arg, ret_data, err);

	if (n <= 0)
		return n;
	f->tar_size += n;
	return pump_write(f->pump, *ret_data, (size_t) n, err) < 0 ? -1 : n;
}

static ssize_t nothing_next(void *arg, const void **ret_data, struct err *err)
{
	return 0;
}

/* Where the source is compressed: a reader that undoes it. */
static int raw_open(struct flow *f, struct err *err)
{
	struct stream in = {source_next, f};
	struct archive_entry *e;
	int r;

	f->raw = archive_read_new();
	enable_filters(f->raw);
	(void) archive_read_support_format_raw(f->raw);
	(void) archive_read_support_format_empty(f->raw);
	if (archive_open_stream(f->raw, &f->raw_input, &in, err) < 0)
		return -1;
	r = archive_read_next_header(f->raw, &e);
	if (r != ARCHIVE_OK && r != ARCHIVE_WARN && r != ARCHIVE_EOF)
		return archive_failed(f->raw, &f->raw_input, err);
	f->tar = r == ARCHIVE_EOF ? (struct stream){nothing_next, NULL}
				  : entry_stream(&f->raw_stream, f->raw);
	return 0;
}

static int flow_open(struct flow *f, struct sniffed *s, int work, struct err *err)
{
	f->source = sniffed_stream(s);
	f->blob_fd = openat(work, WORK_BLOB, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (f->blob_fd < 0)
		return err_sys(err, errno, "create a blob");
	f->blob_digest = digest_new();
	f->pump = pump_new(tar_bytes, f);

	if (s->compression == COMPRESSION_TAR) {
		f->tar = f->source;
		return zstd_open(f, err);
	}
	f->keep_source = true;
	f->diff_digest = digest_new();
	return raw_open(f, err);
}

static void flow_close(struct flow *f)
{
	pump_free(f->pump); /* first: its thread uses the rest */
	if (f->raw)
		(void) archive_read_free(f->raw);
	if (f->zstd)
		(void) archive_write_free(f->zstd);
	if (f->blob_fd >= 0)
		(void) close(f->blob_fd);
	digest_free(f->blob_digest);
	digest_free(f->diff_digest);
}

/* Unpacks the tar that tar_next() gives. */
static int unpack_tar(struct flow *f, int diff, struct budget *budget, struct unpack_result *ret,
		      struct err *err)
{
	auto_(archive_read_free_p) struct archive *a = archive_read_new();
	auto_(unpack_free_p) struct unpack *u = unpack_new(diff, budget);
	const struct stream in = {tar_next, f};
	struct archive_input input;
	struct archive_entry *e;
	int r;

	(void) archive_read_support_format_tar(a);
	(void) archive_read_support_format_empty(a);
	if (archive_open_stream(a, &input, &in, err) < 0)
		return -1;
	for (;;) {
		r = archive_read_next_header(a, &e);
		if (r == ARCHIVE_EOF)
			break;
		if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
			return archive_failed(a, &input, err);
		if (unpack_entry(u, a, e, err) < 0)
			return -1;
	}
	/* What is behind the end of the tar belongs to its digest. */
	if (stream_drain(&in, err) < 0)
		return -1;
	return unpack_finish(u, ret, err);
}

/* The digests, when all bytes are through. */
static int flow_finish(struct flow *f, struct sniffed *s, struct layer *ret, struct err *err)
{
	if (pump_flush(f->pump, err) < 0)
		return -1;
	if (f->keep_source && stream_drain(&(struct stream){source_next, f}, err) < 0)
		return -1;
	digest_end(s->digest, ret->source);
	ret->source_size = s->size;
	ret->tar_size = f->tar_size;

	if (f->zstd) {
		if (archive_write_close(f->zstd) != ARCHIVE_OK)
			return err_set(err, ERR_SYSTEM, "compress: %s",
				       archive_error_string(f->zstd));
		digest_end(f->blob_digest, ret->blob);
		memcpy(ret->diff_id, ret->source, sizeof ret->diff_id);
		ret->compression = COMPRESSION_ZSTD;
	} else {
		memcpy(ret->blob, ret->source, sizeof ret->blob);
		digest_end(f->diff_digest, ret->diff_id);
		ret->compression = s->compression;
	}
	ret->blob_size = f->blob_size;
	return 0;
}

int layer_read(struct sniffed *s, int work, struct budget *budget, struct layer *ret,
	       struct err *err)
{
	auto_(flow_close) struct flow f = {.blob_fd = -1};
	autoclose int diff = -1;
	struct unpack_result unpacked;
	struct layer l = {0};

	if (mkdirat(work, LAYER_DIFF, 0755) < 0)
		return err_sys(err, errno, "create a layer's directory");
	diff = open_dir_at(work, LAYER_DIFF);
	if (diff < 0)
		return err_sys(err, -diff, "open a layer's directory");
	if (flow_open(&f, s, work, err) < 0 || unpack_tar(&f, diff, budget, &unpacked, err) < 0 ||
	    flow_finish(&f, s, &l, err) < 0)
		return -1;
	l.size = unpacked.size;
	l.opaque_root = unpacked.opaque_root;
	*ret = l;
	return 0;
}

/* layer.json */

void layer_dir_name(const char *diff_id, char ret[static LAYER_NAME_LEN + 1])
{
	memcpy(ret, diff_id, LAYER_NAME_LEN);
	ret[LAYER_NAME_LEN] = '\0';
}

static int save_layer_json(int dir, const struct layer *l, struct err *err)
{
	autojson json_t *j = json_pack(
		"{si ss sI sI ss sI ss sb}", "Version", IMAGE_FORMAT_VERSION, "DiffId", l->diff_id,
		"Size", (json_int_t) l->size, "TarSize", (json_int_t) l->tar_size, "Blob", l->blob,
		"BlobSize", (json_int_t) l->blob_size, "Compression",
		compression_name(l->compression), "OpaqueRoot", l->opaque_root);

	return json_save_at(dir, LAYER_JSON, j, SAVE_ATOMIC, err);
}

int layer_publish(int staging, const char *work, const struct layer *l, struct err *err)
{
	char from[PATH_MAX], to[PATH_MAX], name[LAYER_NAME_LEN + 1];
	autoclose int dir = -1;

	snprintf(from, sizeof from, STAGING_WORK "/%s", work);
	dir = open_dir_at(staging, from);
	if (dir < 0)
		return err_sys(err, -dir, "open %s", from);
	if (save_layer_json(dir, l, err) < 0)
		return -1;
	snprintf(to, sizeof to, STAGING_BLOBS "/%s", l->blob);
	if (renameat(dir, WORK_BLOB, staging, to) < 0)
		return err_sys(err, errno, "rename a blob to %s", to);
	layer_dir_name(l->diff_id, name);
	snprintf(to, sizeof to, IMAGE_DIR_LAYERS "/%s", name);
	if (renameat(staging, from, staging, to) < 0)
		return err_sys(err, errno, "rename a layer to %s", to);
	return 0;
}

int layer_stored(int root, const char *diff_id, struct layer *ret)
{
	char name[LAYER_NAME_LEN + 1], path[PATH_MAX];
	autojson json_t *j = NULL;
	const char *blob, *told;

	layer_dir_name(diff_id, name);
	snprintf(path, sizeof path, IMAGE_DIR_LAYERS "/%s/" LAYER_JSON, name);
	if (json_read_at(root, path, IMAGE_MAX_JSON, &j, NULL) < 0)
		return -1;
	told = json_str(j, "DiffId");
	blob = json_str(j, "Blob");
	if (!str_eq(told, diff_id) || !blob || !str_is_hex(blob, DIGEST_HEX_LEN))
		return -1;
	snprintf(path, sizeof path, IMAGE_DIR_BLOBS "/%s", blob);
	if (!exists_at(root, path))
		return -1;
	*ret = (struct layer){
		.size = json_int(j, "Size", 0),
		.tar_size = json_int(j, "TarSize", 0),
		.blob_size = json_int(j, "BlobSize", 0),
	};
	strcpy(ret->diff_id, diff_id);
	strcpy(ret->blob, blob);
	return 0;
}
