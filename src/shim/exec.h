/*
 * What the shim runs in its container beside init, as a child of its own like init: the runtime's
 * `exec --detach` starts it and goes. For now these are the probes of health checks, of whose
 * output the beginning is kept.
 *
 * An end is written to execs/<id>/result before it is told: kv text with start= end= (ns since the
 * epoch), code= (128 + signal where one killed it), timed-out=1 where its time was up and it was
 * killed for that, error= where the runtime did not start it, output=. A process that ends because
 * the whole container does leaves no result: nobody could tell what its code means.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "shim/children.h"
#include "shim/control.h"
#include "shim/loop.h"
#include "wire/shim_config.h"

/* At once in one container: a probe, and those that a daemon has forgotten. */
#define EXEC_MAX	16
#define EXEC_OUTPUT_MAX 4096

struct exec;

struct execs {
	struct loop *loop;
	struct children *children;
	struct control *control;
	const struct shim_config *config;
	int dir;    /* the exec directory; borrowed */
	pid_t init; /* of the run they belong to */
	struct exec *first;
	size_t n;
};

void execs_init(struct execs *xs, struct loop *loop, struct children *children,
		struct control *control, const struct shim_config *config, int dir);

struct exec_order {
	const char *id;	     /* 64 hexadecimal digits */
	const char *process; /* file below the exec directory: "process" of the OCI specification */
	int64_t timeout_ns;  /* it is killed this long after it began to run; <= 0: never */
};
/* Begins; event probed follows unless it is abandoned. */
int execs_start(struct execs *xs, const struct exec_order *order, struct err *err);
/* Adds those in progress to an answer, as exec=<id>. */
void execs_hello(const struct execs *xs, struct buf *answer);
/* Kills and forgets all: the run is over. */
void execs_abandon(struct execs *xs);
/* Takes away what those of a former run have left on disk. */
void execs_tidy(struct execs *xs);
