/*
 * The engine's inside: its struct, and what its files call of each other.
 *
 * Facts reach a container by engine_kick(): the supervisor, a timer or restore asks for a
 * reconcile, which a worker runs, one at a time for each container.
 */
#pragma once

#include <pthread.h>

#include "base/log.h"
#include "base/proc.h"
#include "base/thread.h"
#include "base/time.h"
#include "engine/engine.h"
#include "spec/spec.h"
#include "supervisor/supervisor.h"
#include "wire/kv.h"
#include "wire/runs.h"

struct engine {
	struct engine_options o;
	int lock_fd; /* <data-root>/holdfast.lock, held for life */
	struct container_store *store;
	struct images *images;
	struct networks *networks;
	bool has_links;	  /* atomic; perhaps one of the containers has some */
	char instance[9]; /* "" for the host's usual engine */
	char cgroup_parent[sizeof "/holdfast-" + 8];
	char default_bridge[16]; /* its interface */
	struct events *events;
	struct runtimes *runtimes;
	struct spec_filters *filters;
	struct supervisor *supervisor;
	struct workers *workers;
	struct workers *waiters; /* verbs that are resumed: they wait, and settling must not wait
				    for them */
	struct policy_starts *policy_starts;
	struct log_follower *log_follower;
	/* Read-held from an image's look-up to the container in the store; write-held by image
	 * removal, so that no image goes that a container is about to need. */
	pthread_rwlock_t images_lock;
	struct volumes *volumes;
	pthread_mutex_t volumes_lock; /* from the look who uses a volume to its being gone; before
					 the containers' locks */
	char **volume_claims; /* by volumes_lock: name, id of the container being made, ... */
	int end_fd;
	pthread_rwlock_t submit_lock; /* a leaf; over `ending`, where something follows from it */
	bool ending;		      /* atomic */
	bool host_ends;		      /* atomic; see engine_shutdown() */
	/* From reading a living container's hosts file to its having been written; before the
	 * containers' locks. */
	pthread_mutex_t hosts_lock;
	pthread_mutex_t labels_lock;
	char **labels;
	pthread_mutex_t report_lock;
	char *report;
	pthread_cond_t report_made;    /* or the end */
	pthread_mutex_t departed_lock; /* over departed.jsonl */
	pthread_mutex_t lingering_lock;
	pid_t *lingering; /* shims that are no container's any more, and still our children */
	size_t n_lingering;
	pthread_mutex_t exec_lock;
	struct exec_claim *exec_claims; /* by exec_lock */
	struct restore *restore;	/* the one in progress; NULL: none */
	pthread_mutex_t sweep_lock;	/* a leaf */
	struct watch *session_sweep;	/* ended exec sessions are to go; NULL: there are none */
};

static inline void rwlock_release_p(pthread_rwlock_t **l)
{
	pthread_rwlock_unlock(*l);
}
#define hold_rwlock(l, how)                                                            \
	auto_(rwlock_release_p) __attribute__((unused)) pthread_rwlock_t *held_ = (l); \
	pthread_rwlock_##how##lock(held_)

/* link.c: what is watched of a container
 * ------------------------------------------------------------------ */

/* Watches fd, which the link then owns; readable or hung up, it kicks the container. Packets of a
 * shim's connection are doorbells: they are read and dropped, for the record of runs says it all.
 */
int link_watch(struct engine *e, struct container *c, int fd, struct link **ret, struct err *err);
/* Kicks the container once after delay_ns. */
int link_timer(struct engine *e, struct container *c, int64_t delay_ns, struct link **ret,
	       struct err *err);
bool link_hung_up(const struct link *l);
/* Ends *l and forgets it. */
void link_drop(struct link **l);
/* All that a container has. Each has a reference of it: it goes when they do. */
void links_drop_locked(struct container *c);
void engine_kick(struct engine *e, struct container *c);
/* Queues fn(arg) on the workers, behind what has the same key. false: the engine ends, and nobody
 * will do it. Any thread. */
bool engine_submit(struct engine *e, const void *key, void (*fn)(void *arg), void *arg);

/* shim.c: speaking with shims
 * ------------------------------------------------------------------------------ */

