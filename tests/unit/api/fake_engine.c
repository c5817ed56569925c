/* An engine of straw; see fake_engine.h. One lock over all of it. */
#include "fake_engine.h"

#include <assert.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/thread.h"
#include "base/time.h"

struct fake {
	char id[CONTAINER_ID_LEN + 1];
	char *name;
	struct container_config *config;
	struct container_state state;
	enum phase phase;
	char *problem;
	struct {
		enum log_stream stream;
		int64_t time_ns;
		char *text;
	} log[64];
	unsigned n_log;
};

struct engine {
	struct engine_options options;
	pthread_mutex_t lock;
	struct fake *fakes[4096];
	size_t n;
	struct image *images[16];
	char *image_names[16];
	size_t n_images;
	struct volume *volumes[16];
	size_t n_volumes;
	struct events *events;
	struct networks *networks;
	char networks_root[32];
	struct runtimes *runtimes;
	int end_fd;
	struct engine_wait *waits;
	struct engine_logs *logs;
};

struct engine_wait {
	struct engine *e;
	char id[CONTAINER_ID_LEN + 1];
	enum wait_condition condition;
	int fd;
	bool done;
	int64_t code;
	char error[64];
	struct engine_wait *next;
};

struct engine_logs {
	struct engine *e;
	struct fake *f;
	struct logs_query q;
	unsigned at;
	int fd;
	struct engine_logs *next;
};

static struct engine *the_engine; /* the image module's functions know no engine */

/* Images ---------------------------------------- */

static void add_image(struct engine *e, const char *name, const char *digit)
{
	struct image *im = xnew(struct image);
	struct image_history *h = xcalloc(2, sizeof *h);
	char id[80] = "sha256:";

	for (int i = 0; i < 64; i++)
		strcat(id, digit);
	fields_init(config_fields, &im->config);
	strv_add(&im->config.cmd, "sh");
	im->id = xstrdup(id);
	im->architecture = xstrdup("amd64");
	im->os = xstrdup("linux");
	im->created_ns = 1700000000 * NSEC_PER_SEC;
	im->size = 4321;
	strv_add(&im->diff_ids, "sha256:aa");
	h[0] = (struct image_history){.created_by = xstrdup("ADD rootfs"), .size = 4321};
	h[1] = (struct image_history){.created_by = xstrdup("CMD sh"), .empty_layer = true};
	im->history = (struct objects){.items = h, .n = 2};
	e->images[e->n_images] = im;
	e->image_names[e->n_images++] = xstrdup(name);
}

static void free_image(struct image *im)
{
	fields_free(config_fields, &im->config);
	free(im->id);
	free(im->architecture);
	free(im->os);
	strv_free(im->diff_ids);
	for (size_t i = 0; i < im->history.n; i++)
		free(objects_at(&im->history, struct image_history, i)->created_by);
	free(im->history.items);
	free(im);
}

static int image_index(const char *ref)
{
	for (size_t i = 0; i < the_engine->n_images; i++) {
		autofree char *bare = xstrndup(the_engine->image_names[i],
					       strcspn(the_engine->image_names[i], ":"));

		if (str_eq(ref, the_engine->image_names[i]) || str_eq(ref, bare) ||
		    str_has_prefix(the_engine->images[i]->id, ref) ||
		    (strlen(ref) > 3 && str_has_prefix(the_engine->images[i]->id + 7, ref)))
			return (int) i;
	}
	return -1;
}

const char *const image_filter_keys[] = {"reference", "dangling", "label", "before",
					 "since",     "until",	  NULL};

int image_resolve(struct images *s, const char *ref, struct image **ret, struct err *err)
{
	hold(&the_engine->lock);
	int i = image_index(ref);

	if (i < 0)
		return err_set(err, ERR_NOT_FOUND, "No such image: %s%s", ref,
			       strchr(ref, ':') ? "" : ":latest");
	*ret = the_engine->images[i];
	return 0;
}

void image_unref(struct image *im)
{
}

char **image_tags(struct images *s, const struct image *im)
{
	char **tags = NULL;

	hold(&the_engine->lock);
	for (size_t i = 0; i < the_engine->n_images; i++) {
		if (the_engine->images[i] == im && the_engine->image_names[i][0])
			strv_add(&tags, the_engine->image_names[i]);
	}
	return tags;
}

char **image_digests(struct images *s, const struct image *im)
{
	return NULL;
}

