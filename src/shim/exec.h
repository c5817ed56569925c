/*
 * What the shim runs in its container beside init, as children of its own like init: the runtime's
 * `exec --detach` starts each and goes. Here is what they have in common: the directory execs/<id>,
 * the runtime's call, the process and its end. There are two kinds: probes of health checks
 * (probe.h), and the exec sessions of users (session.h).
 *
 * An end is written to execs/<id>/result before it is told: kv text with start= end= (ns since the
 * epoch), code= (128 + signal where one killed it), error= where the runtime did not start it, and
 * what the kind adds.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "shim/children.h"
#include "shim/client.h"
#include "shim/control.h"
#include "shim/loop.h"
#include "shim/runtime.h"
#include "wire/shim_config.h"

/* At once in one container, of each kind. */
#define PROBES_MAX   16
#define SESSIONS_MAX 512

struct exec;

struct execs {
	struct loop *loop;
	struct children *children;
	struct control *control;
	struct clients *clients;
	const struct shim_config *config;
	int dir;    /* the exec directory; borrowed */
	pid_t init; /* of the run they belong to */
	struct exec *first;
	size_t n_probes, n_sessions;
	/* What sessions read, mapped as long as there are some. */
	char *memory;
	size_t memory_users;
};

void execs_init(struct execs *xs, struct loop *loop, struct children *children,
		struct control *control, struct clients *clients, const struct shim_config *config,
		int dir);
/* Adds the probes in progress to an answer, as exec=<id>. */
void execs_hello(const struct execs *xs, struct buf *answer);
/* Ends all: the run is over. */
void execs_abandon(struct execs *xs);
/* Takes away what probes of a former run have left on disk. What is left of sessions is the
 * daemon's, for their exit codes outlive the run. */
void execs_tidy(struct execs *xs);

/* For the kinds */

struct exec_kind {
	size_t *(*count)(struct execs *xs);
	/* The runtime has started it. */
	void (*begun)(struct exec *x);
	/* Its process has ended with this code, or (error) was not started and the code is -1. To
	 * be told, and x to be freed. */
	void (*ended)(struct exec *x, int code, const char *error);
	/* Where the whole container ends, nobody can tell what the code of one of its processes
	 * means: it is freed, and not said to have ended. */
	bool ends_in_silence;
	/* Frees x and all it has, but for what exec_close() frees. */
	void (*free)(struct exec *x);
};

/* The first member of a probe or session. */
struct exec {
	struct execs *all;
	struct exec *next;
	const struct exec_kind *kind;
	char *id;
	int dir; /* execs/<id> */
	int64_t start_ns;
	struct runtime runtime; /* the call that starts it */
	bool starting;		/* in progress: the dead are held for it */
	struct child child;
};

/* Makes x, zeroed, one of xs. */
void exec_open(struct exec *x, struct execs *xs, const struct exec_kind *kind, const char *id);
/* Lets the runtime start it, as the file `process` below the exec directory says. */
int exec_start(struct exec *x, const char *process, bool tty, const struct stdio_ends *ends,
	       struct err *err);
/* Its process, if it is there and is ours; with what it has started in its group, as a shell its
 * commands. */
void exec_kill(struct exec *x);
/* Begins and saves the text of a result. */
void exec_result_begin(const struct exec *x, int code, const char *error, struct buf *ret);
void exec_result_save(const struct exec *x, const struct buf *text);
/* Takes x out of xs: it has ended, and only its own clients are still served. */
void exec_leave(struct exec *x);
/* Takes x out of xs and frees what is in struct exec. */
void exec_close(struct exec *x);
/* "execs/<id>"; caller frees. */
char *exec_path(const char *id);
