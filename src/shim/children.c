/* Reaping; see children.h. */
#include "shim/children.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"

void children_watch(struct children *cs, struct child *c)
{
	c->next = cs->asked_for;
	cs->asked_for = c;
}

void children_forget(struct children *cs, struct child *c)
{
	for (struct child **p = &cs->asked_for; *p; p = &(*p)->next)
		if (*p == c) {
			*p = c->next;
			break;
		}
	c->pid = 0;
}

void children_hold(struct children *cs)
{
	cs->held++;
}

void children_release(struct children *cs)
{
	cs->held--;
}

static void report(struct children *cs, const siginfo_t *info)
{
	bool by_signal = info->si_code != CLD_EXITED;
	struct death d = {
		.time_ns = now_ns(),
		.code = by_signal ? 128 + info->si_status : info->si_status,
		.signal = by_signal ? info->si_status : 0,
	};

	for (struct child **p = &cs->asked_for; *p; p = &(*p)->next) {
		struct child *c = *p;

		if (c->pid != info->si_pid)
			continue;
		*p = c->next;
		c->pid = 0;
		c->fn(c->arg, &d);
		return;
	}
}

/* Reaps one of those that idtype and id name, if one is dead: its pid, else 0. */
static pid_t reap(idtype_t idtype, pid_t id, siginfo_t *info)
{
	info->si_pid = 0;
	while (waitid(idtype, (id_t) id, info, WEXITED | WNOHANG) < 0)
		if (errno != EINTR)
			return 0;
	return info->si_pid;
}

/* One of those asked for, if one is dead. */
static bool reap_asked_for(struct children *cs, siginfo_t *info)
{
	for (struct child *c = cs->asked_for; c; c = c->next)
		if (reap(P_PID, c->pid, info))
			return true;
	return false;
}

void children_reap(struct children *cs)
{
	siginfo_t info;

	/* A report may change what is held and asked for, so look anew each time. */
	while (cs->held ? reap_asked_for(cs, &info) : reap(P_ALL, 0, &info) != 0)
		report(cs, &info);
}

/* Pids of our children, as the kernel lists them: "12 13 ". */
static void list_children(char *text, size_t size)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/self/task/%d/children", (int) getpid());
	if (read_small_at(AT_FDCWD, path, text, size) < 0)
		text[0] = '\0';
}

/* Waits a moment for one of the killed; one that cannot die must not keep us. */
static bool await_death(void)
{
	siginfo_t info;

	for (int ms = 0; ms < 100; ms += 2) {
		if (reap(P_ALL, 0, &info))
			return true;
		(void) usleep(2000);
	}
	return false;
}

void children_kill_rest(struct children *cs)
{
	char text[4096];

	/* What a child leaves behind comes to us in turn. Who keeps forking gets no more rounds. */
	for (int round = 0; round < 64; round++) {
		char *p = text, *end;
		int n = 0;

		children_reap(cs);
		list_children(text, sizeof text);
		for (long pid; (pid = strtol(p, &end, 10)) > 0 && end > p; p = end, n++)
			(void) kill((pid_t) pid, SIGKILL);
		if (n == 0)
			return;
		if (!await_death())
			break;
	}
	log_warn("processes of the container are still alive");
}
