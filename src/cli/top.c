/* top: the processes of a container, as the ps of its host lists them. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/table.h"
#include "cli/words.h"

/* A line of a table of strings. */
static void add_line(struct table *t, const json_t *cells)
{
	autobuf line = {0};
	json_t *cell;
	size_t i;

	json_array_foreach (cells, i, cell) {
		autofree char *text = text_quoted(json_string_value(cell) ?: "");

		buf_addf(&line, "%s%s", i ? "\t" : "", text);
	}
	table_add(t, line.text ? line.text : "");
}

static int run(const struct cli *cli, int n, char **argv, struct err *err)
{
	autofree char *ps_args = strv_join(argv + 1, " ");
	autojson json_t *answer = NULL;
	autobuf target = {0}, out = {0};
	autotable table = {0};
	json_t *line;
	size_t i;

	target_container(&target, argv[0], "top");
	url_query(&target, "ps_args", n > 1 ? ps_args : NULL);
	if (client_call(cli->address, "GET", target.text, NULL, &answer, err) < 0)
		return -1;
	add_line(&table, json_object_get(answer, "Titles"));
	json_array_foreach (json_object_get(answer, "Processes"), i, line)
		add_line(&table, line);
	table_format(&table, cli->width, &out);
	(void) fwrite(out.text, 1, out.len, stdout);
	return 0;
}

int command_top(struct cli *cli, int argc, char **argv)
{
	struct err err = {0};
	int n = cli_begin(cli, NULL, argc, argv);

	return run(cli, n, argv, &err) < 0 ? cli_fail(&err) : EXIT_OK;
}
