/* Looking at containers: inspect, list, filters, and the words of `ps`. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "engine/internal.h"

#define INSPECT_WAIT_NS (5 * NSEC_PER_SEC)
#define LIST_WAIT_NS	(1 * NSEC_PER_SEC)

static void add_sizes(struct engine *e, struct container_view *v)
{
	auto_(image_unref_p) struct image *image = NULL;

	v->size_rw = container_size_rw(e, v->id);
	if (v->config && image_resolve(e->images, v->config->image_id, &image, NULL) == 0)
		v->size_rootfs = v->size_rw + image->size;
}

static void view_of(struct engine *e, struct container *c, bool size, struct container_view *v)
{
	memset(v, 0, sizeof *v);
	{
		hold(&c->lock);
		memcpy(v->id, c->id, sizeof v->id);
		v->name = xstrdup(c->name ?: c->id);
		v->config = container_config_ref(c->config);
		fields_copy(container_state_fields, &v->state, &c->state);
		if (phase_is_alive(c->phase)) {
			container_health_free(v->state.health);
			v->state.health = container_health_copy(c->disk.health);
		}
		if (phase_is_alive(c->phase) || c->phase == PHASE_RESTARTING)
			fields_objects_copy(endpoint_fields, &v->endpoints, &c->disk.endpoints,
					    sizeof(struct endpoint));
		v->phase = c->phase;
		v->problem = xstrdup(c->problem);
		v->pid = phase_is_alive(c->phase) ? c->disk.pid : 0;
	}
	v->size_rw = v->size_rootfs = -1;
	if (size)
		add_sizes(e, v);
}

void container_view_free(struct container_view *v)
{
	free(v->name);
	free(v->problem);
	strv_free(v->exec_ids);
	container_config_unref(v->config);
	fields_objects_free(endpoint_fields, &v->endpoints, sizeof(struct endpoint));
	fields_free(container_state_fields, &v->state);
	memset(v, 0, sizeof *v);
}

/* What restore has not looked at yet is not told, but nobody waits for long: a shim that does not
 * answer delays its own container only. */
static void wait_handled(struct container *c, const struct timespec *deadline)
{
	hold(&c->lock);

	while (!c->handled && !c->gone && container_wait_changed_locked(c, deadline) == 0)
		;
}

int engine_inspect(struct engine *e, const char *ref, bool size, struct container_view *ret,
		   struct err *err)
{
	auto_(container_unref_p) struct container *c = NULL;
	struct timespec deadline;

	if (container_lookup(e->store, ref, &c, err) < 0)
		return -1;
	deadline = deadline_in(INSPECT_WAIT_NS);
	wait_handled(c, &deadline);
	settle_now(e, c);
	view_of(e, c, size, ret);
	ret->exec_ids = sessions_of(e, ret->id);
	return 0;
}

const char *const container_filter_keys[] = {
	"ancestor", "before", "expose",	 "exited",  "health", "id",	"isolation", "is-task",
	"label",    "name",   "network", "publish", "since",  "status", "volume",    NULL,
};

/* What the filters say, with references resolved once. */
struct list_filter {
	const struct filters *f;
	char **ancestors;  /* image ids; NULL: no such filter */
	char **networks;   /* names and ids; NULL: no such filter */
	int64_t before_ns; /* 0: none */
	int64_t since_ns;
};

static int resolve_instant(struct engine *e, const struct filters *f, const char *key, int64_t *ret,
			   struct err *err)
{
	auto_(container_unref_p) struct container *c = NULL;
	const char *ref = filters_get(f, key);

	if (!ref)
		return 0;
	if (container_lookup(e->store, ref, &c, err) < 0)
		return -1;
	*ret = c->created_ns;
	return 0;
}

static int check_values(const struct filters *f, struct err *err)
{
	static const char *const known[] = {"created",	"running", "paused", "restarting",
					    "removing", "exited",  "dead",   NULL};
	static const char *const health[] = {"none", "starting", "healthy", "unhealthy", NULL};
	static const char *const truth[] = {"0", "1", "true", "false", NULL};
	const char *k, *v;

	strmap_foreach (&f->pairs, k, v) {
		int64_t code;

		if (!strcmp(k, "status") && !strv_contains((char *const *) known, v))
			return err_set(err, ERR_INVALID, "invalid filter 'status=%s'", v);
		if ((!strcmp(k, "health") && !strv_contains((char *const *) health, v)) ||
		    (!strcmp(k, "is-task") && !strv_contains((char *const *) truth, v)) ||
		    ((!strcmp(k, "publish") || !strcmp(k, "expose")) &&
		     !isdigit((unsigned char) v[0])))
			return err_set(err, ERR_INVALID, "invalid filter '%s=%s'", k, v);
		if (!strcmp(k, "exited") && parse_i64(v, &code) < 0)
			return err_set(err, ERR_INVALID, "invalid filter 'exited=%s'", v);
	}
	return 0;
}

