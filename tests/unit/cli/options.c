/* Command lines, as docker reads them. */
#include "cli/options.h"

#include "test.h"

struct opts {
	bool all, force;
	int init;
	const char *name;
	char **env;
	int64_t n, memory, interval, cpus;
};

static const struct option table[] = {
	OPTION(struct opts, 'a', "all", OPTION_FLAG, all, NULL, "Show all"),
	OPTION(struct opts, 'f', "force", OPTION_FLAG, force, NULL, "By force"),
	OPTION(struct opts, 0, "init", OPTION_MAYBE, init, NULL, "An init"),
	OPTION(struct opts, 0, "name", OPTION_STR, name, "string", "A name"),
	OPTION(struct opts, 'e', "env", OPTION_LIST, env, "list", "Variables"),
	OPTION(struct opts, 'n', "last", OPTION_INT, n, "int", "How many"),
	OPTION(struct opts, 'm', "memory", OPTION_SIZE, memory, "bytes", "Memory"),
	OPTION(struct opts, 0, "interval", OPTION_DURATION, interval, "duration", "Interval"),
	OPTION(struct opts, 0, "cpus", OPTION_DECIMAL, cpus, "decimal", "Number of CPUs"),
	OPTION(struct opts, 0, "hidden", OPTION_FLAG, all, NULL, NULL),
	OPTION_END,
};

static struct err err;
static char *words[16];
static int n_words;

/* Parses "verb" and the words, which are separated by one space; 100 + n where they are good. */
static int parse(const char *line, bool options_first, struct opts *o)
{
	static char text[256];
	int argc = 0;

	snprintf(text, sizeof text, "verb %s", line);
	for (char *p = strtok(text, " "); p; p = strtok(NULL, " "))
		words[argc++] = p;
	words[argc] = NULL;
	*o = (struct opts){.init = -1};
	err_clear(&err);

	int r = options_parse(table, options_first, o, argc, words, &n_words, &err);

	return r == 0 ? 100 + n_words : r;
}

TEST(values_come_in_all_of_dockers_shapes)
{
	struct opts o;

	assert_int_equal(parse("--last 5", false, &o), 100);
	assert_int_equal(o.n, 5);
	assert_int_equal(parse("--last=5", false, &o), 100);
	assert_int_equal(o.n, 5);
	assert_int_equal(parse("-n 5", false, &o), 100);
	assert_int_equal(o.n, 5);
	assert_int_equal(parse("-n5", false, &o), 100);
	assert_int_equal(o.n, 5);
	assert_int_equal(parse("-n=5", false, &o), 100);
	assert_int_equal(o.n, 5);
	assert_int_equal(parse("-n -1", false, &o), 100);
	assert_int_equal(o.n, -1);
	assert_int_equal(parse("-m 64m --interval 1m30s --cpus 1.5", false, &o), 100);
	assert_int_equal(o.memory, 64 << 20);
	assert_int_equal(o.interval, 90000000000);
	assert_int_equal(o.cpus, 1500000000);
	assert_int_equal(parse("-m -1 --cpus .25 --name=", false, &o), 100);
	assert_int_equal(o.memory, -1);
	assert_int_equal(o.cpus, 250000000);
	assert_string_equal(o.name, "");
}

TEST(letters_bundle_and_flags_take_values)
{
	struct opts o;

	assert_int_equal(parse("-af -n3", false, &o), 100);
	assert_true(o.all && o.force);
	assert_int_equal(parse("-afn3", false, &o), 100);
	assert_int_equal(o.n, 3);
	assert_int_equal(parse("-a=false --force=true --init=0", false, &o), 100);
	assert_true(!o.all && o.force);
	assert_int_equal(o.init, 0);
	assert_int_equal(parse("--all", false, &o), 100);
	assert_int_equal(o.init, -1);
}

TEST(lists_gather)
{
	struct opts o;

	assert_int_equal(parse("-e A=1 --env B=2 -eC", false, &o), 100);
	assert_int_equal(strv_len(o.env), 3);
	assert_string_equal(o.env[1], "B=2");
	strv_free(o.env);
}

TEST(arguments_stay_and_may_end_the_options)
{
	struct opts o;

	assert_int_equal(parse("one -a two", false, &o), 102);
	assert_true(o.all);
	assert_string_equal(words[1], "two");
	assert_int_equal(parse("-f image -a x", true, &o), 103);
	assert_true(o.force && !o.all);
	assert_string_equal(words[1], "-a");
	assert_null(words[3]);
	assert_int_equal(parse("-- -a", false, &o), 101);
	assert_true(!o.all);
	assert_int_equal(parse("-", false, &o), 101);
}

TEST(what_is_wrong_is_named)
{
	struct opts o;

	assert_int_equal(parse("--foo=3", false, &o), -1);
	assert_string_equal(err.text, "unknown flag: --foo");
	assert_int_equal(parse("-ax", false, &o), -1);
	assert_string_equal(err.text, "unknown shorthand flag: 'x' in -ax");
	assert_int_equal(parse("--last", false, &o), -1);
	assert_string_equal(err.text, "flag needs an argument: --last");
	assert_int_equal(parse("-an", false, &o), -1);
	assert_string_equal(err.text, "flag needs an argument: 'n' in -an");
	assert_int_equal(parse("-n x", false, &o), -1);
	assert_string_equal(err.text,
			    "invalid argument \"x\" for \"-n, --last\" flag: not a whole number");
	assert_int_equal(parse("--cpus 1.x", false, &o), -1);
	assert_int_equal(parse("--cpus -1", false, &o), -1);
	assert_int_equal(parse("--cpus .", false, &o), -1);
	assert_int_equal(parse("-m lots", false, &o), -1);
	assert_int_equal(parse("--all=perhaps", false, &o), -1);
}

TEST(help_is_asked_for_by_help_and_by_a_free_h)
{
	struct opts o;

	assert_int_equal(parse("x --help", false, &o), 1);
	assert_int_equal(parse("-h", false, &o), 1);
	assert_int_equal(parse("image --help", true, &o), 102);
}

TEST(help_shows_what_is_not_hidden_in_columns)
{
	autobuf b = {0};

	options_help(&b, table, 40);
	assert_non_null(strstr(b.text, "  -a, --all                 Show all\n"));
	assert_non_null(strstr(b.text, "      --interval duration   Interval\n"));
	assert_null(strstr(b.text, "hidden"));
}
