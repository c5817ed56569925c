/*
 * The end of the host, announced: every container is stopped as its user would, but wished for as
 * before. A mark in the exec root, which a reboot empties, tells it to a daemon that comes in
 * between.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "engine/internal.h"

#define MARK	"shutdown"
#define AT_ONCE 256 /* each waits for its container */

static char *mark_path(const struct engine *e)
{
	return xasprintf("%s/" MARK, e->o.exec_root);
}

bool shutdown_is_announced(const struct engine *e)
{
	return __atomic_load_n(&e->host_ends, __ATOMIC_ACQUIRE);
}

void shutdown_remember(struct engine *e)
{
	autofree char *path = mark_path(e);

	e->host_ends = exists_at(AT_FDCWD, path);
}

struct stops {
	struct engine *e;
	struct container **list;
	unsigned failed; /* atomic */
};

static void set_keeps_wish(struct container *c, bool on)
{
	hold(&c->lock);
	c->stop_keeps_wish = on;
}

static void stop_one(void *arg, size_t i)
{
	struct stops *s = arg;
	struct container *c = s->list[i];
	struct err err = {0};
	int r = 0;

	if (container_claim(c, &err) < 0)
		return; /* removed meanwhile */
	set_keeps_wish(c, true);
	if (has_processes(c))
		r = stop_and_tell(s->e, c, ENGINE_TIMEOUT_DEFAULT, 0, &err);
	set_keeps_wish(c, false);
	container_release(c);
	if (r < 0) {
		log_warn("container %.12s (%s): stop for the host's end: %s", c->id, c->name,
			 err.text);
		__atomic_add_fetch(&s->failed, 1, __ATOMIC_RELAXED);
	}
}

int engine_shutdown(struct engine *e, struct err *err)
{
	autofree char *path = mark_path(e);
	struct stops s = {.e = e};
	size_t n;

	if (save_file_at(AT_FDCWD, path, "\n", 1, SAVE_ATOMIC, err) < 0)
		return -1;
	__atomic_store_n(&e->host_ends, true, __ATOMIC_RELEASE);
	log_info("the host is going down: all containers are stopped");
	container_store_all(e->store, &s.list, &n);
	parallel_for(n, AT_ONCE, stop_one, &s);
	container_list_free(s.list, n);
	return s.failed ? err_set(err, ERR_SYSTEM, "%u of %zu containers could not be stopped",
				  s.failed, n)
			: 0;
}

int engine_shutdown_cancel(struct engine *e, struct err *err)
{
	autofree char *path = mark_path(e);

	if (unlink(path) < 0 && errno != ENOENT)
		return err_sys(err, errno, "remove %s", path);
	__atomic_store_n(&e->host_ends, false, __ATOMIC_RELEASE);
	return 0;
}
