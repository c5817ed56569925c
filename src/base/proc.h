/*
 * Processes: identity and signals. An identity is never a bare pid: it is boot
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

/* How the process of a pidfd ended, in wait(2)'s form: 0; -EAGAIN while it lives, or is a zombie
 * that its parent has not reaped; -ENODATA where the kernel cannot tell. Reaps it where it is our
 * child. Others' need Linux 6.15, and a pidfd opened before they were reaped. */
int pidfd_exit_status(int pidfd, int *ret_status);
/* What waitid(2) says of an end, in wait(2)'s form. */
int wait_status(const siginfo_t *info);

/* For an execve(2) that follows: makes these n descriptors first, first + 1, ..., not to be closed
 * by it, whatever had those numbers before. fds is used up. 0 or -errno. */
int place_fds(int *fds, size_t n, int first);

/* "KILL", "SIGKILL", "9", "sigkill", "RTMIN+3" -> number, or -EINVAL. */
int signal_parse(const char *s);
/* "SIGKILL"; "SIG<n>" for what has no name. ret has 16 bytes. */
char *signal_name(int sig, char ret[static 16]);
