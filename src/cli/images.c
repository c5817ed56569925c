/* images, history, rmi, tag. */
#include <stdio.h>
#include <string.h>

#include "base/time.h"
#include "cli/cli.h"
#include "cli/list.h"
#include "cli/words.h"

struct images_options {
	bool all, quiet, whole, digests, human;
	char **filters;
	const char *format, *platform;
	bool force, no_prune;
};

#define O(letter, name, type, member, value, help) \
	OPTION(struct images_options, letter, name, type, member, value, help)

const struct option images_options[] = {
	O('a', "all", OPTION_FLAG, all, NULL,
	  "Show all images (default hides intermediate images)"),
	O(0, "digests", OPTION_FLAG, digests, NULL, "Show digests"),
	O('f', "filter", OPTION_LIST, filters, "filter",
	  "Filter output based on conditions provided"),
	O(0, "format", OPTION_STR, format, "string",
	  "Format output: 'table', 'table TEMPLATE', 'json', or a Go template"),
	O(0, "no-trunc", OPTION_FLAG, whole, NULL, "Don't truncate output"),
	O('q', "quiet", OPTION_FLAG, quiet, NULL, "Only show image IDs"),
	OPTION_END,
};

const struct option history_options[] = {
	O(0, "format", OPTION_STR, format, "string",
	  "Format output: 'table', 'table TEMPLATE', 'json', or a Go template"),
	O('H', "human", OPTION_FLAG, human, NULL,
	  "Print sizes and dates in human readable format (default true)"),
	O(0, "no-trunc", OPTION_FLAG, whole, NULL, "Don't truncate output"),
	O('q', "quiet", OPTION_FLAG, quiet, NULL, "Only show image IDs"),
	O(0, "platform", OPTION_STR, platform, "string", NULL),
	OPTION_END,
};

const struct option rmi_options[] = {
	O('f', "force", OPTION_FLAG, force, NULL, "Force removal of the image"),
	O(0, "no-prune", OPTION_FLAG, no_prune, NULL, "Do not delete untagged parents"),
	O(0, "platform", OPTION_LIST, filters, "list", NULL),
	OPTION_END,
};

static void set_owned(json_t *row, const char *key, char *text)
{
	json_object_set_new(row, key, json_string(text));
	free(text);
}

/* images ------------------------------------------------------------------------------------- */

static const struct heading image_headings[] = {
	{"Repository", "REPOSITORY"},
	{"Tag", "TAG"},
	{"Digest", "DIGEST"},
	{"ID", "IMAGE ID"},
	{"CreatedSince", "CREATED"},
	{"CreatedAt", "CREATED AT"},
	{"Size", "SIZE"},
	{"Containers", "CONTAINERS"},
	{"SharedSize", "SHARED SIZE"},
	{"UniqueSize", "UNIQUE SIZE"},
	{"VirtualSize", "VIRTUAL SIZE"},
	{NULL, NULL},
};

static const struct list image_list = {
	.table = "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}",
	.headings = image_headings,
};

static const struct list image_list_with_digests = {
	.table = "{{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}",
	.headings = image_headings,
};

/* A count that the daemon gives as -1 where it was not computed. */
static char *number_words(int64_t n, bool size)
{
	if (n < 0)
		return xstrdup("N/A");
	return size ? size_words(n) : xasprintf("%lld", (long long) n);
}

static json_t *image_row(const json_t *image, const char *repo, const char *tag, const char *digest,
			 int64_t now, bool whole)
{
	json_t *row = json_object();
	int64_t created = json_int(image, "Created", 0) * NSEC_PER_SEC;
	int64_t size = json_int(image, "Size", 0);
	const char *id = json_str(image, "Id");

	set_owned(row, "Containers", number_words(json_int(image, "Containers", -1), false));
	set_owned(row, "CreatedAt", time_words(created));
	set_owned(row, "CreatedSince", created ? ago_words(created, now) : xstrdup("N/A"));
	set_owned(row, "Digest", xstrdup(digest ? digest : "<none>"));
	set_owned(row, "ID", short_id(id ? id : "", whole));
	set_owned(row, "Repository", xstrdup(repo ? repo : "<none>"));
	set_owned(row, "SharedSize", number_words(json_int(image, "SharedSize", -1), true));
	set_owned(row, "Size", size_words(size));
	set_owned(row, "Tag", xstrdup(tag ? tag : "<none>"));
	set_owned(row, "UniqueSize", xstrdup("N/A"));
	set_owned(row, "VirtualSize", size_words(size));
	return row;
}

