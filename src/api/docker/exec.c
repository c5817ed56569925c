/* POST /containers/{name}/exec, POST /exec/{id}/start and /resize, GET /exec/{id}/json */
#include <string.h>

#include "api/docker/docker.h"
#include "base/base64.h"

/* Create */

static int load_config(struct call *c, struct exec_config *config, struct err *err)
{
	autojson json_t *body = NULL;
	char *keys;

	if (read_json(c, &body, err) < 0 || fields_load(exec_config_fields, config, body, err) < 0)
		return -1;
	if (!strv_len(config->cmd))
		return err_set(err, ERR_INVALID, "No exec command specified");
	if (c->version < 42) { /* which brought it */
		json_decref(config->console_size);
		config->console_size = NULL;
	}
	if (str_empty(config->detach_keys))
		return 0;
	if (detach_keys_parse(config->detach_keys, &keys, err) < 0)
		return -1;
	free(config->detach_keys);
	config->detach_keys = keys;
	return 0;
}

int exec_create(struct call *c, struct err *err)
{
	char id[CONTAINER_ID_LEN + 1];
	struct exec_config config;
	autoout o = {0};
	int r;

	fields_init(exec_config_fields, &config);
	r = load_config(c, &config, err);
	if (r == 0)
		r = engine_exec_create(c->e, c->name, &config, id, err);
	fields_free(exec_config_fields, &config);
	if (r < 0)
		return r;
	out_object(&o, NULL);
	out_str(&o, "Id", id);
	out_end(&o);
	answer_json(c, 201, &o);
	return 0;
}

/* Start */

struct start_body {
	bool detach;
	bool tty;
	json_t *console_size;
};

static const struct field start_fields[] = {
	FIELD(struct start_body, "Detach", FIELD_BOOL, detach),
	FIELD(struct start_body, "Tty", FIELD_BOOL, tty),
	FIELD(struct start_body, "ConsoleSize", FIELD_JSON, console_size),
	FIELD_END,
};

static int start_detached(struct call *c, const struct start_body *body, struct err *err)
{
	const struct exec_start start = {.console_size = body->console_size};

	if (engine_exec_start(c->e, c->name, &start, err) < 0)
		return -1;
	answer_empty(c, 200);
	return 0;
}

/* As docker has it, the request says how the stream is framed, and not the session. */
static int start_attached(struct call *c, const struct start_body *body, struct err *err)
{
	struct client_stream client = {.fd = http_fd(c->rq)};
	const struct exec_start start = {
		.console_size = body->console_size,
		.multiplexed = !body->tty,
		.client = &client,
	};
	autobuf head = {0};
	int r;

	hijack_head(c, body->tty, &head);
	client.head = head.text;
	http_unread(c->rq, &client.read, &client.n_read);
	http_hand_over_begin(c->rq);
	r = engine_exec_start(c->e, c->name, &start, err);
	http_hand_over_end(c->rq, r == 0);
	return r;
}

int exec_start(struct call *c, struct err *err)
{
	autojson json_t *json = NULL;
	struct start_body body = {0};
	int r = read_json(c, &json, err);

	if (r == 0)
		r = fields_load(start_fields, &body, json, err);
	if (c->version < 42) {
		json_decref(body.console_size);
		body.console_size = NULL;
	}
	if (r == 0)
		r = body.detach ? start_detached(c, &body, err) : start_attached(c, &body, err);
	fields_free(start_fields, &body);
	return r;
}

int exec_resize(struct call *c, struct err *err)
{
	int64_t height, width;

	if (param_terminal_size(c, &height, &width, err) < 0 ||
	    engine_exec_resize(c->e, c->name, height, width, err) < 0)
		return -1;
	answer_empty(c, 200);
	return 0;
}

/* Inspect */

static void out_process(struct out *o, const struct exec_config *config)
{
	char **cmd = config->cmd;

	out_object(o, "ProcessConfig");
	out_bool(o, "tty", config->tty);
	out_str(o, "entrypoint", cmd ? cmd[0] : NULL);
	out_strv(o, "arguments", cmd && cmd[0] ? cmd + 1 : NULL);
	out_bool(o, "privileged", config->privileged);
	if (!str_empty(config->user))
		out_str(o, "user", config->user);
	out_end(o);
}

/* Bytes, which Go writes as base64. */
static void out_keys(struct out *o, const char *hex)
{
	unsigned char bytes[64];
	autofree char *text = NULL;
	size_t n = 0;

	for (; hex && hex[0] && hex[1] && n < sizeof bytes; hex += 2) {
		const char digits[] = {hex[0], hex[1], '\0'};

		bytes[n++] = (unsigned char) strtoul(digits, NULL, 16);
	}
	text = base64_encode(bytes, n);
	out_str(o, "DetachKeys", text);
}

int exec_inspect(struct call *c, struct err *err)
{
	struct exec_session s;
	autoout o = {0};

	if (engine_exec_inspect(c->e, c->name, &s, err) < 0)
		return -1;
	out_object(&o, NULL);
	out_str(&o, "ID", s.id);
	out_bool(&o, "Running", s.running);
	if (s.exit_code == FIELD_UNSET)
		out_null(&o, "ExitCode");
	else
		out_int(&o, "ExitCode", s.exit_code);
	out_process(&o, &s.config);
	out_bool(&o, "OpenStdin", s.config.attach_stdin);
	out_bool(&o, "OpenStderr", s.config.attach_stderr);
	out_bool(&o, "OpenStdout", s.config.attach_stdout);
	out_bool(&o, "CanRemove", false); /* as docker's has it until it does remove it */
	out_str(&o, "ContainerID", s.container);
	out_keys(&o, s.config.detach_keys);
	out_int(&o, "Pid", s.pid);
	out_end(&o);
	exec_session_free(&s);
	answer_json(c, 200, &o);
	return 0;
}
