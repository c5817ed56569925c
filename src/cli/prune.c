/* container prune, image prune, network prune, volume prune. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/words.h"

struct prune_options {
	bool all, force;
	char **filters;
};

#define O(letter, name, type, member, value, help) \
	OPTION(struct prune_options, letter, name, type, member, value, help)

const struct option container_prune_options[] = {
	O(0, "filter", OPTION_LIST, filters, "filter",
	  "Provide filter values (e.g. \"until=<timestamp>\")"),
	O('f', "force", OPTION_FLAG, force, NULL, "Do not prompt for confirmation"),
	OPTION_END,
};

const struct option image_prune_options[] = {
	O('a', "all", OPTION_FLAG, all, NULL, "Remove all unused images, not just dangling ones"),
	O(0, "filter", OPTION_LIST, filters, "filter",
	  "Provide filter values (e.g. \"until=<timestamp>\")"),
	O('f', "force", OPTION_FLAG, force, NULL, "Do not prompt for confirmation"),
	OPTION_END,
};

const struct option volume_prune_options[] = {
	O('a', "all", OPTION_FLAG, all, NULL, "Remove all unused volumes, not just anonymous ones"),
	O(0, "filter", OPTION_LIST, filters, "filter",
	  "Provide filter values (e.g. \"label=<label>\")"),
	O('f', "force", OPTION_FLAG, force, NULL, "Do not prompt for confirmation"),
	OPTION_END,
};

/* Asks on the terminal; without an answer of yes nothing happens. */
static bool confirmed(const struct prune_options *o, const char *warning)
{
	char answer[16];

	if (o->force)
		return true;
	fprintf(stderr, "WARNING! This will remove %s.\nAre you sure you want to continue? [y/N] ",
		warning);
	return fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

/* Networks free nothing. */
static void print_freed(const json_t *answer, bool below_list)
{
	if (!json_object_get(answer, "SpaceReclaimed"))
		return;
	autofree char *words = size_words(json_int(answer, "SpaceReclaimed", 0));

	printf("%sTotal reclaimed space: %s\n", below_list ? "\n" : "", words);
}

static int prune(const struct cli *cli, const char *target, struct prune_options *o, json_t **ret)
{
	autobuf query = {0};
	struct err err = {0};
	int r;

	buf_adds(&query, target);
	r = target_filters(&query, o->filters, &err);
	if (r == 0)
		r = client_call(cli->address, "POST", query.text, NULL, ret, &err);
	return r < 0 ? cli_fail(&err) : EXIT_OK;
}

/* What went, in `list` of the answer, under this heading. */
static int prune_and_print(const struct cli *cli, const char *target, struct prune_options *o,
			   const char *list, const char *heading)
{
	autojson json_t *answer = NULL;
	int exit_code = prune(cli, target, o, &answer);
	const json_t *names = json_object_get(answer, list);
	json_t *name;
	size_t i;

	if (!answer)
		return exit_code;
	if (json_array_size(names))
		puts(heading);
	json_array_foreach (names, i, name)
		puts(json_string_value(name) ? json_string_value(name) : "");
	print_freed(answer, i > 0);
	return exit_code;
}

int command_container_prune(struct cli *cli, int argc, char **argv)
{
	struct prune_options o = {0};
	int exit_code = EXIT_OK;

	(void) cli_begin(cli, &o, argc, argv);
	if (confirmed(&o, "all stopped containers"))
		exit_code = prune_and_print(cli, CLIENT_API "/containers/prune", &o,
					    "ContainersDeleted", "Deleted Containers:");
	strv_free(o.filters);
	return exit_code;
}

int command_volume_prune(struct cli *cli, int argc, char **argv)
{
	struct prune_options o = {0};
	int exit_code = EXIT_OK;

	(void) cli_begin(cli, &o, argc, argv);
	if (o.all)
		strv_add(&o.filters, "all=true");
	if (confirmed(&o, o.all ? "all local volumes not used by at least one container"
				: "anonymous local volumes not used by at least one container"))
		exit_code = prune_and_print(cli, CLIENT_API "/volumes/prune", &o, "VolumesDeleted",
					    "Deleted Volumes:");
	strv_free(o.filters);
	return exit_code;
}

int command_network_prune(struct cli *cli, int argc, char **argv)
{
	struct prune_options o = {0};
	int exit_code = EXIT_OK;

	(void) cli_begin(cli, &o, argc, argv);
	if (confirmed(&o, "all custom networks not used by at least one container"))
		exit_code = prune_and_print(cli, CLIENT_API "/networks/prune", &o,
					    "NetworksDeleted", "Deleted Networks:");
	strv_free(o.filters);
	return exit_code;
}

int command_image_prune(struct cli *cli, int argc, char **argv)
{
	struct prune_options o = {0};
	autojson json_t *answer = NULL;
	int exit_code = EXIT_OK;
	size_t i;
	json_t *change;

	(void) cli_begin(cli, &o, argc, argv);
	strv_add(&o.filters, o.all ? "dangling=false" : "dangling=true");
	if (confirmed(&o, o.all ? "all images without at least one container associated to them"
				: "all dangling images"))
		exit_code = prune(cli, CLIENT_API "/images/prune", &o, &answer);
	strv_free(o.filters);
	if (!answer)
		return exit_code;
	if (json_array_size(json_object_get(answer, "ImagesDeleted")))
		puts("Deleted Images:");
	json_array_foreach (json_object_get(answer, "ImagesDeleted"), i, change) {
		if (json_str(change, "Untagged"))
			printf("untagged: %s\n", json_str(change, "Untagged"));
		if (json_str(change, "Deleted"))
			printf("deleted: %s\n", json_str(change, "Deleted"));
	}
	print_freed(answer, i > 0);
	return exit_code;
}
