/* run and create. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "cli/cli.h"
#include "cli/create.h"

/* docker's: what the daemon says of a command that cannot be run decides the exit code of `run`. */
static int start_exit_code(const struct err *err)
{
	static const char *const not_found[] = {"executable file", "no such file or directory",
						"not found in $path"};
	static const char *const denied[] = {"permission denied", "is a directory"};

	for (size_t i = 0; i < ARRAY_SIZE(not_found); i++)
		if (strcasestr(err->text, not_found[i]))
			return EXIT_NO_SUCH_COMMAND;
	for (size_t i = 0; i < ARRAY_SIZE(denied); i++)
		if (strcasestr(err->text, denied[i]))
			return EXIT_NOT_EXECUTABLE;
	return EXIT_USAGE;
}

/* Opened before anything is created, so that a file that is there stops it all. */
static int open_cidfile(const char *path, int *ret_fd, struct err *err)
{
	*ret_fd = -1;
	if (!path)
		return 0;
	*ret_fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (*ret_fd < 0 && errno == EEXIST)
		return err_set(
			err, ERR_CONFLICT,
			"container ID file found, make sure the other container isn't running or "
			"delete %s",
			path);
	return *ret_fd < 0 ? err_sys(err, errno, "failed to create the container ID file") : 0;
}

static void print_warnings(const json_t *answer)
{
	size_t i;
	json_t *warning;

	json_array_foreach (json_object_get(answer, "Warnings"), i, warning)
		fprintf(stderr, "WARNING: %s\n", json_string_value(warning));
}

/* POST /containers/create. *ret_id is the caller's. */
static int create(const struct cli *cli, const struct create_options *o, const json_t *request,
		  char **ret_id, struct err *err)
{
	autojson json_t *answer = NULL;
	autobuf target = {0};
	autoclose int cidfile = -1;
	const char *id;
	int r;

	if (open_cidfile(o->cidfile, &cidfile, err) < 0)
		return -1;
	buf_adds(&target, CLIENT_API "/containers/create");
	url_query(&target, "name", o->name);
	url_query(&target, "platform", o->platform);
	r = client_call(cli->address, "POST", target.text, request, &answer, err);
	id = json_str(answer, "Id");
	if (r == 0 && !id)
		r = err_set(err, ERR_SYSTEM, "the daemon named no container");
	if (r < 0) {
		if (cidfile >= 0)
			(void) unlink(o->cidfile);
		return -1;
	}
	print_warnings(answer);
	if (cidfile >= 0)
		(void) write_all(cidfile, id, strlen(id));
	*ret_id = xstrdup(id);
	return 0;
}

static int start(const struct cli *cli, const char *id, struct err *err)
{
	autobuf target = {0};

	target_container(&target, id, "start");
	return client_call(cli->address, "POST", target.text, NULL, NULL, err);
}

static void hint_at_load(const struct err *err)
{
	if (err->kind == ERR_NOT_FOUND && strcasestr(err->text, "no such image"))
		fprintf(stderr, "Registries come with a later version; bring the image here with "
				"'holdfast load -i FILE' or 'holdfast import FILE'\n");
}

/* Wrong arguments, which the parser of options could not see. */
static int usage(const struct cli *cli, const struct err *err)
{
	(void) cli_fail(err);
	fprintf(stderr, "\nRun 'holdfast %s --help' for more information\n", cli->command->name);
	return EXIT_USAGE;
}

static int check(const struct create_options *o, struct err *err)
{
	if (o->pull && !str_eq(o->pull, "missing") && !str_eq(o->pull, "never"))
		return err_set(
			err, ERR_NOT_SUPPORTED,
			"--pull=%s: registries come with a later version (missing and never work)",
			o->pull);
	return 0;
}

int command_create(struct cli *cli, int argc, char **argv)
{
	auto_(create_options_free) struct create_options o;
	autojson json_t *request = NULL;
	autofree char *id = NULL;
	struct err err = {0};
	int n;

	create_options_init(&o);
	n = cli_begin(cli, &o, argc, argv);
	if (check(&o, &err) < 0 || create_request(&o, argv, n, &request, &err) < 0)
		return usage(cli, &err);
	if (create(cli, &o, request, &id, &err) < 0) {
		(void) cli_fail(&err);
		hint_at_load(&err);
		return EXIT_ERROR;
	}
	puts(id);
	return EXIT_OK;
}

int command_run(struct cli *cli, int argc, char **argv)
{
	auto_(create_options_free) struct create_options o;
	autojson json_t *request = NULL;
	autofree char *id = NULL;
	struct err err = {0};
	int n;

	create_options_init(&o);
	n = cli_begin(cli, &o, argc, argv);
	if (check(&o, &err) < 0 || create_request(&o, argv, n, &request, &err) < 0)
		return usage(cli, &err);
	if (!o.detach || o.attach) {
		(void) cli_failf(
			"run: attached runs come with a later version; use 'holdfast run -d ...', "
			"then 'holdfast logs -f' and 'holdfast wait'");
		return EXIT_USAGE;
	}
	if (create(cli, &o, request, &id, &err) < 0) {
		(void) cli_fail(&err);
		hint_at_load(&err);
		return EXIT_USAGE;
	}
	if (start(cli, id, &err) < 0) {
		/* docker prints the id, and leaves the container for inspection, here as well. */
		puts(id);
		(void) cli_fail(&err);
		return start_exit_code(&err);
	}
	puts(id);
	return EXIT_OK;
}
