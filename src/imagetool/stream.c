/* Streams that are pulled, and their way into libarchive; see stream.h. */
#include "imagetool/stream.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

/* Sources */

static ssize_t entry_next(void *arg, const void **ret_data, struct err *err)
{
	struct entry_stream *s = arg;
	la_int64_t offset;
	size_t n;
	int r;

	if (s->failed.kind != ERR_NONE) {
		if (err)
			*err = s->failed;
		return -1;
	}
	do {
		r = archive_read_data_block(s->a, ret_data, &n, &offset);
		if (r == ARCHIVE_EOF)
			return 0;
		if (r != ARCHIVE_OK && r != ARCHIVE_WARN) {
			(void) err_set(&s->failed, ERR_INVALID, "%s", archive_error_string(s->a));
			if (err)
				*err = s->failed;
			return -1;
		}
	} while (n == 0);
	if (offset != s->offset)
		return err_set(err, ERR_INVALID, "a sparse member in the archive");
	s->offset += (int64_t) n;
	return (ssize_t) n;
}

struct stream entry_stream(struct entry_stream *s, struct archive *a)
{
	*s = (struct entry_stream){.a = a};
	return (struct stream){entry_next, s};
}

static ssize_t fd_next(void *arg, const void **ret_data, struct err *err)
{
	struct fd_stream *s = arg;

	*ret_data = s->buf;
	for (;;) {
		ssize_t n = read(s->fd, s->buf, sizeof s->buf);

		if (n >= 0)
			return n;
		if (errno != EINTR)
			return err_sys(err, errno, "read");
	}
}

struct stream fd_stream(struct fd_stream *s, int fd)
{
	s->fd = fd;
	return (struct stream){fd_next, s};
}

int stream_drain(const struct stream *s, struct err *err)
{
	const void *data;
	ssize_t n;

	do
		n = s->next(s->arg, &data, err);
	while (n > 0);
	return n < 0 ? -1 : 0;
}

/* What a stream is */

/* A tar header's checksum is right: old tars have no magic. */
static bool tar_header_valid(const unsigned char *h)
{
	unsigned long sum = 8 * ' ', told;
	char field[9] = {0};

	memcpy(field, h + 148, 8);
	if (sscanf(field, " %lo", &told) != 1)
		return false;
	for (int i = 0; i < SNIFF_SIZE; i++)
		sum += i >= 148 && i < 156 ? 0 : h[i];
	return sum == told;
}

enum compression compression_sniff(const void *data, size_t n)
{
	static const struct {
		enum compression what;
		size_t len;
		const char *magic;
	} known[] = {
		{COMPRESSION_GZIP, 2, "\x1f\x8b"},
		{COMPRESSION_ZSTD, 4, "\x28\xb5\x2f\xfd"},
		{COMPRESSION_XZ, 6,
		 "\xfd"
		 "7zXZ\0"},
		{COMPRESSION_BZIP2, 3, "BZh"},
	};
	static const char zeros[SNIFF_SIZE];

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (n >= known[i].len && memcmp(data, known[i].magic, known[i].len) == 0)
			return known[i].what;
	/* A tar without entries is zeros. */
	if (n >= SNIFF_SIZE && (tar_header_valid(data) || memcmp(data, zeros, SNIFF_SIZE) == 0))
		return COMPRESSION_TAR;
	return COMPRESSION_OTHER;
}

const char *compression_name(enum compression c)
{
	static const char *const names[] = {"none", "gzip", "zstd", "xz", "bzip2", "unknown"};

	return names[c];
}

static ssize_t sniffed_next(void *arg, const void **ret_data, struct err *err)
{
	struct sniffed *s = arg;
	ssize_t n;

	if (!s->head_given) {
		s->head_given = true;
		*ret_data = s->head;
		if (s->head_len > 0)
			return (ssize_t) s->head_len;
	}
	n = s->in.next(s->in.arg, ret_data, err);
	if (n > 0) {
		digest_add(s->digest, *ret_data, (size_t) n);
		s->size += n;
	}
	return n;
}

int sniffed_open(struct sniffed *s, const struct stream *in, struct err *err)
{
	struct buf head = {0};
	ssize_t n = 0;

	*s = (struct sniffed){.in = *in, .digest = digest_new()};
	while (head.len < SNIFF_SIZE) {
		const void *data;

		n = in->next(in->arg, &data, err);
		if (n <= 0)
			break;
		buf_add(&head, data, (size_t) n);
	}
	s->size = (int64_t) head.len;
	s->head_len = head.len;
	s->head = buf_take(&head);
	if (n < 0)
		return -1;
	digest_add(s->digest, s->head, s->head_len);
	s->compression = compression_sniff(s->head, s->head_len);
	return 0;
}

struct stream sniffed_stream(struct sniffed *s)
{
	return (struct stream){sniffed_next, s};
}

void sniffed_close(struct sniffed *s)
{
	digest_free(s->digest);
	free(s->head);
}

/* libarchive */

void enable_filters(struct archive *a)
{
	(void) archive_read_support_filter_gzip(a);
	(void) archive_read_support_filter_zstd(a);
	(void) archive_read_support_filter_xz(a);
	(void) archive_read_support_filter_bzip2(a);
}

static la_ssize_t input_read(struct archive *a, void *arg, const void **ret_data)
{
	struct archive_input *input = arg;
	ssize_t n = input->in.next(input->in.arg, ret_data, &input->err);

	if (n < 0)
		archive_set_error(a, EIO, "%s", input->err.text);
	return n < 0 ? ARCHIVE_FATAL : n;
}

int archive_open_stream(struct archive *a, struct archive_input *input, const struct stream *in,
			struct err *err)
{
	*input = (struct archive_input){.in = *in};
	if (archive_read_open2(a, input, NULL, input_read, NULL, NULL) != ARCHIVE_OK)
		return archive_failed(a, input, err);
	return 0;
}

int archive_failed(struct archive *a, const struct archive_input *input, struct err *err)
{
	const char *text = archive_error_string(a);

	if (input->err.kind != ERR_NONE) {
		if (err)
			*err = input->err;
		return -1;
	}
	return err_set(err, ERR_INVALID, "%s", text ? text : "damaged");
}
