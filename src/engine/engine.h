/*
 * The engine: the verbs on containers, and the keepers behind them (restore, reconcile, judge,
 * settle). One struct, given first to everything. Thread-safe: any thread may call any verb.
 *
 * `ref` is an id, unique id prefix or name. Errors are in dockerd's words, with a kind that the API
 * maps to its HTTP status.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/filters.h"
#include "base/json.h"
#include "config/config.h"
#include "container/container.h"
#include "events/events.h"
#include "image/image.h"
#include "logs/logs.h"
#include "network/network.h"
#include "runtime/runtime.h"
#include "volume/volume.h"

struct engine;

struct engine_options {
	const char *data_root;
	const char *exec_root;
	const char *default_runtime; /* NULL: chosen */
	struct strmap runtimes;	     /* added: name -> path */
	const char *shim;	     /* path of holdfast-shim */
	const char *image_tool;	     /* path of holdfast-image */
	bool init;		     /* --init for containers that do not say */
	char *const *labels;	     /* of the engine, for info: key=value */
};

/* Opens data root and stores (no container is touched yet). The options' strings must outlive the
 * engine. */
int engine_open(const struct engine_options *o, struct engine **ret, struct err *err);
/* Phase 1 of containers_restore(): loads everything; afterwards the API may serve. */
int engine_restore_load(struct engine *e, struct err *err);
/* Phase 2, in the background on the workers: handles each container. A verb for a container that is
 * not yet handled waits for that container only. */
void engine_restore_handle(struct engine *e);
/* Takes on what may change while it runs: runtimes, the default among them (NULL: chosen), and
 * labels. Nothing changes where it fails. All is copied. */
int engine_reload(struct engine *e, const char *default_runtime, const struct strmap *runtimes,
		  char *const *labels, struct err *err);
/* A copy; strv, caller's. */
char **engine_labels(struct engine *e);
/* The lock file of a data root: its holder is the daemon, whose pid is written in it. Caller frees.
 */
char *engine_lock_path(const char *data_root);

/* Ends listeners and waits with a clean end of stream: engine_end_fd() becomes readable. Verbs go
 * on. */
void engine_end_streams(struct engine *e);
/* That, and sends verbs home that wait for something (engine_ending() turns true): their intent is
 * on disk, and the next daemon goes on with it. Keeps the containers running. Then engine_close().
 */
void engine_end(struct engine *e);
void engine_close(struct engine *e);
bool engine_ending(const struct engine *e);
/* Reaps processes that came to us because their shim was killed (the daemon is a sub-reaper), and
 * keeps how a container's init ended. For the main thread, at SIGCHLD: it must start no children of
 * its own, for it takes its own only. */
void engine_reap(struct engine *e);
int engine_become_reaper(struct err *err);
/* An eventfd that becomes readable when streams are to end, for those who wait for something else
 * with poll(2). */
int engine_end_fd(const struct engine *e);

struct images *engine_images(struct engine *e);
struct networks *engine_networks(struct engine *e);
struct events *engine_events(struct engine *e);
struct runtimes *engine_runtimes(struct engine *e);
const struct engine_options *engine_opts(const struct engine *e);

/* A client of the API whose request has been understood, to be handed to its container's shim. */
struct client_stream {
	int fd;		  /* borrowed: the shim gets a copy */
	const char *head; /* of the response; the shim sends it */
	bool chunked;	  /* what follows the head goes in HTTP chunks */
	const char *read; /* what was read of it already, behind the request */
	size_t n_read;
};

/* create
 * ------------------------------------------------------------------------------------------------
 */
struct create_request {
	const char *name; /* NULL or "": a generated one */
	const char *platform;
	struct config config; /* initialised by fields_init; consumed by engine_create */
	struct host_config host;
	struct objects networks; /* struct network_wish; consumed */
};
/* *ret_id and *ret_warnings (strv) are the caller's. */
int engine_create(struct engine *e, struct create_request *req, char **ret_id, char ***ret_warnings,
		  struct err *err);

