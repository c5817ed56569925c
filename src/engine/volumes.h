/* A container's volumes: in the verbs on volumes, and where one is made, started and removed. */
#pragma once

#include "engine/internal.h"

/* volumes.c
 * ------------------------------------------------------------------------------------------- */
/* Publishes a volume event; extra: key, value, ..., NULL. */
void notify_volume(struct engine *e, const char *name, int64_t time_ns, const char *action, ...);
/* A mount point that is a volume, and has its name? */
bool is_volume(const struct mount_point *m);
bool config_uses(const struct container_config *cc, const char *name);
/* Keeps a volume from being removed until the container that is being made is in the store. */
void volume_claim(struct engine *e, const char *name, const char *container);
void volumes_unclaim(struct engine *e, const char *container);
/* A container on its way out uses no volume any more; its anonymous ones go where that was wished
 * for and nobody else uses them. What cannot be removed is logged. */
void release_volumes(struct engine *e, struct container *c);
/* Before the API opens: finishes what creates and removals of a former daemon left half done.
 * *ret_gone: directories that are left to volumes_delete(); *ret_left: what cannot be told to be
 * nobody's (strv, both added to). */
void recover_volumes(struct engine *e, char ***ret_gone, char ***ret_left);

/* volume_mounts.c: the order is make, save config.json, publish; or drop.
 * ------------------------------------------------------------------------------------------- */
/* Makes the volumes that are not there, fills those that are empty with what the image has, and
 * completes the mount points. */
int make_volumes(struct engine *e, struct container_config *cc, const struct image *image,
		 struct err *err);
void drop_volumes(struct engine *e, const struct container_config *cc);
int publish_volumes(struct engine *e, const struct container_config *cc, struct err *err);
int publish_volume(struct engine *e, const char *name, struct err *err);
/* What the options of its volumes mount, as struct spec_device; what it borrows is config's. An
 * error leaves a part in *ret. ERR_NOT_FOUND, ERR_SYSTEM where a volume is not there. */
int find_devices(struct engine *e, const struct container_config *config, struct objects *ret,
		 struct err *err);
void devices_free(struct objects *devices);
/* A container is being released: what its volumes had mounted goes, unless others have it, too. */
void unmount_volumes(struct engine *e, struct container *c, const struct container_config *config);
/* After a restore: the same for what a former daemon could not. */
void sweep_mounted_volumes(struct engine *e);
/* "mount" or "unmount" of each of its volumes. */
void notify_mounts_locked(struct engine *e, const struct container *c, int64_t time_ns,
			  bool mounted);
