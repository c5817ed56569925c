/*
 * Bytes that are pulled: next() points *ret_data at the next piece, which lives until the next
 * call, and returns its size; 0 at the end, < 0 with err.
 */
#pragma once

#include <archive.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "imagetool/digest.h"

struct stream {
	ssize_t (*next)(void *arg, const void **ret_data, struct err *err);
	void *arg;
};

/* The data of the entry (or raw content) that archive a is at. `offset` starts at 0. */
struct entry_stream {
	struct archive *a;
	int64_t offset;
	struct err failed; /* the first failure; libarchive forgets it */
};
struct stream entry_stream(struct entry_stream *s, struct archive *a);

/* A file from its current offset on. */
struct fd_stream {
	int fd;
	char buf[256 << 10];
};
struct stream fd_stream(struct fd_stream *s, int fd);

/* Reads on to the end. */
int stream_drain(const struct stream *s, struct err *err);

/* How a stream is compressed, by its first bytes. */
enum compression {
	COMPRESSION_TAR, /* not at all, and it is a tar */
	COMPRESSION_GZIP,
	COMPRESSION_ZSTD,
	COMPRESSION_XZ,
	COMPRESSION_BZIP2,
	COMPRESSION_OTHER, /* something else */
};
#define SNIFF_SIZE 512
enum compression compression_sniff(const void *data, size_t n);
const char *compression_name(enum compression c);

/* A stream with its first bytes known, and hashed as it is read. */
struct sniffed {
	struct stream in;
	struct digest *digest;
	int64_t size; /* read so far */
	enum compression compression;
	char *head; /* what was read to look at it, to be given out first */
	size_t head_len;
	bool head_given;
};
int sniffed_open(struct sniffed *s, const struct stream *in, struct err *err);
struct stream sniffed_stream(struct sniffed *s);
void sniffed_close(struct sniffed *s);

/* libarchive's filters that we trust with hostile input, on a reader of unknown or known format. */
void enable_filters(struct archive *a);
/* Opens reader a on a stream; errors of the stream come back through *err where a's functions fail.
 */
struct archive_input {
	struct stream in;
	struct err err; /* of the stream */
};
int archive_open_stream(struct archive *a, struct archive_input *input, const struct stream *in,
			struct err *err);
/* What went wrong: the stream's own words, else libarchive's. Returns -1. */
int archive_failed(struct archive *a, const struct archive_input *input, struct err *err);
