/* How a process ended, asked by its pidfd; see proc.h. */
#include <errno.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "base/proc.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

/* linux/pidfd.h of Linux 6.15, in the size that every later kernel takes too. */
struct pidfd_info_v0 {
	uint64_t mask;
	uint64_t cgroup_id;
	uint32_t pid, tgid, ppid;
	uint32_t ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
	int32_t exit_code;
};
_Static_assert(sizeof(struct pidfd_info_v0) == 64, "PIDFD_INFO_SIZE_VER0");

#define PIDFD_GET_INFO_V0 _IOWR(0xFF, 11, struct pidfd_info_v0)
#define INFO_EXIT	  (1u << 3)

int wait_status(const siginfo_t *info)
{
	switch (info->si_code) {
	case CLD_EXITED:
		return (info->si_status & 0xff) << 8;
	case CLD_DUMPED:
		return info->si_status | 0x80;
	default:
		return info->si_status;
	}
}

int pidfd_exit_status(int pidfd, int *ret_status)
{
	struct pidfd_info_v0 info = {.mask = INFO_EXIT};
	siginfo_t si = {0};
	int r;

	do
		r = waitid((idtype_t) P_PIDFD, (id_t) pidfd, &si, WEXITED | WNOHANG | __WALL);
	while (r < 0 && errno == EINTR);
	if (r == 0 && si.si_pid == 0)
		return -EAGAIN;
	if (r == 0) {
		*ret_status = wait_status(&si);
		return 0;
	}
	if (ioctl(pidfd, PIDFD_GET_INFO_V0, &info) < 0)
		return -ENODATA;
	if (!(info.mask & INFO_EXIT))
		return -EAGAIN;
	*ret_status = info.exit_code;
	return 0;
}
