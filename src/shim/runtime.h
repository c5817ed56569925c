/*
 * Calls of the OCI runtime, one at a time: started here, waited for by the loop, killed when their
 * time is up. Works with crun and runc alike.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "shim/children.h"
#include "shim/loop.h"
#include "shim/stdio.h"
#include "wire/shim_config.h"

struct runtime {
	struct loop *loop;
	struct children *children;
	const struct shim_config *config;
	int exec; /* directory of its log and pid file; borrowed */
	struct child child;
	struct timer deadline;
	bool timed_out;
	void (*done)(void *arg, bool ok);
	void *arg;
};

void runtime_init(struct runtime *rt, struct loop *loop, struct children *children,
		  const struct shim_config *config, int exec);
bool runtime_busy(const struct runtime *rt);
/* Starts the container, as run --detach; done(arg, ok) is called when the runtime has ended. */
int runtime_run(struct runtime *rt, const struct stdio_ends *ends, void (*done)(void *arg, bool ok),
		void *arg, struct err *err);
/* Starts a further process in it, exec --detach, as the file dir/process says; the same way.
 * tty: its terminal's master is sent to CONSOLE_SOCK. */
int runtime_exec(struct runtime *rt, int dir, const char *process, bool tty,
		 const struct stdio_ends *ends, void (*done)(void *arg, bool ok), void *arg,
		 struct err *err);
/* delete --force. */
int runtime_delete(struct runtime *rt, void (*done)(void *arg, bool ok), void *arg,
		   struct err *err);
/* What the last call said of its failure, in the words for users. */
void runtime_last_words(struct runtime *rt, char *ret, size_t size);
/* Kills a call in progress and forgets it: done is not called. */
void runtime_abandon(struct runtime *rt);
/* The pid of the process that runtime_run() or runtime_exec() started, 0 where there is none. */
pid_t runtime_read_pid(struct runtime *rt);
/* Removes its log and pid file. */
void runtime_tidy(struct runtime *rt);
