/*
 * Namespaces of another container that ours shares. Which process holds them may change between two
 * runs of ours, for that container restarts too, and a pid in the bundle would then be stale, or
 * somebody else's. So before each run its shim is asked who its init is, and that process's
 * namespaces are bound into our bundle, in our own mount namespace: bundle/ns-net, ...
 */
#pragma once

#include "base/err.h"
#include "wire/shim_config.h"

/* Binds the container's own network namespace, that of descriptor netns, to bundle/ns-net, for its
 * runs; -1: it has none. In our own mount namespace. */
int join_own_network(int netns, int exec, struct err *err);
/* Binds what c->join names below exec; < 0 where an owner does not run. In our own mount namespace.
 */
int join_namespaces(const struct shim_config *c, int exec, struct err *err);