char **image_lower(struct images *s, const struct image *im)
{
	char **v = NULL;

	strv_add(&v, "bbbbbbbbbbbbbbbb");
	strv_add(&v, "aaaaaaaaaaaaaaaa");
	return v;
}

const char *images_layers_dir(struct images *s)
{
	return "/fake/image/layers";
}

int images_list_filtered(struct images *s, const struct filters *f, bool all, struct image ***ret,
			 size_t *ret_n, struct err *err)
{
	hold(&the_engine->lock);
	struct image **list = xcalloc(the_engine->n_images, sizeof *list);
	size_t n = 0;

	for (size_t i = 0; i < the_engine->n_images; i++) {
		if (filters_match_prefix(f, "reference", the_engine->image_names[i]))
			list[n++] = the_engine->images[i];
	}
	*ret = list;
	*ret_n = n;
	return 0;
}

void image_list_free(struct image **list, size_t n)
{
	free(list);
}

static void add_change(struct image_changes *c, int what, const char *id, const char *name)
{
	struct image_change *ch;

	c->list.items = xreallocarray(c->list.items, c->list.n + 1, sizeof *ch);
	ch = objects_at(&c->list, struct image_change, c->list.n++);
	memset(ch, 0, sizeof *ch);
	ch->what = what;
	ch->id = xstrdup(id);
	ch->name = xstrdup(name);
}

void image_changes_free(struct image_changes *c)
{
	for (size_t i = 0; i < c->list.n; i++) {
		free(objects_at(&c->list, struct image_change, i)->id);
		free(objects_at(&c->list, struct image_change, i)->name);
	}
	free(c->list.items);
	*c = (struct image_changes){0};
}

int images_save(struct images *s, char *const *refs, const struct image_sink *out, struct err *err)
{
	autobuf b = {0};

	for (; *refs; refs++) {
		struct image *im;

		if (image_resolve(s, *refs, &im, err) < 0)
			return -1;
		buf_addf(&b, "tar of %s\n", *refs);
	}
	return out->write(out->arg, b.text, b.len) < 0 ? err_set(err, ERR_SYSTEM, "write") : 0;
}

/* Reads it all; the length becomes the image's size. */
static int read_archive(const struct image_source *in, size_t *ret, struct err *err)
{
	char first[6] = "", data[8192];
	ssize_t r;

	*ret = 0;
	while ((r = in->read(in->arg, data, sizeof data)) > 0) {
		if (*ret == 0)
			snprintf(first, sizeof first, "%.*s", (int) r, data);
		*ret += r;
	}
	if (r < 0)
		return err_sys(err, (int) -r, "read archive");
	if (*ret == 0 || str_eq(first, "broke"))
		return err_set(err, ERR_INVALID, "unrecognized image archive");
	return 0;
}

int engine_image_load(struct engine *e, const struct image_source *in, struct image_changes *ret,
		      struct err *err)
{
	size_t n;

	if (read_archive(in, &n, err) < 0)
		return -1;
	hold(&e->lock);
	add_image(e, "loaded:latest", "d");
	e->images[e->n_images - 1]->size = (int64_t) n;
	add_change(ret, IMAGE_LOADED, e->images[e->n_images - 1]->id, NULL);
	add_change(ret, IMAGE_TAGGED, e->images[e->n_images - 1]->id, "loaded:latest");
	return 0;
}

int engine_image_import(struct engine *e, const struct image_source *in, const char *repo,
			const char *tag, const char *message, char *const *changes,
			const char *platform, struct image_changes *ret, struct err *err)
{
	autofree char *name = xasprintf("%s:%s", repo ? repo : "", tag ? tag : "latest");
	size_t n;

	if (read_archive(in, &n, err) < 0)
		return -1;
	hold(&e->lock);
	add_image(e, name, "e");
	add_change(ret, IMAGE_IMPORTED, e->images[e->n_images - 1]->id, name);
	return 0;
}

int engine_image_tag(struct engine *e, const char *ref, const char *repo, const char *tag,
		     struct err *err)
{
	hold(&e->lock);
	int i = image_index(ref);

	if (i < 0)
		return err_set(err, ERR_NOT_FOUND, "No such image: %s", ref);
	free(e->image_names[i]);
	e->image_names[i] = xasprintf("%s:%s", repo, tag ? tag : "latest");
	return 0;
}

int engine_image_remove(struct engine *e, const char *ref, bool force, bool noprune,
			struct image_changes *ret, struct err *err)
{
	hold(&e->lock);
	int i = image_index(ref);