/* The digest of repo among "repo@digest" texts. */
static const char *digest_of(const json_t *image, const char *repo)
{
	size_t i, n = strlen(repo);
	json_t *digest;

	json_array_foreach (json_object_get(image, "RepoDigests"), i, digest) {
		const char *text = json_string_value(digest);

		if (text && !strncmp(text, repo, n) && text[n] == '@')
			return text + n + 1;
	}
	return NULL;
}

/* A row for each name of the image, or one without; ids only: one in any case. */
static void add_image(json_t *rows, const json_t *image, int64_t now,
		      const struct images_options *o)
{
	size_t before = json_array_size(rows), i;
	json_t *name;

	json_array_foreach (json_object_get(image, "RepoTags"), i, name) {
		autofree char *repo = NULL;
		const char *tag;

		tag = repo_and_tag(json_string_value(name) ? json_string_value(name) : "", &repo);

		if (str_eq(repo, "<none>"))
			continue;
		json_array_append_new(
			rows, image_row(image, repo, tag, digest_of(image, repo), now, o->whole));
	}
	if (json_array_size(rows) > before)
		return;
	name = json_array_get(json_object_get(image, "RepoDigests"), 0);

	autofree char *repo = xstrdup(json_string_value(name));
	char *at = repo ? strchr(repo, '@') : NULL;

	if (at)
		*at++ = '\0';
	json_array_append_new(rows,
			      image_row(image, at && !str_eq(repo, "<none>") ? repo : NULL, NULL,
					at && !str_eq(repo, "<none>") ? at : NULL, now, o->whole));
}

static int list_images(const struct cli *cli, struct images_options *o, const char *name,
		       struct err *err)
{
	autolist_format format = NULL;
	autojson json_t *images = NULL, *rows = json_array();
	autobuf target = {0};
	const char *text = o->quiet && str_empty(o->format) ? "{{.ID}}" : o->format;
	int64_t now = now_ns();
	size_t i;
	json_t *image;

	if (list_format_new(o->digests ? &image_list_with_digests : &image_list, text, &format,
			    err) < 0)
		return -1;
	buf_adds(&target, CLIENT_API "/images/json");
	if (o->all)
		url_query(&target, "all", "1");
	if (o->digests || list_format_shows(format, "Digest"))
		url_query(&target, "digests", "1");
	if (name)
		strv_add_owned(&o->filters, xasprintf("reference=%s", name));
	if (target_filters(&target, o->filters, err) < 0 ||
	    client_call(cli->address, "GET", target.text, NULL, &images, err) < 0)
		return -1;
	json_array_foreach (images, i, image)
		add_image(rows, image, now, o);
	return list_print(cli, format, rows, o->whole, err);
}

int command_images(struct cli *cli, int argc, char **argv)
{
	struct images_options o = {0};
	struct err err = {0};
	int n = cli_begin(cli, &o, argc, argv);
	int r = list_images(cli, &o, n ? argv[0] : NULL, &err);

	strv_free(o.filters);
	return r < 0 ? cli_fail(&err) : EXIT_OK;
}

/* history ------------------------------------------------------------------------------------ */

static const struct heading history_headings[] = {
	{"ID", "IMAGE"},
	{"CreatedSince", "CREATED"},
	{"CreatedAt", "CREATED AT"},
	{"CreatedBy", "CREATED BY"},
	{"Size", "SIZE"},
	{"Comment", "COMMENT"},
	{NULL, NULL},
};

static const struct list history_list = {
	.table = "{{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}",
	.headings = history_headings,
};

static const struct list history_list_exact = {
	.table = "{{.ID}}\t{{.CreatedAt}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}",
	.headings = history_headings,
};

