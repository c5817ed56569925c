/*
 * exec: create, start, inspect, resize. A session is its container's shim's from its start on; what
 * is done here is to write down what it is, to hand over its client, and to read what became of it.
 */
#include <errno.h>
#include <string.h>

#include "engine/internal.h"
#include "wire/fault.h"
#include "wire/proto.h"

#define ANSWER_MS    5000
#define START_MS     90000
#define KEYS_DEFAULT "1011" /* ctrl-p,ctrl-q */

static int check_running_locked(const struct container *c, struct err *err)
{
	switch (c->phase) {
	case PHASE_RUNNING:
	case PHASE_STOPPING:
		break;
	case PHASE_PAUSED:
		return err_set(err, ERR_CONFLICT,
			       "container %s is paused, unpause the container before exec", c->id);
	case PHASE_RESTARTING:
		return err_set(err, ERR_CONFLICT,
			       "container %s is restarting, wait until the container is running",
			       c->id);
	case PHASE_CREATED:
	case PHASE_STARTING:
	case PHASE_OVER:
	case PHASE_EXITED:
	case PHASE_REMOVING:
	case PHASE_DEAD:
	case PHASE_COUNT:
		return err_set(err, ERR_CONFLICT, "container %s is not running", c->id);
	}
	if (c->shim_gone || !c->config)
		return err_set(err, ERR_CONFLICT, "container %s: exec is not available: %s", c->id,
			       c->problem ?: "its configuration cannot be read");
	return 0;
}

/* "exec_create: sh -c ls" */
static void tell(struct engine *e, struct container *c, int64_t time_ns, const char *what,
		 const char *id, const struct exec_config *config)
{
	char **cmd = config->cmd;
	autofree char *rest = strv_join(cmd[0] ? cmd + 1 : cmd, " ");
	autofree char *action = xasprintf("%s: %s %s", what, cmd[0] ? cmd[0] : "", rest);

	notify(e, c, time_ns, action, "execID", id, NULL);
}

int engine_exec_create(struct engine *e, const char *ref, const struct exec_config *config,
		       char *ret_id, struct err *err)
{
	auto_(container_unref_p) struct container *c = NULL;
	int64_t run;

	if (find_handled(e, ref, &c, err) < 0)
		return -1;
	{
		hold(&c->lock);
		if (check_running_locked(c, err) < 0)
			return -1;
		run = c->state.run;
	}
	if (session_create(e, c->id, run, config, ret_id, err) < 0)
		return -1;
	tell(e, c, now_ns(), "exec_create", ret_id, config);
	return 0;
}

int engine_exec_inspect(struct engine *e, const char *id, struct exec_session *ret, struct err *err)
{
	return session_load(e, id, ret, err);
}

/* A session that is being started, by one at a time: who comes second would write process.json
 * under the first one's hands. What its shim tells of it meanwhile waits until its start is told. */
struct exec_claim {
	struct engine *e;
	const char *id;
	struct container *const *c; /* the starter's; NULL before it is found */
	bool missed;		    /* there was something to take up */
	struct exec_claim *next;
};

static int claim(struct exec_claim *mine, struct engine *e, const char *id,
		 struct container *const *c, struct err *err)
{
	hold(&e->exec_lock);
	for (const struct exec_claim *x = e->exec_claims; x; x = x->next)
		if (!strcmp(x->id, id))
			return err_set(err, ERR_CONFLICT,
				       "Error: Exec command %s is already running", id);
	*mine = (struct exec_claim){.e = e, .id = id, .c = c, .next = e->exec_claims};
	e->exec_claims = mine;
	return 0;
}

static void release_claim(struct exec_claim *mine)
{
	if (!mine->e)
		return;
	{
		hold(&mine->e->exec_lock);
		for (struct exec_claim **x = &mine->e->exec_claims; *x; x = &(*x)->next)
			if (*x == mine) {
				*x = mine->next;
				break;
			}
	}
	if (mine->missed && *mine->c)
		engine_kick(mine->e, *mine->c);
}

bool exec_start_is_untold(struct engine *e, const char *id)
{
	hold(&e->exec_lock);
	for (struct exec_claim *x = e->exec_claims; x; x = x->next)
		if (!strcmp(x->id, id))
			return x->missed = true;
	return false;
}

/* The session's container, where the session can be started; its configuration referenced. */
static int find_startable(struct engine *e, const struct exec_session *s, struct container **ret,
			  struct container_config **ret_config, struct err *err)
{
	if (find_handled(e, s->container, ret, NULL) < 0)
		return err_set(err, ERR_NOT_FOUND, "No such exec instance: %s", s->id);
	hold(&(*ret)->lock);
	if (check_running_locked(*ret, err) < 0)
		return -1;
	if (s->running)
		return err_set(err, ERR_CONFLICT, "Error: Exec command %s is already running",
			       s->id);
	if (s->ended_ns > 0)
		return err_set(err, ERR_CONFLICT, "Error: Exec command %s has already run", s->id);
	*ret_config = container_config_ref((*ret)->config);
	return 0;
}

/* What cannot be run for a reason that is found here ends as it would if the runtime had said so.
 */
static void prepare(struct engine *e, const struct container_config *config,
		    const struct exec_session *s, struct err *ret_fault)
{
	autofree char *text = NULL;

	if (exec_process(e, config, &s->config, &text, ret_fault) == 0)
		(void) session_save_process(e, s, text, ret_fault);
}