	if (i < 0)
		return err_set(err, ERR_NOT_FOUND, "No such image: %s", ref);
	add_change(ret, IMAGE_UNTAGGED, e->images[i]->id, e->image_names[i]);
	add_change(ret, IMAGE_DELETED, e->images[i]->id, NULL);
	free_image(e->images[i]);
	free(e->image_names[i]);
	e->n_images--;
	e->images[i] = e->images[e->n_images];
	e->image_names[i] = e->image_names[e->n_images];
	return 0;
}

int engine_image_prune(struct engine *e, const struct filters *f, struct image_changes *ret,
		       struct err *err)
{
	return 0;
}

/* Containers ---------------------------------------- */

static void publish(struct engine *e, const struct fake *f, const char *action)
{
	struct event ev = {.time_ns = now_ns(),
			   .type = (char *) "container",
			   .action = (char *) action,
			   .id = (char *) f->id};

	strmap_set(&ev.attributes, "image", f->config ? f->config->config.image : "");
	strmap_set(&ev.attributes, "name", f->name);
	events_publish(e->events, &ev);
	strv_free(ev.attributes.kv);
}

static struct fake *find(struct engine *e, const char *ref, struct err *err)
{
	for (size_t i = 0; i < e->n; i++) {
		if (str_eq(e->fakes[i]->name, ref[0] == '/' ? ref + 1 : ref) ||
		    (strlen(ref) >= 3 && str_has_prefix(e->fakes[i]->id, ref)))
			return e->fakes[i];
	}
	(void) err_set(err, ERR_NOT_FOUND, "No such container: %s", ref);
	return NULL;
}

static struct fake *add(struct engine *e, const char *name)
{
	struct fake *f = xnew(struct fake);

	random_hex(f->id, CONTAINER_ID_LEN);
	f->name = xstrdup(name);
	fields_init(container_state_fields, &f->state);
	e->fakes[e->n++] = f;
	return f;
}

int engine_create(struct engine *e, struct create_request *req, char **ret_id, char ***ret_warnings,
		  struct err *err)
{
	hold(&e->lock);
	autofree char *name =
		req->name && *req->name ? xstrdup(req->name) : xasprintf("straw_%zu", e->n);
	struct fake *f;
	int i = image_index(req->config.image ? req->config.image : "");
	int r = 0;

	if (i < 0)
		r = err_set(err, ERR_NOT_FOUND, "No such image: %s", req->config.image);
	else if (find(e, name, NULL))
		r = err_set(err, ERR_CONFLICT,
			    "Conflict. The container name \"/%s\" is already in use", name);
	if (r < 0) {
		fields_free(config_fields, &req->config);
		fields_free(host_config_fields, &req->host);
		fields_objects_free(network_wish_fields, &req->networks,
				    sizeof(struct network_wish));
		return r;
	}
	f = add(e, name);
	f->config = container_config_new();
	f->config->id = xstrdup(f->id);
	f->config->name = xstrdup(name);
	f->config->created_ns = now_ns();
	f->config->image_id = xstrdup(e->images[i]->id);
	fields_free(config_fields, &f->config->config);
	fields_free(host_config_fields, &f->config->host);
	f->config->config = req->config;
	f->config->host = req->host;
	f->config->networks = req->networks;
	*ret_id = xstrdup(f->id);
	strv_add(ret_warnings, "this is straw");
	publish(e, f, "create");
	return 0;
}

static void tell(struct engine *e, struct fake *f, bool removed)
{
	for (struct engine_wait *w = e->waits; w; w = w->next) {
		if (strcmp(w->id, f->id) == 0 && (w->condition != WAIT_REMOVED || removed)) {
			w->done = true;
			w->code = f->state.exit_code;
			(void) eventfd_write(w->fd, 1);
		}
	}
	for (struct engine_logs *l = e->logs; l; l = l->next) {
		if (l->f == f)
			(void) eventfd_write(l->fd, 1);
	}
}

static void end(struct engine *e, struct fake *f, int code)
{
	f->phase = PHASE_EXITED;
	f->state.exit_code = code;
	f->state.finished_ns = now_ns();
	publish(e, f, "die");
	tell(e, f, false);
}

static bool alive(const struct fake *f)
{
	return f->phase == PHASE_RUNNING || f->phase == PHASE_PAUSED;
}

