/*
 * The dead of the shim, who is sub-reaper: its runtime calls, the container's init, and whatever
 * the container orphaned. Those somebody asked for are reported to him; the others are buried.
 *
 * While a runtime starts a container, its init may already have died before anybody knows its pid.
 * So as long as the dead are held, only those asked for are reaped; the others stay zombies, whose
 * pids and /proc entries stay theirs.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "shim/loop.h"

struct death {
	int64_t time_ns; /* since the epoch */
	int code;	 /* exit code, or 128 + signal */
	int signal;	 /* 0: it exited by itself */
};

struct child {
	pid_t pid; /* 0: none */
	void (*fn)(void *arg, const struct death *d);
	void *arg;
	struct child *next;
};

struct children {
	struct child *asked_for;
	unsigned held;
};

/* Reports the death of c->pid, once. c is borrowed until then. */
void children_watch(struct children *cs, struct child *c);
/* No report any more; one that is not watched is fine. */
void children_forget(struct children *cs, struct child *c);
void children_hold(struct children *cs);
void children_release(struct children *cs);
/* Reaps all that are dead by now. */
void children_reap(struct children *cs);
/* Kills and reaps whatever still is a child of ours, with what becomes one thereby. Only while
 * nobody is asked for. */
void children_kill_rest(struct children *cs);
