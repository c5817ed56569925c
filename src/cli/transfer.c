/* load, import, save: archives in and out, streamed. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/cli.h"

struct transfer_options {
	const char *input, *output, *message, *platform;
	char **changes;
	bool quiet;
};

#define O(letter, name, type, member, value, help) \
	OPTION(struct transfer_options, letter, name, type, member, value, help)

const struct option load_options[] = {
	O('i', "input", OPTION_STR, input, "string",
	  "Read from tar archive file, instead of STDIN"),
	O(0, "platform", OPTION_STR, platform, "string", NULL),
	O('q', "quiet", OPTION_FLAG, quiet, NULL, "Suppress the load progress"),
	OPTION_END,
};

const struct option import_options[] = {
	O('c', "change", OPTION_LIST, changes, "list",
	  "Apply Dockerfile instruction to the created image"),
	O('m', "message", OPTION_STR, message, "string", "Set commit message for imported image"),
	O(0, "platform", OPTION_STR, platform, "string", "Set platform of the image"),
	OPTION_END,
};

const struct option save_options[] = {
	O('o', "output", OPTION_STR, output, "string", "Write to a file, instead of STDOUT"),
	O(0, "platform", OPTION_STR, platform, "string", NULL),
	OPTION_END,
};

/* in ----------------------------------------------------------------------------------------- */

static int open_input(const char *path, int *ret_fd, struct err *err)
{
	if (!path || str_eq(path, "-")) {
		if (isatty(STDIN_FILENO))
			return err_set(
				err, ERR_INVALID,
				"standard input is a terminal: name a file, or redirect one to it");
		*ret_fd = dup(STDIN_FILENO);
		return *ret_fd < 0 ? err_sys(err, errno, "standard input") : 0;
	}
	*ret_fd = open(path, O_RDONLY | O_CLOEXEC);
	return *ret_fd < 0 ? err_sys(err, errno, "open %s", path) : 0;
}

/* One message of the stream in which load and import answer. */
static int print_message(const char *text, size_t n, struct err *err)
{
	autojson json_t *message = json_loadb(text, n, 0, NULL);
	const char *failure = json_str(json_object_get(message, "errorDetail"), "message");
	const char *stream = json_str(message, "stream"), *status = json_str(message, "status");

	if (!failure)
		failure = json_str(message, "error");
	if (failure)
		return err_set(err, ERR_SYSTEM, "%s", failure);
	if (stream)
		(void) fputs(stream, stdout);
	else if (status && !json_object_get(message, "progressDetail"))
		puts(status);
	return 0;
}

static int print_messages(struct response *r, struct err *err)
{
	autobuf line = {0};
	int got;

	while ((got = response_line(r, &line, err)) > 0)
		if (line.len && print_message(line.text, line.len, err) < 0)
			return -1;
	return got;
}

static int post_file(const struct cli *cli, const char *target, const char *path, struct err *err)
{
	autoclose int file = -1;
	autoresponse r = NULL;
	struct request rq = {
		.method = "POST",
		.target = target,
		.content_type = "application/x-tar",
		.has_file = true,
	};

	if (open_input(path, &file, err) < 0)
		return -1;
	rq.file = file;
	if (request_send(cli->address, &rq, &r, err) < 0 || response_head(r, err) < 0)
		return -1;
	return print_messages(r, err);
}

int command_load(struct cli *cli, int argc, char **argv)
{
	struct transfer_options o = {0};
	autobuf target = {0};
	struct err err = {0};

	(void) cli_begin(cli, &o, argc, argv);
	buf_adds(&target, CLIENT_API "/images/load");
	url_query(&target, "quiet", o.quiet ? "1" : "0");
	url_query(&target, "platform", o.platform);
	return post_file(cli, target.text, o.input, &err) < 0 ? cli_fail(&err) : EXIT_OK;
}

int command_import(struct cli *cli, int argc, char **argv)
{
	struct transfer_options o = {0};
	int n = cli_begin(cli, &o, argc, argv), r;
	autobuf target = {0};
	struct err err = {0};

	if (strstr(argv[0], "://"))
		return cli_failf(
			"import: %s: fetch it first, and name the file (or - for standard input)",
			argv[0]);
	buf_adds(&target, CLIENT_API "/images/create?fromSrc=-");
	if (n > 1 && url_query_name(&target, argv[1], NULL, &err) < 0)
		return cli_fail(&err);
	url_query(&target, "message", o.message);
	url_query(&target, "platform", o.platform);
	for (char **change = o.changes; change && *change; change++)
		url_query(&target, "changes", *change);
	r = post_file(cli, target.text, argv[0], &err);
	strv_free(o.changes);
	return r < 0 ? cli_fail(&err) : EXIT_OK;
}

/* out ---------------------------------------------------------------------------------------- */

static int copy_body(struct response *r, int fd, struct err *err)
{
	autofree char *data = xmalloc(256 * 1024);
	ssize_t n;

	while ((n = response_read(r, data, 256 * 1024, err)) > 0) {
		int w = write_all(fd, data, (size_t) n);

		if (w < 0)
			return err_sys(err, -w, "write the archive");
	}
	return n < 0 ? -1 : 0;
}

/* The archive appears under its name when it is whole, or not at all. */
static int save_file(struct response *r, const char *path, struct err *err)
{
	autofree char *tmp = xasprintf("%s.XXXXXX", path);
	autoclose int fd = mkostemp(tmp, O_CLOEXEC);
	mode_t mask = umask(0);

	(void) umask(mask);
	if (fd < 0)
		return err_sys(err, errno, "create %s", path);
	(void) fchmod(fd, 0666 & ~mask);
	if (copy_body(r, fd, err) < 0) {
		(void) unlink(tmp);
		return -1;
	}
	if (rename(tmp, path) < 0) {
		int errnum = errno;

		(void) unlink(tmp);
		return err_sys(err, errnum, "rename to %s", path);
	}
	return 0;
}

static int save(struct response *r, const char *path, struct err *err)
{
	autoclose int fd = -1;
	struct stat st;

	if (!path)
		return copy_body(r, STDOUT_FILENO, err);
	if (stat(path, &st) < 0 || S_ISREG(st.st_mode))
		return save_file(r, path, err);
	fd = open(path, O_WRONLY | O_CLOEXEC); /* a device, a pipe */
	if (fd < 0)
		return err_sys(err, errno, "open %s", path);
	return copy_body(r, fd, err);
}

int command_save(struct cli *cli, int argc, char **argv)
{
	struct transfer_options o = {0};
	int n = cli_begin(cli, &o, argc, argv);
	autobuf target = {0};
	autoresponse r = NULL;
	struct err err = {0};

	if (!o.output && isatty(STDOUT_FILENO))
		return cli_failf(
			"save: standard output is a terminal: use -o FILE, or redirect it");
	buf_adds(&target, CLIENT_API "/images/get");
	for (int i = 0; i < n; i++)
		url_query(&target, "names", argv[i]);
	url_query(&target, "platform", o.platform);
	if (request_send(cli->address, &(struct request){.method = "GET", .target = target.text},
			 &r, &err) < 0 ||
	    response_head(r, &err) < 0 || save(r, o.output, &err) < 0)
		return cli_fail(&err);
	return EXIT_OK;
}