enum pulse { PULSE_UNKNOWN, PULSE_NONE, PULSE_ALIVE };
/* Does a shim hold the lock in this exec directory? */
enum pulse shim_pulse(int exec_dir);
/* The same without the directory, which a restore of a thousand would open and close for it; none
 * where there is no directory either. */
enum pulse shim_pulse_of(const struct engine *e, const char *id);
/* Takes the pulse's lock for a shim to be born: the descriptor, or < 0. */
int shim_take_pulse(int exec_dir, struct err *err);

struct shim_birth {
	pid_t pid;
	int conn; /* the caller's */
};
/* Starts a shim on the container's directories. */
int shim_spawn(struct engine *e, const char *id, int data_dir, int exec_dir, int alive_fd,
	       struct shim_birth *ret, struct err *err);
/* Sends msg over a connection of its own and waits for the answer, at most timeout_ms. A refusal is
 * ERR_CONFLICT, or ERR_NOT_SUPPORTED where the shim does not know the message. */
int shim_call(int exec_dir, const struct buf *msg, int timeout_ms, struct kv *ret, struct err *err);
/* Sends msg, to which the keys of the client are added, with the client, and with n_fds further
 * descriptors. 0: the client is the shim's now. That is so, too, where the shim got it and then did
 * not answer (logged): it must not be written to any more. < 0: it is still the caller's, to be
 * told why; as shim_call(). */
int shim_hand_over(int exec_dir, struct buf *msg, const struct client_stream *client,
		   const int *fds, size_t n_fds, struct err *err);
/* The next packet on such a connection, event or answer: 0, or ERR_UNAVAILABLE at the deadline
 * (CLOCK_MONOTONIC), or ERR_SYSTEM at the connection's end. */
int shim_receive(int conn, const struct timespec *deadline, struct kv *ret, struct err *err);
/* The error that a msg=error is: as shim_call() says it. */
int shim_refused(const struct kv *answer, struct err *err);
/* A connection for doorbells. */
int shim_connect(int exec_dir, struct err *err);
/* The same without the directory, as shim_pulse_of(). */
int shim_connect_of(const struct engine *e, const char *id, struct err *err);
/* Tells the user's wish; a shim that is gone cannot undo it, so that is fine. */
void shim_tell_wish(struct engine *e, const struct container *c, enum wanted w);
/* Tells the restart policy: 0, also where there is no shim to tell; < 0 logged. */
int shim_tell_policy(struct engine *e, const struct container *c, const struct restart_policy *p);

/* Tells how far its record of runs is in state.json, and so may be forgotten. */
void shim_forget(struct engine *e, struct container *c);
/* Asks a shim that has nothing to run to end; one that has refuses, and, with keep_clients, one in
 * which clients wait for a start. */
void shim_quit(struct engine *e, struct container *c, bool keep_clients);
/* Says hello over a connection of shim_connect(), and waits for the answer. */
int shim_hello(int conn, struct kv *ret, struct err *err);
/* Starts the shim of c with the pulse taken; the connection is the caller's. */
int shim_bear(struct engine *e, struct container *c, int data_dir, int exec_dir, int *ret_conn,
	      struct err *err);

/* reap.c: its shim has given its pulse away; reaps it, now or once it has ended, for it may linger.
 */
void shim_reap(struct engine *e, struct container *c);

/* idle.c: shims that wait with clients for a start
 * ------------------------------------------------------------------ */
/* Makes sure that there is a shim for a client of c: the one that lives; where c is at rest, one
 * that stays idle until it is started. Waits until c is handled, for the verb that has it at rest,
 * and claims it itself while it makes one. ERR_CONFLICT where no shim is to be had: c is dead,
 * being removed, an orphan, or to be restarted by its policy without a shim. */
int engine_shim_for_client(struct engine *e, struct container *c, struct err *err);
/* A client could not be handed to it: whoever comes next makes sure anew, if it was an idle one. */
void idle_shim_doubt(struct container *c);
/* Does an idle shim live, and may stay? Then it is watched. For a container at rest, or whose start
 * is undone. */
bool idle_shim_stays(struct engine *e, struct container *c);
/* For a start: *ret_conn, the caller's, leads to the idle shim, which stays for ten seconds at
 * least, and its exec directory is ready; -1: no shim lives. Claimed, and kept out. */
