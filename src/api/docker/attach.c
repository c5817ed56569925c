/* POST /containers/{name}/attach and /containers/{name}/resize, GET /containers/{name}/attach/ws */
#include <ctype.h>
#include <sha1.h>
#include <string.h>

#include "api/docker/docker.h"
#include "base/base64.h"

static int read_params(struct call *c, struct attach_request *ret, char **ret_keys, struct err *err)
{
	*ret = (struct attach_request){
		.in = param_bool(c, "stdin", false),
		.out = param_bool(c, "stdout", false),
		.err = param_bool(c, "stderr", false),
		.stream = param_bool(c, "stream", false),
		.logs = param_bool(c, "logs", false),
	};
	if (detach_keys_parse(http_query(c->rq, "detachKeys"), ret_keys, err) < 0)
		return -1;
	ret->detach_keys = *ret_keys;
	return 0;
}

/* In docker's words from API 1.42 on; before that a websocket was given all streams. */
static void websocket_params(struct call *c, struct attach_request *r)
{
	r->websocket = true;
	if (c->version < 42)
		r->in = r->out = r->err = true;
}

void hijack_head(struct call *c, bool tty, struct buf *ret)
{
	if (!http_header(c->rq, "Upgrade"))
		http_hand_over_head(c->rq, 200, RAW_STREAM, HTTP_UNTIL_CLOSE, NULL, ret);
	else
		http_hand_over_head(c->rq, 101,
				    tty || c->version < 42 ? RAW_STREAM : MULTIPLEXED_STREAM,
				    HTTP_UPGRADED, "Connection: Upgrade\r\nUpgrade: tcp\r\n", ret);
}

static int hand_over(struct call *c, const struct attach_request *r, const struct buf *head,
		     struct err *err)
{
	struct client_stream client = {.fd = http_fd(c->rq), .head = head->text};
	int result;

	http_unread(c->rq, &client.read, &client.n_read);
	http_hand_over_begin(c->rq);
	result = engine_attach(c->e, c->name, r, &client, err);
	http_hand_over_end(c->rq, result == 0);
	return result;
}

int container_attach(struct call *c, struct err *err)
{
	struct attach_request request;
	autofree char *keys = NULL;
	autobuf head = {0};
	bool tty;

	if (read_params(c, &request, &keys, err) < 0 ||
	    engine_attach_check(c->e, c->name, &tty, err) < 0 || ignore_body(c, err) < 0)
		return -1;
	hijack_head(c, tty, &head);
	return hand_over(c, &request, &head, err);
}

/* Websockets: RFC 6455, section 4.2. */

/* Is the word among those of a header that holds a list? */
static bool header_has(const struct call *c, const char *name, const char *word)
{
	const char *at = http_header(c->rq, name);
	size_t len = strlen(word);

	while (at && *at) {
		at += strspn(at, ", \t");
		if (strncasecmp(at, word, len) == 0 && strchr(", \t", at[len]))
			return true;
		at += strcspn(at, ",");
	}
	return false;
}

/* Sixteen bytes in base64. */
static bool is_websocket_key(const char *key)
{
	autofree void *bytes = NULL;
	size_t n;

	if (!key || strlen(key) != 24)
		return false;
	bytes = base64_decode(key, &n);
	return bytes && n == 16;
}

static char *websocket_accept(const char *key)
{
	autofree char *text = xasprintf("%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
	uint8_t digest[SHA1_DIGEST_LENGTH];
	SHA1_CTX sha;

	SHA1Init(&sha);
	SHA1Update(&sha, (const uint8_t *) text, strlen(text));
	SHA1Final(digest, &sha);
	return base64_encode(digest, sizeof digest);
}

static int websocket_head(struct call *c, struct buf *ret, struct err *err)
{
	const char *key = http_header(c->rq, "Sec-WebSocket-Key");
	autofree char *accept = NULL, *headers = NULL;

	if (!header_has(c, "Upgrade", "websocket") || !header_has(c, "Connection", "upgrade") ||
	    !is_websocket_key(key))
		return err_set(err, ERR_INVALID,
			       "bad handshake: this is no request for a websocket");
	if (!str_eq(http_header(c->rq, "Sec-WebSocket-Version"), "13")) {
		http_set_header(c->rq, "Sec-WebSocket-Version", "13");
		return err_set(err, ERR_INVALID, "bad handshake: missing or bad websocket version");
	}
	accept = websocket_accept(key);
	headers = xasprintf("Upgrade: websocket\r\nConnection: Upgrade\r\n"
			    "Sec-WebSocket-Accept: %s\r\n",
			    accept);
	http_hand_over_head(c->rq, 101, NULL, HTTP_UPGRADED, headers, ret);
	return 0;
}

int container_attach_websocket(struct call *c, struct err *err)
{
	struct attach_request request;
	autofree char *keys = NULL;
	autobuf head = {0};
	bool tty;

	if (read_params(c, &request, &keys, err) < 0 ||
	    engine_attach_check(c->e, c->name, &tty, err) < 0 || websocket_head(c, &head, err) < 0)
		return -1;
	websocket_params(c, &request);
	return hand_over(c, &request, &head, err);
}

int container_resize(struct call *c, struct err *err)
{
	int64_t rows, columns;

	if (param_terminal_size(c, &rows, &columns, err) < 0 ||
	    engine_resize(c->e, c->name, rows, columns, err) < 0)
		return -1;
	answer_empty(c, 200);
	return 0;
}