int engine_start(struct engine *e, const char *ref, struct err *err)
{
	hold(&e->lock);
	struct fake *f = find(e, ref, err);

	if (!f)
		return -1;
	if (alive(f))
		return err_set(err, ERR_NOT_MODIFIED, "already started");
	if (f->config && f->config->config.cmd && str_eq(f->config->config.cmd[0], "fail"))
		return err_set(err, ERR_SYSTEM, "crun: it broke");
	f->phase = PHASE_RUNNING;
	f->state.started_ns = now_ns();
	publish(e, f, "start");
	return 0;
}

int engine_stop(struct engine *e, const char *ref, int64_t timeout_s, const char *signal,
		struct err *err)
{
	hold(&e->lock);
	struct fake *f = find(e, ref, err);

	if (!f)
		return -1;
	if (!alive(f))
		return err_set(err, ERR_NOT_MODIFIED, "already stopped");
	end(e, f, timeout_s == 7 ? 7 : signal ? 1 : 0);
	return 0;
}

int engine_restart(struct engine *e, const char *ref, int64_t timeout_s, const char *signal,
		   struct err *err)
{
	(void) engine_stop(e, ref, timeout_s, signal, NULL);
	return engine_start(e, ref, err);
}

int engine_kill(struct engine *e, const char *ref, const char *signal, struct err *err)
{
	hold(&e->lock);
	struct fake *f = find(e, ref, err);

	if (!f)
		return -1;
	if (!alive(f))
		return err_set(err, ERR_CONFLICT, "Container %s is not running", f->id);
	end(e, f, 137);
	return 0;
}

static int set_paused(struct engine *e, const char *ref, enum phase from, enum phase to,
		      struct err *err)
{
	hold(&e->lock);
	struct fake *f = find(e, ref, err);

	if (!f)
		return -1;
	if (f->phase != from)
		return err_set(err, ERR_CONFLICT, "Container %s is not %s", ref, phase_text(from));
	f->phase = to;
	return 0;
}

int engine_pause(struct engine *e, const char *ref, struct err *err)
{
	return set_paused(e, ref, PHASE_RUNNING, PHASE_PAUSED, err);
}

int engine_unpause(struct engine *e, const char *ref, struct err *err)
{
	return set_paused(e, ref, PHASE_PAUSED, PHASE_RUNNING, err);
}

int engine_top(struct engine *e, const char *ref, const char *ps_args, struct top *ret,
	       struct err *err)
{
	hold(&e->lock);
	struct fake *f = find(e, ref, err);

	if (!f)
		return -1;
	if (!alive(f))
		return err_set(err, ERR_CONFLICT, "Container %s is not running", f->id);
	strv_add(&ret->titles, "PID");
	strv_add(&ret->titles, "CMD");
	ret->lines = xcalloc(1, sizeof *ret->lines);
	strv_add(&ret->lines[ret->n_lines], "7");
	strv_add(&ret->lines[ret->n_lines++], str_empty(ps_args) ? "" : ps_args);
	return 0;
}

void top_free(struct top *t)
{
	strv_free(t->titles);
	for (size_t i = 0; i < t->n_lines; i++)
		strv_free(t->lines[i]);
	free(t->lines);
}

int engine_rename(struct engine *e, const char *ref, const char *name, struct err *err)
{
	hold(&e->lock);
	struct fake *f = find(e, ref, err);

	if (!f)
		return -1;
	free(f->name);
	f->name = xstrdup(name);
	return 0;
}

/* A memory limit and no more; "missing" is an invalid policy. */
int engine_update(struct engine *e, const char *ref, const struct host_config *wish,
		  char ***ret_warnings, struct err *err)
{
	hold(&e->lock);
	struct fake *f = find(e, ref, err);

	if (!f)
		return -1;
	if (str_eq(wish->restart.name, "missing"))
		return err_set(err, ERR_INVALID, "invalid restart policy");
	if (wish->memory)
		f->config->host.memory = wish->memory;
	if (wish->pids_limit != FIELD_UNSET)
		f->config->host.pids_limit = wish->pids_limit;
	if (wish->kernel_memory)
		strv_add(ret_warnings, "no kernel memory limit");
	return 0;
}

static void fake_free(struct fake *f)
{
	container_config_unref(f->config);
	fields_free(container_state_fields, &f->state);
	for (unsigned i = 0; i < f->n_log; i++)
		free(f->log[i].text);
	free(f->name);
	free(f->problem);
	free(f);
}

static void remove_at(struct engine *e, size_t i)
{
	tell(e, e->fakes[i], true);
	publish(e, e->fakes[i], "destroy");
	fake_free(e->fakes[i]);
	memmove(&e->fakes[i], &e->fakes[i + 1], (--e->n - i) * sizeof e->fakes[0]);
}

