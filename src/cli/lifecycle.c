/* start, stop, restart, kill, pause, unpause, rename, rm. */
#include <stdio.h>

#include "cli/cli.h"

struct lifecycle_options {
	bool attach, interactive;
	int64_t timeout_s;
	const char *signal;
	bool force, volumes, link;
};

#define O(letter, name, type, member, value, help) \
	OPTION(struct lifecycle_options, letter, name, type, member, value, help)

const struct option start_options[] = {
	O('a', "attach", OPTION_FLAG, attach, NULL, NULL),
	O('i', "interactive", OPTION_FLAG, interactive, NULL, NULL),
	OPTION_END,
};

const struct option stop_options[] = {
	O('s', "signal", OPTION_STR, signal, "string", "Signal to send to the container"),
	O('t', "timeout", OPTION_INT, timeout_s, "int",
	  "Seconds to wait before killing the container"),
	O(0, "time", OPTION_INT, timeout_s, "int", NULL),
	OPTION_END,
};

const struct option kill_options[] = {
	O('s', "signal", OPTION_STR, signal, "string", "Signal to send to the container"),
	OPTION_END,
};

const struct option rm_options[] = {
	O('f', "force", OPTION_FLAG, force, NULL,
	  "Force the removal of a running container (uses SIGKILL)"),
	O('l', "link", OPTION_FLAG, link, NULL, "Remove the specified link"),
	O('v', "volumes", OPTION_FLAG, volumes, NULL,
	  "Remove anonymous volumes associated with the container"),
	OPTION_END,
};

/* One after the other, in the order given: one may need the next to be there. */
int command_start(struct cli *cli, int argc, char **argv)
{
	struct lifecycle_options o = {0};
	int n = cli_begin(cli, &o, argc, argv), exit_code = EXIT_OK;

	if (o.attach || o.interactive)
		return cli_failf(
			"start: attached starts come with a later version; start it without -a and "
			"-i, then 'holdfast logs -f'");
	for (int i = 0; i < n; i++) {
		struct each each = {.method = "POST", .verb = "start"};

		if (each_container(cli, &each, 1, &argv[i]) != EXIT_OK)
			exit_code = EXIT_ERROR;
	}
	return exit_code;
}

static int stop_by(struct cli *cli, const char *verb, int argc, char **argv)
{
	struct lifecycle_options o = {.timeout_s = FIELD_UNSET};
	int n = cli_begin(cli, &o, argc, argv);
	autobuf query = {0};

	if (o.timeout_s != FIELD_UNSET)
		buf_addf(&query, "t=%lld", (long long) o.timeout_s);
	if (o.signal) {
		buf_adds(&query, query.len ? "&signal=" : "signal=");
		url_add(&query, o.signal);
	}
	return each_container(
		cli, &(struct each){.method = "POST", .verb = verb, .query = query.text}, n, argv);
}

int command_stop(struct cli *cli, int argc, char **argv)
{
	return stop_by(cli, "stop", argc, argv);
}

int command_restart(struct cli *cli, int argc, char **argv)
{
	return stop_by(cli, "restart", argc, argv);
}

int command_kill(struct cli *cli, int argc, char **argv)
{
	struct lifecycle_options o = {.signal = "KILL"};
	int n = cli_begin(cli, &o, argc, argv);
	autobuf query = {0};

	buf_adds(&query, "signal=");
	url_add(&query, o.signal);
	return each_container(cli,
			      &(struct each){.method = "POST", .verb = "kill", .query = query.text},
			      n, argv);
}

int command_pause(struct cli *cli, int argc, char **argv)
{
	int n = cli_begin(cli, NULL, argc, argv);

	return each_container(cli, &(struct each){.method = "POST", .verb = "pause"}, n, argv);
}

int command_unpause(struct cli *cli, int argc, char **argv)
{
	int n = cli_begin(cli, NULL, argc, argv);

	return each_container(cli, &(struct each){.method = "POST", .verb = "unpause"}, n, argv);
}

int command_rename(struct cli *cli, int argc, char **argv)
{
	autobuf target = {0};
	struct err err = {0};

	(void) cli_begin(cli, NULL, argc, argv);
	target_container(&target, argv[0], "rename");
	url_query(&target, "name", argv[1]);
	if (client_call(cli->address, "POST", target.text, NULL, NULL, &err) < 0)
		return cli_fail(&err);
	return EXIT_OK;
}

int command_rm(struct cli *cli, int argc, char **argv)
{
	struct lifecycle_options o = {0};
	int n = cli_begin(cli, &o, argc, argv);
	autobuf query = {0};

	if (o.link)
		buf_adds(&query, "link=1");
	if (o.volumes)
		buf_addf(&query, "%sv=1", query.len ? "&" : "");
	if (o.force)
		buf_addf(&query, "%sforce=1", query.len ? "&" : "");
	/* With force, as docker: what is not there need not be removed. */
	return each_container(
		cli,
		&(struct each){.method = "DELETE", .query = query.text, .may_be_missing = o.force},
		n, argv);
}
