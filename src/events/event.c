/* An event as value: its fields, does a filter let it through, and how docker writes it. */
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "events/events.h"
#include "events/journal.h"

const char *const event_filter_keys[] = {
	"container", "daemon", "event", "image",  "label",
	"network",   "scope",  "type",	"volume", NULL,
};

/* "time" comes first: journal.c finds it there without parsing the rest. */
const struct field event_fields[] = {
	FIELD(struct event, "time", FIELD_INT, time_ns),
	FIELD(struct event, "type", FIELD_STR, type),
	FIELD(struct event, "action", FIELD_STR, action),
	FIELD(struct event, "id", FIELD_STR, id),
	FIELD(struct event, "attributes", FIELD_MAP, attributes),
	FIELD_END,
};

void event_free(struct event *ev)
{
	if (!ev)
		return;
	fields_free(event_fields, ev);
	*ev = (struct event){};
}

/* "container=x" lets through only events of that type whose id or name begins with x, as docker's
 * users are used to. */
static bool match_actor(const struct filters *f, const char *type, const struct event *ev)
{
	if (!filters_has(f, type))
		return true;
	return str_eq(ev->type, type) &&
	       (filters_match_prefix(f, type, ev->id) ||
		filters_match_prefix(f, type, strmap_get(&ev->attributes, "name")));
}

/* "debian:12" -> "debian", "host:5000/debian" stays. Caller frees. */
static char *without_tag(const char *image)
{
	const char *slash = strrchr(image, '/');
	const char *colon = strchr(slash ? slash : image, ':');

	return xstrndup(image, colon ? (size_t) (colon - image) : strlen(image));
}

/* The image of an image event, or the image that a container was made of. */
static bool match_image(const struct filters *f, const struct event *ev)
{
	bool is_image = str_eq(ev->type, "image");
	const char *name = strmap_get(&ev->attributes, is_image ? "name" : "image");
	autofree char *bare = name ? without_tag(name) : NULL;
	autofree char *bare_id = without_tag(ev->id ? ev->id : "");

	if (!filters_has(f, "image"))
		return true;
	return filters_match(f, "image", ev->id) || filters_match(f, "image", bare_id) ||
	       (name && (filters_match(f, "image", name) || filters_match(f, "image", bare)));
}

/* "exec_create: ls -l" is found by "exec_create", "health_status: healthy" by "health_status". */
static bool match_action(const struct filters *f, const struct event *ev)
{
	size_t len = strcspn(ev->action, ":");
	autofree char *word = xstrndup(ev->action, len);

	return filters_match(f, "event", ev->action) ||
	       (ev->action[len] && filters_match(f, "event", word));
}

bool event_match(const struct filters *f, const struct event *ev)
{
	return !f || (filters_match(f, "type", ev->type) && match_action(f, ev) &&
		      filters_match(f, "scope", "local") && match_actor(f, "container", ev) &&
		      match_actor(f, "daemon", ev) && match_actor(f, "network", ev) &&
		      match_actor(f, "volume", ev) && match_image(f, ev) &&
		      filters_match_labels(f, "label", &ev->attributes));
}

/* A string that jansson takes whatever bytes it has: text that is not UTF-8 is replaced. */
static json_t *json_of_text(const char *s)
{
	json_t *j = json_string(s ? s : "");

	return j ? j : json_string("\xef\xbf\xbd");
}

json_t *event_json(const struct event *ev)
{
	const char *image = strmap_get(&ev->attributes, "image");
	json_t *attributes = json_object(), *actor = json_object(), *o = json_object();
	const char *k, *v;

	strmap_foreach (&ev->attributes, k, v)
		(void) json_object_set_new(attributes, k, json_of_text(v));
	(void) json_object_set_new(actor, "ID", json_of_text(ev->id));
	(void) json_object_set_new(actor, "Attributes", attributes);

	if (str_eq(ev->type, "container") || str_eq(ev->type, "image")) {
		(void) json_object_set_new(o, "status", json_of_text(ev->action));
		(void) json_object_set_new(o, "id", json_of_text(ev->id));
		if (image && *image)
			(void) json_object_set_new(o, "from", json_of_text(image));
	}
	(void) json_object_set_new(o, "Type", json_of_text(ev->type));
	(void) json_object_set_new(o, "Action", json_of_text(ev->action));
	(void) json_object_set_new(o, "Actor", actor);
	(void) json_object_set_new(o, "scope", json_string("local"));
	(void) json_object_set_new(o, "time", json_integer(ev->time_ns / NSEC_PER_SEC));
	(void) json_object_set_new(o, "timeNano", json_integer(ev->time_ns));
	return o;
}
