/*
 * holdfast, the native command line: a table of commands (commands.c), one file for each verb or
 * small family of verbs. A command reads its options into a struct of its own, asks the daemon
 * through client.h, and prints.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "base/json.h"
#include "cli/client.h"
#include "cli/options.h"

/* Exit codes, docker's. */
enum {
	EXIT_OK = 0,
	EXIT_ERROR = 1,
	EXIT_USAGE = 125, /* wrong flags; and any error of `run` before the command runs */
	EXIT_NOT_EXECUTABLE = 126,
	EXIT_NO_SUCH_COMMAND = 127,
};

#define ARGS_ANY 1000000

struct cli;

struct command {
	const char *name;    /* one word, or two: "image prune" */
	const char *aliases; /* other names, with ", " between; NULL: none */
	const char *args;    /* usage behind the name: "[OPTIONS] CONTAINER..." */
	const char *summary;
	const struct option *options; /* NULL: none but --help */
	int min_args, max_args;
	bool options_first; /* options end at the first argument */
	bool hidden;	    /* not in the overview */
	int (*fn)(struct cli *cli, int argc, char **argv);
};
extern const struct command commands[]; /* ended by a NULL name */

struct cli {
	const char *address; /* of the daemon */
	const struct command *command;
	unsigned width; /* of the terminal on stdout; 0: it is none */
};

/* Reads the options of cli->command into obj; returns the number of arguments, which are then
 * argv[0...]. Prints help, or what is wrong, and ends the program where there is nothing more to
 * do. */
int cli_begin(const struct cli *cli, void *obj, int argc, char **argv);

/* "holdfast: <text>" on stderr. Returns EXIT_ERROR. */
int cli_fail(const struct err *err);
int cli_failf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Targets: url_add() appends text percent-encoded, url_query() adds "?name=value" or "&name=value"
 * to a target (NULL value: nothing). */
void url_add(struct buf *b, const char *text);
void url_query(struct buf *target, const char *name, const char *value);
/* "/v1.44/containers/<ref>/<verb>", "/v1.44/images/...", or without verb where it is NULL. */
void target_container(struct buf *b, const char *ref, const char *verb);
void target_image(struct buf *b, const char *ref, const char *verb);
void target_volume(struct buf *b, const char *ref, const char *verb);
void target_network(struct buf *b, const char *ref, const char *verb);
/* "repo:tag" cut in two: a copy of the first part, and where in name the second begins (NULL:
 * nowhere). The port of a registry is no tag. */
const char *repo_and_tag(const char *name, char **ret_repo);
/* Adds repo= and tag= of such a name. */
int url_query_name(struct buf *target, const char *name, const char *default_tag, struct err *err);
/* Adds filters={"key":{"value":true}} made of "key=value" texts. */
int target_filters(struct buf *target, char *const *filters, struct err *err);
/* An instant as users write it ("10m", RFC 3339, seconds) as the API's "seconds.nanoseconds". */
int instant_query(const char *text, struct buf *ret, struct err *err);

/* A request to each of several containers or images at once, up to 32 under way. */
struct each {
	const char *method;
	const char *verb;    /* behind the container; NULL: none */
	const char *query;   /* "t=5", NULL: none */
	bool may_be_missing; /* said, but no failure */
};
/* Prints the name of each that succeeded, and the error of each that did not. */
int each_container(const struct cli *cli, const struct each *each, int n, char **refs);

/* Waits a little and then longer before the daemon is asked again, for RECONNECT_NS in all. */
#define RECONNECT_NS (60LL * 1000000000)
struct patience {
	int64_t since_ns; /* monotonic; 0: the daemon is there */
	int64_t pause_ns;
};
/* 0 where to try again; < 0 where err is the daemon's refusal, or patience has ended (err says so).
 */
int patience_wait(struct patience *p, struct err *err);
/* The daemon answered. */
void patience_reset(struct patience *p);

/* the commands: fn and options of each, by file */
#define COMMAND(name) int command_##name(struct cli *cli, int argc, char **argv)
COMMAND(run);
COMMAND(create);
extern const struct option run_options_table[], create_options_table[];
COMMAND(start);
COMMAND(stop);
COMMAND(restart);
COMMAND(kill);
COMMAND(pause);
COMMAND(unpause);
COMMAND(rename);
COMMAND(rm);
extern const struct option start_options[], stop_options[], kill_options[], rm_options[];
COMMAND(update);
extern const struct option update_options[];
COMMAND(wait);
COMMAND(top);
COMMAND(ps);
extern const struct option ps_options[];
COMMAND(logs);
extern const struct option logs_options[];
COMMAND(inspect);
COMMAND(inspect_container);
COMMAND(inspect_image);
extern const struct option inspect_options[];
COMMAND(images);
COMMAND(history);
extern const struct option images_options[], history_options[];
COMMAND(rmi);
COMMAND(tag);
extern const struct option rmi_options[];
COMMAND(load);
COMMAND(import);
COMMAND(save);
extern const struct option load_options[], import_options[], save_options[];
COMMAND(events);
extern const struct option events_options[];
COMMAND(version);
COMMAND(info);
extern const struct option system_options[];
COMMAND(container_prune);
COMMAND(image_prune);
extern const struct option container_prune_options[], image_prune_options[];
COMMAND(volume_create);
COMMAND(volume_ls);
COMMAND(volume_rm);
COMMAND(volume_prune);
COMMAND(inspect_volume);
extern const struct option volume_create_options[], volume_ls_options[], volume_rm_options[];
extern const struct option volume_prune_options[];
COMMAND(network_create);
COMMAND(network_ls);
COMMAND(network_rm);
COMMAND(network_connect);
COMMAND(network_disconnect);
COMMAND(network_prune);
COMMAND(inspect_network);
extern const struct option network_create_options[], network_ls_options[];
extern const struct option network_connect_options[], network_disconnect_options[];
COMMAND(repair);
COMMAND(restore_report);
extern const struct option restore_report_options[];
COMMAND(upgrade);
COMMAND(shutdown);
extern const struct option shutdown_options[];
COMMAND(help);
