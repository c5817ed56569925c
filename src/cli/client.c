/* HTTP to the daemon; see client.h. */
#include "cli/client.h"

#include <errno.h>
#include <http_parser.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/file.h"

#define CHUNK	      (64 * 1024)
#define MESSAGE_MAX   (64 * 1024) /* of an error's body */
#define ASK_AGAIN_MAX 3
#define DOCUMENT_MAX  (256 * 1024 * 1024) /* of a JSON answer */

struct response {
	int fd;
	char *address;
	http_parser parser;
	struct buf body; /* what came; read so far up to `at` */
	size_t at;
	struct buf header; /* the name of the header that is being parsed */
	struct buf content_type;
	bool header_ended;
	bool head_done;
	bool done;
};

const char *client_socket_path(const char *address)
{
	if (str_has_prefix(address, "unix://"))
		return address + strlen("unix://");
	return address[0] == '/' ? address : NULL;
}

bool client_lost(const struct err *err)
{
	return err->kind == ERR_UNAVAILABLE && err->errnum != 0;
}

bool client_absent(const struct err *err)
{
	return client_lost(err) && err->errnum != ECONNRESET;
}

void client_gone(struct err *err)
{
	err_set(err, ERR_UNAVAILABLE, "the daemon ended");
	err->errnum = ECONNRESET;
}

static int lost(struct err *err, int errnum, const char *address)
{
	err_set(err, ERR_UNAVAILABLE, "the daemon at %s went away before it had answered", address);
	if (err)
		err->errnum = errnum;
	return -1;
}

/* parser callbacks --------------------------------------------------------------------------- */

/* Names and values may come in pieces. */
static int on_header_field(http_parser *p, const char *at, size_t n)
{
	struct response *r = p->data;

	if (r->header_ended)
		r->header.len = 0;
	r->header_ended = false;
	if (r->header.len + n < 256)
		buf_add(&r->header, at, n);
	return 0;
}

static int on_header_value(http_parser *p, const char *at, size_t n)
{
	struct response *r = p->data;

	r->header_ended = true;
	if (r->header.len && !strcasecmp(r->header.text, "content-type") &&
	    r->content_type.len + n < 256)
		buf_add(&r->content_type, at, n);
	return 0;
}

static int on_headers_complete(http_parser *p)
{
	struct response *r = p->data;

	r->head_done = p->status_code >= 200;
	return 0;
}

static int on_body(http_parser *p, const char *at, size_t n)
{
	struct response *r = p->data;

	buf_add(&r->body, at, n);
	return 0;
}

static int on_message_complete(http_parser *p)
{
	struct response *r = p->data;

	r->done = p->status_code >= 200;
	return 0;
}

static const http_parser_settings settings = {
	.on_header_field = on_header_field,
	.on_header_value = on_header_value,
	.on_headers_complete = on_headers_complete,
	.on_body = on_body,
	.on_message_complete = on_message_complete,
};

/* connecting and sending --------------------------------------------------------------------- */

static int connect_failed(struct err *err, int errnum, const char *address)
{
	if (errnum == EACCES || errnum == EPERM)
		return err_set(
			err, ERR_FORBIDDEN,
			"permission denied at the daemon's socket %s: only root and the members "
			"of its group may use it",
			address);
	if (errnum == ENOENT || errnum == ECONNREFUSED)
		err_set(err, ERR_UNAVAILABLE,
			"Cannot connect to the Holdfast daemon at %s. Is holdfastd running?",
			address);
	else
		err_set(err, ERR_UNAVAILABLE, "Cannot connect to the Holdfast daemon at %s: %s",
			address, strerror(errnum));
	if (err)
		err->errnum = errnum;
	return -1;
}

static int connect_to(const char *address, struct err *err)
{
	const char *path = client_socket_path(address);
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	autoclose int fd = -1;

	if (!path)
		return err_set(
			err, ERR_INVALID,
			"unable to use the daemon's address \"%s\": only unix:///PATH is supported",
			address);
	if (strlen(path) >= sizeof sa.sun_path)
		return err_set(err, ERR_INVALID, "the path of the socket %s is too long", address);
	strcpy(sa.sun_path, path);

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_sys(err, errno, "socket");
	if (connect(fd, (struct sockaddr *) &sa, sizeof sa) < 0)
		return connect_failed(err, errno, address);
	return take_fd(fd);
}

