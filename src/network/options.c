/* What may be asked of a network, in docker's words. */
#include <errno.h>
#include <string.h>

#include "network/private.h"

#define NAME_MAX_LEN 255
#define MTU_MAX	     65535 /* of the kernel's interfaces */

int64_t network_mtu(const struct network_config *c)
{
	int64_t mtu = 0;

	(void) parse_i64(strmap_get(&c->options, OPTION_MTU) ?: "0", &mtu);
	return mtu > 0 ? mtu : 0;
}

static bool is_known_driver(const char *driver)
{
	static const char *const known[] = {"bridge", "macvlan", "ipvlan"};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (str_eq(driver, known[i]))
			return true;
	return false;
}

/* It may have blanks in it, as docker's. */
static int check_name(const char *name, struct err *err)
{
	bool blank = true, odd = false;

	for (const char *c = str_empty(name) ? "" : name; *c; c++) {
		blank &= *c == ' ';
		odd |= (unsigned char) *c < ' ' || *c == 0x7f || *c == '/';
	}
	if (blank)
		return err_set(err, ERR_INVALID, "invalid network name: name is empty");
	if (odd || strlen(name) > NAME_MAX_LEN)
		return err_set(
			err, ERR_INVALID,
			"invalid network name: %.300s: it has control characters or slashes, "
			"or is longer than %d",
			name, NAME_MAX_LEN);
	return 0;
}

/* As Go's strconv.ParseBool. */
static int bool_parse(const char *s, bool *ret)
{
	static const char *const yes[] = {"1", "t", "T", "TRUE", "true", "True", NULL};
	static const char *const no[] = {"0", "f", "F", "FALSE", "false", "False", NULL};

	*ret = strv_contains((char *const *) yes, s);
	return *ret || strv_contains((char *const *) no, s) ? 0 : -EINVAL;
}

bool network_option_is_off(const struct network_config *c, const char *key)
{
	const char *value = strmap_get(&c->options, key);
	bool on;

	return !str_empty(value) && bool_parse(value, &on) == 0 && !on;
}

/* What docker does not know it keeps and does not look at, and so do we. */
static int check_bridge_options(const struct network_config *c, struct err *err)
{
	static const char *const bools[] = {OPTION_ICC, OPTION_MASQUERADE,
					    "com.docker.network.bridge.default_bridge"};
	const char *mtu = strmap_get(&c->options, OPTION_MTU);
	const char *at = strmap_get(&c->options, OPTION_HOST_IP4);
	struct ip ip;
	int64_t n;
	bool on;

	for (size_t i = 0; i < ARRAY_SIZE(bools); i++) {
		const char *value = strmap_get(&c->options, bools[i]);

		if (!str_empty(value) && bool_parse(value, &on) < 0)
			return err_set(err, ERR_INVALID,
				       "failed to parse %s value: %.100s (strconv.ParseBool: "
				       "parsing \"%.100s\": invalid syntax)",
				       bools[i], value, value);
	}
	if (!str_empty(mtu) && (parse_i64(mtu, &n) < 0 || n < 0 || n > MTU_MAX))
		return err_set(err, ERR_INVALID,
			       "failed to parse " OPTION_MTU " value: %.100s (strconv.Atoi: "
			       "parsing \"%.100s\": invalid syntax)",
			       mtu, mtu);
	if (!str_empty(at) && (ip_parse(at, &ip) < 0 || ip.family != AF_INET))
		return err_set(err, ERR_INVALID,
			       "failed to parse " OPTION_HOST_IP4 " value: %.100s (nil ip)", at);
	return 0;
}

int network_check_config(const struct network_config *c, struct err *err)
{
	if (check_name(c->name, err) < 0)
		return -1;
	if (str_eq(c->driver, "host") || str_eq(c->driver, "null"))
		return err_set(err, ERR_FORBIDDEN, "only one instance of \"%s\" network is allowed",
			       c->driver);
	if (!is_known_driver(c->driver))
		return err_set(err, ERR_NOT_FOUND, "plugin \"%s\" not found", c->driver);
	if (!str_empty(c->ipam.driver) && !str_eq(c->ipam.driver, "default"))
		return err_set(err, ERR_NOT_FOUND, "plugin \"%s\" not found", c->ipam.driver);
	return str_eq(c->driver, "bridge") ? check_bridge_options(c, err) : 0;
}