static json_t *history_row(const json_t *step, int64_t now, const struct images_options *o)
{
	json_t *row = json_object();
	int64_t created = json_int(step, "Created", 0) * NSEC_PER_SEC;
	int64_t size = json_int(step, "Size", 0);
	const char *id = json_str(step, "Id"), *by = json_str(step, "CreatedBy");
	const char *comment = json_str(step, "Comment");
	autofree char *by_plain = text_quoted(by ? by : "");
	char stamp[RFC3339_MAX];

	set_owned(row, "Comment", text_quoted(comment ? comment : ""));
	set_owned(row, "CreatedAt", xstrdup(rfc3339_format(created, stamp)));
	set_owned(row, "CreatedBy", o->whole ? xstrdup(by_plain) : text_ellipsis(by_plain, 45));
	set_owned(row, "CreatedSince",
		  !o->human ? xstrdup(stamp)
		  : created ? ago_words(created, now)
			    : xstrdup("N/A"));
	set_owned(row, "ID", short_id(str_empty(id) ? "<missing>" : id, o->whole));
	set_owned(row, "Size", o->human ? size_words(size) : xasprintf("%lld", (long long) size));
	return row;
}

int command_history(struct cli *cli, int argc, char **argv)
{
	struct images_options o = {.human = true};
	autolist_format format = NULL;
	autojson json_t *steps = NULL, *rows = json_array();
	autobuf target = {0};
	struct err err = {0};
	int64_t now = now_ns();
	size_t i;
	json_t *step;

	(void) cli_begin(cli, &o, argc, argv);
	target_image(&target, argv[0], "history");
	if (list_format_new(o.human ? &history_list : &history_list_exact,
			    o.quiet && str_empty(o.format) ? "{{.ID}}" : o.format, &format,
			    &err) < 0 ||
	    client_call(cli->address, "GET", target.text, NULL, &steps, &err) < 0)
		return cli_fail(&err);
	json_array_foreach (steps, i, step)
		json_array_append_new(rows, history_row(step, now, &o));
	return list_print(cli, format, rows, o.whole, &err) < 0 ? cli_fail(&err) : EXIT_OK;
}

/* rmi, tag ----------------------------------------------------------------------------------- */

static int remove_image(const struct cli *cli, const struct images_options *o, const char *ref,
			struct err *err)
{
	autojson json_t *changes = NULL;
	autobuf target = {0};
	size_t i;
	json_t *change;

	target_image(&target, ref, NULL);
	if (o->force)
		url_query(&target, "force", "1");
	if (o->no_prune)
		url_query(&target, "noprune", "1");
	if (client_call(cli->address, "DELETE", target.text, NULL, &changes, err) < 0)
		return -1;
	json_array_foreach (changes, i, change) {
		if (json_str(change, "Untagged"))
			printf("Untagged: %s\n", json_str(change, "Untagged"));
		if (json_str(change, "Deleted"))
			printf("Deleted: %s\n", json_str(change, "Deleted"));
	}
	return 0;
}

int command_rmi(struct cli *cli, int argc, char **argv)
{
	struct images_options o = {0};
	int n = cli_begin(cli, &o, argc, argv), exit_code = EXIT_OK;

	for (int i = 0; i < n; i++) {
		struct err err = {0};

		/* With force, as docker: what is not there need not be removed. */
		if (remove_image(cli, &o, argv[i], &err) < 0) {
			(void) cli_fail(&err);
			if (!o.force || err.kind != ERR_NOT_FOUND)
				exit_code = EXIT_ERROR;
		}
	}
	strv_free(o.filters);
	return exit_code;
}

int command_tag(struct cli *cli, int argc, char **argv)
{
	autobuf target = {0};
	struct err err = {0};

	(void) cli_begin(cli, NULL, argc, argv);
	target_image(&target, argv[0], "tag");
	if (url_query_name(&target, argv[1], "latest", &err) < 0 ||
	    client_call(cli->address, "POST", target.text, NULL, NULL, &err) < 0)
		return cli_fail(&err);
	return EXIT_OK;
}
