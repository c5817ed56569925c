/* What this host is, for `info` and `version`. Read when asked for. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct host {
	char os_name[128];   /* PRETTY_NAME of /etc/os-release */
	char os_version[64]; /* VERSION_ID */
	char kernel[128];
	char machine[65];    /* x86_64 */
	const char *go_arch; /* amd64, as the Docker API names it */
	char name[65];
	int64_t cpus;
	int64_t memory;
	bool ip_forward;
	bool bridge_iptables, bridge_ip6tables;
	bool cgroup_namespace;
	int64_t fds, threads; /* of ours */
};
void host_look(struct host *ret);

/* The file system below a path, as docker names it ("extfs"); "<unknown>". */
const char *host_filesystem(const char *path);
/* An id that stays the same for this machine and text, as a UUID. ret has 37 bytes. */
void host_id(const char *text, char ret[static 37]);
