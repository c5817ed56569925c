/* See subnet.h. */
#include "network/subnet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

unsigned ip_len(const struct ip *a)
{
	return a->family == AF_INET6 ? 16 : 4;
}

int ip_parse(const char *s, struct ip *ret)
{
	struct ip a = {.family = s && strchr(s, ':') ? AF_INET6 : AF_INET};

	if (!s || inet_pton(a.family, s, a.b) != 1)
		return -EINVAL;
	*ret = a;
	return 0;
}

char *ip_text(const struct ip *a, char ret[static IP_TEXT_MAX])
{
	ret[0] = '\0';
	if (a->family)
		(void) inet_ntop(a->family, a->b, ret, IP_TEXT_MAX);
	return ret;
}

bool ip_eq(const struct ip *a, const struct ip *b)
{
	return a->family == b->family && memcmp(a->b, b->b, ip_len(a)) == 0;
}

struct ip ip_plus(struct ip a, uint64_t n)
{
	for (unsigned i = ip_len(&a); i-- > 0 && n > 0; n >>= 8) {
		n += a.b[i];
		a.b[i] = (uint8_t) n;
	}
	return a;
}

int subnet_parse(const char *s, struct subnet *ret)
{
	const char *slash = s ? strchr(s, '/') : NULL;
	autofree char *ip = NULL;
	struct subnet n;
	int64_t prefix;

	if (!slash)
		return -EINVAL;
	ip = xstrndup(s, (size_t) (slash - s));
	if (ip_parse(ip, &n.ip) < 0 || parse_i64(slash + 1, &prefix) < 0 || prefix < 0 ||
	    prefix > 8 * ip_len(&n.ip))
		return -EINVAL;
	n.prefix = (unsigned) prefix;
	*ret = n;
	return 0;
}

/* The address with all host bits as `ones` says. */
static struct ip edge(const struct subnet *s, bool ones)
{
	struct ip a = s->ip;

	for (unsigned i = 0; i < ip_len(&a); i++) {
		unsigned kept = s->prefix > 8 * i ? s->prefix - 8 * i : 0;
		uint8_t mask = kept >= 8 ? 0 : (uint8_t) (0xff >> kept);

		a.b[i] = ones ? a.b[i] | mask : a.b[i] & (uint8_t) ~mask;
	}
	return a;
}

struct ip subnet_first(const struct subnet *s)
{
	return edge(s, false);
}

struct ip subnet_last(const struct subnet *s)
{
	return edge(s, true);
}

bool subnet_has(const struct subnet *s, const struct ip *a)
{
	struct ip first = subnet_first(s), last = subnet_last(s);

	return a->family == s->ip.family && memcmp(a->b, first.b, ip_len(a)) >= 0 &&
	       memcmp(a->b, last.b, ip_len(a)) <= 0;
}

bool subnets_overlap(const struct subnet *a, const struct subnet *b)
{
	struct ip first_a = subnet_first(a), first_b = subnet_first(b);

	return subnet_has(a, &first_b) || subnet_has(b, &first_a);
}

bool subnet_is_host(const struct subnet *s, const struct ip *a)
{
	struct ip first = subnet_first(s), last = subnet_last(s);
	unsigned host_bits = 8 * ip_len(a) - s->prefix;

	if (!subnet_has(s, a))
		return false;
	/* RFC 3021: both of a pair are hosts. */
	if (host_bits <= 1)
		return true;
	return !ip_eq(a, &first) && (a->family == AF_INET6 || !ip_eq(a, &last));
}

int mac_parse(const char *s, uint8_t ret[static MAC_LEN])
{
	uint8_t mac[MAC_LEN];
	char end;

	if (!s || strlen(s) != MAC_TEXT_MAX - 1 ||
	    sscanf(s, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%c", &mac[0], &mac[1], &mac[2], &mac[3],
		   &mac[4], &mac[5], &end) != MAC_LEN)
		return -EINVAL;
	/* No group of hosts, and not none at all. */
	if ((mac[0] & 1) || memcmp(mac, (uint8_t[MAC_LEN]){0}, MAC_LEN) == 0)
		return -EINVAL;
	memcpy(ret, mac, MAC_LEN);
	return 0;
}

char *mac_text(const uint8_t mac[static MAC_LEN], char ret[static MAC_TEXT_MAX])
{
	snprintf(ret, MAC_TEXT_MAX, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
		 mac[4], mac[5]);
	return ret;
}

void mac_of_ip(const struct ip *a, uint8_t ret[static MAC_LEN])
{
	ret[0] = 0x02;
	ret[1] = 0x42;
	memcpy(ret + 2, a->b + ip_len(a) - 4, 4);
}
