/* upgrade and shutdown: of the daemon, and of the host. */
#include <stdio.h>

#include "cli/cli.h"

int command_upgrade(struct cli *cli, int argc, char **argv)
{
	autojson json_t *report = NULL;
	struct err err = {0};

	(void) cli_begin(cli, NULL, argc, argv);
	/* The new daemon answers. */
	if (client_call(cli->address, "POST", "/holdfast/upgrade", NULL, &report, &err) < 0)
		return cli_fail(&err);
	printf("holdfastd %s has taken over from %s\n", json_str(report, "Version") ?: "?",
	       json_str(report, "From") ?: "?");
	return EXIT_OK;
}

struct shutdown_options {
	bool cancel;
};

const struct option shutdown_options[] = {
	OPTION(struct shutdown_options, 0, "cancel", OPTION_FLAG, cancel, NULL,
	       "The host stays up after all: let policies start containers again"),
	OPTION_END,
};

int command_shutdown(struct cli *cli, int argc, char **argv)
{
	struct shutdown_options o = {0};
	struct err err = {0};

	(void) cli_begin(cli, &o, argc, argv);
	if (client_call(cli->address, o.cancel ? "DELETE" : "POST", "/holdfast/shutdown", NULL,
			NULL, &err) < 0)
		return cli_fail(&err);
	return EXIT_OK;
}