int engine_remove(struct engine *e, const char *ref, bool force, bool volumes, struct err *err)
{
	hold(&e->lock);
	struct fake *f = find(e, ref, err);

	if (!f)
		return -1;
	if (alive(f) && !force)
		return err_set(err, ERR_CONFLICT, "You cannot remove a running container %s",
			       f->id);
	for (size_t i = 0; i < e->n; i++) {
		if (e->fakes[i] == f) {
			remove_at(e, i);
			break;
		}
	}
	return 0;
}

int engine_prune(struct engine *e, const struct filters *f, char ***ret_ids, int64_t *ret_freed,
		 struct err *err)
{
	hold(&e->lock);
	for (size_t i = e->n; i-- > 0;) {
		if (!alive(e->fakes[i])) {
			strv_add(ret_ids, e->fakes[i]->id);
			remove_at(e, i);
		}
	}
	*ret_freed = 12;
	return 0;
}

/* Volumes ---------------------------------------- */

const char *const volume_filter_keys[] = {"dangling", "driver", "label", "name", NULL};
const char *const volume_prune_filter_keys[] = {"all", "label", "label!", NULL};

static struct volume *copy_volume(const struct volume *v)
{
	struct volume *copy = xnew(struct volume);

	copy->name = xstrdup(v->name);
	copy->driver = xstrdup(v->driver);
	copy->mountpoint = xstrdup(v->mountpoint);
	copy->created_ns = v->created_ns;
	copy->labels.kv = strv_copy(v->labels.kv);
	copy->options.kv = strv_copy(v->options.kv);
	return copy;
}

static int volume_at(struct engine *e, const char *name, struct err *err)
{
	for (size_t i = 0; i < e->n_volumes; i++)
		if (str_eq(e->volumes[i]->name, name))
			return (int) i;
	return err_set(err, ERR_NOT_FOUND, "get %s: no such volume", name);
}

int engine_volume_create(struct engine *e, const struct volume_request *rq, struct volume **ret,
			 struct err *err)
{
	hold(&e->lock);
	struct volume v = {
		.name = (char *) (str_empty(rq->name) ? "random" : rq->name),
		.driver = (char *) "local",
		.mountpoint = (char *) "/v/_data",
		.created_ns = 1,
		.labels = *rq->labels,
		.options = *rq->options,
	};

	assert(e->n_volumes < ARRAY_SIZE(e->volumes));
	e->volumes[e->n_volumes++] = copy_volume(&v);
	*ret = copy_volume(&v);
	return 0;
}

int engine_volume_inspect(struct engine *e, const char *name, struct volume **ret, struct err *err)
{
	hold(&e->lock);
	int i = volume_at(e, name, err);

	if (i < 0)
		return -1;
	*ret = copy_volume(e->volumes[i]);
	return 0;
}

int engine_volume_remove(struct engine *e, const char *name, bool force, struct err *err)
{
	hold(&e->lock);
	int i = volume_at(e, name, err);

	if (i < 0)
		return -1;
	volume_free(e->volumes[i]);
	e->volumes[i] = e->volumes[--e->n_volumes];
	return 0;
}

int engine_volume_list(struct engine *e, const struct filters *f, struct volume ***ret,
		       size_t *ret_n, struct err *err)
{
	hold(&e->lock);

	*ret = xcalloc(e->n_volumes + 1, sizeof **ret);
	for (size_t i = 0; i < e->n_volumes; i++)
		(*ret)[i] = copy_volume(e->volumes[i]);
	*ret_n = e->n_volumes;
	return 0;
}

int engine_volume_prune(struct engine *e, const struct filters *f, bool named, char ***ret_names,
			int64_t *ret_freed, struct err *err)
{
	*ret_freed = 0;
	return 0;
}

/* Looking ---------------------------------------- */

static void view(const struct fake *f, bool size, struct container_view *v)
{
	memset(v, 0, sizeof *v);
	memcpy(v->id, f->id, sizeof v->id);
	v->name = xstrdup(f->name);
	v->config = f->config ? container_config_ref(f->config) : NULL;
	fields_copy(container_state_fields, &v->state, &f->state);
	v->phase = f->phase;
	v->problem = xstrdup(f->problem);
	v->pid = alive(f) ? 4242 : 0;
	v->size_rw = size ? 11 : -1;
	v->size_rootfs = size ? 22 : -1;
}

void container_view_free(struct container_view *v)
{
	free(v->name);
	free(v->problem);
	container_config_unref(v->config);
	fields_free(container_state_fields, &v->state);
}

