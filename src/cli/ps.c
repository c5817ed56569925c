/* ps. */
#include <stdio.h>
#include <string.h>

#include "base/time.h"
#include "cli/cli.h"
#include "cli/list.h"
#include "cli/words.h"

struct ps_options {
	bool all, quiet, latest, whole, size;
	int64_t last;
	char **filters;
	const char *format;
};

#define O(letter, name, type, member, value, help) \
	OPTION(struct ps_options, letter, name, type, member, value, help)

const struct option ps_options[] = {
	O('a', "all", OPTION_FLAG, all, NULL, "Show all containers (default shows just running)"),
	O('f', "filter", OPTION_LIST, filters, "filter",
	  "Filter output based on conditions provided"),
	O(0, "format", OPTION_STR, format, "string",
	  "Format output: 'table', 'table TEMPLATE', 'json', or a Go template"),
	O('n', "last", OPTION_INT, last, "int",
	  "Show n last created containers (includes all states)"),
	O('l', "latest", OPTION_FLAG, latest, NULL,
	  "Show the latest created container (includes all states)"),
	O(0, "no-trunc", OPTION_FLAG, whole, NULL, "Don't truncate output"),
	O('q', "quiet", OPTION_FLAG, quiet, NULL, "Only display container IDs"),
	O('s', "size", OPTION_FLAG, size, NULL, "Display total file sizes"),
	OPTION_END,
};

#define COLUMNS \
	"{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}"

static const struct heading headings[] = {
	{"ID", "CONTAINER ID"},
	{"Image", "IMAGE"},
	{"Command", "COMMAND"},
	{"RunningFor", "CREATED"},
	{"Status", "STATUS"},
	{"Ports", "PORTS"},
	{"Names", "NAMES"},
	{"CreatedAt", "CREATED AT"},
	{"State", "STATE"},
	{"Size", "SIZE"},
	{"Labels", "LABELS"},
	{"Mounts", "MOUNTS"},
	{"LocalVolumes", "LOCAL VOLUMES"},
	{"Networks", "NETWORKS"},
	{NULL, NULL},
};

static const struct list list = {.table = COLUMNS, .headings = headings};
static const struct list list_with_size = {.table = COLUMNS "\t{{.Size}}", .headings = headings};

static void set(json_t *row, const char *key, const char *text)
{
	json_object_set_new(row, key, json_string(text ? text : ""));
}

static void set_owned(json_t *row, const char *key, char *text)
{
	set(row, key, text);
	free(text);
}

/* "/a,/b/alias" -> "a" (links' aliases are for --no-trunc). */
static char *names_words(const json_t *c, bool whole)
{
	autobuf b = {0};
	size_t i;
	json_t *name;

	json_array_foreach (json_object_get(c, "Names"), i, name) {
		const char *text = json_string_value(name);

		if (!text)
			continue;
		text += *text == '/';
		if (strchr(text, '/') && !whole)
			continue;
		buf_addf(&b, "%s%s", b.len ? "," : "", text);
	}
	return buf_take(&b);
}

static char *command_words(const char *command, bool whole)
{
	autofree char *cut = text_ellipsis(command ? command : "", whole ? SIZE_MAX : 20);

	return text_in_quotes(cut);
}

/* "0.0.0.0:8080->80/tcp, 90/udp" */
static char *ports_words(const json_t *c)
{
	autobuf b = {0};
	size_t i;
	json_t *port;

	json_array_foreach (json_object_get(c, "Ports"), i, port) {
		const char *ip = json_str(port, "IP"), *type = json_str(port, "Type");
		int64_t outside = json_int(port, "PublicPort", 0);

		buf_adds(&b, b.len ? ", " : "");
		if (outside)
			buf_addf(&b, ip && strchr(ip, ':') ? "[%s]:%lld->" : "%s:%lld->",
				 ip ? ip : "", (long long) outside);
		buf_addf(&b, "%lld/%s", (long long) json_int(port, "PrivatePort", 0),
			 type ? type : "tcp");
	}
	return buf_take(&b);
}

static char *mounts_words(const json_t *c, bool whole)
{
	autobuf b = {0};
	size_t i;
	json_t *mount;

	json_array_foreach (json_object_get(c, "Mounts"), i, mount) {
		const char *name = json_str(mount, "Name");

		if (str_empty(name))
			name = json_str(mount, "Source");

		autofree char *cut =
			whole ? xstrdup(name ? name : "") : text_ellipsis(name ? name : "", 15);

		buf_addf(&b, "%s%s", b.len ? "," : "", cut);
	}
	return buf_take(&b);
}

