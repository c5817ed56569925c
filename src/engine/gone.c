/*
 * The last of a container: one rename, to `.gone-<id>-<time>`, takes its directory off the disk,
 * and from there on it is gone for good. What is left - the `destroy` event, with that time, and
 * its files - is done by whoever finds the renamed directory: this daemon, or the restore of the
 * next one.
 *
 * Of its files config.json, which the event tells of, goes first: where it is gone the event was
 * told. Where it is there the journal knows.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "engine/internal.h"

#define GONE ".gone-"

int gone_rename(struct engine *e, const char *id, int64_t time_ns, char **ret_name)
{
	int top = container_store_data_dir(e->store);
	autofree char *name = xasprintf(GONE "%s-%lld", id, (long long) time_ns);

	if (renameat(top, id, top, name) < 0)
		return -errno;
	*ret_name = take(name);
	return 0;
}

int gone_remove_files(struct engine *e, const char *name)
{
	int top = container_store_data_dir(e->store);
	autofree char *config = xasprintf("%s/" LAYOUT_CONFIG, name);

	(void) unlinkat(top, config, 0);
	return remove_tree_at(top, name);
}

static bool was_told(struct engine *e, const char *id, int64_t time_ns)
{
	struct event_listener *l = NULL;
	struct filters f = {0};
	struct event ev;
	bool told;

	filters_add(&f, "container", id);
	filters_add(&f, "event", "destroy");
	told = events_listen(e->events, time_ns, time_ns, &f, &l, NULL) == 0 &&
	       events_next(l, &ev) == 1;
	if (told)
		event_free(&ev);
	events_unlisten(l);
	filters_free(&f);
	return told;
}

/* Its directory's name says whose it was, and since when; older ones, of a random name, do not. */
static bool parse(const char *name, char id[static CONTAINER_ID_LEN + 1], int64_t *ret_time_ns)
{
	const char *rest = name + strlen(GONE) + CONTAINER_ID_LEN;
	long long time_ns = 0;
	int end = 0;

	if (strlen(name) <= strlen(GONE) + CONTAINER_ID_LEN)
		return false;
	snprintf(id, CONTAINER_ID_LEN + 1, "%s", name + strlen(GONE));
	*ret_time_ns = sscanf(rest, "-%19lld%n", &time_ns, &end) == 1 && !rest[end] ? time_ns : 0;
	return str_is_hex(id, CONTAINER_ID_LEN) && *ret_time_ns > 0;
}

bool gone_is(const char *name)
{
	return str_has_prefix(name, GONE);
}

int gone_finish(struct engine *e, const char *name)
{
	autofree char *config = xasprintf("%s/" LAYOUT_CONFIG, name);
	auto_(container_unref_p) struct container *c = NULL;
	char id[CONTAINER_ID_LEN + 1];
	int64_t time_ns;

	if (parse(name, id, &time_ns) && exists_at(container_store_data_dir(e->store), config) &&
	    !was_told(e, id, time_ns)) {
		c = container_load_config_only(e->store, name, id);
		notify(e, c, time_ns, "destroy", NULL);
	}
	return gone_remove_files(e, name);
}
