/*
 * Followers: clients that get the container's log, from a place in it on, and what is added later
 * (`logs -f`; attach with logs=1, until it is live).
 *
 * They read the files (shim/logread.h), not what goes by: one that is slow costs its socket and a
 * small queue, holds nobody up, is never cut off for that, and gets what rotation has kept. Nobody
 * polls: the log says when it has grown.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "shim/client.h"
#include "shim/control.h"
#include "shim/logfile.h"
#include "shim/logread.h"
#include "shim/loop.h"

struct follow;

struct follows {
	struct loop *loop;
	struct clients *clients;
	struct logfile *log;  /* NULL: there is none */
	int dir;	      /* with the log; borrowed */
	bool over;	      /* no run is alive: who has come to the log's end has got all */
	struct log_place end; /* where that was when the last run was over; ino 0: not known */
	struct follow *first;
	struct timer due; /* somebody has something to read */
	char *room;	  /* for reading, while somebody does */
	struct buf text, line;
};

/* dir: the container's data directory. */
void follows_init(struct follows *fs, struct loop *loop, struct clients *clients,
		  struct logfile *log, int dir);
/* Takes the client of msg=follow (wire/proto.h), and begins. On failure it is still the daemon's.
 */
int follows_take(struct follows *fs, const struct message *m, struct err *err);
/* A run begins, or is over with all that it has said in the log. */
void follows_set_over(struct follows *fs, bool over);

/* What a follower is to get. */
struct follow_order {
	bool want[LOG_STDERR + 1]; /* by stream */
	bool timestamps, details;
	int64_t since_ns, until_ns; /* 0: no bound */
	bool past_only;		    /* is done at the log's end, run or no run */
};

/* Copies the log from f->log's place on to a client that is somebody else's, who calls
 * follow_room() at the client's on_room and follow_drop() when it goes before. `done` comes once,
 * from the loop, when all is sent (queued); f is then gone. */
struct follow *follow_begin(struct follows *fs, const struct follow_order *order,
			    struct logread log, struct client *client, void (*done)(void *arg),
			    void *arg);
void follow_room(struct follow *f);
/* Sends what has been written of a line that is not whole yet, and so is in no log. */
void follows_send_rest(const struct follows *fs, struct client *c, const bool want[LOG_STDERR + 1]);
void follow_drop(struct follow *f);
