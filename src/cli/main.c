/* holdfast: finds the command, and what all commands share. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/time.h"
#include "cli/cli.h"

#define DEFAULT_ADDRESS "unix:///run/holdfast/holdfast.sock"
#define HELP_WIDTH	80

struct globals {
	char **hosts;
	bool version;
};

static const struct option global_options[] = {
	OPTION(struct globals, 'H', "host", OPTION_LIST, hosts, "address",
	       "Daemon socket to connect to (default: $HOLDFAST_HOST, "
	       "$DOCKER_HOST, " DEFAULT_ADDRESS ")"),
	OPTION(struct globals, 'v', "version", OPTION_FLAG, version, NULL,
	       "Print the version and end"),
	OPTION_END,
};

static unsigned terminal_width(void)
{
	struct winsize size;

	if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0)
		return 0;
	return size.ws_col;
}

static const char *default_address(void)
{
	static const char *const names[] = {"HOLDFAST_HOST", "DOCKER_HOST"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *value = getenv(names[i]);

		if (!str_empty(value))
			return value;
	}
	return DEFAULT_ADDRESS;
}

/* what commands share ------------------------------------------------------------------------ */

int cli_fail(const struct err *err)
{
	(void) fflush(stdout);
	fprintf(stderr, "holdfast: %s\n", err->text);
	return EXIT_ERROR;
}

int cli_failf(const char *fmt, ...)
{
	struct err err = {0};
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err.text, sizeof err.text, fmt, ap);
	va_end(ap);
	return cli_fail(&err);
}

static void print_help(const struct command *c)
{
	autobuf b = {0};

	buf_addf(&b, "Usage:  holdfast %s%s%s\n\n%s\n", c->name, *c->args ? " " : "", c->args,
		 c->summary);
	if (c->aliases)
		buf_addf(&b, "\nAliases: %s\n", c->aliases);
	options_help(&b, c->options, HELP_WIDTH);
	(void) fputs(b.text, stdout);
}

static void check_args(const struct command *c, int n)
{
	const char *which = c->min_args == c->max_args ? "exactly"
			    : n < c->min_args	       ? "at least"
						       : "at most";
	int wanted = n < c->min_args ? c->min_args : c->max_args;

	if (n >= c->min_args && n <= c->max_args)
		return;
	if (c->max_args == 0)
		fprintf(stderr, "holdfast: '%s' accepts no arguments\n", c->name);
	else
		fprintf(stderr, "holdfast: '%s' requires %s %d argument%s\n", c->name, which,
			wanted, wanted == 1 ? "" : "s");
	fprintf(stderr,
		"\nUsage:  holdfast %s %s\n\nSee 'holdfast %s --help' for more information\n",
		c->name, c->args, c->name);
	exit(EXIT_ERROR);
}

int cli_begin(const struct cli *cli, void *obj, int argc, char **argv)
{
	const struct command *c = cli->command;
	struct err err = {0};
	int n = 0, r;

	r = options_parse(c->options, c->options_first, obj, argc, argv, &n, &err);
	if (r > 0) {
		print_help(c);
		exit(EXIT_OK);
	}
	if (r < 0) {
		fprintf(stderr, "holdfast %s: %s\n\nRun 'holdfast %s --help' for its options\n",
			c->name, err.text, c->name);
		exit(EXIT_USAGE);
	}
	check_args(c, n);
	return n;
}

int instant_query(const char *text, struct buf *ret, struct err *err)
{
	int64_t ns;

	if (instant_parse(text, now_ns(), &ns) < 0)
		return err_set(
			err, ERR_INVALID,
			"invalid time \"%s\": give a duration (10m), a date, RFC 3339 or seconds "
			"since 1970",
			text);
	buf_addf(ret, "%lld.%09lld", (long long) (ns / NSEC_PER_SEC),
		 (long long) (ns % NSEC_PER_SEC));
	return 0;
}

#define AT_ONCE 32

static int each_send(const struct cli *cli, const struct each *each, const char *ref,
		     struct response **ret, struct err *err)
{
	autobuf target = {0};

	target_container(&target, ref, each->verb);
	if (each->query)
		buf_addf(&target, "?%s", each->query);
	return request_send(cli->address,
			    &(struct request){.method = each->method, .target = target.text}, ret,
			    err);
}

int each_container(const struct cli *cli, const struct each *each, int n, char **refs)
{
	int exit_code = EXIT_OK;

	for (int first = 0; first < n; first += AT_ONCE) {
		int count = n - first < AT_ONCE ? n - first : AT_ONCE;
		struct response *responses[AT_ONCE] = {0};
		struct err errs[AT_ONCE] = {0};

		for (int i = 0; i < count; i++)
			(void) each_send(cli, each, refs[first + i], &responses[i], &errs[i]);
		for (int i = 0; i < count; i++) {
			if (responses[i] && response_head(responses[i], &errs[i]) == 0)
				puts(refs[first + i]);
			else if (cli_fail(&errs[i]),
				 !each->may_be_missing || errs[i].kind != ERR_NOT_FOUND)
				exit_code = EXIT_ERROR;
			response_free(responses[i]);
		}
	}
	return exit_code;
}

