/* The query and the JSON body of a request, as docker reads them. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "api/docker/docker.h"

#define BODY_MAX	 (4 * 1024 * 1024)
#define IGNORED_BODY_MAX (1024 * 1024)
#define DETACH_KEYS_MAX	 32

bool param_bool(const struct call *c, const char *name, bool otherwise)
{
	static const char *const no[] = {"", "0", "no", "false", "none"};
	const char *v = http_query(c->rq, name);

	if (!v)
		return otherwise;
	while (*v == ' ')
		v++;
	for (size_t i = 0; i < ARRAY_SIZE(no); i++) {
		if (strcasecmp(v, no[i]) == 0)
			return false;
	}
	return true;
}

int param_int(const struct call *c, const char *name, int64_t otherwise, int64_t *ret,
	      struct err *err)
{
	const char *v = http_query(c->rq, name);

	if (str_empty(v)) {
		*ret = otherwise;
		return 0;
	}
	if (parse_i64(v, ret) < 0)
		return err_set(err, ERR_INVALID,
			       "invalid value for %s: \"%s\" is not a whole number", name, v);
	return 0;
}

int param_filters(const struct call *c, const char *const *allowed, struct filters *ret,
		  struct err *err)
{
	return filters_parse(http_query(c->rq, "filters"), allowed, ret, err);
}

int param_instant(const struct call *c, const char *name, int64_t *ret_ns, struct err *err)
{
	const char *v = http_query(c->rq, name);
	int64_t ns;

	if (str_empty(v)) {
		*ret_ns = 0;
		return 0;
	}
	if (instant_parse(v, now_ns(), &ns) < 0)
		return err_set(err, ERR_INVALID, "invalid value for %s: \"%s\" is not a time", name,
			       v);
	*ret_ns = ns > 0 ? ns : 1;
	return 0;
}

char **param_all(const struct call *c, const char *name)
{
	char **all = NULL;
	const char *v;

	for (unsigned i = 0; (v = http_query_nth(c->rq, name, i)); i++)
		strv_add(&all, v);
	return all;
}

json_t *body_member(json_t *body, const char *name)
{
	json_t *j = json_object_get(body, name), *value;
	const char *key;

	if (!j) {
		json_object_foreach (body, key, value) {
			if (strcasecmp(key, name) == 0)
				j = value;
		}
	}
	return json_is_null(j) ? NULL : j;
}

int ignore_body(struct call *c, struct err *err)
{
	autofree char *body = NULL;

	return http_read_all(c->rq, IGNORED_BODY_MAX, &body, NULL, err);
}

int read_json(struct call *c, json_t **ret, struct err *err)
{
	autofree char *text = NULL;
	json_error_t where;
	json_t *body;
	size_t n;

	if (http_read_all(c->rq, BODY_MAX, &text, &n, err) < 0)
		return -1;
	if (n == 0)
		return err_set(err, ERR_INVALID,
			       "invalid JSON: got EOF while reading request body");
	body = json_loadb(text, n, 0, &where);
	if (!body)
		return err_set(err, ERR_INVALID, "invalid JSON: %s (at byte %d)", where.text,
			       where.position);
	if (!json_is_object(body)) {
		json_decref(body);
		return err_set(err, ERR_INVALID,
			       "invalid JSON: the request body must be an object");
	}
	*ret = body;
	return 0;
}

static int param_characters(const struct call *c, const char *name, int64_t *ret, struct err *err)
{
	if (param_int(c, name, -1, ret, err) < 0)
		return -1;
	if (*ret < 0 || *ret > UINT16_MAX)
		return err_set(err, ERR_INVALID,
			       "invalid value for %s: \"%s\" is no size of a terminal", name,
			       http_query(c->rq, name) ?: "");
	return 0;
}

int param_terminal_size(const struct call *c, int64_t *ret_rows, int64_t *ret_columns,
			struct err *err)
{
	if (param_characters(c, "h", ret_rows, err) < 0)
		return -1;
	return param_characters(c, "w", ret_columns, err);
}

/* One of the list: a character, or ctrl- and one of those that a terminal has it for. 0 or more, or
 * -1. */
static int key_code(const char *name, size_t n)
{
	static const char ctrl[] = "ctrl-";
	const size_t prefix = sizeof ctrl - 1;

	if (n == 1 && (unsigned char) name[0] < 128)
		return name[0];
	if (n != prefix + 1 || strncmp(name, ctrl, prefix) != 0)
		return -1;
	if (name[prefix] >= 'a' && name[prefix] <= 'z')
		return name[prefix] - 'a' + 1;
	return name[prefix] >= '@' && name[prefix] <= '_' && !isalpha((unsigned char) name[prefix])
		       ? name[prefix] - '@'
		       : -1;
}

int detach_keys_parse(const char *text, char **ret_hex, struct err *err)
{
	autobuf hex = {0};

	if (str_empty(text))
		text = "ctrl-p,ctrl-q";
	for (const char *at = text;;) {
		size_t n = strcspn(at, ",");
		int code = key_code(at, n);

		if (code < 0 || hex.len >= 2 * DETACH_KEYS_MAX)
			return err_set(err, ERR_INVALID, "Invalid detach keys (%s) provided", text);
		buf_addf(&hex, "%02x", (unsigned) code);
		if (!at[n])
			break;
		at += n + 1;
	}
	*ret_hex = buf_take(&hex);
	return 0;
}
