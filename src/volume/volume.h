/*
 * Volumes: directories that outlive containers. One directory each below <data-root>/volumes:
 *
 *	<name>/volume.json	driver, labels, options, time; written once, with the directory
 *	<name>/_data/		what containers see
 *	.new-<random>/		a volume that is being made; renamed to its name whole
 *	.pending-<name>/	made for a container that does not exist yet: renamed to its name once that
 *				container is on disk, so that none is left of a create that was cut short
 *	.fill-<name>/		what an image has for an empty volume, being copied
 *	.filled-<name>/		the same, complete: its entries are being moved into _data
 *	.gone-<random>/		removed; its files are being deleted
 *
 * No name begins with a dot. The disk is all there is: nothing is kept in memory, so a look costs
 * a read, and no crash finds the two apart. Who uses a volume is not known here.
 *
 * The local driver's options (type, device, o) say what to mount in the place of _data, which stays
 * empty: on <exec-root>/volumes/<name>, while a container uses it. Thread-safe.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"

/* Docker's mark of a volume that nobody named. */
#define VOLUME_ANONYMOUS "com.docker.volume.anonymous"
#define VOLUME_DRIVER	 "local"
#define VOLUME_NAME_MAX	 240 /* with our prefixes, a file name still */
#define VOLUME_ID_LEN	 64  /* of the name of an anonymous one */

struct volumes;

struct volume {
	char *name;
	char *driver;
	int64_t created_ns;
	struct strmap labels;
	struct strmap options;
	char *mountpoint; /* path of _data */
	char *problem;	  /* why its volume.json tells nothing; NULL: it does */
};
void volume_free(struct volume *v);
DEFINE_AUTO(struct volume *, volume_free);
void volume_list_free(struct volume **list, size_t n);
bool volume_is_anonymous(const struct volume *v);

/* What a new one shall be. The strings are borrowed. */
struct volume_request {
	const char *name;	      /* NULL or "": a random one, and the label of the anonymous */
	const char *driver;	      /* NULL or "": local */
	const struct strmap *labels;  /* NULL: none */
	const struct strmap *options; /* NULL: none */
};

/* ERR_INVALID in docker's words; pure. */
int volume_check_name(const char *name, struct err *err);
int volume_check_options(const struct strmap *options, struct err *err);

int volumes_open(const char *data_root, const char *exec_root, struct volumes **ret,
		 struct err *err);
void volumes_close(struct volumes *vs);

/* Makes it, or finds the one of that name: *ret_made says which. ERR_CONFLICT where that has
 * another driver, ERR_NOT_FOUND where there is no such driver. */
int volumes_create(struct volumes *vs, const struct volume_request *rq, struct volume **ret,
		   bool *ret_made, struct err *err);
/* ERR_NOT_FOUND "get x: no such volume". */
int volumes_get(struct volumes *vs, const char *name, struct volume **ret, struct err *err);
/* The same for one that is to be mounted: refuses what has lost its data, or of which it cannot be
 * told what to mount. */
int volumes_get_usable(struct volumes *vs, const char *name, struct volume **ret, struct err *err);
/* All, by name. *ret and each element are the caller's (volume_list_free). */
int volumes_list(struct volumes *vs, struct volume ***ret, size_t *ret_n, struct err *err);
/* Bytes in _data, as docker counts: apparent sizes. */
int64_t volumes_size(struct volumes *vs, const char *name);

/* Removing in two steps: the first is one rename, after which it is gone for good; the second
 * deletes, and takes its time. ret_gone has room for VOLUME_GONE_MAX. */
#define VOLUME_GONE_MAX 32
int volumes_take_away(struct volumes *vs, const char *name, char *ret_gone, struct err *err);
void volumes_delete(struct volumes *vs, const char *gone);

/* For a container that is being made: an anonymous volume of this name (VOLUME_ID_LEN random
 * digits), not yet to be seen. */
int volumes_create_pending(struct volumes *vs, const struct volume_request *rq, struct volume **ret,
			   struct err *err);
/* Its container is on disk: so is it. 1; or 0 where that was done before. */
int volumes_publish(struct volumes *vs, const char *name, struct err *err);
/* Its container will not be: 0 with what is left to volumes_delete(), or -errno. */
int volumes_drop_pending(struct volumes *vs, const char *name, char *ret_gone);

/*
 * Filling a volume with what an image has there, once, while it is empty:
 *
 *	if (volumes_fill_begin(vs, v, &fill, err) == 0 && fill.path)
 *		copy to fill.path, and say whether that went well:
 *	volumes_fill_end(vs, &fill, copied, err);
 *
 * Until the end nobody sees any of it, and whoever dies before leaves an empty volume; from its
 * rename on it is completed, if need be by volumes_recover(). One at a time for each volume.
 */
struct volume_fill {
	char *path;   /* of the directory to fill; NULL: the volume is not empty */
	char *name;   /* the rest is private */
	char *device; /* to be filled instead */
	bool pending;
	int lock; /* of the volume */
};
/* pending: it is of volumes_create_pending(). Of volumes with options those are filled that
 * bind-mount a directory which is there. */
int volumes_fill_begin(struct volumes *vs, const struct volume *v, bool pending,
		       struct volume_fill *ret, struct err *err);
/* Also after a failure to copy. */
int volumes_fill_end(struct volumes *vs, struct volume_fill *f, bool copied, struct err *err);

/* What a former daemon left unfinished: filled volumes are completed, and the rest put into two
 * lists (strv, the caller's): names of pending volumes, to be published or dropped, and directories
 * to be deleted by volumes_delete(). Before any other use. */
void volumes_recover(struct volumes *vs, char ***ret_pending, char ***ret_gone);

/* What stands in the place of _data, by the options. */
struct volume_mount {
	char *type; /* "bind", "tmpfs", "nfs", ...; NULL: _data itself */
	char *device;
	char **options; /* strv, of mount(8) */
};
void volume_mount_free(struct volume_mount *m);
/* Names of servers in it are resolved (NFS's addr=), which may take its time. */
int volume_mount_of(const struct volume *v, struct volume_mount *ret, struct err *err);

/* Mounts it for all who use it, where that is still to be done; *ret_path is the caller's. May take
 * as long as a server does. A "bind" needs none of this. */
int volumes_mount(struct volumes *vs, const struct volume *v, const struct volume_mount *m,
		  char **ret_path, struct err *err);
bool volumes_is_mounted(struct volumes *vs, const char *name);
/* Nobody uses it any more. Does not wait for what is still open; nothing where it is not mounted.
 */
void volumes_unmount(struct volumes *vs, const char *name);
/* Those that are, by whoever: strv, the caller's. */
char **volumes_mounted(struct volumes *vs);