int patience_wait(struct patience *p, struct err *err)
{
	int64_t now = monotonic_ns();
	struct timespec pause;

	if (!client_lost(err))
		return -1;
	if (!p->since_ns) {
		p->since_ns = now;
		p->pause_ns = 20 * NSEC_PER_MSEC;
	}
	if (now - p->since_ns >= RECONNECT_NS)
		return err_wrap(
			err,
			"the daemon has been away for %lld seconds, giving up (the containers "
			"run on)",
			(long long) ((now - p->since_ns) / NSEC_PER_SEC));
	pause = (struct timespec){.tv_sec = p->pause_ns / NSEC_PER_SEC,
				  .tv_nsec = p->pause_ns % NSEC_PER_SEC};
	(void) nanosleep(&pause, NULL);
	if (p->pause_ns < NSEC_PER_SEC)
		p->pause_ns *= 2;
	return 0;
}

void patience_reset(struct patience *p)
{
	*p = (struct patience){0};
}

/* finding the command ------------------------------------------------------------------------ */

/* True if `name` is one of the names that stand in `names` with ", " between. */
static bool is_among(const char *names, const char *name)
{
	size_t n = strlen(name);

	while (names && *names) {
		size_t len = strcspn(names, ",");

		if (len == n && !memcmp(names, name, n))
			return true;
		names += len;
		names += strspn(names, ", ");
	}
	return false;
}

static const struct command *find(const char *name)
{
	for (const struct command *c = commands; c->name; c++)
		if (str_eq(c->name, name) || is_among(c->aliases, name))
			return c;
	return NULL;
}

/* "container prune" before "container"; *ret_words says how many words name it. */
static const struct command *find_command(int argc, char **argv, int *ret_words)
{
	if (argc > 1) {
		autofree char *two = xasprintf("%s %s", argv[0], argv[1]);
		const struct command *c = find(two);

		if (c) {
			*ret_words = 2;
			return c;
		}
	}
	*ret_words = 1;
	return find(argv[0]);
}

static int print_overview(void)
{
	autobuf b = {0};

	buf_adds(&b, "Usage:  holdfast [OPTIONS] COMMAND\n\n"
		     "Containers that hold fast while their daemon is gone\n\nCommands:\n");
	for (const struct command *c = commands; c->name; c++)
		if (!c->hidden)
			buf_addf(&b, "  %-16s  %s\n", c->name, c->summary);
	options_help(&b, global_options, HELP_WIDTH);
	buf_adds(&b, "\nRun 'holdfast COMMAND --help' for more information on a command.\n");
	(void) fputs(b.text, stdout);
	return EXIT_OK;
}

static int unknown_command(int argc, char **argv)
{
	bool group = str_eq(argv[0], "container") || str_eq(argv[0], "image") ||
		     str_eq(argv[0], "system");

	fprintf(stderr,
		"holdfast: unknown command: holdfast %s%s%s\n\nRun 'holdfast --help' for the "
		"commands there are\n",
		argv[0], group && argc > 1 ? " " : "", group && argc > 1 ? argv[1] : "");
	return EXIT_ERROR;
}

int command_help(struct cli *cli, int argc, char **argv)
{
	int n = cli_begin(cli, NULL, argc, argv), words;
	const struct command *c;

	if (n == 0)
		return print_overview();
	c = find_command(n, argv, &words);
	if (!c)
		return unknown_command(n, argv);
	print_help(c);
	return EXIT_OK;
}

/* What is buffered must have got where it should: a full disk is an error. */
static int finish(int exit_code)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return exit_code;
	fprintf(stderr, "holdfast: write the output: %s\n", strerror(errno));
	return exit_code ? exit_code : EXIT_ERROR;
}

int main(int argc, char **argv)
{
	struct cli cli = {.address = default_address(), .width = terminal_width()};
	auto_(strv_free_p) char **hosts = NULL;
	struct globals globals = {0};
	struct err err = {0};
	int n = 0, words, r;

	r = options_parse(global_options, true, &globals, argc, argv, &n, &err);
	hosts = globals.hosts;
	if (r < 0) {
		fprintf(stderr, "holdfast: %s\n\nRun 'holdfast --help' for the options there are\n",
			err.text);
		return EXIT_USAGE;
	}
	if (globals.version && r == 0) {
		puts("holdfast version " HOLDFAST_VERSION);
		return finish(EXIT_OK);
	}
	if (r > 0 || n == 0)
		return finish(print_overview());
	if (hosts)
		cli.address = hosts[strv_len(hosts) - 1];

	cli.command = find_command(n, argv, &words);
	if (!cli.command)
		return unknown_command(n, argv);
	return finish(cli.command->fn(&cli, n - words + 1, argv + words - 1));
}
