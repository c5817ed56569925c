/*
 * The directories of a layer that is being written: opened so that no link leads out of the layer,
 * and made where an archive names what lies in them only. Functions return a descriptor or 0, or
 * -errno.
 */
#pragma once

#include <stdbool.h>

struct dirs {
	int root; /* of the layer; borrowed */

	/* The directory of the last entry, for the next one is likely in it too. Stale once
	 * something was removed, for then the path may lead elsewhere. */
	char *parent_path;
	int parent; /* -1: none */
	bool stale;
};

/* Opens what `path` leads to inside the root. */
int dirs_open(int root, const char *path, int flags);
/* Makes what lower layers have in it invisible. */
int dirs_set_opaque(int dir);
/* Makes parent/base a directory and opens it; a file that is there goes if `replace`, a whiteout in
 * any case: what it hid stays hidden. */
int dirs_make(struct dirs *d, int parent, const char *base, bool replace);
/* The directory that the last component of `path` (clean) is in, made where it is missing;
 * borrowed. *ret_base is that component; the root itself is "." in itself. */
int dirs_parent(struct dirs *d, const char *path, const char **ret_base);
void dirs_release(struct dirs *d);
