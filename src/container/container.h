/*
 * The container: what was asked for (config), what users want and what happened (state, durable),
 * what its processes of this boot are doing (phase), and the store of them all. container_move() is
 * the only way from one phase to the next.
 *
 * Locks: store < container < leaf. A container's lock is held over fields and one small save, never
 * over a runtime call, the network, or a wait. A verb claims the container first (container_claim);
 * facts need only the lock. Functions ending in _locked want c->lock held.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/json.h"
#include "base/proc.h"
#include "config/config.h"
#include "wire/layout.h"

#define CONTAINER_FORMAT 1 /* version of the files written here */

/* What was asked for at create; config.json. Shared without a lock: never changed, only replaced.
 */
struct container_config {
	int64_t version;
	char *id;
	char *name; /* without docker's leading slash */
	int64_t created_ns;
	char *image_id;
	char *runtime; /* resolved at create: "crun" */
	struct config config;
	struct host_config host;
	struct objects mounts;	 /* struct mount_point */
	struct objects networks; /* struct network_wish; the first is the mode's */
	char **warnings;	 /* of the create */
	json_t *rest;		 /* of a later version: kept, see FIELD_KEEP_REST */
	unsigned refs;		 /* not stored */
};
extern const struct field container_config_fields[];
struct container_config *container_config_new(void);
struct container_config *container_config_ref(struct container_config *c);
void container_config_unref(struct container_config *c);
DEFINE_AUTO(struct container_config *, container_config_unref);
/* A copy to change, and then to put in its place. */
struct container_config *container_config_copy(const struct container_config *c);

/* What users want. Changed by users only. */
enum wanted {
	WANTED_CREATED = 0,
	WANTED_RUNNING,
	WANTED_STOPPED,
	WANTED_GONE,
	WANTED_RESTART, /* running, but not this run: from a restart's beginning to its new run */
};
const char *wanted_text(enum wanted w);

/* One probe of a health check. */
struct health_result {
	int64_t start_ns;
	int64_t end_ns;
	int64_t exit_code; /* -1: it could not be run, or was killed when its time was up */
	char *output;
};

/* Of a run with a health check: while it lives in phase.json, where one save tells both what a
 * probe said and when the next is due; of the last one that ended in state.json. */
struct container_health {
	char *status; /* "starting", "healthy", "unhealthy" */
	int64_t failing_streak;
	struct objects log; /* struct health_result, oldest first */
	int64_t due_ns;	    /* of the next probe, wall clock; 0: there will be none */
	char *probe;	    /* id of the one that is asked of the shim; NULL: none */
	char *taken;	    /* id of the last one, until its directory is removed */
	int64_t paused_ns;  /* when it was last paused */
};
extern const struct field container_health_fields[];
extern const struct field container_health_view_fields[]; /* as inspect shows it */
#define HEALTH_LOG_MAX 5
/* NULL is fine. */
struct container_health *container_health_copy(const struct container_health *h);
void container_health_free(struct container_health *h);

/* Wishes and history: state.json, durable. */
struct container_state {
	int64_t version;
	int64_t wanted;	     /* enum wanted */
	int64_t run;	     /* number of the newest run that was begun; 0: never */
	int64_t settled_run; /* newest run whose end is in here */
	int64_t started_ns;
	int64_t finished_ns;
	int64_t exit_code;
	int64_t exit_signal;
	bool oom_killed;
	char *error; /* of the last start, or why the exit status is lost */
	int64_t restart_count;
	int64_t restart_due_ns;	  /* of the run that a policy asks for next; 0: none is due */
	int64_t restart_delay_ns; /* the back-off before it, or before the newest run */
	char *boot_id; /* of the boot in which `run` was begun, or which saw its last stop */
	char *cleanup; /* clean-up pending: why the last release failed; NULL: released */
	int64_t cleanup_tries;
	struct container_health *health; /* of the last run that ended; NULL: it had no check */
	bool remove_volumes;		 /* where it is wanted gone: its anonymous volumes, too */
	struct objects ports;		 /* struct port_mapping: published last, to be so again */
	json_t *rest;			 /* of a later version: kept */
};
extern const struct field container_state_fields[];