int engine_inspect(struct engine *e, const char *ref, bool size, struct container_view *ret,
		   struct err *err)
{
	hold(&e->lock);
	struct fake *f = find(e, ref, err);

	if (!f)
		return -1;
	view(f, size, ret);
	return 0;
}

const char *const container_filter_keys[] = {"id", "label", "name", "status", NULL};

/* Views of those that are asked for; the lock is not held while they are told, as in the real one.
 */
static struct container_view *views(struct engine *e, const struct list_query *q, size_t *ret_n)
{
	hold(&e->lock);
	struct container_view *list = xcalloc(e->n, sizeof *list);
	size_t n = 0;

	for (size_t i = e->n; i-- > 0 && (q->limit <= 0 || n < (size_t) q->limit);) {
		if ((q->all || q->limit > 0 || alive(e->fakes[i])) &&
		    filters_match_regex(&q->filters, "name", e->fakes[i]->name))
			view(e->fakes[i], q->size, &list[n++]);
	}
	*ret_n = n;
	return list;
}

int engine_list(struct engine *e, const struct list_query *q,
		void (*fn)(void *arg, const struct container_view *v), void *arg, struct err *err)
{
	size_t n;
	autofree struct container_view *list = views(e, q, &n);

	for (size_t i = 0; i < n; i++) {
		fn(arg, &list[i]);
		container_view_free(&list[i]);
	}
	return 0;
}

void engine_count(struct engine *e, struct engine_counts *ret)
{
	hold(&e->lock);
	*ret = (struct engine_counts){.containers = (int64_t) e->n,
				      .images = (int64_t) e->n_images};
	for (size_t i = 0; i < e->n; i++) {
		if (e->fakes[i]->phase == PHASE_PAUSED)
			ret->paused++;
		else if (e->fakes[i]->phase == PHASE_RUNNING)
			ret->running++;
		else
			ret->stopped++;
	}
}

void container_view_status(const struct container_view *v, int64_t now, char *ret, size_t size)
{
	char ago[64];

	duration_human(now - v->state.started_ns, ago, sizeof ago);
	snprintf(ret, size, v->phase == PHASE_RUNNING ? "Up %s" : "Exited %s ago", ago);
}

int engine_wait_hand_over(struct engine *e, const char *ref, enum wait_condition condition,
			  const struct client_stream *client)
{
	return 0; /* there are no shims here */
}

int engine_wait_begin(struct engine *e, const char *ref, enum wait_condition condition,
		      struct engine_wait **ret, struct err *err)
{
	hold(&e->lock);
	struct fake *f = find(e, ref, err);
	struct engine_wait *w;

	if (!f)
		return -1;
	w = xnew(struct engine_wait);
	w->e = e;
	w->condition = condition;
	w->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	memcpy(w->id, f->id, sizeof w->id);
	w->done = condition == WAIT_NOT_RUNNING && !alive(f);
	w->code = f->state.exit_code;
	w->next = e->waits;
	e->waits = w;
	*ret = w;
	return 0;
}

int engine_wait_fd(const struct engine_wait *w)
{
	return w->fd;
}

int engine_wait_result(struct engine_wait *w, int64_t *ret_code, const char **ret_error)
{
	hold(&w->e->lock);
	*ret_code = w->code;
	*ret_error = w->error;
	return w->done;
}

void engine_wait_free(struct engine_wait *w)
{
	hold(&w->e->lock);
	for (struct engine_wait **p = &w->e->waits; *p; p = &(*p)->next) {
		if (*p == w) {
			*p = w->next;
			break;
		}
	}
	close(w->fd);
	free(w);
}

int engine_attach_check(struct engine *e, const char *ref, bool *ret_tty, struct err *err)
{
	hold(&e->lock);
	struct fake *f = find(e, ref, err);

	if (!f)
		return -1;
	*ret_tty = f->config->config.tty;
	return 0;
}

/* In the shim's place: the head, and what was asked for. */
int engine_attach(struct engine *e, const char *ref, const struct attach_request *r,
		  const struct client_stream *client, struct err *err)
{
	hold(&e->lock);
	autobuf b = {0};

	if (!find(e, ref, err))
		return -1;
	buf_addf(&b, "%sin=%d out=%d err=%d stream=%d logs=%d keys=%s read=%.*s\n", client->head,
		 r->in, r->out, r->err, r->stream, r->logs, r->detach_keys, (int) client->n_read,
		 client->n_read ? client->read : "");
	return write_all(client->fd, b.text, b.len);
}

