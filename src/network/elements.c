/*
 * What varies of the firewall, as lines of nft's language: which elements its sets and maps should
 * have, which they have, as `nft -j list table` tells, and what to do about the difference. So
 * repairing takes away and adds what is wrong only: the kernels of some years miss an element for a
 * moment while it is replaced by itself.
 */
#include <errno.h>
#include <jansson.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "network/private.h"

void elements_free(struct elements *e)
{
	for (size_t i = 0; i < e->n; i++)
		free(e->items[i]);
	free(e->items);
	*e = (struct elements){0};
}

static void add(struct elements *to, char *line)
{
	to->items = xreallocarray(to->items, to->n + 1, sizeof *to->items);
	to->items[to->n++] = line;
}

/* Those whose words are names of interfaces, which stand in quotes. */
static bool holds_names(const char *set)
{
	return str_eq(set, "bridges") || str_eq(set, "open") || str_eq(set, "internal");
}

/* What should be */

bool port_element(const struct endpoint *e, const struct port_mapping *p, struct port_element *ret)
{
	bool v6;

	if (ip_parse(p->host_ip, &ret->at) < 0)
		return false;
	v6 = ret->at.family == AF_INET6;
	ret->any = str_eq(p->host_ip, v6 ? "::" : "0.0.0.0");
	ret->proto = str_eq(p->proto, "udp")	? IPPROTO_UDP
		     : str_eq(p->proto, "sctp") ? IPPROTO_SCTP
						: IPPROTO_TCP;
	snprintf(ret->map, sizeof ret->map, "ports%d%s", v6 ? 6 : 4, ret->any ? "" : "_at");
	return ip_parse(v6 ? e->ip6 : e->ip, &ret->to) == 0;
}

/* Protocols by number, as nft lists them with -p; hosts differ in the names they know. */
static void add_port(struct elements *to, const struct endpoint *e, const struct port_mapping *p)
{
	char at[IP_TEXT_MAX], where[IP_TEXT_MAX];
	struct port_element el;

	if (!port_element(e, p, &el))
		return;
	add(to, xasprintf("%s { %s%s%d . %d : %s . %d }", el.map, el.any ? "" : ip_text(&el.at, at),
			  el.any ? "" : " . ", el.proto, (int) p->host_port, ip_text(&el.to, where),
			  (int) p->port));
}

static void add_ports(struct elements *to, const struct endpoint *e)
{
	for (size_t i = 0; i < e->ports.n; i++)
		add_port(to, e, objects_at(&e->ports, struct port_mapping, i));
}

static void add_subnet(struct elements *to, const struct subnet *s)
{
	struct ip first = subnet_first(s);
	char text[IP_TEXT_MAX];

	/* One address alone is listed without its length. */
	if (s->prefix == 8 * ip_len(&first))
		add(to, xasprintf("nets%d { %s }", first.family == AF_INET6 ? 6 : 4,
				  ip_text(&first, text)));
	else
		add(to, xasprintf("nets%d { %s/%u }", first.family == AF_INET6 ? 6 : 4,
				  ip_text(&first, text), s->prefix));
}

void elements_of_network(struct elements *to, const struct network *n)
{
	add(to, xasprintf("bridges { \"%s\" }", n->bridge));
	if (!network_option_is_off(&n->config, OPTION_ICC))
		add(to, xasprintf("open { \"%s\" . \"%s\" }", n->bridge, n->bridge));
	if (n->config.internal)
		add(to, xasprintf("internal { \"%s\" }", n->bridge));
	for (int i = 0; i < 2; i++)
		if (n->pools[i].subnet.ip.family && !n->config.internal &&
		    !network_option_is_off(&n->config, OPTION_MASQUERADE))
			add_subnet(to, &n->pools[i].subnet);
	for (size_t i = 0; i < n->n_members; i++)
		if (n->members[i].published)
			add_ports(to, &n->members[i].e);
}

/* What is */

/* Adds a word, or several with a sign between; false: such as ours never are. */
static bool put_words(struct buf *b, const json_t *j, bool names)
{
	const json_t *list = json_object_get(j, "concat"), *prefix = json_object_get(j, "prefix"),
		     *one;
	size_t i;

	if (json_is_string(j))
		buf_addf(b, names ? "\"%s\"" : "%s", json_string_value(j));
	else if (json_is_integer(j))
		buf_addf(b, "%d", (int) json_integer_value(j));
	else if (prefix)
		buf_addf(b, "%s/%d", json_str(prefix, "addr") ?: "",
			 (int) json_int(prefix, "len", 0));
	else if (!list)
		return false;
	json_array_foreach (list, i, one) {
		if (i > 0)
			buf_adds(b, " . ");
		if (!put_words(b, one, names))
			return false;
	}
	return true;
}

static int add_listed(struct elements *to, const char *set, const json_t *element)
{
	bool is_pair = json_is_array(element), names = holds_names(set);
	autobuf b = {0};

	buf_addf(&b, "%s { ", set);
	if (!put_words(&b, is_pair ? json_array_get(element, 0) : element, names))
		return -1;
	if (is_pair) {
		buf_adds(&b, " : ");
		if (!put_words(&b, json_array_get(element, 1), names))
			return -1;
	}
	buf_adds(&b, " }");
	add(to, buf_take(&b));
	return 0;
}

int elements_listed(struct elements *to, const char *listing)
{
	autojson json_t *all = json_loads(listing, 0, NULL);
	const json_t *object, *element;
	size_t i, k;

	json_array_foreach (json_object_get(all, "nftables"), i, object) {
		const json_t *set =
			json_object_get(object, "set") ?: json_object_get(object, "map");
		const char *name = json_str(set, "name");

		json_array_foreach (json_object_get(set, "elem"), k, element) {
			if (!name || add_listed(to, name, element) < 0)
				return -EBADMSG;
		}
	}
	return all ? 0 : -EBADMSG;
}

uint64_t elements_digest(const struct elements *e)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < e->n; i++)
		sum += str_hash(e->items[i]);
	return sum;
}

/* What to do */

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

void elements_put(struct buf *b, const char *verb, const char *table, const struct elements *e)
{
	for (size_t i = 0; i < e->n; i++)
		buf_addf(b, "%s element inet %s %s\n", verb, table, e->items[i]);
}

static void sort(struct elements *e)
{
	if (e->n > 0)
		qsort(e->items, e->n, sizeof *e->items, by_text);
}

void elements_change(struct buf *b, const char *table, struct elements *is, struct elements *should)
{
	struct elements gone = {0}, come = {0}; /* their lines are the others' */
	size_t i = 0, k = 0;

	sort(is);
	sort(should);
	while (i < is->n || k < should->n) {
		int order = i == is->n	     ? 1
			    : k == should->n ? -1
					     : strcmp(is->items[i], should->items[k]);

		if (order < 0)
			add(&gone, is->items[i]);
		else if (order > 0)
			add(&come, should->items[k]);
		i += order <= 0;
		k += order >= 0;
	}
	/* First what must go: one that leads elsewhere is both. */
	elements_put(b, "delete", table, &gone);
	elements_put(b, "add", table, &come);
	free(gone.items);
	free(come.items);
}
