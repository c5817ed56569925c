/* The engine as a whole: opening, ending, closing. */
#include "engine/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"
#include "engine/internal.h"

#define LOCK_FILE	  "holdfast.lock"
#define LOCK_WAIT_NS	  (5 * NSEC_PER_SEC)
#define WORKERS_MAX	  32
#define WAITERS_MAX	  256
#define DEFAULT_EXEC_ROOT "/run/holdfast"

static void read_holder(int fd, char *ret, size_t size)
{
	ssize_t got = pread(fd, ret, size - 1, 0);

	ret[got > 0 ? got : 0] = '\0';
	ret[strcspn(ret, "\n")] = '\0';
}

/* A daemon killed between fork and exec leaves a child that has the lock until it execs, a moment
 * later; one that was killed while nft ran leaves it with that; kernels that tear down a large
 * process take their time, too. */
static int lock_after_the_dead(int fd)
{
	struct timespec deadline = deadline_in(LOCK_WAIT_NS);
	const struct timespec moment = {.tv_nsec = 10 * NSEC_PER_MSEC};
	char text[32];
	int64_t pid;

	for (;;) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return 0;
		if (errno != EWOULDBLOCK || deadline_left_ns(&deadline) <= 0)
			return -1;
		read_holder(fd, text, sizeof text);
		if (parse_i64(text, &pid) == 0 && proc_start_ticks((pid_t) pid) > 0)
			return -1;
		(void) nanosleep(&moment, NULL);
	}
}

char *engine_lock_path(const char *data_root)
{
	return xasprintf("%s/" LOCK_FILE, data_root);
}

/* One daemon per data root. The text in the lock file is for people; the lock is the truth. */
static int lock_data_root(const char *root, int *ret, struct err *err)
{
	autofree char *path = engine_lock_path(root);
	autoclose int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	char text[32] = "";
	int n;

	if (fd < 0)
		return err_sys(err, errno, "%s", path);
	if (lock_after_the_dead(fd) < 0) {
		read_holder(fd, text, sizeof text);
		return err_set(err, ERR_CONFLICT,
			       "data root %s is in use by another holdfastd (pid %s)", root,
			       text[0] ? text : "unknown");
	}
	n = snprintf(text, sizeof text, "%d\n", (int) getpid());
	if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t) n, 0) != n)
		return err_sys(err, errno, "write %s", path);
	*ret = take_fd(fd);
	return 0;
}

static int make_roots(const struct engine_options *o, struct err *err)
{
	int r = mkdir_p(o->data_root, 0711);

	if (r < 0)
		return err_sys(err, -r, "%s", o->data_root);
	r = mkdir_p(o->exec_root, 0711);
	return r < 0 ? err_sys(err, -r, "%s", o->exec_root)
		     : exec_root_make_private(o->exec_root, err);
}

/* Engines beside each other on one host tell their bridges, tables and cgroups by their exec roots:
 * what is left of them when they go has no other user. */
static void name_instance(struct engine *e)
{
	uint32_t hash = 2166136261u; /* FNV-1a */
	bool usual = str_eq(e->o.exec_root, DEFAULT_EXEC_ROOT);

	for (const char *p = e->o.exec_root; *p; p++)
		hash = (hash ^ (uint8_t) *p) * 16777619u;
	if (!usual)
		snprintf(e->instance, sizeof e->instance, "%08x", hash);
	snprintf(e->default_bridge, sizeof e->default_bridge, "holdfast%s",
		 usual ? "0" : e->instance + 1);
	snprintf(e->cgroup_parent, sizeof e->cgroup_parent, "/holdfast%s%s", usual ? "" : "-",
		 e->instance);
}

static int open_networks(struct engine *e, struct err *err)
{
	struct network_options o = {
		.data_root = e->o.data_root,
		.exec_root = e->o.exec_root,
		.instance = e->instance,
		.lock_fd = e->lock_fd,
		.default_bridge = e->default_bridge,
	};

	return networks_open(&o, &e->networks, err);
}

static int open_parts(struct engine *e, struct err *err)
{
	const struct runtime_options ro = {
		.exec_root = e->o.exec_root,
		.default_runtime = e->o.default_runtime,
		.added = &e->o.runtimes,
	};
	autofree char *why = NULL;

	name_instance(e);
	if (make_roots(&e->o, err) < 0 || lock_data_root(e->o.data_root, &e->lock_fd, err) < 0)
		return -1;
	if (runtimes_open(&ro, &e->runtimes, &why, err) < 0)
		return -1;
	log_info("%s", why);
	if (container_store_open(e->o.data_root, e->o.exec_root, &e->store, err) < 0 ||
	    images_open(e->o.data_root, e->o.image_tool, &e->images, err) < 0 ||
	    volumes_open(e->o.data_root, e->o.exec_root, &e->volumes, err) < 0 ||
	    open_networks(e, err) < 0 || events_open(e->o.data_root, &e->events, err) < 0 ||
	    supervisor_new(&e->supervisor, err) < 0)
		return -1;
	e->end_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (e->end_fd < 0)
		return err_sys(err, errno, "eventfd");
	e->workers = workers_new("worker", WORKERS_MAX);
	e->waiters = workers_new("waiter", WAITERS_MAX);
	e->policy_starts = policy_starts_new();
	e->log_follower = log_follower_new();
	e->filters = spec_filters_new();
	e->labels = strv_copy(e->o.labels);
	shutdown_remember(e);
	/* Runtimes and labels change by engine_reload(): nobody looks for them here. */
	e->o.default_runtime = NULL;
	e->o.runtimes = (struct strmap){0};
	e->o.labels = NULL;
	return 0;
}

