/*
 * Events: what happened, told to whoever listens and kept in a bounded journal on disk
 * (<data-root>/events.jsonl and one predecessor), so that `--since` answers across restarts. The
 * time of an event is that of the happening, not of the telling; listeners get them in the order of
 * publication, `since` queries in the order of time. Thread-safe.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/filters.h"
#include "base/json.h"

struct events;
struct event_listener;

struct event {
	int64_t time_ns;
	char *type;   /* container, image, network, volume, daemon */
	char *action; /* create, start, die, ... */
	char *id;
	struct strmap attributes; /* name, image, exitCode, labels, ... */
};

/* data_root may be NULL: nothing is kept on disk. */
int events_open(const char *data_root, struct events **ret, struct err *err);
/* Ends all listeners, present and future: what they have is still theirs, then events_next()
 * says 2. Publishing goes on. */
void events_end(struct events *e);
/* Ends them and closes; listeners may be unlistened later. NULL is fine. */
void events_close(struct events *e);
/* Publishes a copy. Never blocks on a listener: one that is 4096 events behind is cut off. */
void events_publish(struct events *e, const struct event *ev);

/* Starts to listen: first what is in the journal with since <= time, then what comes, until
 * until_ns (0: without end). since_ns 0: nothing of the past, but all of it where until_ns is given
 * (as docker has it). filters is copied; NULL: all events. */
int events_listen(struct events *e, int64_t since_ns, int64_t until_ns,
		  const struct filters *filters, struct event_listener **ret, struct err *err);
/* Readable when events_next() may have something (also at until_ns). To be polled only;
 * events_next() resets it. */
int events_fd(const struct event_listener *l);
/* 1: *ret is a copy, to be freed by event_free(); 0: nothing now; 2: the end (until passed, cut
 * off, or the daemon is ending). */
int events_next(struct event_listener *l, struct event *ret);
void events_unlisten(struct event_listener *l);
void event_free(struct event *ev);

/* The filter keys of GET /events: container, daemon, event, image, label, network, scope, type,
 * volume. */
extern const char *const event_filter_keys[];
/* Pure. `container` matches id prefix or name, `image` the image attribute with or without tag. */
bool event_match(const struct filters *f, const struct event *ev);
/* The same JSON object as docker's API 1.44 (with status, id, from for containers and images). New
 * reference. */
json_t *event_json(const struct event *ev);
