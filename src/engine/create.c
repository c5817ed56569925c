/*
 * create: check, complete by the image, resolve, then one directory with config.json, whose durable
 * save is the moment from which the container exists. A directory without it is swept by the next
 * restore.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "engine/internal.h"
#include "engine/networks.h"
#include "engine/volumes.h"
#include "spec/spec.h"

/* Modes that name another container are kept by its id, so that a rename of it changes nothing. */
static int resolve_mode(struct engine *e, char **mode, const char *what, struct err *err)
{
	auto_(container_unref_p) struct container *other = NULL;

	if (!*mode || !str_has_prefix(*mode, "container:"))
		return 0;
	/* Not "not found": clients take that for a missing image, and pull. */
	if (container_lookup(e->store, *mode + strlen("container:"), &other, NULL) < 0)
		return err_set(err, ERR_INVALID, "%s %s: No such container", what, *mode);
	free(*mode);
	*mode = xasprintf("container:%s", other->id);
	return 0;
}

static int resolve_modes(struct engine *e, struct host_config *host, struct err *err)
{
	if (resolve_mode(e, &host->network_mode, "network mode", err) < 0 ||
	    resolve_mode(e, &host->pid_mode, "PID mode", err) < 0)
		return -1;
	return resolve_mode(e, &host->ipc_mode, "IPC mode", err);
}

/* Who shares another's network has its name as well. */
static void take_hostname(struct engine *e, struct create_request *req)
{
	auto_(container_unref_p) struct container *other = NULL;
	const char *mode = req->host.network_mode;

	if (!mode || !str_has_prefix(mode, "container:") || !str_empty(req->config.hostname) ||
	    container_lookup(e->store, mode + strlen("container:"), &other, NULL) < 0)
		return;
	hold(&other->lock);
	if (!other->config)
		return;
	free(req->config.hostname);
	req->config.hostname = xstrdup(other->config->config.hostname);
}

/* Whose mounts, and how, a member of VolumesFrom asks for. *ret_owner keeps them. */
static int find_owner(struct engine *e, const char *text, struct spec_volumes_from *ret,
		      struct container_config **ret_owner, struct err *err)
{
	auto_(container_unref_p) struct container *other = NULL;
	autofree char *name = NULL;

	if (spec_volumes_from(text, &name, &ret->read_only, err) < 0)
		return -1;
	if (container_lookup(e->store, name, &other, NULL) < 0)
		return err_set(err, ERR_INVALID, "No such container: %s", name);
	*ret_owner = config_of(other, err);
	if (!*ret_owner)
		return -1;
	ret->mounts = &(*ret_owner)->mounts;
	return 0;
}

/* The mount points, with those of the containers that VolumesFrom names. */
static int resolve_mounts(struct engine *e, const struct config *config,
			  const struct host_config *host, struct objects *ret, struct err *err)
{
	size_t n = strv_len(host->volumes_from);
	struct container_config **owners = xcalloc(n + 1, sizeof(*owners));
	struct spec_volumes_from *from = xcalloc(n + 1, sizeof *from);
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		r = find_owner(e, host->volumes_from[i], &from[i], &owners[i], err);
	if (r == 0)
		r = spec_mounts(config, host, from, n, ret, err);
	for (size_t i = 0; i < n; i++)
		container_config_unref(owners[i]);
	free(owners);
	free(from);
	return r;
}

static int fill_config(struct engine *e, struct create_request *req, const struct image *image,
		       struct container_config *cc, struct err *err)
{
	const struct runtime *rt = runtime_find(e->runtimes, req->host.runtime);

