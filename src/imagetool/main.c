/* holdfast-image: options, and the answer; see imagetool.h. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "image/layout.h"
#include "imagetool/imagetool.h"

static const char usage[] =
	"Usage: holdfast-image load|import --root DIR --staging DIR [--max-bytes N] [--max-entries "
	"N]\n"
	"       holdfast-image save --root DIR\n"
	"       holdfast-image copy-up ROOT TO PATH LAYER...\n"
	"Reads and writes image archives for holdfastd. See src/image/layout.h.\n";

static const char *kind_name(enum err_kind kind)
{
	return kind == ERR_TOO_LARGE ? "too large" : kind == ERR_SYSTEM ? "system" : "invalid";
}

/* Names out of an archive are in the text, in whatever encoding. */
static int answer_error(FILE *out, const struct err *err)
{
	autobuf b = {0};

	buf_adds(&b, "{\"Error\":{\"Kind\":\"");
	buf_adds(&b, kind_name(err->kind));
	buf_adds(&b, "\",\"Text\":\"");
	buf_add_json(&b, err->text, strlen(err->text));
	buf_adds(&b, "\"}}\n");
	(void) fwrite(b.text, 1, b.len, out);
	return 1;
}

static int run(struct tool *t, const char *verb, json_t **ret, struct err *err)
{
	if (str_eq(verb, "load"))
		return tool_load(t, ret, err);
	if (str_eq(verb, "import"))
		return tool_import(t, ret, err);
	return err_set(err, ERR_INVALID, "unknown verb %s", verb);
}

/* The answer, or the error, to stdout. */
static int answer_of(int r, json_t *answer, const struct err *err)
{
	if (r < 0)
		return answer_error(stdout, err);
	return json_dumpf(answer, stdout, JSON_COMPACT) < 0 || fflush(stdout) != 0;
}

static int64_t number(const char *text)
{
	int64_t n;

	if (parse_i64(text, &n) < 0 || n < 0) {
		fprintf(stderr, "holdfast-image: not a number: %s\n", text);
		exit(2);
	}
	return n;
}

static int open_dir_or_exit(const char *path)
{
	int fd = open_dir_at(AT_FDCWD, path);

	if (fd < 0) {
		fprintf(stderr, "holdfast-image: %s: %s\n", path, strerror(-fd));
		exit(2);
	}
	return fd;
}

static void parse_options(struct tool *t, int argc, char **argv)
{
	static const struct option options[] = {
		{"root", required_argument, NULL, 'r'},
		{"staging", required_argument, NULL, 's'},
		{"max-bytes", required_argument, NULL, 'b'},
		{"max-entries", required_argument, NULL, 'e'},
		{0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'r':
			t->root = open_dir_or_exit(optarg);
			break;
		case 's':
			t->staging = open_dir_or_exit(optarg);
			break;
		case 'b':
			t->budget.bytes = number(optarg);
			break;
		case 'e':
			t->budget.entries = number(optarg);
			break;
		default:
			fputs(usage, stderr);
			exit(2);
		}
	}
	t->budget.max_bytes = t->budget.bytes;
	t->budget.max_entries = t->budget.entries;
}

int main(int argc, char **argv)
{
	struct tool t = {
		.root = -1,
		.staging = -1,
		.budget = {.entries = BUDGET_ENTRIES, .bytes = BUDGET_BYTES},
	};
	autojson json_t *answer = NULL;
	struct err err = {0};
	const char *verb;
	int r;

	/* Nothing to do without who asked: what is half done is swept at the daemon's next start.
	 */
	(void) prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void) signal(SIGPIPE, SIG_IGN);
	(void) umask(0);
	/* And no setlocale(): in the locale "C" libarchive cannot convert the names of pax headers
	 * and leaves us their bytes, which is what we want. In a UTF-8 locale it would normalise
	 * them. */

	if (argc > 5 && str_eq(argv[1], "copy-up")) {
		r = tool_copy_up(argv[2], argv[3], argv[4], argv + 5, &answer, &err);
		return answer_of(r, answer, &err);
	}
	parse_options(&t, argc, argv);
	verb = argv[optind];
	if (!verb || t.root < 0 || (t.staging < 0) != str_eq(verb, "save")) {
		fputs(usage, stderr);
		return 2;
	}
	if (str_eq(verb, "save")) {
		if (tool_save(&t, &err) < 0)
			return answer_error(stderr, &err);
		return 0;
	}
	r = run(&t, verb, &answer, &err);
	return answer_of(r, answer, &err);
}
