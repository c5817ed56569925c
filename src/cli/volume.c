/* volume create, ls, inspect (with the other inspects), rm; prune is with the other prunes. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/create.h"
#include "cli/list.h"
#include "cli/words.h"

struct volume_options {
	const char *name, *driver, *format;
	char **labels, **opts, **filters;
	bool quiet, force;
};

#define O(letter, name, type, member, value, help) \
	OPTION(struct volume_options, letter, name, type, member, value, help)

const struct option volume_create_options[] = {
	O('d', "driver", OPTION_STR, driver, "string",
	  "Specify volume driver name (default local)"),
	O(0, "label", OPTION_LIST, labels, "list", "Set metadata for a volume"),
	O(0, "name", OPTION_STR, name, "string", NULL),
	O('o', "opt", OPTION_LIST, opts, "map", "Set driver specific options"),
	OPTION_END,
};

const struct option volume_ls_options[] = {
	O('f', "filter", OPTION_LIST, filters, "filter",
	  "Provide filter values (e.g. \"dangling=true\")"),
	O(0, "format", OPTION_STR, format, "string",
	  "Format output: 'table', 'table TEMPLATE', 'json', or a Go template"),
	O('q', "quiet", OPTION_FLAG, quiet, NULL, "Only display volume names"),
	OPTION_END,
};

const struct option volume_rm_options[] = {
	O('f', "force", OPTION_FLAG, force, NULL, "Force the removal of one or more volumes"),
	OPTION_END,
};

/* create ------------------------------------------------------------------------------------- */

json_t *pairs_json(char *const *texts)
{
	json_t *object = json_object();
	const char *key, *value;
	struct strmap map = {0};

	for (; texts && *texts; texts++)
		set_pair(&map, *texts);
	strmap_foreach (&map, key, value)
		json_object_set_new(object, key, json_string(value));
	strv_free(map.kv);
	return object;
}

static int create_volume(const struct cli *cli, const struct volume_options *o, const char *name,
			 struct err *err)
{
	autojson json_t *answer = NULL;
	autojson json_t *body =
		json_pack("{s:s*, s:s*, s:o, s:o}", "Name", name, "Driver", o->driver, "Labels",
			  pairs_json(o->labels), "DriverOpts", pairs_json(o->opts));

	if (client_call(cli->address, "POST", CLIENT_API "/volumes/create", body, &answer, err) < 0)
		return -1;
	puts(json_str(answer, "Name") ?: "");
	return 0;
}

int command_volume_create(struct cli *cli, int argc, char **argv)
{
	struct volume_options o = {0};
	struct err err = {0};
	int n = cli_begin(cli, &o, argc, argv), r;

	if (n && o.name)
		r = err_set(&err, ERR_INVALID,
			    "conflicting options: either specify --name or provide positional arg, "
			    "not both");
	else
		r = create_volume(cli, &o, n ? argv[0] : o.name, &err);
	strv_free(o.labels);
	strv_free(o.opts);
	return r < 0 ? cli_fail(&err) : EXIT_OK;
}

/* ls ----------------------------------------------------------------------------------------- */

static const struct heading headings[] = {
	{"Driver", "DRIVER"}, {"Name", "VOLUME NAME"},
	{"Scope", "SCOPE"},   {"Mountpoint", "MOUNTPOINT"},
	{"Labels", "LABELS"}, {"Links", "LINKS"},
	{"Size", "SIZE"},     {NULL, NULL},
};

static const struct list volume_list = {
	.table = "{{.Driver}}\t{{.Name}}",
	.headings = headings,
};

static json_t *volume_row(const json_t *v)
{
	json_t *labels = json_object_get(v, "Labels");
	autofree char *words = pairs_words(labels, ",");

	return json_pack("{s:s?, s:s?, s:s?, s:s?, s:s, s:s, s:s, s:O}", "Driver",
			 json_str(v, "Driver"), "Name", json_str(v, "Name"), "Scope",
			 json_str(v, "Scope"), "Mountpoint", json_str(v, "Mountpoint"), "Labels",
			 words, "Links", "N/A", "Size", "N/A", "Label", labels);
}

static int list_volumes(const struct cli *cli, const struct volume_options *o, struct err *err)
{
	const char *text = o->quiet && str_empty(o->format) ? "{{.Name}}" : o->format;
	autojson json_t *answer = NULL, *rows = json_array();
	autolist_format format = NULL;
	autobuf target = {0};
	json_t *v;
	size_t i;

	if (list_format_new(&volume_list, text, &format, err) < 0)
		return -1;
	buf_adds(&target, CLIENT_API "/volumes");
	if (target_filters(&target, o->filters, err) < 0 ||
	    client_call(cli->address, "GET", target.text, NULL, &answer, err) < 0)
		return -1;
	json_array_foreach (json_object_get(answer, "Volumes"), i, v)
		json_array_append_new(rows, volume_row(v));
	return list_print(cli, format, rows, true, err);
}

int command_volume_ls(struct cli *cli, int argc, char **argv)
{
	struct volume_options o = {0};
	struct err err = {0};
	int r;

	(void) cli_begin(cli, &o, argc, argv);
	r = list_volumes(cli, &o, &err);
	strv_free(o.filters);
	return r < 0 ? cli_fail(&err) : EXIT_OK;
}

/* rm ----------------------------------------------------------------------------------------- */

int command_volume_rm(struct cli *cli, int argc, char **argv)
{
	struct volume_options o = {0};
	int n = cli_begin(cli, &o, argc, argv), exit_code = EXIT_OK;

	for (int i = 0; i < n; i++) {
		autobuf target = {0};
		struct err err = {0};

		target_volume(&target, argv[i], NULL);
		if (o.force)
			url_query(&target, "force", "1");
		if (client_call(cli->address, "DELETE", target.text, NULL, NULL, &err) == 0)
			puts(argv[i]);
		else
			exit_code = cli_fail(&err);
	}
	return exit_code;
}