static void write_order(const struct exec_session *s, const struct err *fault, struct buf *msg)
{
	const struct exec_config *c = &s->config;
	autofree char *process = xasprintf(LAYOUT_EXECS "/%s/" EXEC_PROCESS, s->id);

	kv_add(msg, "msg", "exec");
	kv_add(msg, "id", s->id);
	kv_add(msg, "process", process);
	kv_add(msg, "name", c->cmd && c->cmd[0] ? c->cmd[0] : "");
	if (fault->text[0])
		kv_add(msg, "error", fault->text);
	kv_add_int(msg, "tty", c->tty);
	kv_add_int(msg, "stdin", c->attach_stdin);
	kv_add_int(msg, "stdout", c->attach_stdout);
	kv_add_int(msg, "stderr", c->attach_stderr);
	if (c->tty && c->attach_stdin)
		kv_add(msg, "detach-keys",
		       str_empty(c->detach_keys) ? KEYS_DEFAULT : c->detach_keys);
}

/* What came of a detached start; its words are docker's already. */
static int outcome(const struct kv *kv, const struct err *fault, struct err *err)
{
	const char *error = kv_get(kv, "error");

	if (!error)
		return 0;
	if (fault->kind)
		return err_set(err, fault->kind, "%s", error);
	return err_set(err, runtime_fault_find(error) ? ERR_INVALID : ERR_SYSTEM, "%s", error);
}

/* Without a client the answer says whether it runs. */
static int start_detached(int exec_dir, const char *id, const struct buf *msg,
			  const struct err *fault, struct err *err)
{
	struct timespec deadline = deadline_in(START_MS * NSEC_PER_MSEC);
	autoclose int conn = shim_connect(exec_dir, err);
	int r;

	if (conn < 0)
		return -1;
	r = proto_send(conn, msg, NULL, 0);
	if (r < 0)
		return err_sys(err, -r, "tell its shim");
	for (;;) {
		autokv kv = {0};
		const char *name;

		if (shim_receive(conn, &deadline, &kv, err) < 0)
			return -1;
		name = kv_get(&kv, "msg") ?: "";
		if (!strcmp(name, "error"))
			return shim_refused(&kv, err);
		if ((!strcmp(name, "exec-started") || !strcmp(name, "exec-ended")) &&
		    str_eq(kv_get(&kv, "id"), id))
			return outcome(&kv, fault, err);
	}
}

/* The shim's reasons in the words for users. */
static int refused(struct container *c, const char *id, struct err *err)
{
	if (err->kind == ERR_NOT_SUPPORTED)
		return err_set(err, ERR_NOT_SUPPORTED,
			       "container %s: exec begins with its next start: its shim is of an "
			       "earlier version and cannot do it",
			       c->id);
	if (err->kind == ERR_CONFLICT && strstr(err->text, "already run"))
		return err_set(err, ERR_CONFLICT, "Error: Exec command %s has already run", id);
	if (err->kind == ERR_CONFLICT && strstr(err->text, "it is "))
		return err_set(err, ERR_CONFLICT, "container %s is not running", c->id);
	return -1;
}

int engine_exec_start(struct engine *e, const char *id, const struct exec_start *start,
		      struct err *err)
{
	auto_(container_config_unref_p) struct container_config *config = NULL;
	auto_(container_unref_p) struct container *c = NULL;
	auto_(exec_session_free) struct exec_session s = {0};
	auto_(release_claim) struct exec_claim mine = {0};
	struct err fault = {0};
	autoclose int exec = -1;
	autobuf msg = {0};
	int64_t begun_ns;
	int r;

	if (claim(&mine, e, id, &c, err) < 0 || session_load(e, id, &s, err) < 0 ||
	    find_startable(e, &s, &c, &config, err) < 0)
		return -1;
	if (json_is_array(start->console_size)) {
		json_decref(s.config.console_size);
		s.config.console_size = json_deep_copy(start->console_size);
	}
	prepare(e, config, &s, &fault);
	exec = open_exec_dir(e, c->id, err);
	if (exec < 0)
		return -1;
	write_order(&s, &fault, &msg);
	kv_add(&msg, "framing", start->multiplexed ? "multiplexed" : "raw");
	begun_ns = now_ns();
	r = start->client ? shim_hand_over(exec, &msg, start->client, NULL, 0, err)
			  : start_detached(exec, id, &msg, &fault, err);
	if (r < 0)
		return refused(c, id, err);
	tell(e, c, begun_ns, "exec_start", id, &s.config);
	return 0;
}

int engine_exec_resize(struct engine *e, const char *id, int64_t height, int64_t width,
		       struct err *err)
{
	auto_(exec_session_free) struct exec_session s = {0};
	autoclose int exec = -1;
	autokv answer = {0};
	autobuf msg = {0};

	if (session_load(e, id, &s, err) < 0)
		return -1;
	if (!s.running)
		return err_set(err, ERR_CONFLICT, "exec process is not started: %s", id);
	exec = open_exec_dir(e, s.container, err);
	if (exec < 0)
		return -1;
	kv_add(&msg, "msg", "resize");
	kv_add(&msg, "exec", id);
	kv_add_int(&msg, "h", height);
	kv_add_int(&msg, "w", width);
	return shim_call(exec, &msg, ANSWER_MS, &answer, err);
}