/* verbs
 * -------------------------------------------------------------------------------------------------
 */
#define ENGINE_TIMEOUT_DEFAULT \
	INT64_MIN /* the container's own, else 10 s; negative otherwise: wait without end */

/* ERR_NOT_MODIFIED where it runs already. A failure of the runtime is ERR_INVALID for what the user
 * asked (exec not found, ...; docker's 400) and ERR_SYSTEM for the rest. */
int engine_start(struct engine *e, const char *ref, struct err *err);
/* signal NULL: the container's own. ERR_NOT_MODIFIED where it is stopped already. */
int engine_stop(struct engine *e, const char *ref, int64_t timeout_s, const char *signal,
		struct err *err);
int engine_restart(struct engine *e, const char *ref, int64_t timeout_s, const char *signal,
		   struct err *err);
/* signal NULL: KILL. ERR_CONFLICT where it does not run. */
int engine_kill(struct engine *e, const char *ref, const char *signal, struct err *err);
/* The host is about to go down: stops all containers, each within its own time, without changing
 * what users want of them, so that their policies start them after the boot. Until then, or until
 * it is cancelled, no policy of the daemon's starts anything. */
int engine_shutdown(struct engine *e, struct err *err);
int engine_shutdown_cancel(struct engine *e, struct err *err);
int engine_pause(struct engine *e, const char *ref, struct err *err);
int engine_unpause(struct engine *e, const char *ref, struct err *err);
int engine_rename(struct engine *e, const char *ref, const char *name, struct err *err);
/* Changes limits and restart policy as spec_update() says; at once where it runs. *ret_warnings:
 * strv, caller's. */
int engine_update(struct engine *e, const char *ref, const struct host_config *wish,
		  char ***ret_warnings, struct err *err);
/* volumes: its anonymous ones, which no other container uses, go with it. */
int engine_remove(struct engine *e, const char *ref, bool force, bool volumes, struct err *err);
/* filters: until, label, label!. *ret_ids: strv, caller's. */
int engine_prune(struct engine *e, const struct filters *f, char ***ret_ids, int64_t *ret_freed,
		 struct err *err);

/* looking
 * ------------------------------------------------------------------------------------------------
 */
/* A copy of what is known of a container at one instant. config may be NULL (dead, unreadable). */
struct container_view {
	char id[CONTAINER_ID_LEN + 1];
	char *name;
	struct container_config *config;
	struct container_state state;
	enum phase phase;
	char *problem;
	int64_t pid;
	struct objects endpoints; /* struct endpoint; of one that runs */
	char **exec_ids;	  /* exec sessions that have not ended; by inspect only */
	int64_t size_rw;	  /* -1: not asked for */
	int64_t size_rootfs;
};
void container_view_free(struct container_view *v);
int engine_inspect(struct engine *e, const char *ref, bool size, struct container_view *ret,
		   struct err *err);

extern const char *const container_filter_keys[];
struct list_query {
	bool all;
	int64_t limit; /* <= 0: all; > 0 implies `all`, newest first, as docker has it */
	bool size;
	struct filters filters;
};
/* Tells each that the query asks for, newest first; the view is fn's until it returns. */
int engine_list(struct engine *e, const struct list_query *q,
		void (*fn)(void *arg, const struct container_view *v), void *arg, struct err *err);
/* What ps says of a container's processes: as many cells in each line as there are titles. */
struct top {
	char **titles; /* strv */
	char ***lines; /* each a strv */
	size_t n_lines;
};
void top_free(struct top *t);
/* ps_args: of the host's ps, with blanks between; NULL or "": "-ef". ERR_CONFLICT where it does not
 * run, ERR_INVALID with what ps says against its arguments. */
int engine_top(struct engine *e, const char *ref, const char *ps_args, struct top *ret,
	       struct err *err);