/* All of it; 0 or -errno. */
static int send_all(int fd, const void *data, size_t n)
{
	const char *p = data;

	while (n > 0) {
		ssize_t r = send(fd, p, n, MSG_NOSIGNAL);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		p += r;
		n -= (size_t) r;
	}
	return 0;
}

/* The rest of a file as body: as it is where its size is known, else in chunks. A daemon that stops
 * listening has something to say, so that is no failure here: its answer tells. */
static int send_file(int fd, int file, bool chunked, struct err *err)
{
	autofree char *data = xmalloc(CHUNK);

	for (;;) {
		ssize_t n = read(file, data, CHUNK);
		char size[24];
		int r = 0;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, errno, "read the input");
		if (n == 0)
			break;
		if (chunked) {
			int len = snprintf(size, sizeof size, "%zx\r\n", (size_t) n);

			r = send_all(fd, size, (size_t) len);
		}
		if (r == 0)
			r = send_all(fd, data, (size_t) n);
		if (r == 0 && chunked)
			r = send_all(fd, "\r\n", 2);
		if (r < 0)
			return 0;
	}
	if (chunked)
		(void) send_all(fd, "0\r\n\r\n", 5);
	return 0;
}

static int send_request(int fd, const char *address, const struct request *rq, struct err *err)
{
	autobuf head = {0};
	struct stat st;
	bool chunked = false;

	buf_addf(&head,
		 "%s %s HTTP/1.1\r\nHost: holdfast\r\nUser-Agent: holdfast/" HOLDFAST_VERSION
		 "\r\n",
		 rq->method, rq->target);
	if (rq->content_type)
		buf_addf(&head, "Content-Type: %s\r\n", rq->content_type);
	if (rq->has_file) {
		chunked = fstat(rq->file, &st) < 0 || !S_ISREG(st.st_mode) ||
			  lseek(rq->file, 0, SEEK_CUR) != 0;
		if (chunked)
			buf_adds(&head, "Transfer-Encoding: chunked\r\n");
		else
			buf_addf(&head, "Content-Length: %lld\r\n", (long long) st.st_size);
	} else if (rq->body || strcmp(rq->method, "POST") == 0) {
		buf_addf(&head, "Content-Length: %zu\r\n", rq->body ? strlen(rq->body) : 0);
	}
	buf_adds(&head, "Connection: close\r\n\r\n");
	if (rq->body)
		buf_adds(&head, rq->body);

	int r = send_all(fd, head.text, head.len);

	if (r == -EPIPE || r == -ECONNRESET)
		return lost(err, ECONNRESET, address);
	if (r < 0)
		return err_sys(err, -r, "send to %s", address);
	return rq->has_file ? send_file(fd, rq->file, chunked, err) : 0;
}

int request_send(const char *address, const struct request *rq, struct response **ret,
		 struct err *err)
{
	autoclose int fd = connect_to(address, err);

	if (fd < 0 || send_request(fd, address, rq, err) < 0)
		return -1;

	struct response *r = xnew(struct response);

	r->fd = take_fd(fd);
	r->address = xstrdup(address);
	http_parser_init(&r->parser, HTTP_RESPONSE);
	r->parser.data = r;
	*ret = r;
	return 0;
}

/* receiving ---------------------------------------------------------------------------------- */

/* Receives something and runs it through the parser; 0, or < 0. */
static int receive(struct response *r, struct err *err)
{
	char data[CHUNK];
	ssize_t n;

	do
		n = recv(r->fd, data, sizeof data, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno != ECONNRESET)
		return err_sys(err, errno, "receive from %s", r->address);
	if (n < 0)
		n = 0;

	size_t used = http_parser_execute(&r->parser, &settings, data, (size_t) n);

	if (n == 0 && !r->done)
		return lost(err, ECONNRESET, r->address);
	if (used != (size_t) n && !r->done)
		return err_set(err, ERR_SYSTEM, "the daemon's answer is not HTTP: %s",
			       http_errno_description(HTTP_PARSER_ERRNO(&r->parser)));
	return 0;
}

static enum err_kind kind_of(int status)
{
	switch (status) {
	case 400:
		return ERR_INVALID;
	case 401:
		return ERR_UNAUTHORIZED;
	case 403:
		return ERR_FORBIDDEN;
	case 404:
		return ERR_NOT_FOUND;
	case 409:
		return ERR_CONFLICT;
	case 413:
	case 414:
	case 431:
		return ERR_TOO_LARGE;
	case 501:
		return ERR_NOT_SUPPORTED;
	case 503:
		return ERR_UNAVAILABLE;
	default:
		return ERR_SYSTEM;
	}
}

