/* The daemon as a whole: what main.c, upgrade.c and reload.c share. */
#pragma once

#include <pthread.h>
#include <signal.h>

#include "api/api.h"
#include "daemon/heritage.h"
#include "daemon/options.h"
#include "engine/engine.h"

#define SIGNAL_UPGRADE SIGUSR2 /* the main thread to itself: d->upgrading is set */

struct daemon {
	struct options o;
	int argc;
	char **argv;
	char *program; /* path of holdfastd, as it was at our start */
	struct heritage heritage;
	struct engine *engine;
	struct api *api;
	struct http_server *server;
	bool has_pidfile;

	pthread_mutex_t upgrade_lock; /* below */
	bool checking;		      /* whether the program on disk is fit */
	bool upgrading;
	char *upgrade_error; /* why the last one came to nothing */
};

/* upgrade.c ---- */

/* Path of this program; NULL where /proc does not say. Caller frees. */
char *program_path(void);
/* Is there another program now where ours was when it was started? */
bool program_has_changed(const struct daemon *d);
/* Checks that the program on disk takes our options and configuration; then no further request is
 * begun, and the main thread is told. Any thread. arg: the struct daemon. */
int upgrade_request(void *arg, struct err *err);
/* Has such a request been granted? */
bool upgrade_is_due(struct daemon *d);
/* Everything is closed or in d->heritage: becomes the new program. Returns where that fails;
 * everything is as before then, and d->upgrade_error says why. */
void upgrade_exec(struct daemon *d);

/* reload.c ---- */

/* Reads the configuration again, and takes on what of it can change while we run. A fault in it
 * changes nothing. Main thread. */
void reload(struct daemon *d);

/* keeper.c ---- */

/* Binds the sockets and becomes the keeper, which starts the daemon with the same options. Returns
 * only where that fails. */
int become_keeper(const struct options *o, char **argv, struct err *err);

/* sockets.c ---- */

/* Opens the sockets of o->hosts that are not in left already, and adds them to it. */
int sockets_open(const struct options *o, struct heritage *h, struct err *err);