int idle_shim_take(struct engine *e, struct container *c, int *ret_conn, struct err *err);
/* Ends it, for a removal; 0 as well where there is none. */
int idle_shim_end(struct engine *e, struct container *c, struct err *err);
/* Takes away what a start that was undone has left in its exec directory. */
int idle_shim_tidy(struct engine *e, const char *id, struct err *err);
/* The container's exec directory, made anew, with an empty bundle: a descriptor. */
int exec_dir_make(struct engine *e, const char *id, struct err *err);

/* start.c
 * ---------------------------------------------------------------------------------------------------
 */
#define VERB_START   "start"
#define VERB_RESTART "policy restart" /* no user's start */
#define VERB_RENEW   "restart"	      /* a user's: of its stop and of its start */
int start_claimed(struct engine *e, struct container *c, const char *verb, struct err *err);
/* bundle.c: everything in the exec directory that a shim needs. *ret_unlearned: see spec_build().
 */
int bundle_prepare(struct engine *e, struct container *c, const struct container_config *config,
		   int data_dir, int exec_dir, char **ret_unlearned, struct err *err);
/* Of that only what a shim needs that is to run nothing yet. */
int bundle_prepare_idle(struct engine *e, struct container *c,
			const struct container_config *config, int exec_dir, struct err *err);
/* The process of an exec session, as JSON text for the runtime; caller frees. */
int exec_process(struct engine *e, const struct container_config *config,
		 const struct exec_config *exec, char **ret, struct err *err);
/* netfiles.c: hostname, hosts and resolv.conf in the data directory, by what c->disk.endpoints say.
 */
int netfiles_write(struct engine *e, struct container *c, const struct container_config *config,
		   int data_dir, struct err *err);
/* hosts anew, in its place: it is bound into the container, whose own lines in it stay. */
int netfiles_renew_hosts(struct engine *e, struct container *c,
			 const struct container_config *config, int data_dir, struct err *err);
/* What stood in them, before its networks change; and what follows from the change, afterwards. What
 * fails is logged. Free it. */
struct netfiles {
	struct buf hosts, resolv;
};
void netfiles_remember(struct engine *e, struct container *c, const struct container_config *config,
		       struct netfiles *ret);
void netfiles_follow(struct engine *e, struct container *c, const struct container_config *config,
		     const struct netfiles *was);
void netfiles_free(struct netfiles *was);
/* Removes what a start that was cut short has left of them. */
void netfiles_tidy(int data_dir);

/* pause.c: waits for a runtime that a daemon before us has told to pause or unpause it; false: it
 * is not done within the time that there is for it. */
bool pause_await_runtime(struct engine *e, struct container *c);

/* stop.c
 * ----------------------------------------------------------------------------------------------------
 */
/* Signals init by a pidfd: 0, or -ESRCH where it is gone, or -errno. */
int signal_init(struct container *c, int sig);
/* Ends it by force and waits until its resources are released; claimed. */
int stop_claimed(struct engine *e, struct container *c, int64_t timeout_s, int sig,
		 struct err *err);
/* Stops it, waits until it rests, says so; claimed. */
int stop_and_tell(struct engine *e, struct container *c, int64_t timeout_s, int sig,
		  struct err *err);
/* Is there, or may there soon be, what a stop would end? */
bool has_processes(struct container *c);
/* Stops and starts it, whatever it does now; claimed. */
int restart_claimed(struct engine *e, struct container *c, int64_t timeout_s, int sig,
		    struct err *err);
/* Sends the signal, and waits for the end that SIGKILL brings. ref: the user's word for it. Not
 * claimed: a kill is for a container that a stop waits for as well. */
int kill_now(struct engine *e, struct container *c, const char *ref, int sig, struct err *err);
/* The stop signal of a container, and its time-out where timeout_s is ENGINE_TIMEOUT_DEFAULT. */
int container_stop_signal(const struct container_config *config);
/* Makes the user's wish durable, before its first effect. Who stops or removes something on a full
 * disk makes room, so where there is none for the wish it goes on, and the next save has it. */
int save_wish_locked(struct engine *e, struct container *c, enum wanted wish, struct err *err);
#define REST_TIMEOUT_S 30 /* on a busy host, and with a thousand exec sessions to be taken up */
/* Waits until nothing of it is left to release: 0, or ERR_CONFLICT after timeout_s with what is in
 * the way. */
