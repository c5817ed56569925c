/*
 * wait: for the end of containers, through ends of the daemon: a container does not notice them, so
 * whoever waits for it need not either. The same question is asked again until it is answered.
 */
#include <stdio.h>

#include "cli/cli.h"

/* One question: 0 with *ret_code, 1 where the stream ended without an answer (the daemon is
 * ending). */
static int ask(const struct cli *cli, const char *ref, int64_t *ret_code, struct err *err)
{
	autojson json_t *answer = NULL;
	autobuf target = {0};
	const char *text;

	target_container(&target, ref, "wait");
	if (client_call(cli->address, "POST", target.text, NULL, &answer, err) < 0)
		return -1;
	if (!answer)
		return 1;
	text = json_str(json_object_get(answer, "Error"), "Message");
	if (!str_empty(text))
		return err_set(err, ERR_SYSTEM, "wait for %s: %s", ref, text);
	*ret_code = json_int(answer, "StatusCode", 0);
	return 0;
}

/* *asked: the daemon was there once. */
static int wait_for(const struct cli *cli, const char *ref, bool *asked, int64_t *ret_code,
		    struct err *err)
{
	struct patience patience = {0};

	for (;;) {
		int r = ask(cli, ref, ret_code, err);

		if (r == 0)
			return 0;
		if (r > 0)
			client_gone(err);
		else if (!*asked && client_absent(err))
			return -1; /* never there: say so at once */
		*asked = true;
		if (patience_wait(&patience, err) < 0)
			return -1;
	}
}

int command_wait(struct cli *cli, int argc, char **argv)
{
	int n = cli_begin(cli, NULL, argc, argv), exit_code = EXIT_OK;
	bool asked = false;

	for (int i = 0; i < n; i++) {
		struct err err = {0};
		int64_t code = 0;

		if (wait_for(cli, argv[i], &asked, &code, &err) < 0) {
			exit_code = cli_fail(&err);
			continue;
		}
		printf("%lld\n", (long long) code);
		(void) fflush(stdout);
	}
	return exit_code;
}
