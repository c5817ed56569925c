/*
 * Command lines: a table describes the options of a command once, and serves reading them into a
 * struct and printing their help.
 *
 *	struct stop_options {
 *		int64_t timeout_s;
 *		char **signals;
 *	};
 *	static const struct option options[] = {
 *		OPTION(struct stop_options, 't', "timeout", OPTION_INT, timeout_s, "int",
 *		       "Seconds to wait before killing the container"),
 *		OPTION_END,
 *	};
 *
 * Written as docker's are: `--name value`, `--name=value`, `-n value`, `-nvalue`, `-n=value`, flags
 * in a bundle (`-it`), flags with a value (`--rm=false`), `--` as the end of options.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

enum option_type {
	OPTION_FLAG,	 /* bool */
	OPTION_MAYBE,	 /* int, a flag that tells "not given" (left as it was) from false */
	OPTION_STR,	 /* const char *, into argv */
	OPTION_LIST,	 /* char **, strv; repeated */
	OPTION_INT,	 /* int64_t */
	OPTION_SIZE,	 /* int64_t bytes: "512m"; -1 is allowed */
	OPTION_DURATION, /* int64_t ns: "1m30s" */
	OPTION_DECIMAL,	 /* int64_t billionths: "1.5" */
};

struct option {
	char letter; /* 0: none */
	const char *name;
	enum option_type type;
	size_t offset;
	const char *value; /* the word for its value in the help; NULL for flags */
	const char *help;  /* NULL: an alias, not shown */
};

#define OPTION(T, letter_, name_, type_, member, value_, help_)                                 \
	{                                                                                       \
		.letter = letter_, .name = name_, .type = type_, .offset = offsetof(T, member), \
		.value = value_, .help = help_                                                  \
	}
#define OPTION_END           \
	{                    \
		.name = NULL \
	}

/*
 * Reads argv[1..] into obj. What is no option is left in argv, from argv[0] on and NULL-terminated;
 * *ret_n says how many. With options_first the first of these ends the options (`run`). Returns 0;
 * 1 where --help was asked for; < 0 with err in docker's words ("unknown flag: --foo"). Lists in
 * obj are the caller's, also on failure.
 */
int options_parse(const struct option *table, bool options_first, void *obj, int argc, char **argv,
		  int *ret_n, struct err *err);

/* The "Options:" part of a help text, wrapped to width columns. Nothing where the table is empty.
 */
void options_help(struct buf *b, const struct option *table, unsigned width);
