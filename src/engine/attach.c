/* attach, resize: the client goes to the container's shim, who serves it from then on. */
#include <string.h>

#include "engine/internal.h"

static int check_attachable(struct container *c, const char *ref, struct err *err)
{
	hold(&c->lock);

	if (c->phase == PHASE_PAUSED)
		return err_set(err, ERR_CONFLICT,
			       "container %s is paused, unpause the container before attach", ref);
	if (c->phase == PHASE_RESTARTING)
		return err_set(err, ERR_CONFLICT,
			       "container %s is restarting, wait until the container is running",
			       ref);
	return 0;
}

int engine_attach_check(struct engine *e, const char *ref, bool *ret_tty, struct err *err)
{
	auto_(container_unref_p) struct container *c = NULL;
	auto_(container_config_unref_p) struct container_config *config = NULL;

	if (find_handled(e, ref, &c, err) < 0 || check_attachable(c, ref, err) < 0)
		return -1;
	config = config_of(c, err);
	if (!config)
		return -1;
	*ret_tty = config->config.tty;
	return 0;
}

static void write_order(struct buf *msg, const struct attach_request *r, bool tty)
{
	kv_add(msg, "msg", "attach");
	kv_add_int(msg, "stdin", r->stream && r->in);
	kv_add_int(msg, "stdout", (r->stream || r->logs) && r->out);
	kv_add_int(msg, "stderr", (r->stream || r->logs) && r->err && !tty);
	kv_add_int(msg, "logs", r->logs);
	kv_add_int(msg, "stream", r->stream);
	kv_add(msg, "framing", r->websocket ? "websocket" : tty ? "raw" : "multiplexed");
	if (r->detach_keys)
		kv_add(msg, "detach-keys", r->detach_keys);
}

static int hand_over(struct engine *e, struct container *c, const struct attach_request *r,
		     const struct client_stream *client, struct err *err)
{
	auto_(container_config_unref_p) struct container_config *config = NULL;
	autoclose int exec = -1;
	autobuf msg = {0};

	if (engine_shim_for_client(e, c, err) < 0)
		return -1;
	config = config_of(c, err);
	if (config && r->logs && logs_readable(config, err) < 0)
		return -1;
	exec = config ? open_exec_dir(e, c->id, err) : -1;
	if (exec < 0)
		return -1;
	write_order(&msg, r, config->config.tty);
	return shim_hand_over(exec, &msg, client, NULL, 0, err);
}

/* Has its run ended since its shim was found? Then who attaches is there for the next one, as if he
 * had come a moment later. */
static bool has_ended(struct engine *e, struct container *c)
{
	settle_now(e, c);
	hold(&c->lock);
	return !c->gone && !phase_is_alive(c->phase);
}

int engine_attach(struct engine *e, const char *ref, const struct attach_request *r,
		  const struct client_stream *client, struct err *err)
{
	auto_(container_unref_p) struct container *c = NULL;
	int64_t begun_ns = now_ns(); /* its detach may be told before we go on */

	if (find_handled(e, ref, &c, err) < 0 || check_attachable(c, ref, err) < 0)
		return -1;
	if (hand_over(e, c, r, client, err) < 0) {
		if (!has_ended(e, c))
			return -1;
		err_clear(err);
		idle_shim_doubt(c);
		if (check_attachable(c, ref, err) < 0 || hand_over(e, c, r, client, err) < 0)
			return -1;
	}
	notify(e, c, begun_ns, "attach", NULL);
	return 0;
}

static int check_running(struct container *c, struct err *err)
{
	hold(&c->lock);

	if (!phase_is_alive(c->phase))
		return err_set(err, ERR_CONFLICT, "container %s is not running", c->id);
	return 0;
}

int engine_resize(struct engine *e, const char *ref, int64_t rows, int64_t columns, struct err *err)
{
	auto_(container_unref_p) struct container *c = NULL;
	autofree char *height = xasprintf("%lld", (long long) rows);
	autofree char *width = xasprintf("%lld", (long long) columns);
	autoclose int exec = -1;
	autokv answer = {0};
	autobuf msg = {0};

	if (find_handled(e, ref, &c, err) < 0 || check_running(c, err) < 0)
		return -1;
	exec = open_exec_dir(e, c->id, err);
	if (exec < 0)
		return -1;
	kv_add(&msg, "msg", "resize");
	kv_add_int(&msg, "h", rows);
	kv_add_int(&msg, "w", columns);
	if (shim_call(exec, &msg, 5000, &answer, err) < 0)
		return err_wrap(err, "cannot resize container %s", c->id);
	notify(e, c, now_ns(), "resize", "height", height, "width", width, NULL);
	return 0;
}