int wait_rested(struct engine *e, struct container *c, int64_t timeout_s, struct err *err);

/* shutdown.c: has the host's end been announced in this boot? */
bool shutdown_is_announced(const struct engine *e);
/* By a former daemon of this boot. */
void shutdown_remember(struct engine *e);

/* update.c: tells the living what an update saved, where that was cut short; claimed. */
void update_resume_claimed(struct engine *e, struct container *c);

/* restore.c: forgets a restore that never came to its second phase. */
void restore_drop(struct engine *e);

/* judge.c
 * ---------------------------------------------------------------------------------------------------
 */
enum seen { SEEN_UNKNOWN, SEEN_ABSENT, SEEN_ALIVE, SEEN_ORPHAN, SEEN_ENDED, SEEN_COUNT };
const char *seen_text(enum seen s);
enum verdict {
	VERDICT_UNSET = 0,
	VERDICT_ASK_AGAIN,
	VERDICT_LEAVE,
	VERDICT_UNDO_START,
	VERDICT_ADOPT,
	VERDICT_ADOPT_WARN,
	VERDICT_ADOPT_ORPHAN,
	VERDICT_SETTLE,	     /* take up the record of its end */
	VERDICT_SETTLE_LOST, /* gone without a record */
	VERDICT_SETTLE_REST, /* ended before; release what is left */
	VERDICT_RESUME_STOP,
	VERDICT_REST, /* exited: leave, or remove if auto-remove */
	VERDICT_BY_POLICY,
	VERDICT_SHIM_RESTARTS,
	VERDICT_STOP_THEN_REMOVE,
	VERDICT_FINISH_REMOVAL,
};
const char *verdict_text(enum verdict v);
/* The table of ../shared/DESIGN.md: what we wrote, what we see, what to do. Pure. */
enum verdict judge(enum phase written, enum seen seen);

/* reconcile.c
 * -----------------------------------------------------------------------------------------------
 */
