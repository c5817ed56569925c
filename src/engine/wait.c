/* `docker wait` and `docker logs`: begun, then waited for by descriptor, so that the API may watch
 * its client too. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/file.h"
#include "engine/internal.h"

struct engine_wait {
	struct container *c; /* NULL: it has departed, and all is known */
	struct container_waiter waiter;
};

static bool resting(enum phase p)
{
	return !phase_is_alive(p) && p != PHASE_STARTING && p != PHASE_RESTARTING;
}

/* One that removed itself: the client was late, perhaps because the daemon was away. */
static int ask_departed(struct engine *e, const char *ref, struct container_waiter *w)
{
	autoclose int dir = open_dir_at(AT_FDCWD, e->o.data_root);
	struct departed d;

	if (dir < 0 || departed_find(dir, ref, now_ns(), &d) < 0)
		return -1;
	w->done = true;
	w->exit_code = d.exit_code;
	snprintf(w->error, sizeof w->error, "%s", d.error ? d.error : "");
	(void) eventfd_write(w->event_fd, 1);
	departed_free(&d);
	return 0;
}

static int find(struct engine *e, const char *ref, struct engine_wait *w, struct err *err)
{
	struct err why = {0};

	if (container_lookup(e->store, ref, &w->c, &why) == 0)
		return 0;
	if (why.kind == ERR_NOT_FOUND && ask_departed(e, ref, &w->waiter) == 0)
		return 0;
	if (err)
		*err = why;
	return -1;
}

static int waiter_new(struct engine *e, const char *ref, enum wait_condition condition,
		      struct engine_wait **ret, struct err *err)
{
	struct engine_wait *w = xnew(struct engine_wait);

	w->waiter.condition = condition;
	w->waiter.event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->waiter.event_fd < 0 || find(e, ref, w, err) < 0) {
		if (w->waiter.event_fd < 0)
			(void) err_sys(err, errno, "eventfd");
		close_p(&w->waiter.event_fd);
		free(w);
		return -1;
	}
	*ret = w;
	return 0;
}

int engine_wait_begin(struct engine *e, const char *ref, enum wait_condition condition,
		      struct engine_wait **ret, struct err *err)
{
	struct engine_wait *w;

	if (waiter_new(e, ref, condition, &w, err) < 0)
		return -1;
	*ret = w;
	if (!w->c)
		return 0;
	settle_now(e, w->c);
	hold(&w->c->lock);
	/* What restore has not yet looked at is not known to have ended. */
	while (!w->c->handled && !w->c->gone)
		pthread_cond_wait(&w->c->changed, &w->c->lock);
	w->waiter.next = w->c->waiters;
	w->c->waiters = &w->waiter;
	if (w->c->gone)
		container_tell_waiters_locked(w->c, WAIT_REMOVED);
	else if (condition == WAIT_NOT_RUNNING && resting(w->c->phase)) {
		w->waiter.done = true;
		w->waiter.exit_code = w->c->state.exit_code;
		(void) eventfd_write(w->waiter.event_fd, 1);
	}
	return 0;
}

/* Handing over */

#define HAND_OVER_TRIES 2 /* its shim may be about to end when it is found */

static bool is_known(struct container *c, enum wait_condition condition)
{
	hold(&c->lock);

	return c->gone || (c->handled && condition == WAIT_NOT_RUNNING && resting(c->phase));
}

static void write_order(struct container *c, enum wait_condition condition, struct buf *msg)
{
	static const char *const names[] = {
		[WAIT_NOT_RUNNING] = "not-running",
		[WAIT_NEXT_EXIT] = "next-exit",
		[WAIT_REMOVED] = "removed",
	};
	hold(&c->lock);

	kv_add(msg, "msg", "wait");
	kv_add(msg, "condition", names[condition]);
	kv_add_int(msg, "code", c->state.exit_code);
	if (c->state.error)
		kv_add(msg, "error", c->state.error);
}

static int hand_over(struct engine *e, struct container *c, enum wait_condition condition,
		     const struct client_stream *client, struct err *err)
{
	autoclose int exec = open_exec_dir(e, c->id, err);
	autobuf msg = {0};

	if (exec < 0)
		return -1;
	write_order(c, condition, &msg);
	return shim_hand_over(exec, &msg, client, NULL, 0, err);
}

int engine_wait_hand_over(struct engine *e, const char *ref, enum wait_condition condition,
			  const struct client_stream *client)
{
	auto_(container_unref_p) struct container *c = NULL;
	struct err err = {0};

	if (container_lookup(e->store, ref, &c, NULL) < 0)
		return 0;
	for (int i = 0; i < HAND_OVER_TRIES; i++) {
		settle_now(e, c);
		/* It may have ended while a shim was waited for. */
		if (is_known(c, condition) || engine_shim_for_client(e, c, &err) < 0 ||
		    is_known(c, condition))
			break;
		if (hand_over(e, c, condition, client, &err) == 0)
			return 1;
		idle_shim_doubt(c);
	}
	if (err.text[0])
		log_debug("container %.12s: who waits for it waits here: %s", c->id, err.text);
	return 0;
}

int engine_wait_fd(const struct engine_wait *w)
{
	return w->waiter.event_fd;
}