static void add_network(struct engine *e, const char *ref, char ***ret)
{
	struct network_view v;

	strv_add(ret, ref);
	if (network_find(e->networks, ref, &v, NULL) < 0)
		return;
	strv_add(ret, v.config.name);
	strv_add(ret, v.config.id);
	network_view_free(&v);
}

static int list_filter_init(struct engine *e, const struct filters *f, struct list_filter *ret,
			    struct err *err)
{
	const char *k, *v;

	*ret = (struct list_filter){.f = f};
	if (check_values(f, err) < 0 || resolve_instant(e, f, "before", &ret->before_ns, err) < 0 ||
	    resolve_instant(e, f, "since", &ret->since_ns, err) < 0)
		return -1;
	strmap_foreach (&f->pairs, k, v) {
		auto_(image_unref_p) struct image *image = NULL;

		if (strcmp(k, "network") == 0)
			add_network(e, v, &ret->networks);
		if (strcmp(k, "ancestor") != 0)
			continue;
		/* An image that is not there has no children: an id that none matches. */
		if (image_resolve(e->images, v, &image, NULL) == 0)
			strv_add(&ret->ancestors, image->id);
		else
			strv_add(&ret->ancestors, "");
	}
	return 0;
}

static bool matches_port(const struct filters *f, const char *key, const char *port)
{
	autofree char *number = xstrndup(port, strcspn(port, "/"));

	return filters_match(f, key, port) || filters_match(f, key, number);
}

static bool matches_exposed(const struct filters *f, char *const *exposed)
{
	bool matches = !filters_has(f, "expose");

	for (; !matches && exposed && *exposed; exposed++)
		matches = matches_port(f, "expose", *exposed);
	return matches;
}

static bool matches_published(const struct filters *f, json_t *bindings)
{
	bool matches = !filters_has(f, "publish");
	const char *port;
	json_t *at;

	json_object_foreach (bindings, port, at)
		matches = matches || matches_port(f, "publish", port);
	return matches;
}

static bool matches_volume(const struct filters *f, const struct objects *mounts)
{
	if (!filters_has(f, "volume"))
		return true;
	for (size_t i = 0; i < mounts->n; i++) {
		const struct mount_point *m = objects_at(mounts, struct mount_point, i);

		if (filters_match(f, "volume", m->destination) ||
		    filters_match(f, "volume", m->source) ||
		    (m->name && filters_match(f, "volume", m->name)))
			return true;
	}
	return false;
}

/* Any of those that it is in, or will be: its mode's, and what it was connected to. */
static bool matches_network(char *const *networks, const struct container_config *cc)
{
	if (!networks || strv_contains(networks, cc->host.network_mode ?: ""))
		return true;
	for (size_t i = 0; i < cc->networks.n; i++)
		if (strv_contains(networks,
				  objects_at(&cc->networks, struct network_wish, i)->network))
			return true;
	return false;
}

static bool matches_state(const struct filters *f, const struct container_view *v)
{
	char code[24];

	snprintf(code, sizeof code, "%lld", (long long) v->state.exit_code);
	if (!filters_match(f, "status", phase_docker_text(v->phase)))
		return false;
	if (filters_has(f, "exited") && (v->phase == PHASE_CREATED || phase_is_alive(v->phase) ||
					 !filters_match(f, "exited", code)))
		return false;
	return filters_match(f, "health", v->state.health ? v->state.health->status : "none") &&
	       filters_match(f, "is-task", "false");
}

static bool matches_name(const struct filters *f, const char *name)
{
	autofree char *slashed = xasprintf("/%s", name);

	return filters_match_regex(f, "name", name) || filters_match_regex(f, "name", slashed);
}

