/* -p and --expose; see create.h. */
#include <string.h>

#include "cli/create.h"

struct range {
	int64_t first, last;
};

/* "80" or "80-90". */
static int range_parse(const char *text, struct range *ret)
{
	const char *dash = strchr(text, '-');
	autofree char *first = dash ? xstrndup(text, (size_t) (dash - text)) : xstrdup(text);

	if (parse_i64(first, &ret->first) < 0 || parse_i64(dash ? dash + 1 : first, &ret->last) < 0)
		return -1;
	return ret->first >= 0 && ret->first <= ret->last && ret->last <= 65535 ? 0 : -1;
}

/* "80-90/udp": cuts the protocol off text, which is changed. */
static const char *cut_protocol(char *text)
{
	char *slash = strchr(text, '/');

	if (!slash)
		return "tcp";
	*slash = '\0';
	return slash + 1;
}

static bool is_protocol(const char *s)
{
	return str_eq(s, "tcp") || str_eq(s, "udp") || str_eq(s, "sctp");
}

static int invalid(const char *text, struct err *err)
{
	return err_set(err, ERR_INVALID,
		       "invalid port specification: %s ([IP:][HOST:]CONTAINER[/PROTOCOL])", text);
}

static void add_exposed(char ***exposed, const char *port)
{
	if (!strv_contains(*exposed, port))
		strv_add(exposed, port);
}

int expose_parse(const char *text, char ***exposed, struct err *err)
{
	autofree char *copy = xstrdup(text);
	const char *protocol = cut_protocol(copy);
	struct range ports;

	if (range_parse(copy, &ports) < 0 || !is_protocol(protocol))
		return invalid(text, err);
	for (int64_t p = ports.first; p <= ports.last; p++) {
		autofree char *port = xasprintf("%lld/%s", (long long) p, protocol);

		add_exposed(exposed, port);
	}
	return 0;
}

/* Splits "[ip:][host:]container" from behind; an IPv6 address stands in brackets. */
static void split(char *text, const char **ret_ip, const char **ret_host,
		  const char **ret_container)
{
	char *colon = strrchr(text, ':');

	*ret_ip = *ret_host = "";
	*ret_container = colon ? colon + 1 : text;
	if (!colon)
		return;
	*colon = '\0';
	colon = strrchr(text, ':');
	*ret_host = colon ? colon + 1 : text;
	if (!colon)
		return;
	*colon = '\0';
	if (text[0] == '[' && colon[-1] == ']') {
		colon[-1] = '\0';
		text++;
	}
	*ret_ip = text;
}

int publish_parse(const char *text, json_t *bindings, char ***exposed, struct err *err)
{
	autofree char *copy = xstrdup(text);
	const char *protocol = cut_protocol(copy), *ip, *host, *container;
	struct range inside, outside = {0};

	split(copy, &ip, &host, &container);
	if (range_parse(container, &inside) < 0 || !is_protocol(protocol) ||
	    (*host && range_parse(host, &outside) < 0))
		return invalid(text, err);
	if (*host && outside.last - outside.first != inside.last - inside.first &&
	    inside.first != inside.last)
		return err_set(err, ERR_INVALID,
			       "invalid ranges specified for container and host ports: %s", text);

	for (int64_t p = inside.first; p <= inside.last; p++) {
		autofree char *port = xasprintf("%lld/%s", (long long) p, protocol);
		autofree char *to = NULL;
		json_t *list = json_object_get(bindings, port);

		if (!*host)
			to = xstrdup("");
		else if (inside.first == inside.last) /* one of a range, the daemon's choice */
			to = xstrdup(host);
		else
			to = xasprintf("%lld", (long long) (outside.first + p - inside.first));
		add_exposed(exposed, port);
		if (!list) {
			list = json_array();
			json_object_set_new(bindings, port, list);
		}
		json_array_append_new(list, json_pack("{s:s, s:s}", "HostIp", ip, "HostPort", to));
	}
	return 0;
}
