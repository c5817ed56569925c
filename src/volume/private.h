/* What the files of volume/ share. */
#pragma once

#include <pthread.h>

#include "volume/volume.h"

#define VOLUMES_DIR   "volumes"
#define VOLUME_DATA   "_data"
#define VOLUME_FILE   "volume.json"
#define VOLUME_FORMAT 1

#define PREFIX_NEW     ".new-"
#define PREFIX_PENDING ".pending-"
#define PREFIX_FILL    ".fill-"
#define PREFIX_FILLED  ".filled-"
#define PREFIX_GONE    ".gone-"

struct volumes {
	char *path; /* <data-root>/volumes */
	int dir;
	char *mounts_path;	     /* <exec-root>/volumes */
	pthread_mutex_t mounts_lock; /* over that directory */
};

/* The volume's directory, locked until it is closed: by the process, so that who dies lets go. Or
 * -errno. */
int lock_volume(struct volumes *vs, const char *name);

/* Do its options say that a directory is to be bind-mounted? */
bool volume_is_bind(const struct volume *v);

/* What a fill has left does not count. 1, 0, or -errno. */
int dir_is_empty(int dir);

/* Moves what is in .filled-<name> into the volume, where that is still to be done: 0 or -errno. */
int volumes_complete_fill(struct volumes *vs, const char *name);

/* Moves an entry of volumes/ to a name of its own among those that are gone: 0 or -errno. ret_gone
 * has room for VOLUME_GONE_MAX. */
int volumes_move_away(struct volumes *vs, const char *entry, char *ret_gone);
