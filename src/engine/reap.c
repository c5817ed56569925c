/*
 * Reaping what is nobody's. Children that our threads start are waited for by them. What a killed
 * shim leaves behind comes to us, the nearest sub-reaper, if it was we who started that shim; the
 * kernel gives it to the main thread, which starts nothing itself, so __WNOTHREAD tells the one
 * from the other. (Shims come here too when the thread that started them has ended.) A shim that is
 * its container's no more may linger for clients, so it is not waited for where it is released.
 */
#include <errno.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "engine/internal.h"

int engine_become_reaper(struct err *err)
{
	return prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 ? err_sys(err, errno, "become sub-reaper") : 0;
}

/* Those that have ended, and the one that was reaped elsewhere, are forgotten. */
static void reap_lingering_locked(struct engine *e, pid_t pid)
{
	size_t kept = 0;

	for (size_t i = 0; i < e->n_lingering; i++)
		if (e->lingering[i] != pid && waitpid(e->lingering[i], NULL, WNOHANG) == 0)
			e->lingering[kept++] = e->lingering[i];
	e->n_lingering = kept;
}

static void reap_left(struct engine *e, pid_t pid)
{
	hold(&e->lingering_lock);

	reap_lingering_locked(e, pid);
}

void shim_reap(struct engine *e, struct container *c)
{
	pid_t pid;

	{
		hold(&c->lock);
		pid = c->shim_child;
		c->shim_child = 0;
	}
	if (pid <= 0)
		return;
	/* Noted before it is looked at: should it end in between, SIGCHLD finds it. */
	hold(&e->lingering_lock);
	e->lingering = xreallocarray(e->lingering, e->n_lingering + 1, sizeof *e->lingering);
	e->lingering[e->n_lingering++] = pid;
	reap_lingering_locked(e, 0);
}

/* A zombie keeps its pid, and its start time, until it is reaped: it is the one we know. */
static void note_end(struct engine *e, pid_t pid, int status)
{
	struct container **list;
	size_t n;

	container_store_all(e->store, &list, &n);
	for (size_t i = 0; i < n; i++) {
		struct container *c = list[i];
		hold(&c->lock);

		if (c->shim_child == pid)
			c->shim_child = 0;
		if (c->disk.pid != pid || c->state.run <= c->state.settled_run)
			continue;
		c->exit_known = true;
		c->exit_status = status;
		engine_kick(e, c);
	}
	container_list_free(list, n);
}

void engine_reap(struct engine *e)
{
	reap_left(e, 0);
	for (;;) {
		siginfo_t info = {0};
		int status;

		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WNOTHREAD) < 0 ||
		    info.si_pid == 0)
			return;
		note_end(e, info.si_pid, wait_status(&info));
		(void) waitpid(info.si_pid, &status, __WNOTHREAD);
		reap_left(e, info.si_pid);
	}
}
