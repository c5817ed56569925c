/* See waiters.h. */
#include "shim/waiters.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"

/* Between the rename and the end of the files; and all along where the kernel has no instance of
 * inotify left. */
#define LOOK_MIN_NS (1 * NSEC_PER_MSEC)
#define LOOK_MAX_NS (100 * NSEC_PER_MSEC)

enum { NOT_RUNNING = 1, NEXT_EXIT = 2, REMOVAL = 4 };

struct waiter {
	struct waiter *next;
	struct waiters *all;
	struct client *client;
	unsigned condition; /* one of these */
};

/* Answering */

static void on_gone(void *arg)
{
	struct waiter *w = arg;

	for (struct waiter **p = &w->all->first; *p; p = &(*p)->next)
		if (*p == w) {
			*p = w->next;
			break;
		}
	free(w);
}

/* What it sends is nothing to us; when it closes, it is gone. */
static const struct client_owner owner = {.on_gone = on_gone};

static void answer(struct waiter *w)
{
	const struct waiters *ws = w->all;
	autobuf body = {0};

	buf_addf(&body, "{\"StatusCode\":%lld,\"Error\":", (long long) ws->code);
	if (ws->error) {
		buf_adds(&body, "{\"Message\":\"");
		buf_add_json(&body, ws->error, strlen(ws->error));
		buf_adds(&body, "\"}");
	} else {
		buf_adds(&body, "null");
	}
	buf_adds(&body, "}\n");
	client_send(w->client, 1, body.text, body.len);
	client_finish(w->client);
}

/* Answers those whose condition is among the ones met. Answering one may take it out of the list,
 * now or later. */
static void answer_all(struct waiters *ws, unsigned met)
{
	for (struct waiter *w = ws->first, *next; w; w = next) {
		next = w->next;
		if (w->condition & met)
			answer(w);
	}
}

void waiters_set_last(struct waiters *ws, int64_t code, const char *error)
{
	ws->code = code;
	free(ws->error);
	ws->error = str_empty(error) ? NULL : xstrdup(error);
}

void waiters_exited(struct waiters *ws, int64_t code, const char *error)
{
	ws->known = true;
	waiters_set_last(ws, code, error);
	answer_all(ws, NOT_RUNNING | NEXT_EXIT);
}

void waiters_at_rest(struct waiters *ws)
{
	answer_all(ws, NOT_RUNNING);
}

/* Taking */

void waiters_init(struct waiters *ws, struct loop *loop, struct clients *clients)
{
	*ws = (struct waiters){.loop = loop, .clients = clients, .data = -1, .moved = {.fd = -1}};
}

/* 0: none. */
static unsigned parse_condition(const char *s)
{
	return str_eq(s, "not-running") ? NOT_RUNNING
	       : str_eq(s, "next-exit") ? NEXT_EXIT
	       : str_eq(s, "removed")	? REMOVAL
					: 0;
}

int waiters_take(struct waiters *ws, const struct message *m, bool at_rest, struct err *err)
{
	unsigned condition = parse_condition(kv_get(m->kv, "condition"));
	struct waiter *w;

	if (!condition)
		return err_set(err, ERR_INVALID, "unknown condition");
	w = xnew(struct waiter);
	*w = (struct waiter){.all = ws, .condition = condition};
	if (client_take(ws->clients, m, &owner, w, &w->client, err) < 0) {
		free(w);
		return -1;
	}
	if (!ws->known && kv_get(m->kv, "code"))
		waiters_set_last(ws, kv_int(m->kv, "code", 0), kv_get(m->kv, "error"));
	w->next = ws->first;
	ws->first = w;
	client_begin(w->client);
	/* It may have gone by now. */
	if (at_rest)
		waiters_at_rest(ws);
	return 0;
}

/* The removal */

static void removed(struct waiters *ws)
{
	loop_unwatch(ws->loop, &ws->moved);
	close_p(&ws->moved.fd);
	ws->moved.fd = -1;
	answer_all(ws, NOT_RUNNING | NEXT_EXIT | REMOVAL);
}

/* A directory that is removed has no link left, whoever has it open. */
static void on_look(void *arg)
{
	struct waiters *ws = arg;
	struct stat st;

	if (fstat(ws->data, &st) < 0 || st.st_nlink == 0) {
		removed(ws);
		return;
	}
	loop_timer(ws->loop, &ws->look, ws->look_ns);
	if (ws->look_ns < LOOK_MAX_NS)
		ws->look_ns *= 2;
}

/* Now its files go, and it with them. */
static void on_moved(void *arg, uint32_t events)
{
	struct waiters *ws = arg;

	(void) events;
	loop_unwatch(ws->loop, &ws->moved);
	on_look(ws);
}

static int watch_directory(struct waiters *ws)
{
	char path[32];

	ws->moved = (struct watch){
		.fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK), .fn = on_moved, .arg = ws};
	if (ws->moved.fd < 0)
		return -errno;
	snprintf(path, sizeof path, "/proc/self/fd/%d", ws->data);
	if (inotify_add_watch(ws->moved.fd, path, IN_MOVE_SELF | IN_DELETE_SELF) < 0)
		return -errno;
	return loop_watch(ws->loop, &ws->moved, EPOLLIN);
}

void waiters_await_removal(struct waiters *ws, int data)
{
	int r;

	if (!ws->first)
		return;
	ws->data = data;
	ws->look = (struct timer){.fn = on_look, .arg = ws};
	ws->look_ns = LOOK_MIN_NS;
	r = watch_directory(ws);
	if (r == 0)
		return;
	log_warn("watch the container's directory: error %d; looking instead", -r);
	ws->look_ns = LOOK_MAX_NS;
	on_look(ws);
}
