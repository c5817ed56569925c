/*
 * Reaping what is nobody's. Children that our threads start are waited for by them. What a killed
 * shim leaves behind comes to us, the nearest sub-reaper, if it was we who started that shim; the
 * kernel gives it to the main thread, which starts nothing itself, so __WNOTHREAD tells the one
 * from the other. (Shims come here too when the thread that started them has ended.)
 */
#include <errno.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "engine/internal.h"

int engine_become_reaper(struct err *err)
{
	return prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 ? err_sys(err, errno, "become sub-reaper") : 0;
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
	for (;;) {
		siginfo_t info = {0};
		int status;

		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WNOTHREAD) < 0 ||
		    info.si_pid == 0)
			return;
		note_end(e, info.si_pid, wait_status(&info));
		(void) waitpid(info.si_pid, &status, __WNOTHREAD);
	}
}
