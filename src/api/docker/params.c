/* The query, as docker reads it. */
#include <string.h>
#include <strings.h>

#include "api/docker/docker.h"

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