/* Numbers for `info`. */
struct engine_counts {
	int64_t containers, running, paused, stopped, images;
};
void engine_count(struct engine *e, struct engine_counts *ret);

/* "Up 5 seconds", "Exited (0) 3 minutes ago", "Created", ... as `ps` shows it. */
void container_view_status(const struct container_view *v, int64_t now, char *ret, size_t size);

/* wait, by the container's shim, so that it outlives us: 1, and the client is the shim's; 0: it is
 * to be waited for as below, because the answer is known, or no shim can have it. Makes an idle
 * shim where there is none. */
int engine_wait_hand_over(struct engine *e, const char *ref, enum wait_condition condition,
			  const struct client_stream *client);
/* wait: between begin and finish the caller sends its response head, then polls engine_wait_fd().
 */
struct engine_wait;
int engine_wait_begin(struct engine *e, const char *ref, enum wait_condition condition,
		      struct engine_wait **ret, struct err *err);
int engine_wait_fd(const struct engine_wait *w);
/* 1: done, with exit code and error text ("" none; valid until free); 0: not yet. */
int engine_wait_result(struct engine_wait *w, int64_t *ret_code, const char **ret_error);
void engine_wait_free(struct engine_wait *w);

/* logs: *ret_tty says whether the stream is raw. With follow, poll engine_logs_fd() and read again
 * until engine_logs_next() says 2. ERR_NOT_SUPPORTED where the log driver keeps nothing. */
struct engine_logs;
int engine_logs_open(struct engine *e, const char *ref, const struct logs_query *q,
		     struct engine_logs **ret, bool *ret_tty, struct err *err);
/* Where it follows, and has not been read from: hands the client to the container's shim, which sends
 * what is left of the response: entries with or without time and details, framed unless it is a
 * terminal's. false: there is nobody to do that, and the client is still the caller's. */
struct logs_format {
	bool timestamps, details, tty;
};
bool engine_logs_hand_over(struct engine_logs *l, const struct logs_format *format,
			   const struct client_stream *client);
/* 1: an entry; 0: nothing now (follow); 2: the end; < 0: err. */
int engine_logs_next(struct engine_logs *l, struct log_entry *ret, struct err *err);
/* Two descriptors to poll: more may be written; the container ended. */
void engine_logs_fds(const struct engine_logs *l, int ret[2]);
void engine_logs_free(struct engine_logs *l);

/* attach: the client goes to the container's shim. First engine_attach_check() says whether it may,
 * and whether the stream is a terminal's, for the response's head; then engine_attach() hands it
 * over: 0, and nobody here writes to it any more, or < 0, and it is to be told why. */
struct attach_request {
	bool in, out, err;	 /* which streams */
	bool stream;		 /* what comes from now on */
	bool logs;		 /* what has been said before */
	bool websocket;		 /* else framed where there are two streams to tell apart */
	const char *detach_keys; /* hexadecimal; NULL: none */
};
int engine_attach_check(struct engine *e, const char *ref, bool *ret_tty, struct err *err);
int engine_attach(struct engine *e, const char *ref, const struct attach_request *r,
		  const struct client_stream *client, struct err *err);
/* Of its terminal, in characters. */
int engine_resize(struct engine *e, const char *ref, int64_t rows, int64_t columns,
		  struct err *err);

/* networks: as network.h, with the containers and the events
 * ---------------------------------------------------------------------------------------------- */
int engine_network_create(struct engine *e, struct network_config *config, char **ret_id,
			  struct err *err);
int engine_network_remove(struct engine *e, const char *ref, struct err *err);
/* Puts a container into a network, or takes it out, whether it runs or not. w is consumed. */
int engine_network_connect(struct engine *e, const char *ref, const char *container,
			   struct network_wish *w, struct err *err);
int engine_network_disconnect(struct engine *e, const char *ref, const char *container, bool force,
			      struct err *err);
