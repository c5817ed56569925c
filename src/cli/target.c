/* Targets of requests: paths, queries, filters. */
#include <string.h>

#include "cli/cli.h"

void url_add(struct buf *b, const char *text)
{
	static const char plain[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/:@";

	for (; *text; text++) {
		if (strchr(plain, *text))
			buf_addc(b, *text);
		else
			buf_addf(b, "%%%02X", (unsigned char) *text);
	}
}

void url_query(struct buf *target, const char *name, const char *value)
{
	if (!value)
		return;
	buf_addc(target, target->text && strchr(target->text, '?') ? '&' : '?');
	buf_adds(target, name);
	buf_addc(target, '=');
	url_add(target, value);
}

static void add_target(struct buf *b, const char *kind, const char *ref, const char *verb)
{
	buf_addf(b, CLIENT_API "/%s/", kind);
	url_add(b, ref);
	if (verb)
		buf_addf(b, "/%s", verb);
}

void target_container(struct buf *b, const char *ref, const char *verb)
{
	add_target(b, "containers", ref, verb);
}

void target_image(struct buf *b, const char *ref, const char *verb)
{
	add_target(b, "images", ref, verb);
}

void target_volume(struct buf *b, const char *ref, const char *verb)
{
	add_target(b, "volumes", ref, verb);
}

void target_network(struct buf *b, const char *ref, const char *verb)
{
	add_target(b, "networks", ref, verb);
}

const char *repo_and_tag(const char *name, char **ret_repo)
{
	const char *colon = strrchr(name, ':');

	if (colon && strchr(colon, '/'))
		colon = NULL;
	*ret_repo = colon ? xstrndup(name, (size_t) (colon - name)) : xstrdup(name);
	return colon ? colon + 1 : NULL;
}

int url_query_name(struct buf *target, const char *name, const char *default_tag, struct err *err)
{
	autofree char *repo = NULL;
	const char *tag = repo_and_tag(name, &repo);
	const char *colon = strrchr(repo, ':');

	/* The daemon takes the tag for the better one of two, as dockerd does. */
	if (colon && !strchr(colon, '/'))
		return err_set(err, ERR_INVALID, "invalid reference format: %s", name);
	url_query(target, "repo", repo);
	url_query(target, "tag", tag ? tag : default_tag);
	return 0;
}

int target_filters(struct buf *target, char *const *filters, struct err *err)
{
	autojson json_t *all = json_object();
	autofree char *text = NULL;

	for (; filters && *filters; filters++) {
		const char *equals = strchr(*filters, '=');
		autofree char *key = NULL;
		json_t *values;

		if (!equals || equals == *filters)
			return err_set(err, ERR_INVALID,
				       "bad format of filter \"%s\" (expected name=value)",
				       *filters);
		key = xstrndup(*filters, (size_t) (equals - *filters));
		values = json_object_get(all, key);
		if (!values) {
			values = json_object();
			json_object_set_new(all, key, values);
		}
		json_object_set_new(values, equals + 1, json_true());
	}
	if (json_object_size(all) == 0)
		return 0;
	text = json_text(all);
	url_query(target, "filters", text);
	return 0;
}
