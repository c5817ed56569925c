/* import: one layer of a tarball, and a configuration of ours. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/time.h"
#include "image/changes.h"
#include "image/reference.h"
#include "image/store.h"

static void config_free(struct config *c)
{
	fields_free(config_fields, c);
}

/* "linux/arm64/v8"; NULL is this host. */
static int read_platform(const char *platform, json_t *into, struct err *err)
{
	autostrv char **parts =
		strv_split(str_empty(platform) ? "linux/" IMAGE_HOST_ARCH : platform, '/');
	size_t n = strv_len(parts);

	if (n == 1 && str_eq(parts[0], "linux")) {
		strv_add(&parts, IMAGE_HOST_ARCH);
		n++;
	}
	if (n < 2 || n > 3 || !*parts[0] || !*parts[1])
		return err_set(err, ERR_INVALID, "invalid platform: %s", platform);
	if (!str_eq(parts[0], "linux"))
		return err_set(err, ERR_INVALID, "operating system is not supported: %s", parts[0]);
	(void) json_object_set_new(into, "os", json_string(parts[0]));
	(void) json_object_set_new(into, "architecture", json_string(parts[1]));
	if (n == 3)
		(void) json_object_set_new(into, "variant", json_string(parts[2]));
	return 0;
}

/* The configuration but for its rootfs, which the tool adds. */
static int make_config(const char *message, char *const *changes, const char *platform,
		       json_t **ret, struct err *err)
{
	const char *comment = str_empty(message) ? "Imported from -" : message;
	autojson json_t *j = json_object();
	auto_(config_free) struct config config;
	char created[RFC3339_MAX];

	fields_init(config_fields, &config);
	if (config_change(&config, changes, err) < 0 || read_platform(platform, j, err) < 0)
		return -1;
	rfc3339_format(now_ns(), created);
	(void) json_object_set_new(j, "created", json_string(created));
	(void) json_object_set_new(j, "docker_version", json_string(HOLDFAST_VERSION));
	(void) json_object_set_new(j, "comment", json_string(comment));
	(void) json_object_set_new(j, "config", fields_save(config_fields, &config));
	(void) json_object_set_new(j, "history",
				   json_pack("[{ss ss}]", "created", created, "comment", comment));
	if (!json_object_get(json_array_get(json_object_get(j, "history"), 0), "comment"))
		return err_set(err, ERR_INVALID, "the message is not UTF-8");
	*ret = take(j);
	return 0;
}

static int target_name(const char *repo, const char *tag, char ***ret, struct err *err)
{
	autoreference r = {0};

	if (str_empty(repo))
		return 0;
	if (reference_parse(repo, &r, err) < 0)
		return -1;
	if (r.digest)
		return err_set(err, ERR_INVALID, "cannot import digest reference");
	if (!str_empty(tag)) {
		if (!tag_is_valid(tag))
			return err_set(err, ERR_INVALID, "invalid tag format");
		free(r.tag);
		r.tag = xstrdup(tag);
	}
	reference_add_default_tag(&r);
	strv_add_owned(ret, reference_text(&r));
	return 0;
}

static int import_into(struct images *s, const char *staging, const struct image_source *in,
		       const json_t *config, struct publication *p, struct image_changes *ret,
		       struct err *err)
{
	autojson json_t *answer = NULL;
	autoclose int dir = open_dir_at(s->staging, staging);

	if (dir < 0)
		return err_sys(err, -dir, "open staging/%s", staging);
	if (json_save_at(dir, STAGING_CONFIG, config, SAVE_ATOMIC, err) < 0 ||
	    tool_read(s, "import", staging, in, &answer, err) < 0)
		return -1;
	p->images = answer;
	return images_publish(s, p, ret, err);
}

int images_import(struct images *s, const struct image_source *in, const char *repo,
		  const char *tag, const char *message, char *const *changes, const char *platform,
		  struct image_changes *ret, struct err *err)
{
	autojson json_t *config = NULL;
	autostrv char **names = NULL;
	struct publication p = {.what = IMAGE_IMPORTED};
	char staging[32];
	int r;

	if (target_name(repo, tag, &names, err) < 0 ||
	    make_config(message, changes, platform, &config, err) < 0 ||
	    staging_make(s, staging, err) < 0)
		return -1;
	p.staging = staging;
	p.extra_names = names;
	images_busy(s);
	r = import_into(s, staging, in, config, &p, ret, err);
	staging_remove(s, staging);
	images_idle(s);
	return r;
}