int engine_resize(struct engine *e, const char *ref, int64_t rows, int64_t columns, struct err *err)
{
	hold(&e->lock);
	struct fake *f = find(e, ref, err);

	if (!f)
		return -1;
	return f->phase == PHASE_RUNNING
		       ? 0
		       : err_set(err, ERR_CONFLICT, "container %s is not running", f->id);
}

int engine_logs_open(struct engine *e, const char *ref, const struct logs_query *q,
		     struct engine_logs **ret, bool *ret_tty, struct err *err)
{
	hold(&e->lock);
	struct fake *f = find(e, ref, err);
	struct engine_logs *l;

	if (!f)
		return -1;
	l = xnew(struct engine_logs);
	l->e = e;
	l->f = f;
	l->q = *q;
	l->at = q->tail >= 0 && f->n_log > q->tail ? f->n_log - (unsigned) q->tail : 0;
	l->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	l->next = e->logs;
	e->logs = l;
	*ret_tty = f->config && f->config->config.tty;
	*ret = l;
	return 0;
}

bool engine_logs_hand_over(struct engine_logs *l, const struct logs_format *format,
			   const struct client_stream *client)
{
	return false;
}

int engine_logs_next(struct engine_logs *l, struct log_entry *ret, struct err *err)
{
	hold(&l->e->lock);
	eventfd_t n;

	(void) eventfd_read(l->fd, &n);
	while (l->at < l->f->n_log) {
		unsigned i = l->at++;

		if (!(l->f->log[i].stream == LOG_STDOUT ? l->q.want_stdout : l->q.want_stderr))
			continue;
		*ret = (struct log_entry){
			.stream = l->f->log[i].stream,
			.time_ns = l->f->log[i].time_ns,
			.text = l->f->log[i].text,
			.len = strlen(l->f->log[i].text),
		};
		return 1;
	}
	return l->q.follow && alive(l->f) ? 0 : 2;
}

void engine_logs_fds(const struct engine_logs *l, int ret[2])
{
	ret[0] = l->fd;
	ret[1] = -1;
}

void engine_logs_free(struct engine_logs *l)
{
	hold(&l->e->lock);
	for (struct engine_logs **p = &l->e->logs; *p; p = &(*p)->next) {
		if (*p == l) {
			*p = l->next;
			break;
		}
	}
	close(l->fd);
	free(l);
}

/* Itself ---------------------------------------- */

struct images *engine_images(struct engine *e)
{
	return NULL;
}

struct networks *engine_networks(struct engine *e)
{
	return e->networks;
}

/* What of a network needs a host is not for straw. */
int engine_network_create(struct engine *e, struct network_config *config, char **ret_id,
			  struct err *err)
{
	return err_set(err, ERR_FORBIDDEN, "straw makes no networks");
}

int engine_network_remove(struct engine *e, const char *ref, struct err *err)
{
	return network_remove(e->networks, ref, err);
}

int engine_network_connect(struct engine *e, const char *ref, const char *container,
			   struct network_wish *w, struct err *err)
{
	return err_set(err, ERR_NOT_FOUND, "No such container: %s", container);
}

int engine_network_disconnect(struct engine *e, const char *ref, const char *container, bool force,
			      struct err *err)
{
	return err_set(err, ERR_NOT_FOUND, "No such container: %s", container);
}

int engine_network_prune(struct engine *e, const struct filters *f, char ***ret_names,
			 struct err *err)
{
	return 0;
}

struct events *engine_events(struct engine *e)
{
	return e->events;
}

struct runtimes *engine_runtimes(struct engine *e)
{
	return e->runtimes;
}

const struct engine_options *engine_opts(const struct engine *e)
{
	return &e->options;
}

int engine_end_fd(const struct engine *e)
{
	return e->end_fd;
}

void engine_await_restore(struct engine *e)
{
}

char *engine_restore_report(struct engine *e)
{
	return e->n > 1 ? xstrdup("{\"containers\":2}") : NULL;
}

struct engine *fake_engine_new(void)
{
	struct engine *e = xnew(struct engine);
	struct strmap added = {0};
	autofree char *why = NULL;
	struct err err;

