/* The daemon as the keeper sees it: a process to be started, signalled, and started again. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/proc.h"
#include "base/str.h"
#include "base/time.h"
#include "keeper/keeper.h"

#define FIRST_FD 3 /* sd_listen_fds(3) */

static void set_environment(const struct keeper *k)
{
	autobuf names = {0};
	char number[16];

	for (unsigned i = 0; i < k->n_kept; i++)
		buf_addf(&names, "%s%s", i ? ":" : "", k->kept[i].name);
	(void) snprintf(number, sizeof number, "%d", (int) getpid());
	(void) setenv("LISTEN_PID", number, 1);
	(void) snprintf(number, sizeof number, "%u", k->n_kept);
	(void) setenv("LISTEN_FDS", number, 1);
	(void) setenv("LISTEN_FDNAMES", names.text ?: "", 1);
	(void) setenv("NOTIFY_SOCKET", k->notify_name, 1);
	(void) snprintf(number, sizeof number, "%d", KEPT_MAX);
	(void) setenv("FDSTORE", number, 1);
}

static void become_daemon(const struct keeper *k)
{
	int fds[KEPT_MAX];
	sigset_t none;

	for (unsigned i = 0; i < k->n_kept; i++)
		fds[i] = k->kept[i].fd;
	sigemptyset(&none);
	(void) sigprocmask(SIG_SETMASK, &none, NULL);
	set_environment(k);
	if (place_fds(fds, k->n_kept, FIRST_FD) == 0)
		(void) execv(k->argv[0], k->argv);
	log_error("keeper: start %s: %s", k->argv[0], strerror(errno));
	_exit(127);
}

void daemon_start(struct keeper *k)
{
	pid_t pid = fork();

	k->ready = k->accepts = false;
	k->started_ns = monotonic_ns();
	k->pidfd = -1;
	if (pid == 0)
		become_daemon(k);
	k->pid = pid > 0 ? pid : 0;
	if (pid < 0) {
		log_error("keeper: fork: %s", strerror(errno));
		daemon_ended(k, -1);
	}
}

void daemon_signal(const struct keeper *k, int sig)
{
	if (k->pidfd >= 0)
		(void) pidfd_kill(k->pidfd, sig);
	else if (k->pid > 0)
		(void) kill(k->pid, sig);
}

static void say_how(const struct keeper *k, int status)
{
	char how[64] = "has ended", name[16];
	char after[48] = "";

	if (status >= 0 && WIFSIGNALED(status))
		(void) snprintf(how, sizeof how, "was killed by %s",
				signal_name(WTERMSIG(status), name));
	else if (status >= 0)
		(void) snprintf(how, sizeof how, "has ended with %d", WEXITSTATUS(status));
	if (!k->ending)
		(void) snprintf(after, sizeof after, "; it is started again in %lld ms",
				(long long) (k->delay_ns / NSEC_PER_MSEC));
	log_line(k->ending ? LOG_LEVEL_INFO : LOG_LEVEL_WARN, "keeper: the daemon (pid %d) %s%s",
		 (int) k->pid, how, after);
}

void daemon_ended(struct keeper *k, int status)
{
	int64_t now = monotonic_ns();

	k->delay_ns = keeper_delay(k->delay_ns, k->ready, now - k->started_ns);
	k->start_at_ns = now + k->delay_ns;
	say_how(k, status);
	k->pid = 0;
	k->accepts = false;
	if (k->pidfd >= 0)
		(void) close(k->pidfd);
	k->pidfd = -1;
}