static bool matches(const struct list_filter *lf, const struct container_view *v)
{
	const struct filters *f = lf->f;
	const struct container_config *cc = v->config;
	int64_t created = cc ? cc->created_ns : 0;

	if (!f->pairs.kv)
		return true;
	if (!filters_match_prefix(f, "id", v->id) || !matches_name(f, v->name) ||
	    !matches_state(f, v))
		return false;
	if ((lf->before_ns && created >= lf->before_ns) ||
	    (lf->since_ns && created <= lf->since_ns))
		return false;
	if (!cc)
		return !filters_has(f, "label") && !lf->ancestors && !filters_has(f, "network") &&
		       !filters_has(f, "volume") && !filters_has(f, "expose") &&
		       !filters_has(f, "publish");
	return filters_match_labels(f, "label", &cc->config.labels) &&
	       (!lf->ancestors || strv_contains(lf->ancestors, cc->image_id)) &&
	       matches_network(lf->networks, cc) && matches_volume(f, &cc->mounts) &&
	       matches_exposed(f, cc->config.exposed_ports) &&
	       matches_published(f, cc->host.port_bindings);
}

static bool shown(const struct list_query *q, const struct container_view *v)
{
	if (q->all || q->limit > 0 || filters_has(&q->filters, "status") ||
	    filters_has(&q->filters, "exited"))
		return true;
	return phase_is_alive(v->phase) || v->phase == PHASE_RESTARTING;
}

/* Each view is told while it is fresh: ten thousand of them at once would be megabytes. */
static bool list_one(struct engine *e, const struct list_query *q, const struct list_filter *lf,
		     struct container *c, void (*fn)(void *, const struct container_view *),
		     void *arg)
{
	auto_(container_view_free) struct container_view v;

	view_of(e, c, false, &v);
	if (!shown(q, &v) || !matches(lf, &v))
		return false;
	if (q->size)
		add_sizes(e, &v);
	fn(arg, &v);
	return true;
}

int engine_list(struct engine *e, const struct list_query *q,
		void (*fn)(void *arg, const struct container_view *v), void *arg, struct err *err)
{
	struct container **list;
	struct timespec deadline = deadline_in(LIST_WAIT_NS);
	struct list_filter lf;
	int64_t found = 0;
	size_t n;
	int r;

	r = list_filter_init(e, &q->filters, &lf, err);
	if (r == 0) {
		container_store_all(e->store, &list, &n);
		for (size_t i = 0; i < n && (q->limit <= 0 || found < q->limit); i++) {
			wait_handled(list[i], &deadline);
			settle_now(e, list[i]);
			found += list_one(e, q, &lf, list[i], fn, arg);
		}
		container_list_free(list, n);
	}
	strv_free(lf.ancestors);
	strv_free(lf.networks);
	return r;
}

void engine_count(struct engine *e, struct engine_counts *ret)
{
	struct container **list;
	struct image **images;
	size_t n, n_images;

	container_store_all(e->store, &list, &n);
	*ret = (struct engine_counts){.containers = (int64_t) n};
	for (size_t i = 0; i < n; i++) {
		hold(&list[i]->lock);

		if (list[i]->phase == PHASE_PAUSED)
			ret->paused++;
		else if (phase_is_alive(list[i]->phase))
			ret->running++;
		else
			ret->stopped++;
	}
	container_list_free(list, n);
	images_list(e->images, &images, &n_images);
	ret->images = (int64_t) n_images;
	image_list_free(images, n_images);
}

static const char *health_words(const struct container_health *h)
{
	if (!h)
		return "";
	if (str_eq(h->status, "starting"))
		return " (health: starting)";
	return str_eq(h->status, "healthy") ? " (healthy)" : " (unhealthy)";
}

void container_view_status(const struct container_view *v, int64_t now, char *ret, size_t size)
{
	char up[64], ago[64];

	duration_human(now - v->state.started_ns, up, sizeof up);
	duration_human(now - v->state.finished_ns, ago, sizeof ago);
	switch (v->phase) {
	case PHASE_RUNNING:
	case PHASE_STOPPING:
		snprintf(ret, size, "Up %s%s%s", up, health_words(v->state.health),
			 v->problem ? " (shim gone)" : "");
		return;
	case PHASE_PAUSED:
		snprintf(ret, size, "Up %s (Paused)", up);
		return;
	case PHASE_RESTARTING:
		snprintf(ret, size, "Restarting (%lld) %s ago", (long long) v->state.exit_code,
			 ago);
		return;
	case PHASE_REMOVING:
		snprintf(ret, size, "Removal In Progress");
		return;
	case PHASE_DEAD:
		snprintf(ret, size, "Dead");
		return;
	case PHASE_CREATED:
	case PHASE_STARTING:
		snprintf(ret, size, "Created");
		return;
	case PHASE_OVER:
	case PHASE_EXITED:
	case PHASE_COUNT:
		break;
	}
	snprintf(ret, size, "Exited (%lld) %s ago", (long long) v->state.exit_code, ago);
}