/* Phases as the Docker API names them, and the inner ones. */
enum phase {
	PHASE_CREATED,
	PHASE_STARTING,
	PHASE_RUNNING,
	PHASE_PAUSED,
	PHASE_STOPPING, /* running, and told to end */
	PHASE_OVER,	/* ended; its resources are not yet released */
	PHASE_EXITED,
	PHASE_RESTARTING, /* ended; the shim, or the engine, starts it again when due */
	PHASE_REMOVING,
	PHASE_DEAD, /* its files or its image are not usable; `problem` says why */
	PHASE_COUNT,
};
const char *phase_text(enum phase p); /* our name, for logs and phase.json */
int phase_parse(const char *s, enum phase *ret);
const char *phase_docker_text(enum phase p); /* "running", ... as docker shows it */

/* The processes of this boot: phase.json in the exec root, atomic but not synced. */
struct container_phase {
	int64_t version;
	char *boot_id;
	char *phase; /* phase_text() */
	int64_t run;
	int64_t pid; /* init */
	int64_t pid_ticks;
	int64_t shim_pid;
	int64_t shim_ticks;
	char *verb;		  /* in progress, NULL: none */
	int64_t deadline_ns;	  /* of the verb, wall clock */
	int64_t signal;		  /* of the stop in progress */
	int64_t started_ns;	  /* of `run`, until state.json has it */
	int64_t told_run;	  /* newest run whose start has been published */
	struct objects endpoints; /* struct endpoint */
	bool updating; /* config.json has what shim or runtime were perhaps not told yet */
	/* NULL: no check */
	struct container_health *health;
	json_t *rest; /* of a later version: kept while the run lasts */
};
extern const struct field container_phase_fields[];

struct link;
struct container_waiter;

/* By these a file that is only appended to, or replaced, is known to be as it was. */
struct file_mark {
	ino_t ino;
	off_t size;
};

struct container {
	char id[CONTAINER_ID_LEN + 1];
	unsigned refs;	      /* atomic */
	int64_t created_ns;   /* never changes once it is in the store */
	pthread_mutex_t lock; /* all below */
	pthread_cond_t changed;
	bool claimed;

	struct container_config *config; /* NULL: it could not be read */
	char *name; /* index name; as config's, or derived. In the store: store's lock too */
	struct container_state state;
	struct container_phase disk; /* phase.json as written; `phase` below is the truth */
	enum phase phase;
	char *problem;	/* why it is dead, or what is odd about it; NULL: nothing */
	bool handled;	/* restore has acted on it, or had no need to */
	bool gone;	/* removed; kept only by references */
	bool shim_gone; /* an orphan: alive without its shim */
	bool busy;	/* a verb begins or removes it: facts are taken up, nothing else is done */
	bool reconciling;      /* a worker reconciles it now */
	bool missed;	       /* a reconcile was asked for while busy */
	bool volumes_released; /* it is on its way out, and uses none any more */
	bool volumes_let_go;   /* its run is over, and needs none mounted any more */
	bool stop_keeps_wish;  /* by its lock: the stop in progress is the host's, not a user's */
	bool keep;	       /* a restart is under way: its end does not auto-remove it */
	bool exit_known;       /* how init ended, where it came to us to be reaped: */
	int exit_status;       /* as wait(2) has it */
	enum {
		RESUME_NOTHING = 0,
		RESUME_RESTART,
		RESUME_KILL,
		RESUME_UNDER_WAY
	} resume;		  /* of the former daemon */
	bool update_pends;	  /* a job is to tell what an update has saved */
	pid_t shim_child;	  /* its shim, where it is our child and to be reaped; 0: none */
	struct file_mark runs;	  /* the record of runs as it was when it was last taken up */
	unsigned asked;		  /* times that reconcile found it unknown, in a row */
	unsigned removals_failed; /* in a row */
	unsigned unread;	  /* times that its record of runs could not be read, in a row */
	int64_t sessions_run;	  /* run that left no exec session of a former one on disk */

	/* The engine's: what it watches of this container. */
	struct link *shim_link;	   /* connection to its shim */
	struct link *pid_link;	   /* pidfd of init, where the shim is gone */
	int init_fd;		   /* pidfd of init, held while it runs: it alone tells how init
				      ended when its shim cannot; -1: none */
	struct link *timer;	   /* ask again, or gc, or a restart that is due */
	struct link *health_timer; /* the next probe is due */
	struct container_waiter *waiters;
};

struct container_store;

/* Directories: opened on data_root/containers and exec_root/containers, made where missing. */
int container_store_open(const char *data_root, const char *exec_root, struct container_store **ret,
			 struct err *err);
void container_store_close(struct container_store *s);
/* Descriptors of the two directories above; the store's. */
int container_store_data_dir(const struct container_store *s);
int container_store_exec_dir(const struct container_store *s);