/* Removes those without members: filters until, label, label!. *ret_names: strv, caller's. */
int engine_network_prune(struct engine *e, const struct filters *f, char ***ret_names,
			 struct err *err);

/* exec: processes beside a container's init
 * ------------------------------------------------------------------------------------------- */
struct exec_session {
	int64_t version;
	char *id;
	char *container;
	int64_t run; /* of the container, that it belongs to */
	int64_t created_ns;
	struct exec_config config; /* detach_keys: hexadecimal, "" the default ones */
	bool running;
	int64_t ended_ns;  /* 0: it has not */
	int64_t exit_code; /* FIELD_UNSET: it has not ended, or never begun; 255: it is lost */
	int64_t pid;	   /* 0: none yet */
};
void exec_session_free(struct exec_session *s);
/* ret_id: room for CONTAINER_ID_LEN + 1. ERR_CONFLICT where the container does not run. */
int engine_exec_create(struct engine *e, const char *ref, const struct exec_config *config,
		       char *ret_id, struct err *err);
/* Known for as long as its container's run, and for five minutes after its own end. */
int engine_exec_inspect(struct engine *e, const char *id, struct exec_session *ret,
			struct err *err);
struct exec_start {
	const json_t *console_size;	    /* [height, width]; NULL: as it was created */
	bool multiplexed;		    /* stdout and stderr are told apart */
	const struct client_stream *client; /* NULL: detached */
};
/* Once. With a client: the shim has it, and tells it what becomes of the session. Without: returns
 * when it runs, or ERR_INVALID where it cannot be run. */
int engine_exec_start(struct engine *e, const char *id, const struct exec_start *start,
		      struct err *err);
int engine_exec_resize(struct engine *e, const char *id, int64_t height, int64_t width,
		       struct err *err);

/* images: as image.h, with the containers' claims and the events
 * ------------------------------------------ */
int engine_image_load(struct engine *e, const struct image_source *in, struct image_changes *ret,
		      struct err *err);
int engine_image_import(struct engine *e, const struct image_source *in, const char *repo,
			const char *tag, const char *message, char *const *changes,
			const char *platform, struct image_changes *ret, struct err *err);
int engine_image_tag(struct engine *e, const char *ref, const char *repo, const char *tag,
		     struct err *err);
int engine_image_remove(struct engine *e, const char *ref, bool force, bool noprune,
			struct image_changes *ret, struct err *err);
int engine_image_prune(struct engine *e, const struct filters *f, struct image_changes *ret,
		       struct err *err);
/* Containers made of an image: for `images` and its filters. */
int64_t engine_image_containers(struct engine *e, const char *image_id);

/* volumes: as volume.h, with the containers' claims and the events
 * ------------------------------------------ */
int engine_volume_create(struct engine *e, const struct volume_request *rq, struct volume **ret,
			 struct err *err);
int engine_volume_inspect(struct engine *e, const char *name, struct volume **ret, struct err *err);
/* ERR_CONFLICT where a container uses it, or might: one that is dead and unreadable, unless forced.
 * Forced, one that is not there is fine as well. */
int engine_volume_remove(struct engine *e, const char *name, bool force, struct err *err);
extern const char *const volume_filter_keys[], *const volume_prune_filter_keys[];
/* By name. Array of *ret_n, the caller's (volume_list_free). */
int engine_volume_list(struct engine *e, const struct filters *f, struct volume ***ret,
		       size_t *ret_n, struct err *err);
/* Those that no container uses; named: not the anonymous only, unless the filter `all` says
 * otherwise. *ret_names: strv, caller's. */
int engine_volume_prune(struct engine *e, const struct filters *f, bool named, char ***ret_names,
			int64_t *ret_freed, struct err *err);

/* Waits until the restore has looked at each container once, and what happened while the daemon was
 * away is told; at most 10 s. */
void engine_await_restore(struct engine *e);
/* The restore at this daemon's start, as JSON text (caller frees), waited for as above; or NULL. */
char *engine_restore_report(struct engine *e);
