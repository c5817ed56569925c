/*
 * One layer out of a stream, in one pass: the bytes are hashed and kept as they come (a plain tar
 * as zstd), their tar is hashed and unpacked. What was made lies below the given work directory
 * (diff/, blob) until layer_publish() gives it its name in the staging directory.
 */
#pragma once

#include <stdbool.h>

#include "imagetool/budget.h"
#include "imagetool/stream.h"

struct layer {
	digest_hex diff_id;
	digest_hex source; /* digest of the bytes as they came */
	digest_hex blob;   /* digest of the bytes as they are kept */
	int64_t size;	   /* of the unpacked files */
	int64_t tar_size;
	int64_t source_size;
	int64_t blob_size;
	enum compression compression; /* of the blob */
	bool opaque_root;
};

/* Reads s to its end. work is an empty directory. */
int layer_read(struct sniffed *s, int work, struct budget *budget, struct layer *ret,
	       struct err *err);
/* Moves what lies in staging/work/<work> to its places in the staging directory. */
int layer_publish(int staging, const char *work, const struct layer *l, struct err *err);

/* The stored layer with this diff id: 0 with what layer.json says, < 0 where there is none, or not
 * a whole one. */
int layer_stored(int root, const char *diff_id, struct layer *ret);
/* "<first 16 digits>" */
void layer_dir_name(const char *diff_id, char ret[static LAYER_NAME_LEN + 1]);