struct container *container_new(const char *id); /* one reference */
struct container *container_ref(struct container *c);
void container_unref(struct container *c);
DEFINE_AUTO(struct container *, container_unref);

/* Takes `name` for the container; ERR_CONFLICT in docker's words where another has it. */
int container_name_index_add(struct container_store *s, const char *name, struct container *c,
			     struct err *err);
void container_name_index_remove(struct container_store *s, const char *name,
				 const struct container *c);
void container_store_add(struct container_store *s, struct container *c);
/* All at once, oldest first, into an empty store. */
void container_store_fill(struct container_store *s, struct container *const *list, size_t n);
void container_store_remove(struct container_store *s, struct container *c);
/* By full id, name (with or without '/'), or unique id prefix. ERR_NOT_FOUND "No such container:
 * x". */
int container_lookup(struct container_store *s, const char *ref, struct container **ret,
		     struct err *err);
/* A snapshot of all, newest first; each one referenced. */
void container_store_all(struct container_store *s, struct container ***ret, size_t *ret_n);
void container_list_free(struct container **list, size_t n);

/* Waits until nobody has it claimed and claims it. ERR_NOT_FOUND where it is removed meanwhile. */
int container_claim(struct container *c, struct err *err);
void container_release(struct container *c);
static inline void container_release_p(struct container **c)
{
	if (*c)
		container_release(*c);
}

/* Waits until no worker reconciles it, and keeps reconciles from doing more than taking up facts
 * until container_let_in(): for a verb that makes or removes the container's directories. Claimed.
 */
void container_keep_out(struct container *c);
/* Says whether a reconcile was asked for meanwhile, which the caller then asks for again. */
bool container_let_in(struct container *c);

/* The container's directories, opened; -errno. */
int container_open_data(const struct container_store *s, const char *id);
int container_open_exec(const struct container_store *s, const char *id);

/* Files. Saves are said in file.h; loads name the file at fault. */
int container_save_config(struct container_store *s, const struct container_config *config,
			  struct err *err);
/* The same in the place of `was`, which a failure leaves in force, as far as the disk lets us. */
int container_replace_config(struct container_store *s, const struct container_config *was,
			     const struct container_config *now, struct err *err);
int container_save_state_locked(struct container_store *s, struct container *c, struct err *err);
int container_save_phase_locked(struct container_store *s, struct container *c, struct err *err);
/* container_load: reads the files of one directory into a new container, which may come out dead
 * with its problem set; has_exec: it has an exec directory, too. < 0 only where the directory is not
 * a container's at all (unfinished create). */
int container_load(struct container_store *s, const char *id, bool has_exec, struct container **ret,
		   struct err *err);
/* Removes what saves of its files that a death cut short have left, for the next save of the same
 * file may be far. claimed: by the caller; else false, and nothing is done, where somebody has it. */
bool container_tidy(struct container_store *s, struct container *c, bool claimed);

/* What config.json in that directory, which has another name than its container's id, says of the
 * container; one without configuration where it cannot be read. For what is told of it only. */
struct container *container_load_config_only(struct container_store *s, const char *dir_name,
					     const char *id);

/* Moves to the phase: checks the edge, saves phase.json, wakes who waits, logs one line with the
 * cause. An edge that the table does not know is our own mistake and is refused with a log line. */
void container_move_locked(struct container_store *s, struct container *c, enum phase to,
			   const char *cause);
bool phase_edge_allowed(enum phase from, enum phase to);
/* Is there, or may there be, a process of it? (running, paused, stopping) */
bool phase_is_alive(enum phase p);
/* It ran in an earlier boot of the host, and not in this one; c->lock held or not yet shared. */
bool container_is_of_old_boot(const struct container *c);

/* Waits on c->changed until the deadline (CLOCK_MONOTONIC), lock held: 0 or -ETIMEDOUT. */
int container_wait_changed_locked(struct container *c, const struct timespec *deadline);
void container_changed_locked(struct container *c);

/* Who waits for an end: `docker wait`. */
enum wait_condition { WAIT_NOT_RUNNING, WAIT_NEXT_EXIT, WAIT_REMOVED };
struct container_waiter {
	enum wait_condition condition;
	int event_fd; /* readable when done */
	bool done;
	int64_t exit_code;
	char error[256];
	struct container_waiter *next;
};
/* Tells the waiters whose condition `what` meets: that nothing runs, which is told again where a start
 * has failed; that a run has ended, which is both; that it is removed, which is all. */
void container_tell_waiters_locked(struct container *c, enum wait_condition what);
