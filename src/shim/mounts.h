/*
 * The container's root file system, mounted in a mount namespace of the shim's own: the host never
 * sees it, and the kernel takes it away with the last process that lives in it.
 *
 * Propagation stays as it is, so that `rshared` volumes work both ways; that nothing of ours gets
 * out is the daemon's part: the exec root lies on a private mount.
 */
#pragma once

#include "base/err.h"
#include "wire/shim_config.h"

struct mounts {
	int data; /* <data-root>/containers/<id>; borrowed */
	int exec; /* <exec-root>/containers/<id>; borrowed */
	bool own_namespace;
	bool mounted;
};

/* Mounts the root file system at bundle/rootfs, if it is not. The working directory must be
 * m->exec, and is so afterwards; m->data and m->exec then are the same directories seen in the new
 * namespace. */
int mounts_up(struct mounts *m, const struct shim_config *c, struct err *err);
/* Takes them down again, and the namespaces that are bound in the bundle. */
void mounts_down(struct mounts *m);
/* That, and leaves the exec directory: it is held by nothing but the two descriptors. */
void mounts_leave(struct mounts *m);
