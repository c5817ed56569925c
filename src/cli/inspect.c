/* inspect: containers, images, networks and volumes, as the daemon tells of them. */
#include "cli/cli.h"
#include "cli/list.h"

struct inspect_options {
	const char *format, *type;
	bool size;
};

#define O(letter, name, type, member, value, help) \
	OPTION(struct inspect_options, letter, name, type, member, value, help)

const struct option inspect_options[] = {
	O('f', "format", OPTION_STR, format, "string",
	  "Format output: 'json', or a Go template such as {{.State.Status}}"),
	O('s', "size", OPTION_FLAG, size, NULL,
	  "Display total file sizes if the type is container"),
	O(0, "type", OPTION_STR, type, "string",
	  "Only inspect objects of the given type (container, image, network, volume)"),
	OPTION_END,
};

/* In the order in which a name without a type is looked for. */
static const struct {
	const char *name;
	void (*target)(struct buf *b, const char *ref, const char *verb);
	const char *verb;
} types[] = {
	{"container", target_container, "json"},
	{"image", target_image, "json"},
	{"network", target_network, NULL},
	{"volume", target_volume, NULL},
};

static bool is_type(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (str_eq(types[i].name, name))
			return true;
	return false;
}

/* Without a type: the first that has the name. */
static int get(const struct cli *cli, const struct inspect_options *o, const char *ref,
	       json_t **ret, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		autobuf target = {0};

		if (o->type && !str_eq(o->type, types[i].name))
			continue;
		types[i].target(&target, ref, types[i].verb);
		if (o->size && types[i].target == target_container)
			url_query(&target, "size", "1");
		if (client_call(cli->address, "GET", target.text, NULL, ret, err) == 0)
			return 0;
		if (o->type || err->kind != ERR_NOT_FOUND)
			return -1;
	}
	return err_set(err, ERR_NOT_FOUND, "No such object: %s", ref);
}

static int inspect(const struct cli *cli, const struct inspect_options *o, int n, char **refs)
{
	autojson json_t *found = json_array();
	int exit_code = EXIT_OK;
	bool whole = str_empty(o->format) || str_eq(o->format, "json");
	struct err err = {0};

	for (int i = 0; i < n; i++) {
		autojson json_t *object = NULL;

		err_clear(&err);
		if (get(cli, o, refs[i], &object, &err) < 0) {
			exit_code = cli_fail(&err); /* and the others are shown all the same */
			if (client_lost(&err))
				return exit_code;
			continue;
		}
		if (whole)
			json_array_append(found, object);
		else if (value_print(o->format, object, &err) < 0)
			exit_code = cli_fail(&err);
	}
	if (whole && value_print(o->format, found, &err) < 0)
		exit_code = cli_fail(&err);
	return exit_code;
}

static int inspect_type(struct cli *cli, const char *type, int argc, char **argv)
{
	struct inspect_options o = {0};
	int n = cli_begin(cli, &o, argc, argv);

	if (type)
		o.type = type;
	if (o.type && !is_type(o.type))
		return cli_failf("inspect: \"%s\" is not a type that can be inspected (container, "
				 "image, network, volume)",
				 o.type);
	return inspect(cli, &o, n, argv);
}

int command_inspect(struct cli *cli, int argc, char **argv)
{
	return inspect_type(cli, NULL, argc, argv);
}

int command_inspect_container(struct cli *cli, int argc, char **argv)
{
	return inspect_type(cli, "container", argc, argv);
}

int command_inspect_volume(struct cli *cli, int argc, char **argv)
{
	return inspect_type(cli, "volume", argc, argv);
}

int command_inspect_network(struct cli *cli, int argc, char **argv)
{
	return inspect_type(cli, "network", argc, argv);
}

int command_inspect_image(struct cli *cli, int argc, char **argv)
{
	return inspect_type(cli, "image", argc, argv);
}