int engine_open(const struct engine_options *o, struct engine **ret, struct err *err)
{
	struct engine *e = xnew(struct engine);

	e->o = *o;
	e->lock_fd = e->end_fd = -1;
	pthread_rwlock_init(&e->images_lock, NULL);
	pthread_rwlock_init(&e->submit_lock, NULL);
	pthread_mutex_init(&e->report_lock, NULL);
	pthread_cond_init(&e->report_made, NULL);
	pthread_mutex_init(&e->departed_lock, NULL);
	pthread_mutex_init(&e->lingering_lock, NULL);
	pthread_mutex_init(&e->volumes_lock, NULL);
	pthread_mutex_init(&e->sweep_lock, NULL);
	pthread_mutex_init(&e->exec_lock, NULL);
	pthread_mutex_init(&e->hosts_lock, NULL);
	pthread_mutex_init(&e->labels_lock, NULL);
	if (open_parts(e, err) < 0) {
		engine_close(e);
		return -1;
	}
	*ret = e;
	return 0;
}

int engine_reload(struct engine *e, const char *default_runtime, const struct strmap *runtimes,
		  char *const *labels, struct err *err)
{
	const struct runtime_options ro = {
		.exec_root = e->o.exec_root,
		.default_runtime = default_runtime,
		.added = runtimes,
	};
	autofree char *why = NULL;

	if (runtimes_reload(e->runtimes, &ro, &why, err) < 0)
		return -1;
	log_info("%s", why);
	hold(&e->labels_lock);
	strv_free(e->labels);
	e->labels = strv_copy(labels);
	return 0;
}

char **engine_labels(struct engine *e)
{
	hold(&e->labels_lock);

	return strv_copy(e->labels);
}

void engine_end_streams(struct engine *e)
{
	(void) eventfd_write(e->end_fd, 1);
	events_end(e->events);
}

void engine_end(struct engine *e)
{
	struct container **list;
	size_t n;

	{
		hold_rwlock(&e->submit_lock, wr);
		__atomic_store_n(&e->ending, true, __ATOMIC_RELEASE);
	}
	engine_end_streams(e);
	{
		hold(&e->report_lock);
		pthread_cond_broadcast(&e->report_made);
	}
	/* Verbs that wait for an end go home: their intent is on disk, and the next daemon goes on
	 * with it. */
	container_store_all(e->store, &list, &n);
	for (size_t i = 0; i < n; i++) {
		hold(&list[i]->lock);

		container_changed_locked(list[i]);
	}
	container_list_free(list, n);
}

bool engine_ending(const struct engine *e)
{
	return __atomic_load_n(&e->ending, __ATOMIC_ACQUIRE);
}

int engine_end_fd(const struct engine *e)
{
	return e->end_fd;
}

static void drop_links(struct engine *e)
{
	struct container **list;
	size_t n;

	container_store_all(e->store, &list, &n);
	for (size_t i = 0; i < n; i++) {
		hold(&list[i]->lock);

		links_drop_locked(list[i]);
	}
	container_list_free(list, n);
}

void engine_close(struct engine *e)
{
	if (!e)
		return;
	/* Jobs in hand are done to their end; after engine_end() no new one comes. */
	if (e->workers)
		engine_end(e);
	workers_free(e->workers);
	workers_free(e->waiters);
	policy_starts_end(e->policy_starts);
	if (e->store)
		drop_links(e);
	if (e->supervisor)
		supervisor_unwatch(e->supervisor, take(e->session_sweep));
	supervisor_free(e->supervisor);
	policy_starts_free(e->policy_starts);
	log_follower_free(e->log_follower);
	restore_drop(e);
	networks_rest(e->networks);
	if (e->store) {
		container_store_close(e->store);
		exec_root_release(e->o.exec_root);
		cgroup_remove_empty(e->cgroup_parent);
	}
	images_close(e->images);
	volumes_close(e->volumes);
	strv_free(e->volume_claims);
	networks_close(e->networks);
	events_close(e->events);
	runtimes_close(e->runtimes);
	spec_filters_free(e->filters);
	close_p(&e->end_fd);
	close_p(&e->lock_fd);
	pthread_rwlock_destroy(&e->images_lock);
	pthread_rwlock_destroy(&e->submit_lock);
	pthread_mutex_destroy(&e->report_lock);
	pthread_cond_destroy(&e->report_made);
	pthread_mutex_destroy(&e->departed_lock);
	pthread_mutex_destroy(&e->lingering_lock);
	free(e->lingering);
	pthread_mutex_destroy(&e->volumes_lock);
	pthread_mutex_destroy(&e->sweep_lock);
	pthread_mutex_destroy(&e->exec_lock);
	pthread_mutex_destroy(&e->hosts_lock);
	pthread_mutex_destroy(&e->labels_lock);
	strv_free(e->labels);
	free(e->report);
	free(e);
}

struct images *engine_images(struct engine *e)
{
	return e->images;
}

struct events *engine_events(struct engine *e)
{
	return e->events;
}

struct runtimes *engine_runtimes(struct engine *e)
{
	return e->runtimes;
}

const struct engine_options *engine_opts(const struct engine *e)
{
	return &e->o;
}