/* The body of a refusal, as an error. */
static int refused(struct response *r, struct err *err)
{
	while (!r->done && r->body.len < MESSAGE_MAX)
		if (receive(r, NULL) < 0)
			break;

	autojson json_t *json = r->body.len ? json_loadb(r->body.text, r->body.len, 0, NULL) : NULL;
	const char *message = json_str(json, "message");
	int status = response_status(r);

	if (message)
		return err_set(err, kind_of(status), "%s", message);
	return err_set(err, kind_of(status), "the daemon answered %d %s", status,
		       http_status_str((enum http_status) status));
}

int response_head(struct response *r, struct err *err)
{
	while (!r->head_done)
		if (receive(r, err) < 0)
			return -1;
	return response_status(r) >= 400 ? refused(r, err) : 0;
}

int response_status(const struct response *r)
{
	return r->parser.status_code;
}

const char *response_content_type(const struct response *r)
{
	return r->content_type.text;
}

/* What is there of the body, unread. */
static size_t unread(const struct response *r)
{
	return r->body.len - r->at;
}

static void advance(struct response *r, size_t n)
{
	r->at += n;
	if (r->at == r->body.len)
		r->at = r->body.len = 0;
}

ssize_t response_read(struct response *r, void *data, size_t n, struct err *err)
{
	while (unread(r) == 0) {
		if (r->done)
			return 0;
		if (receive(r, err) < 0)
			return -1;
	}
	if (n > unread(r))
		n = unread(r);
	memcpy(data, r->body.text + r->at, n);
	advance(r, n);
	return (ssize_t) n;
}

int response_line(struct response *r, struct buf *line, struct err *err)
{
	size_t searched = 0;

	line->len = 0;
	for (;;) {
		size_t had = unread(r);
		const char *from = had ? r->body.text + r->at : "";
		const char *end = memchr(from + searched, '\n', had - searched);

		if (end || (r->done && had)) {
			size_t n = end ? (size_t) (end - from) : had;

			buf_add(line, from, n);
			advance(r, end ? n + 1 : n);
			if (line->len && line->text[line->len - 1] == '\r')
				line->text[--line->len] = '\0';
			return 1;
		}
		if (r->done)
			return 0;
		if (had > DOCUMENT_MAX)
			return err_set(err, ERR_TOO_LARGE, "the daemon's answer is too large");
		searched = had;
		if (receive(r, err) < 0)
			return -1;
	}
}

int response_json(struct response *r, json_t **ret, struct err *err)
{
	json_error_t at;
	json_t *json;

	while (!r->done) {
		if (receive(r, err) < 0)
			return -1;
		if (unread(r) > DOCUMENT_MAX)
			return err_set(err, ERR_TOO_LARGE, "the daemon's answer is too large");
	}
	if (unread(r) == 0) {
		*ret = NULL;
		return 0;
	}
	json = json_loadb(r->body.text + r->at, unread(r), JSON_DECODE_ANY, &at);
	if (!json)
		return err_set(err, ERR_SYSTEM, "the daemon's answer is not JSON: %s at line %d",
			       at.text, at.line);
	*ret = json;
	return 0;
}

void response_free(struct response *r)
{
	if (!r)
		return;
	if (r->fd >= 0)
		(void) close(r->fd);
	buf_free(&r->body);
	buf_free(&r->header);
	buf_free(&r->content_type);
	free(r->address);
	free(r);
}

static int call_once(const char *address, const char *method, const char *target,
		     const json_t *body, json_t **ret, struct err *err)
{
	autofree char *text = body ? json_text(body) : NULL;
	struct request rq = {
		.method = method,
		.target = target,
		.content_type = body ? "application/json" : NULL,
		.body = text,
	};
	autoresponse r = NULL;

	if (request_send(address, &rq, &r, err) < 0 || response_head(r, err) < 0)
		return -1;
	return ret ? response_json(r, ret, err) : 0;
}

/* What only asks is asked again where the daemon died of the first time: with a keeper the next one
 * is there in a moment. */
int client_call(const char *address, const char *method, const char *target, const json_t *body,
		json_t **ret, struct err *err)
{
	struct err why = {0};

	for (int tries = 0; call_once(address, method, target, body, ret, &why) < 0; tries++) {
		if (tries == ASK_AGAIN_MAX || strcmp(method, "GET") != 0 || !client_lost(&why) ||
		    client_absent(&why)) {
			if (err)
				*err = why;
			return -1;
		}
		err_clear(&why);
	}
	return 0;
}
