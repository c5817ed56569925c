/*
 * Exec sessions: what users run in the container (exec.h), with a client that was handed over, or
 * without one (detached). The daemon has made execs/<id> with the session's files; its start is
 * once and for all, said by the file `begun` there; one that was left by keys has a file
 * `detached`, until the daemon takes it away.
 *
 * Its result has pid=. As docker has it, one that cannot be run ends with 126 or 127 and says why
 * in the client's stream; one that dies of its container's end has the code of that death, 137.
 * Events exec-started (not where it cannot be run) and exec-ended, as they are on disk.
 */
#pragma once

#include "shim/client.h"
#include "shim/exec.h"

struct session_order {
	const char *id;	     /* EXEC_ID_CONTAINER_LEN digits of the container's id, 32 of its own */
	const char *process; /* file below the exec directory */
	const char *name;    /* of the program, for the words where it cannot be run */
	const char *error;   /* why the daemon cannot have it run, NULL: it can */
	bool tty;
	bool in, out, err; /* the streams that are wanted; others are /dev/null */
	/* With the client, see audience_attach(); NULL: detached. */
	const struct message *client;
};
int session_start(struct execs *xs, const struct session_order *order, struct err *err);
/* Its terminal gets this size, now or once it is there. ERR_NOT_FOUND where no such session is in
 * progress. */
int session_resize(struct execs *xs, const char *id, int64_t height, int64_t width,
		   struct err *err);