int engine_wait_result(struct engine_wait *w, int64_t *ret_code, const char **ret_error)
{
	bool done = !w->c;

	if (w->c) {
		hold(&w->c->lock);
		done = w->waiter.done;
	}
	if (!done)
		return 0;
	*ret_code = w->waiter.exit_code;
	*ret_error = w->waiter.error;
	return 1;
}

void engine_wait_free(struct engine_wait *w)
{
	if (!w)
		return;
	if (w->c) {
		hold(&w->c->lock);
		for (struct container_waiter **p = &w->c->waiters; *p; p = &(*p)->next)
			if (*p == &w->waiter) {
				*p = w->waiter.next;
				break;
			}
	}
	close_p(&w->waiter.event_fd);
	container_unref(w->c);
	free(w);
}

struct engine_logs {
	struct engine *e;
	struct logs_query query;
	struct engine_wait *wait; /* NULL: not following */
	struct log_reader *reader;
	bool ended; /* the container had ended before the last look: what is there now is all */
};

int logs_readable(const struct container_config *config, struct err *err)
{
	if (str_eq(config->host.log.type, "none"))
		return err_set(err, ERR_NOT_SUPPORTED,
			       "configured logging driver does not support reading");
	return 0;
}

int engine_logs_open(struct engine *e, const char *ref, const struct logs_query *q,
		     struct engine_logs **ret, bool *ret_tty, struct err *err)
{
	auto_(container_unref_p) struct container *c = NULL;
	auto_(container_config_unref_p) struct container_config *config = NULL;
	autoclose int dir = -1;
	struct engine_logs *l;

	if (container_lookup(e->store, ref, &c, err) < 0)
		return -1;
	config = config_of(c, err);
	if (!config || logs_readable(config, err) < 0)
		return -1;
	dir = open_data_dir(e, c->id, err);
	if (dir < 0)
		return -1;
	l = xnew(struct engine_logs);
	l->e = e;
	l->query = *q;
	if ((q->follow && engine_wait_begin(e, c->id, WAIT_NOT_RUNNING, &l->wait, err) < 0) ||
	    logs_open(dir, q, e->log_follower, &l->reader, err) < 0) {
		engine_wait_free(l->wait);
		free(l);
		return -1;
	}
	*ret_tty = config->config.tty;
	*ret = l;
	return 0;
}

static void add_place(struct buf *msg, const char *file_key, const char *from_key,
		      const struct logs_position *at, enum log_stream stream)
{
	kv_add_int(msg, file_key, (int64_t) at->start[stream].ino);
	kv_add_int(msg, from_key, at->start[stream].offset);
}

static void follow_message(const struct engine_logs *l, const struct logs_format *format,
			   const struct logs_position *at, struct buf *ret)
{
	kv_add(ret, "msg", "follow");
	kv_add_int(ret, "stdout", l->query.want_stdout);
	kv_add_int(ret, "stderr", l->query.want_stderr);
	kv_add_int(ret, "since", l->query.since_ns);
	kv_add_int(ret, "until", l->query.until_ns);
	kv_add_int(ret, "timestamps", format->timestamps);
	kv_add_int(ret, "details", format->details);
	kv_add(ret, "framing", format->tty ? "raw" : "multiplexed");
	kv_add_int(ret, "offset", at->offset);
	add_place(ret, "stdout-file", "stdout-from", at, LOG_STDOUT);
	add_place(ret, "stderr-file", "stderr-from", at, LOG_STDERR);
}

bool engine_logs_hand_over(struct engine_logs *l, const struct logs_format *format,
			   const struct client_stream *client)
{
	autoclose int exec = -1;
	struct logs_position at;
	const char *error;
	struct err err = {0};
	autobuf msg = {0};
	int64_t code;

	/* One at rest has nobody, and all it has to say is in its log. */
	if (!l->wait || engine_wait_result(l->wait, &code, &error))
		return false;
	exec = container_open_exec(l->e->store, l->wait->c->id);
	if (exec < 0)
		return false;
	if (logs_position(l->reader, &at, &err) == 0) {
		follow_message(l, format, &at, &msg);
		if (shim_hand_over(exec, &msg, client, &at.fd, at.fd >= 0, &err) == 0)
			return true;
	}
	log_debug("container %.12s: its logs are followed by the daemon: %s", l->wait->c->id,
		  err.text);
	return false;
}

int engine_logs_next(struct engine_logs *l, struct log_entry *ret, struct err *err)
{
	const char *error;
	int64_t code;
	int r = logs_next(l->reader, ret, err);

	if (r != 0)
		return r;
	if (!l->wait || l->ended)
		return 2;
	/* The shim writes its last line before it says that the run has ended: one more look, then
	 * no more comes. */
	if (engine_wait_result(l->wait, &code, &error)) {
		l->ended = true;
		return engine_logs_next(l, ret, err);
	}
	return 0;
}

void engine_logs_fds(const struct engine_logs *l, int ret[2])
{
	ret[0] = logs_fd(l->reader);
	ret[1] = l->wait ? engine_wait_fd(l->wait) : -1;
}

void engine_logs_free(struct engine_logs *l)
{
	if (!l)
		return;
	logs_close(l->reader);
	engine_wait_free(l->wait);
	free(l);
}
