/*
 * Writes the entries of one layer's tar below a directory, in overlayfs' own form, as root and yet
 * without trust:
 *
 * Names are cleaned first ("." and empty components go, ".." must stay inside); the parent
 * directory is opened with RESOLVE_IN_ROOT, so that a link inside the layer is followed as it would
 * be in the container and cannot lead out of it; the last component is created in that directory by
 * descriptor, never opened where it existed. Nobody else may write to the directory meanwhile.
 *
 *	.wh.<name>	a 0/0 character device <name>: hides what lower layers have there
 *	.wh..wh..opq	trusted.overlay.opaque=y on the directory
 *	.wh..wh.*	aufs' own housekeeping: dropped
 *
 * Extended attributes are kept if they are user.* (but user.overlay.*) or security.capability.
 */
#pragma once

#include <archive.h>
#include <archive_entry.h>
#include <stdbool.h>

#include "base/mem.h"
#include "imagetool/budget.h"

struct unpack;

struct unpack_result {
	int64_t size;	  /* of regular files, as the entries say */
	bool opaque_root; /* an opaque whiteout of the layer's root */
};

/* root is the (empty) directory to fill; borrowed, as is the budget. The process' umask must be 0.
 */
struct unpack *unpack_new(int root, struct budget *budget);
/* Writes the entry whose header was just read from a. */
int unpack_entry(struct unpack *u, struct archive *a, struct archive_entry *e, struct err *err);
/* Sets the times of directories. */
int unpack_finish(struct unpack *u, struct unpack_result *ret, struct err *err);
void unpack_free(struct unpack *u);
DEFINE_AUTO(struct unpack *, unpack_free);
