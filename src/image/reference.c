/* References by docker's grammar; see reference.h. */
#include "image/reference.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/str.h"

#define DEFAULT_DOMAIN	"docker.io"
#define LEGACY_DOMAIN	"index.docker.io"
#define OFFICIAL_PREFIX "library/"
#define NAME_MAX_LEN	255
#define TAG_MAX_LEN	128

static bool is_lower_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_alnum(char c)
{
	return is_lower_alnum(c) || (c >= 'A' && c <= 'Z');
}

/* [a-z0-9]+ separated by ".", "_", "__" or any number of "-". */
static bool path_component_is_valid(const char *s, size_t n)
{
	size_t i = 0;

	for (;;) {
		size_t start = i;

		while (i < n && is_lower_alnum(s[i]))
			i++;
		if (i == start)
			return false;
		if (i == n)
			return true;
		if (s[i] == '.')
			i++;
		else if (s[i] == '_')
			i += i + 1 < n && s[i + 1] == '_' ? 2 : 1;
		else if (s[i] == '-')
			while (i < n && s[i] == '-')
				i++;
		else
			return false;
	}
}

static bool path_is_valid(const char *path)
{
	for (;;) {
		size_t n = strcspn(path, "/");

		if (!path_component_is_valid(path, n))
			return false;
		if (path[n] == '\0')
			return true;
		path += n + 1;
	}
}

static bool port_is_valid(const char *s, const char *end)
{
	if (s == end)
		return false;
	for (; s < end; s++)
		if (!isdigit((unsigned char) *s))
			return false;
	return true;
}

/* A host name, an IPv4 address, or an IPv6 one in brackets; then perhaps a port. */
static bool domain_is_valid(const char *s, const char *end)
{
	const char *p = s;

	if (*p == '[') {
		for (p++; p < end && (isxdigit((unsigned char) *p) || *p == ':'); p++)
			;
		if (p == end || *p != ']' || p == s + 1)
			return false;
		p++;
	} else {
		for (;;) {
			const char *label = p;

			while (p < end && (is_alnum(*p) || *p == '-'))
				p++;
			if (p == label || *label == '-' || p[-1] == '-')
				return false;
			if (p == end || *p != '.')
				break;
			p++;
		}
	}
	return p == end || (*p == ':' && port_is_valid(p + 1, end));
}

static bool tag_is_valid_n(const char *s, size_t n)
{
	if (n == 0 || n > TAG_MAX_LEN || s[0] == '.' || s[0] == '-')
		return false;
	for (size_t i = 0; i < n; i++)
		if (!is_alnum(s[i]) && !strchr("_.-", s[i]))
			return false;
	return true;
}

bool tag_is_valid(const char *tag)
{
	return tag_is_valid_n(tag, strlen(tag));
}

/* sha256 is what there is; others of the right form are refused too, for nothing could verify them.
 */
static bool digest_is_valid(const char *s)
{
	return str_has_prefix(s, "sha256:") && str_is_hex(s + 7, 64);
}

/* Does what is before the first slash name a registry? "localhost/x", "a.b/x", "a:5000/x", and
 * "A/x", for an upper-case letter cannot be in a path. */
static bool is_domain(const char *s, size_t n)
{
	if (n == 9 && memcmp(s, "localhost", 9) == 0)
		return true;
	for (size_t i = 0; i < n; i++)
		if (s[i] == '.' || s[i] == ':' || isupper((unsigned char) s[i]))
			return true;
	return false;
}

static int invalid(struct err *err)
{
	return err_set(err, ERR_INVALID, "invalid reference format");
}

/* Splits "name[:tag]" (without domain) at the tag. */
static size_t path_length(const char *rest, size_t n)
{
	for (size_t i = n; i > 0 && rest[i - 1] != '/'; i--)
		if (rest[i - 1] == ':')
			return i - 1;
	return n;
}

int reference_parse(const char *text, struct reference *ret, struct err *err)
{
	const char *slash = strchr(text, '/'), *at = strchr(text, '@'), *rest = text;
	autofree char *domain = NULL;
	autofree char *path = NULL;
	autoreference r = {0};
	size_t n, path_n;

	if (str_is_hex(text, 64))
		return err_set(err, ERR_INVALID,
			       "invalid repository name (%s), cannot specify "
			       "64-byte hexadecimal strings",
			       text);
	if (slash && is_domain(text, (size_t) (slash - text))) {
		if (!domain_is_valid(text, slash))
			return invalid(err);
		domain = xstrndup(text, (size_t) (slash - text));
		rest = slash + 1;
	}
	if (at && at < rest)
		return invalid(err);
	n = at ? (size_t) (at - rest) : strlen(rest);
	path_n = path_length(rest, n);
	path = xstrndup(rest, path_n);

	if (path_n < n) {
		if (!tag_is_valid_n(rest + path_n + 1, n - path_n - 1))
			return invalid(err);
		r.tag = xstrndup(rest + path_n + 1, n - path_n - 1);
	}
	if (at) {
		if (!digest_is_valid(at + 1))
			return invalid(err);
		r.digest = xstrdup(at + 1);
	}
	if (!domain || str_eq(domain, LEGACY_DOMAIN) || str_eq(domain, DEFAULT_DOMAIN))
		r.name = xasprintf(DEFAULT_DOMAIN "/%s%s", strchr(path, '/') ? "" : OFFICIAL_PREFIX,
				   path);
	else
		r.name = xasprintf("%s/%s", domain, path);
	for (const char *c = path; *c; c++)
		if (isupper((unsigned char) *c))
			return err_set(err, ERR_INVALID,
				       "invalid reference format: repository name (%s) "
				       "must be lowercase",
				       strchr(r.name, '/') + 1);
	if (!path_is_valid(path))
		return invalid(err);
	if (strlen(r.name) > NAME_MAX_LEN)
		return err_set(err, ERR_INVALID,
			       "repository name must not be more than %d characters", NAME_MAX_LEN);
	*ret = r;
	r = (struct reference){0};
	return 0;
}

void reference_free(struct reference *r)
{
	free(r->name);
	free(r->tag);
	free(r->digest);
	*r = (struct reference){0};
}

void reference_add_default_tag(struct reference *r)
{
	if (!r->tag && !r->digest)
		r->tag = xstrdup("latest");
}

char *reference_text(const struct reference *r)
{
	return xasprintf("%s%s%s%s%s", r->name, r->tag ? ":" : "", r->tag ? r->tag : "",
			 r->digest ? "@" : "", r->digest ? r->digest : "");
}

const char *familiar_text(const char *normalised)
{
	const char *s = normalised;

	if (!str_has_prefix(s, DEFAULT_DOMAIN "/"))
		return s;
	s += sizeof(DEFAULT_DOMAIN);
	/* "library/x" is x, but "library/x/y" is not "x/y". */
	if (str_has_prefix(s, OFFICIAL_PREFIX) && !strchr(s + sizeof(OFFICIAL_PREFIX) - 1, '/'))
		s += sizeof(OFFICIAL_PREFIX) - 1;
	return s;
}