	strmap_set(&added, "straw", "/bin/true");
	e->options = (struct engine_options){.data_root = "/fake/data", .exec_root = "/fake/exec"};
	pthread_mutex_init(&e->lock, NULL);
	e->end_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	strcpy(e->networks_root, "/tmp/fake-engine.XXXXXX");
	if (!mkdtemp(e->networks_root) ||
	    networks_open(&(struct network_options){.data_root = e->networks_root,
						    .default_bridge = "straw0"},
			  &e->networks, &err) < 0 ||
	    events_open(NULL, &e->events, &err) < 0 ||
	    runtimes_open(&(struct runtime_options){.exec_root = "/fake/exec",
						    .default_runtime = "straw",
						    .added = &added},
			  &e->runtimes, &why, &err) < 0) {
		fprintf(stderr, "fake engine: %s\n", err.text);
		abort();
	}
	strv_free(added.kv);
	the_engine = e;
	add_image(e, "busybox:latest", "b");
	add_image(e, "registry:5000/team/app:v1", "c");
	return e;
}

void fake_engine_free(struct engine *e)
{
	while (e->n)
		fake_free(e->fakes[--e->n]);
	while (e->n_images) {
		free_image(e->images[--e->n_images]);
		free(e->image_names[e->n_images]);
	}
	while (e->n_volumes)
		volume_free(e->volumes[--e->n_volumes]);
	events_close(e->events);
	networks_close(e->networks);
	(void) remove_tree_at(AT_FDCWD, e->networks_root);
	runtimes_close(e->runtimes);
	close(e->end_fd);
	pthread_mutex_destroy(&e->lock);
	free(e);
}

void fake_engine_end(struct engine *e)
{
	events_end(e->events);
	(void) eventfd_write(e->end_fd, 1);
}

void fake_engine_fill(struct engine *e, int n)
{
	for (int i = 0; i < n; i++) {
		autofree char *name = xasprintf("filler_%d", i);
		autofree char *id = NULL;
		char **warnings = NULL;
		struct create_request req = {.name = name};

		fields_init(config_fields, &req.config);
		fields_init(host_config_fields, &req.host);
		req.config.image = xstrdup("busybox");
		strv_add(&req.config.cmd, "sleep");
		strv_add(&req.config.cmd, "1000");
		strmap_set(&req.config.labels, "com.example.number", name);
		req.host.network_mode = xstrdup("none");
		(void) engine_create(e, &req, &id, &warnings, NULL);
		strv_free(warnings);
		(void) engine_start(e, name, NULL);
		if (i % 3 == 2)
			fake_engine_exit(e, name, 3);
	}
}

/* Exec sessions: none is ever there. */

int engine_exec_create(struct engine *e, const char *ref, const struct exec_config *config,
		       char *ret_id, struct err *err)
{
	hold(&e->lock);

	return find(e, ref, err) ? err_set(err, ERR_CONFLICT, "container %s is not running", ref)
				 : -1;
}

static int no_session(const char *id, struct err *err)
{
	return err_set(err, ERR_NOT_FOUND, "No such exec instance: %s", id);
}

int engine_exec_start(struct engine *e, const char *id, const struct exec_start *start,
		      struct err *err)
{
	return no_session(id, err);
}

int engine_exec_inspect(struct engine *e, const char *id, struct exec_session *ret, struct err *err)
{
	return no_session(id, err);
}

int engine_exec_resize(struct engine *e, const char *id, int64_t height, int64_t width,
		       struct err *err)
{
	return no_session(id, err);
}

void exec_session_free(struct exec_session *s)
{
}

void fake_engine_add_dead(struct engine *e, const char *name, const char *problem)
{
	hold(&e->lock);
	struct fake *f = add(e, name);

	f->phase = PHASE_DEAD;
	f->problem = xstrdup(problem);
}

void fake_engine_log(struct engine *e, const char *ref, enum log_stream stream, const char *text)
{
	hold(&e->lock);
	struct fake *f = find(e, ref, NULL);

	f->log[f->n_log].stream = stream;
	f->log[f->n_log].time_ns = 1700000000123456789;
	f->log[f->n_log].text = xstrdup(text);
	f->n_log++;
	for (struct engine_logs *l = e->logs; l; l = l->next)
		(void) eventfd_write(l->fd, 1);
}

void fake_engine_exit(struct engine *e, const char *ref, int code)
{
	hold(&e->lock);
	struct fake *f = find(e, ref, NULL);

	if (f)
		end(e, f, code);
}

char **engine_labels(struct engine *e)
{
	return NULL;
}

int engine_shutdown(struct engine *e, struct err *err)
{
	return err_set(err, ERR_NOT_SUPPORTED, "an engine of straw stops nothing");
}

int engine_shutdown_cancel(struct engine *e, struct err *err)
{
	return 0;
}
