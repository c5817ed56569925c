/* Who a process is, read from /proc; works for zombies, which base/proc.h takes for gone. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct procinfo {
	uint64_t start_ticks;
	bool exiting;		 /* on its way to be a zombie, or one */
	bool pid_namespace_init; /* it is pid 1 of a pid namespace below ours */
};

/* 0 or -errno. */
int procinfo_read(pid_t pid, struct procinfo *ret);