static int64_t count_volumes(const json_t *c)
{
	int64_t n = 0;
	size_t i;
	json_t *mount;

	json_array_foreach (json_object_get(c, "Mounts"), i, mount)
		n += str_eq(json_str(mount, "Driver"), "local");
	return n;
}

static char *networks_words(const json_t *c)
{
	autobuf b = {0};
	const char *name;
	json_t *network;

	json_object_foreach (json_object_get(json_object_get(c, "NetworkSettings"), "Networks"),
			     name, network)
		buf_addf(&b, "%s%s", b.len ? "," : "", name);
	return buf_take(&b);
}

static char *files_words(const json_t *c)
{
	autofree char *own = size_words(json_int(c, "SizeRw", 0));
	int64_t all = json_int(c, "SizeRootFs", 0);
	autofree char *all_words = size_words(all);

	return all > 0 ? xasprintf("%s (virtual %s)", own, all_words) : take(own);
}

static char *image_words(const json_t *c, bool whole)
{
	const char *image = json_str(c, "Image");

	if (str_empty(image))
		return xstrdup("<no image>");
	/* An id in place of a name: what is left when the name went to another image. */
	if (!whole && (str_has_prefix(image, "sha256:") || str_is_hex(image, 64)))
		return short_id(image, false);
	return xstrdup(image);
}

static json_t *row_of(const json_t *c, int64_t now, bool whole)
{
	json_t *row = json_object();
	json_t *labels = json_object_get(c, "Labels");
	int64_t created = json_int(c, "Created", 0) * NSEC_PER_SEC;
	const char *id = json_str(c, "Id");

	set_owned(row, "Command", command_words(json_str(c, "Command"), whole));
	set_owned(row, "CreatedAt", time_words(created));
	set_owned(row, "ID", short_id(id ? id : "", whole));
	set_owned(row, "Image", image_words(c, whole));
	json_object_set_new(row, "Label", labels ? json_incref(labels) : json_object());
	set_owned(row, "Labels", pairs_words(labels, ","));
	set_owned(row, "LocalVolumes", xasprintf("%lld", (long long) count_volumes(c)));
	set_owned(row, "Mounts", mounts_words(c, whole));
	set_owned(row, "Names", names_words(c, whole));
	set_owned(row, "Networks", networks_words(c));
	set_owned(row, "Ports", ports_words(c));
	set_owned(row, "RunningFor", ago_words(created, now));
	set_owned(row, "Size", files_words(c));
	set(row, "State", json_str(c, "State"));
	set(row, "Status", json_str(c, "Status"));
	return row;
}

static int ask(const struct cli *cli, const struct ps_options *o, bool size, json_t **ret,
	       struct err *err)
{
	autobuf target = {0};
	int64_t last = o->latest ? 1 : o->last;

	buf_adds(&target, CLIENT_API "/containers/json");
	if (o->all)
		url_query(&target, "all", "1");
	if (last > 0) {
		autofree char *limit = xasprintf("%lld", (long long) last);

		url_query(&target, "limit", limit);
	}
	if (size)
		url_query(&target, "size", "1");
	if (target_filters(&target, o->filters, err) < 0)
		return -1;
	return client_call(cli->address, "GET", target.text, NULL, ret, err);
}

static int run(const struct cli *cli, const struct ps_options *o, struct err *err)
{
	autolist_format format = NULL;
	autojson json_t *containers = NULL, *rows = json_array();
	const char *text = o->format;
	int64_t now = now_ns();
	size_t i;
	json_t *c;

	if (o->quiet && str_empty(text))
		text = "{{.ID}}";
	if (list_format_new(o->size ? &list_with_size : &list, text, &format, err) < 0 ||
	    ask(cli, o, o->size || list_format_shows(format, "Size"), &containers, err) < 0)
		return -1;
	json_array_foreach (containers, i, c)
		json_array_append_new(rows, row_of(c, now, o->whole));
	return list_print(cli, format, rows, o->whole, err);
}

int command_ps(struct cli *cli, int argc, char **argv)
{
	struct ps_options o = {.last = -1};
	struct err err = {0};
	int r;

	(void) cli_begin(cli, &o, argc, argv);
	r = run(cli, &o, &err);
	strv_free(o.filters);
	return r < 0 ? cli_fail(&err) : EXIT_OK;
}
