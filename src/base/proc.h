/*
 * Processes: identity, signals, and running a program. An identity is never a bare pid: it is boot
 * id + pid + start time, pinned by a pidfd at once and compared again after opening.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"

#define BOOT_ID_LEN 36

/* The kernel's boot id (36 characters); read once per process. "" where it cannot be read. */
const char *boot_id(void);

/* Start time of a process in clock ticks since boot (field 22 of /proc/PID/stat), or 0 where it is
 * gone or a zombie. */
uint64_t proc_start_ticks(pid_t pid);

/* Opens a pidfd on exactly this process: 0 <= fd, -ESRCH where it is gone, is a zombie, or the pid
 * is now another's, other -errno where it cannot be told. */
int pidfd_open_checked(pid_t pid, uint64_t start_ticks);
/* pidfd_send_signal(2): 0 or -errno. */
int pidfd_kill(int pidfd, int sig);

/* How the process of a pidfd ended, in wait(2)'s form: 0; -EAGAIN while it lives, or is a zombie that
 * its parent has not reaped; -ENODATA where the kernel cannot tell. Reaps it where it is our child.
 * Others' need Linux 6.15, and a pidfd opened before they were reaped. */
int pidfd_exit_status(int pidfd, int *ret_status);
/* What waitid(2) says of an end, in wait(2)'s form. */
int wait_status(const siginfo_t *info);

/* "KILL", "SIGKILL", "9", "sigkill", "RTMIN+3" -> number, or -EINVAL. */
int signal_parse(const char *s);
/* "SIGKILL"; "SIG<n>" for what has no name. ret has 16 bytes. */
char *signal_name(int sig, char ret[static 16]);

/* A program to run. Zero-initialise; fd numbers of -1 or 0-init `in`/`out` as said. */
struct spawn {
	const char *const *argv; /* argv[0] is looked up in PATH unless it has a slash */
	const char *const *env;	 /* NULL: ours */
	const char *cwd;	 /* NULL: ours */
	int in;			 /* becomes stdin; <= 0: /dev/null */
	int out;		 /* becomes stdout; <= 0: /dev/null */
	int err;		 /* becomes stderr; <= 0: /dev/null */
	const int *keep;	 /* further descriptors, become 3, 4, ... */
	size_t n_keep;
};

/* Starts it: all signals unblocked and at default, nothing but the named descriptors open.
 * Returns 0 with *ret_pid, or < 0 with err ("exec crun: No such file or directory"). */
int spawn_start(const struct spawn *s, pid_t *ret_pid, struct err *err);

/* What a finished program left: exit code (128 + signal where one killed it) and its output. */
struct spawn_result {
	int code;
	bool timed_out; /* it was killed because timeout_ms passed */
	char *out;	/* stdout, if asked for; NUL-terminated */
	size_t out_len;
	char *err_text; /* stderr, cut at 8 KiB */
};

/* Runs it to its end with captured stdout (cut at max_out) and stderr. in/out/err of s are ignored
 * but `in`. timeout_ms < 0: none; after it the program is killed. */
int spawn_run(const struct spawn *s, int timeout_ms, size_t max_out, struct spawn_result *ret,
	      struct err *err);
void spawn_result_free(struct spawn_result *r);