	if (!rt)
		return err_set(err, ERR_INVALID, "unknown or invalid runtime name: %s",
			       req->host.runtime);
	if (spec_check(&req->config, &req->host, &cc->warnings, err) < 0)
		return -1;
	if (resolve_modes(e, &req->host, err) < 0 ||
	    networks_resolve(&req->config, &req->host, &req->networks, err) < 0 ||
	    links_check(e, &req->host, err) < 0)
		return -1;
	take_hostname(e, req);
	if (spec_merge(&req->config, &req->host, &image->config, cc->id, err) < 0)
		return -1;
	if (resolve_mounts(e, &req->config, &req->host, &cc->mounts, err) < 0)
		return -1;
	if (req->host.init == FIELD_UNSET_BOOL && e->o.init)
		req->host.init = true;
	if (str_empty(req->host.runtime)) {
		free(req->host.runtime);
		req->host.runtime = xstrdup(rt->name);
	}
	cc->created_ns = now_ns();
	cc->image_id = xstrdup(image->id);
	cc->runtime = xstrdup(rt->name);
	cc->config = req->config;
	cc->host = req->host;
	cc->networks = req->networks;
	/* They moved. */
	memset(&req->config, 0, sizeof req->config);
	memset(&req->host, 0, sizeof req->host);
	req->networks = (struct objects){0};
	return 0;
}

/* The shim's record of runs, empty: made here, its entry becomes durable together with
 * config.json's, and the first start has one sync less. */
static int make_runs_file(int top, const char *id, struct err *err)
{
	autofree char *name = xasprintf("%s/" LAYOUT_RUNS, id);
	autoclose int fd = openat(top, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	return fd < 0 ? err_sys(err, errno, "make " LAYOUT_RUNS) : 0;
}

static int write_directory(struct engine *e, const struct container_config *cc, struct err *err)
{
	int top = container_store_data_dir(e->store), r;

	if (mkdirat(top, cc->id, 0710) < 0)
		return err_sys(err, errno, "make directory of container");
	if (make_runs_file(top, cc->id, err) < 0 || container_save_config(e->store, cc, err) < 0)
		return -1;
	r = sync_dir(top);
	return r < 0 ? err_sys(err, -r, "sync directory of containers") : 0;
}

/* Volumes, then the container that names them; on failure neither. */
static int put_on_disk(struct engine *e, struct container_config *cc, const struct image *image,
		       struct err *err)
{
	if (make_volumes(e, cc, image, err) == 0 && write_directory(e, cc, err) == 0 &&
	    publish_volumes(e, cc, err) == 0)
		return 0;
	(void) remove_tree_at(container_store_data_dir(e->store), cc->id);
	drop_volumes(e, cc);
	return -1;
}

/* *ret_config: what it was made with, referenced: from the store on others may change it. */
static int create(struct engine *e, struct create_request *req, struct container *c,
		  struct container_config **ret_config, struct err *err)
{
	auto_(container_config_unref_p) struct container_config *cc = container_config_new();
	auto_(image_unref_p) struct image *image = NULL;
	int r;

	hold_rwlock(&e->images_lock, rd);
	if (str_empty(req->config.image))
		return err_set(err, ERR_INVALID, "No image was specified");
	if (image_resolve(e->images, req->config.image, &image, err) < 0)
		return -1;
	cc->id = xstrdup(c->id);
	if (fill_config(e, req, image, cc, err) < 0)
		return -1;
	if (engine_take_name(e, req->name, c, &cc->name, err) < 0)
		return -1;
	r = put_on_disk(e, cc, image, err);
	if (r < 0) {
		container_name_index_remove(e->store, cc->name, c);
		volumes_unclaim(e, c->id);
		return -1;
	}
	c->name = xstrdup(cc->name);
	c->created_ns = cc->created_ns;
	c->config = container_config_ref(cc);
	*ret_config = take(cc);
	c->handled = true;
	container_store_add(e->store, c);
	volumes_unclaim(e, c->id);
	return 0;
}

int engine_create(struct engine *e, struct create_request *req, char **ret_id, char ***ret_warnings,
		  struct err *err)
{
	auto_(container_unref_p) struct container *c = NULL;
	auto_(container_config_unref_p) struct container_config *config = NULL;
	char id[CONTAINER_ID_LEN + 1];
	int r;

	random_hex(id, CONTAINER_ID_LEN);
	c = container_new(id);
	r = create(e, req, c, &config, err);
	fields_free(config_fields, &req->config);
	fields_free(host_config_fields, &req->host);
	fields_objects_free(network_wish_fields, &req->networks, sizeof(struct network_wish));
	if (r < 0)
		return -1;
	log_info("container %.12s (%s): created", c->id, config->name);
	notify(e, c, now_ns(), "create", NULL);
	*ret_id = xstrdup(id);
	*ret_warnings = strv_copy(config->warnings);
	return 0;
}
