/* Container events, and small helpers of the verbs. */
#include <stdarg.h>
#include <string.h>

#include "engine/internal.h"
#include "engine/networks.h"

/* docker's attributes: the labels, then image and name, then what the action adds. */
static void add_attributes(struct strmap *m, const struct container *c)
{
	const char *k, *v;

	if (c->config) {
		strmap_foreach (&c->config->config.labels, k, v)
			strmap_set(m, k, v);
		strmap_set(m, "image", c->config->config.image ?: "");
	}
	strmap_set(m, "name", c->name ?: "");
}

static void publish(struct engine *e, const struct container *c, int64_t time_ns,
		    const char *action, va_list extra)
{
	struct event ev = {
		.time_ns = time_ns,
		.type = (char *) "container",
		.action = (char *) action,
		.id = (char *) c->id,
	};
	const char *key;

	add_attributes(&ev.attributes, c);
	while ((key = va_arg(extra, const char *)))
		strmap_set(&ev.attributes, key, va_arg(extra, const char *));
	events_publish(e->events, &ev);
	strv_free(ev.attributes.kv);
}

void notify_locked(struct engine *e, const struct container *c, int64_t time_ns, const char *action,
		   ...)
{
	va_list ap;

	va_start(ap, action);
	publish(e, c, time_ns, action, ap);
	va_end(ap);
}

void notify(struct engine *e, struct container *c, int64_t time_ns, const char *action, ...)
{
	hold(&c->lock);
	va_list ap;

	va_start(ap, action);
	publish(e, c, time_ns, action, ap);
	va_end(ap);
}

void notify_network(struct engine *e, const struct endpoint *ep, const char *container,
		    const char *action)
{
	struct event ev = {
		.time_ns = now_ns(),
		.type = (char *) "network",
		.action = (char *) action,
		.id = ep->network_id,
	};

	strmap_set(&ev.attributes, "container", container);
	strmap_set(&ev.attributes, "name", ep->network ?: "");
	strmap_set(&ev.attributes, "type", "bridge");
	events_publish(e->events, &ev);
	strv_free(ev.attributes.kv);
}

int open_data_dir(struct engine *e, const char *id, struct err *err)
{
	int fd = container_open_data(e->store, id);

	return fd < 0 ? err_sys(err, -fd, "open directory of container %.12s", id) : fd;
}

int open_exec_dir(struct engine *e, const char *id, struct err *err)
{
	int fd = container_open_exec(e->store, id);

	return fd < 0 ? err_sys(err, -fd, "open exec directory of container %.12s", id) : fd;
}

struct container_config *config_of(struct container *c, struct err *err)
{
	hold(&c->lock);

	if (c->phase == PHASE_DEAD || !c->config) {
		(void) err_set(err, ERR_CONFLICT, "Container %.12s is dead: %s", c->id,
			       c->problem ?: "no configuration");
		return NULL;
	}
	return container_config_ref(c->config);
}

int find_and_claim(struct engine *e, const char *ref, struct container **ret,
		   struct container **ret_claimed, struct err *err)
{
	if (container_lookup(e->store, ref, ret, err) < 0 || container_claim(*ret, err) < 0)
		return -1;
	*ret_claimed = *ret;
	settle_now(e, *ret);
	return 0;
}

int find_handled(struct engine *e, const char *ref, struct container **ret, struct err *err)
{
	auto_(container_unref_p) struct container *c = NULL;

	if (container_lookup(e->store, ref, &c, err) < 0)
		return -1;
	{
		hold(&c->lock);
		while (!c->handled && !c->gone && !engine_ending(e))
			pthread_cond_wait(&c->changed, &c->lock);
	}
	settle_now(e, c);
	*ret = take(c);
	return 0;
}
