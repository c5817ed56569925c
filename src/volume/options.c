/* What may be asked of the local driver, in docker's words, and what it means to mount(2). */
#include <arpa/inet.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>

#include "base/str.h"
#include "volume/private.h"

#define NAME_PATTERN "[a-zA-Z0-9][a-zA-Z0-9_.-]"

int volume_check_name(const char *name, struct err *err)
{
	static const char alnum[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	static const char inner[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";

	if (strlen(name) == 1)
		return err_set(err, ERR_INVALID,
			       "create %s: volume name is too short, names should be at least two "
			       "alphanumeric characters",
			       name);
	if (strspn(name, alnum) == 0 || name[strspn(name, inner)])
		return err_set(err, ERR_INVALID,
			       "create %.250s: \"%.250s\" includes invalid characters for a local "
			       "volume name, only \"" NAME_PATTERN "\" are allowed. If you "
			       "intended to pass a host directory, use absolute path",
			       name, name);
	if (strlen(name) > VOLUME_NAME_MAX)
		return err_set(err, ERR_INVALID,
			       "create %.40s...: volume name is too long, names have at most %d "
			       "characters",
			       name, VOLUME_NAME_MAX);
	return 0;
}

/* Which option wants which others. */
static const struct {
	const char *option;
	const char *wants;
} wants[] = {{"device", "type"}, {"type", "device"}, {"o", "device"}, {"o", "type"}};

int volume_check_options(const struct strmap *options, struct err *err)
{
	static const char *const known[] = {"type", "o", "device", "size", NULL};
	const char *key, *value;
	int64_t size;

	if (!options)
		return 0;
	strmap_foreach (options, key, value) {
		if (!strv_contains((char *const *) known, key))
			return err_set(err, ERR_INVALID, "invalid option: \"%.100s\"", key);
		if (strcmp(key, "size") != 0)
			continue;
		if (parse_size(value, &size) < 0)
			return err_set(err, ERR_INVALID, "invalid size: '%.100s'", value);
		if (size > 0)
			return err_set(err, ERR_INVALID,
				       "quota size requested but no quota support");
	}
	for (size_t i = 0; i < ARRAY_SIZE(wants); i++) {
		if (strmap_get(options, wants[i].option) && !strmap_get(options, wants[i].wants))
			return err_set(err, ERR_INVALID, "missing required option: \"%s\"",
				       wants[i].wants);
	}
	return 0;
}

/* "addr=server" of NFS: the kernel wants the number. Caller frees; NULL: it stays as it is. */
static char *resolved(const char *option, struct err *err)
{
	const char *name = option + strlen("addr=");
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
	char text[INET6_ADDRSTRLEN] = "";
	unsigned char address[16];
	int r;

	if (inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1)
		return xstrdup(option);
	r = getaddrinfo(name, NULL, &hints, &found);
	if (r != 0) {
		(void) err_set(err, ERR_SYSTEM,
			       "error resolving passed in network volume address "
			       "%s: %s",
			       name, gai_strerror(r));
		return NULL;
	}
	(void) getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof text, NULL, 0,
			   NI_NUMERICHOST);
	freeaddrinfo(found);
	return xasprintf("addr=%s", text);
}

/* "none" is how a bind is written; what else "o" says goes along as it is. */
static bool is_bind(char *const *words)
{
	return strv_contains(words, "bind") || strv_contains(words, "rbind");
}

bool volume_is_bind(const struct volume *v)
{
	const char *o = strmap_get(&v->options, "o");
	autostrv char **words = o ? strv_split(o, ',') : NULL;

	return strmap_get(&v->options, "type") && is_bind(words);
}

void volume_mount_free(struct volume_mount *m)
{
	free(m->type);
	free(m->device);
	strv_free(m->options);
	*m = (struct volume_mount){0};
}

int volume_mount_of(const struct volume *v, struct volume_mount *ret, struct err *err)
{
	const char *type = strmap_get(&v->options, "type"), *o = strmap_get(&v->options, "o");
	auto_(volume_mount_free) struct volume_mount m = {0};
	autostrv char **words = str_empty(o) ? NULL : strv_split(o, ',');

	if (!type) {
		*ret = (struct volume_mount){0};
		return 0;
	}
	m.type = xstrdup(volume_is_bind(v) ? "bind" : type);
	m.device = xstrdup(strmap_get(&v->options, "device"));
	for (char **w = words; w && *w; w++) {
		bool address = str_has_prefix(type, "nfs") && str_has_prefix(*w, "addr=");
		char *option = address ? resolved(*w, err) : xstrdup(*w);

		if (!option)
			return err_wrap(err, "failed to mount local volume %s", v->name);
		strv_add_owned(&m.options, option);
	}
	*ret = m;
	m = (struct volume_mount){0};
	return 0;
}
