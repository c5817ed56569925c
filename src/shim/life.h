/*
 * The life of one container as its shim sees it:
 *
 *	idle ─ start ─► starting ─► running ─► ended ─► (the shim ends)
 *	  ▲                │                     │
 *	  └─── failed ─────┘                     └► restarting ─► starting ...
 *
 * Each step is written into the record of runs before it is told. The functions here are called by
 * the loop and return at once; what takes time (the runtime, a back-off) comes back as another
 * call.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "shim/children.h"
#include "shim/client.h"
#include "shim/control.h"
#include "shim/exec.h"
#include "shim/follow.h"
#include "shim/logfile.h"
#include "shim/loop.h"
#include "shim/mounts.h"
#include "shim/probe.h"
#include "shim/records.h"
#include "shim/runtime.h"
#include "shim/session.h"
#include "shim/stay.h"
#include "shim/stdio.h"
#include "shim/waiters.h"
#include "wire/restart.h"
#include "wire/shim_config.h"

enum life_state { LIFE_IDLE, LIFE_STARTING, LIFE_RUNNING, LIFE_RESTARTING, LIFE_ENDED };

struct life {
	const struct shim_config *config;
	struct loop *loop;
	struct children *children;
	struct control *control;
	struct records records;
	struct mounts mounts;
	int netns; /* its network, held for all its runs; -1: it has none of its own */
	struct logfile log;
	struct stdio stdio;
	struct runtime runtime;
	struct execs execs;
	struct clients clients;
	struct stay stay; /* for them */
	struct waiters waiters;
	struct follows follows;

	enum life_state state;
	int64_t run;	   /* the current one, the next one while restarting; 0: none yet */
	struct child init; /* pid is 0 when it is dead */
	pid_t pid;	   /* of the current or last run's init */
	uint64_t pid_ticks;
	bool pid_namespace; /* init is the first process of one: its death by SIGHUP is a reboot */
	char *oom_file;
	int64_t started_ns; /* monotonic */

	enum restart_name policy;
	int64_t max_retries;
	bool wanted_running;
	struct restart_input last; /* what the last decision was made of */
	int64_t count, delay_ns;   /* restarts in a row; delay before this run */
	bool by_daemon;		   /* it asked for this run: where it fails, the daemon decides */
	int64_t due_ns;		   /* of the next run, since the epoch */
	struct timer due;	   /* fires when it may start */
	bool is_due, is_clean;	   /* it is time; the last run's remains are gone */
	struct run_record end;	   /* of the last run */
	struct timer retry;	   /* of records that could not be written */
};

int life_open(struct life *l, const struct shim_config *config, struct loop *loop,
	      struct children *children, struct control *control, int data, int exec,
	      struct err *err);

/* Takes away what only a living shim needs. */
void life_close(struct life *l);

/* Takes up what is in the configuration now, which another start may find other than the one
 * before. Only while idle. */
void life_configure(struct life *l);
bool life_is_idle(const struct life *l);

/* Messages. They write the answer. */
void life_hello(struct life *l, struct buf *answer);
/* netns: its network namespace, which becomes ours; -1: none. */
void life_start(struct life *l, int64_t run, int netns, struct buf *answer);
void life_wish(struct life *l, bool running, struct buf *answer);
void life_policy(struct life *l, enum restart_name policy, int64_t max_retries, struct buf *answer);
void life_probe(struct life *l, const struct probe_order *order, struct buf *answer);
void life_exec(struct life *l, const struct session_order *order, struct buf *answer);
void life_wait(struct life *l, const struct message *m, struct buf *answer);
/* keep_clients: those that wait in an idle shim keep it, and it refuses. */
void life_quit(struct life *l, bool keep_clients, struct buf *answer);