struct finding {
	enum phase written;
	enum seen seen;
	enum verdict verdict;
	char why[256];
};
/* probe.c: looks. Also takes up what the record of runs says. */
#define HOST_REBOOTED "host rebooted" /* why nothing of it is there */
enum seen probe(struct engine *e, struct container *c, struct finding *f);
/* Notes what was seen, and by what. */
enum seen saw(struct finding *f, enum seen seen, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Is its shim's connection held, and not hung up? */
bool is_watched(struct container *c);

/* Probe, judge, apply: on a shim's hang-up, by timer, at restore. Only on the container's worker.
 */
void reconcile(struct engine *e, struct container *c, struct finding *ret);
/* Opens the pidfd of its init, where it runs and that is not held yet. */
void hold_init_locked(struct container *c);

/* resume.c: verbs in which the former daemon died, gone on with beside the container's worker
 * ------------------------------------------------------------------------------------------- */
void resume_stop(struct engine *e, struct container *c);
void resume_removal(struct engine *e, struct container *c);
/* Tidies up when the verb that has it claimed is done. */
void resume_tidy(struct engine *e, struct container *c);
/* What an update saved and could not tell any more, or not yet. */
void resume_update(struct engine *e, struct container *c);
/* The restart or kill, once it is known what there is to restart or kill. */
void resume_verb(struct engine *e, struct container *c, const struct finding *f);

/* settle.c: the one place where a run ends
 * ------------------------------------------------------------------- */
/* Takes up the records behind settled_run, oldest first; publishes what they tell with its own
 * time. Returns whether the newest begun run has ended. */
bool settle_records(struct engine *e, struct container *c);
/* Takes up what its shim has recorded by now, where it may be alive: for who looks at a container
 * that somebody else, told by the shim, knows to have ended. */
void settle_now(struct engine *e, struct container *c);
/* Settles the newest run as lost, exit code 255. */
void settle_lost(struct engine *e, struct container *c, const char *why);

/* health.c: probes, when and what of them. The shim runs them; what is known of them is in
 * phase.json, so that a new daemon goes on with the schedule and with a probe in progress.
 * ------------------------------------------------------------------------------------------------
 */
/* What a check runs, as CMD or CMD-SHELL say; NULL: there is none. Caller frees. */
char **health_argv(const struct config *config);
/* A run has begun, or ended. */
void health_begin_locked(struct engine *e, struct container *c, int64_t started_ns);
void health_end_locked(struct container *c);
/* A verb that kept probes waiting is done. */
void health_wake_locked(struct engine *e, struct container *c);
/* Takes up the result of a probe, asks for the next one if it is due, else sets the timer for it.
 * Only on the container's worker, and where its shim lives. */
void health_tick(struct engine *e, struct container *c);

/* health_next.c: the decisions, pure. */
enum health_status { HEALTH_STARTING, HEALTH_HEALTHY, HEALTH_UNHEALTHY };
const char *health_status_text(enum health_status s);
enum health_status health_status_parse(const char *s);
struct health_step {
	enum health_status status;
	int64_t failing_streak;
	int64_t due_ns; /* of the next probe */
};
/* What follows from a result. */
struct health_step health_next(const struct healthcheck *check, int64_t started_ns,
			       enum health_status was, int64_t failing_streak,
			       const struct health_result *result);
/* When the next probe is due after one that ended, or a start, at from_ns. */
int64_t health_due(const struct healthcheck *check, int64_t started_ns, enum health_status status,
		   int64_t from_ns);
/* The time that one probe has. */
int64_t health_timeout(const struct healthcheck *check);

/* Settles it with the exit status that the kernel gave, where there is no record. */
void settle_by_kernel(struct engine *e, struct container *c, int status);

/* restart.c: what no living shim restarts
 * ------------------------------------------------------------------ */
struct policy_starts *policy_starts_new(void);
/* Lets the starts in hand come to their end. */
void policy_starts_end(struct policy_starts *p);
void policy_starts_free(struct policy_starts *p);
/* It has ended, or a policy's start of it has failed, and is released: is another run due? Then
 * that is durable, the phase is restarting, and restart_arm_locked() is to follow. A pending
 * restart that is not wanted any more is dropped. */
bool restart_plan_locked(struct engine *e, struct container *c);
/* Starts it when it is due. */
void restart_arm_locked(struct engine *e, struct container *c);
/* Does it rest since an earlier boot, and its policy wants it back? */
bool restart_comes_after_boot_locked(const struct container *c);
bool restart_is_policy_start_locked(const struct container *c);
/* A container has been handled or started: those that waited for it look again. */
void restart_wake_held(struct engine *e);

/* release.c
 * --------------------------------------------------------------------------------------------------
 */
/* Releases what an ended container still holds (runtime's state, cgroup, exec directory), then lets
 * it rest, or removes it. A failure leaves "clean-up pending" and a timer. */
void release_and_rest(struct engine *e, struct container *c);
/* The runtime keeps a directory for each container it knows: no need to run it to ask. */
bool runtime_knows(const struct runtime *rt, const char *id);
/* remove.c */
/* dead.c: ends and releases what a dead container still runs. */
int end_dead(struct engine *e, struct container *c, bool force, struct err *err);
int remove_claimed(struct engine *e, struct container *c, bool force, bool volumes,
		   struct err *err);
/* Takes a container that has no processes any more off the disk and out of the store. */
int finish_removal(struct engine *e, struct container *c, struct err *err);

/* gone.c: the last of a container
 * ------------------------------------------------------------------ */
/* Takes its directory off the disk, by one rename; `destroy` is to be told with this time, then its
 * files are to go. 0 with the new name (the caller's), or -errno: -ENOENT where there is none. */
int gone_rename(struct engine *e, const char *id, int64_t time_ns, char **ret_name);
/* 0 or -errno: what is left is for the next restore. */
int gone_remove_files(struct engine *e, const char *name);
/* Is it the name of such a directory? */
bool gone_is(const char *name);
/* Of one that an earlier daemon has left: tells `destroy`, if that was not told, and removes the
 * files. 0 or -errno. */
int gone_finish(struct engine *e, const char *name);

/* departed.c: containers that removed themselves, for who asks late
 * ------------------------------------------------------------------- */
struct departed {
	int64_t time_ns; /* when it went */
	char *id;
	char *name;
	int64_t exit_code;
	char *error;
};
void departed_free(struct departed *d);
/* data_root: the directory. Not two at a time. */
int departed_add(int data_root, const struct departed *d, struct err *err);
/* 0 with *ret (the caller's), or -ENOENT. */
int departed_find(int data_root, const char *ref, int64_t now, struct departed *ret);
/* Before an auto-remove's first effect. */
void remember_departure_locked(struct engine *e, const struct container *c);

/* session.c: exec sessions on disk
 * ------------------------------------------------------------------------------------------- */
#define SESSIONS_MAX 1024 /* of one container, which have not ended */
/* Writes down a session of the container's run `run`. ret_id: room for CONTAINER_ID_LEN + 1. */
int session_create(struct engine *e, const char *container, int64_t run,
		   const struct exec_config *config, char *ret_id, struct err *err);
/* How it stands; ERR_NOT_FOUND. */
int session_load(struct engine *e, const char *id, struct exec_session *ret, struct err *err);
int session_save_process(struct engine *e, const struct exec_session *s, const char *text,
			 struct err *err);
/* Ids of those of a container that have not ended; strv, caller's. */
char **sessions_of(struct engine *e, const char *container);
/* Takes up what its shim has written of them: ends and events. over: the exec directory is about to
 * go, and what has not ended by now has ended with it. Only on the container's worker, or where
 * that is kept out. */
void sessions_take_up(struct engine *e, struct container *c, bool over);
/* Is a request starting that session, and has not told of it yet? Then it kicks the container when
 * it has, so that nothing of the session is told before its start. */
bool exec_start_is_untold(struct engine *e, const char *id);
/* Takes away what a daemon that died was at in their directories; before any verb has the container.
 */
void sessions_tidy(struct engine *e, struct container *c);
/* Sees to it that ended ones go when their time is up. */
void sessions_arm_sweep(struct engine *e);
/* Looks after those that an earlier daemon has left. */
void sessions_begin(struct engine *e);

/* top.c, pure: keeps of what ps printed (text, which is changed) the lines of these pids, which
 * ascend. ERR_SYSTEM where there is no column of them. */
int top_parse(char *text, const pid_t *pids, size_t n_pids, struct top *ret, struct err *err);
/* ERR_INVALID where another column would be taken for the pids'. */
int top_check_args(char *const *args, struct err *err);

/* size.c: bytes in the writable layer. */
int64_t container_size_rw(struct engine *e, const char *id);

/* notify.c: events
 * ------------------------------------------------------------------------------------------- */
/* Publishes a container event; extra: key, value, ..., NULL. */
void notify(struct engine *e, struct container *c, int64_t time_ns, const char *action, ...);
void notify_locked(struct engine *e, const struct container *c, int64_t time_ns, const char *action,
		   ...);

/* exec_root.c */
int exec_root_make_private(const char *path, struct err *err);
/* Undoes it at a clean end, where no container is left below. */
void exec_root_release(const char *path);
bool mountinfo_is_shared(const char *mountinfo, const char *path);

/* The cgroup of its next run: below the parent that was asked for, or the engine's own. Caller
 * frees. */
char *container_cgroup_path(const struct engine *e, const struct container_config *config);
/* The one that its shim was told of (another daemon may have chosen it); config, which may be NULL,
 * names it where the shim's own file does not. NULL where nobody says. Caller frees. */
char *container_cgroup_now(const struct engine *e, int exec_dir,
			   const struct container_config *config);
/* Removes that. */
int release_cgroup(struct engine *e, int exec_dir, const struct container_config *config,
		   struct err *err);

/* Directory descriptors; errors name the container. */
int open_data_dir(struct engine *e, const char *id, struct err *err);
int open_exec_dir(struct engine *e, const char *id, struct err *err);
/* Looks it up and claims it for a verb; the claim ends with container_release(*ret_claimed). */
int find_and_claim(struct engine *e, const char *ref, struct container **ret,
		   struct container **ret_claimed, struct err *err);
/* Looks it up, and waits until restore has looked at it: what it does now is known then. */
int find_handled(struct engine *e, const char *ref, struct container **ret, struct err *err);
/* names.c: takes the wished-for name, or makes one, for c in the index. */
int engine_take_name(struct engine *e, const char *wish, struct container *c, char **ret,
		     struct err *err);
int check_container_name(const char *name, struct err *err);
/* config of the container, referenced; ERR_CONFLICT where it is dead. */
struct container_config *config_of(struct container *c, struct err *err);
/* Can its log be read? ERR_NOT_SUPPORTED where its driver keeps nothing. */
int logs_readable(const struct container_config *config, struct err *err);
