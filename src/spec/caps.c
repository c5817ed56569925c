/*
 * Capabilities: docker's default set, CapAdd and CapDrop, within what this host can lend.
 *
 * One of our own defaults that the host lacks is left out (with a warning); one that the user asked
 * for by name and the host lacks is an error.
 */
#include <ctype.h>
#include <errno.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "spec/private.h"

static const char *const names[] = {
	"CAP_CHOWN",
	"CAP_DAC_OVERRIDE",
	"CAP_DAC_READ_SEARCH",
	"CAP_FOWNER",
	"CAP_FSETID",
	"CAP_KILL",
	"CAP_SETGID",
	"CAP_SETUID",
	"CAP_SETPCAP",
	"CAP_LINUX_IMMUTABLE",
	"CAP_NET_BIND_SERVICE",
	"CAP_NET_BROADCAST",
	"CAP_NET_ADMIN",
	"CAP_NET_RAW",
	"CAP_IPC_LOCK",
	"CAP_IPC_OWNER",
	"CAP_SYS_MODULE",
	"CAP_SYS_RAWIO",
	"CAP_SYS_CHROOT",
	"CAP_SYS_PTRACE",
	"CAP_SYS_PACCT",
	"CAP_SYS_ADMIN",
	"CAP_SYS_BOOT",
	"CAP_SYS_NICE",
	"CAP_SYS_RESOURCE",
	"CAP_SYS_TIME",
	"CAP_SYS_TTY_CONFIG",
	"CAP_MKNOD",
	"CAP_LEASE",
	"CAP_AUDIT_WRITE",
	"CAP_AUDIT_CONTROL",
	"CAP_SETFCAP",
	"CAP_MAC_OVERRIDE",
	"CAP_MAC_ADMIN",
	"CAP_SYSLOG",
	"CAP_WAKE_ALARM",
	"CAP_BLOCK_SUSPEND",
	"CAP_AUDIT_READ",
	"CAP_PERFMON",
	"CAP_BPF",
	"CAP_CHECKPOINT_RESTORE",
};

#define DOCKER_DEFAULT                                                                           \
	(CAP_BIT(CAP_CHOWN) | CAP_BIT(CAP_DAC_OVERRIDE) | CAP_BIT(CAP_FSETID) |                  \
	 CAP_BIT(CAP_FOWNER) | CAP_BIT(CAP_MKNOD) | CAP_BIT(CAP_NET_RAW) | CAP_BIT(CAP_SETGID) | \
	 CAP_BIT(CAP_SETUID) | CAP_BIT(CAP_SETFCAP) | CAP_BIT(CAP_SETPCAP) |                     \
	 CAP_BIT(CAP_NET_BIND_SERVICE) | CAP_BIT(CAP_SYS_CHROOT) | CAP_BIT(CAP_KILL) |           \
	 CAP_BIT(CAP_AUDIT_WRITE))

const char *cap_name(unsigned number)
{
	return number < ARRAY_SIZE(names) ? names[number] : NULL;
}

static uint64_t host_caps;
static pthread_once_t host_caps_once = PTHREAD_ONCE_INIT;

/* Bounded and permitted: a runtime can hand on neither what we may not have nor what we do not. */
static void find_host_caps(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {0};
	uint64_t permitted;

	if (syscall(SYS_capget, &head, data) < 0)
		return;
	permitted = (uint64_t) data[1].permitted << 32 | data[0].permitted;
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		if (permitted & CAP_BIT(i) && prctl(PR_CAPBSET_READ, i, 0, 0, 0) == 1)
			host_caps |= CAP_BIT(i);
	}
}

uint64_t caps_of_host(void)
{
	pthread_once(&host_caps_once, find_host_caps);
	return host_caps;
}

/* "net_admin", "CAP_NET_ADMIN" -> number; -EINVAL where there is no such capability. */
static int cap_parse(const char *s)
{
	if (strncasecmp(s, "CAP_", 4) == 0)
		s += 4;
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcasecmp(s, names[i] + 4) == 0)
			return (int) i;
	}
	return -EINVAL;
}

/* A list of names as bits; *ret_all where ALL is among them. */
static int parse_list(char *const *list, uint64_t *ret, bool *ret_all, struct err *err)
{
	*ret = 0;
	*ret_all = false;
	for (; list && *list; list++) {
		int n;

		if (strcasecmp(*list, "ALL") == 0) {
			*ret_all = true;
			continue;
		}
		n = cap_parse(*list);
		if (n < 0)
			return err_set(err, ERR_INVALID, "unknown capability: \"%s\"", *list);
		*ret |= CAP_BIT(n);
	}
	return 0;
}

static const char *first_name(uint64_t caps)
{
	return caps ? cap_name((unsigned) __builtin_ctzll(caps)) : NULL;
}

int caps_resolve(const struct host_config *host, uint64_t lent, uint64_t *ret,
		 uint64_t *ret_missing, struct err *err)
{
	bool add_all, drop_all;
	uint64_t add, drop, caps;

	if (parse_list(host->cap_add, &add, &add_all, err) < 0 ||
	    parse_list(host->cap_drop, &drop, &drop_all, err) < 0)
		return -1;

	*ret_missing = 0;
	if (host->privileged) {
		*ret = lent;
		return 0;
	}
	if (add & ~lent)
		return err_set(
			err, ERR_INVALID,
			"capability not supported by your kernel or not available in the current "
			"environment: \"%s\"",
			first_name(add & ~lent));

	if (add_all)
		caps = lent & ~drop;
	else if (drop_all)
		caps = add;
	else
		caps = (DOCKER_DEFAULT & ~drop) | add;
	*ret_missing = caps & ~lent;
	*ret = caps & lent;
	return 0;
}
