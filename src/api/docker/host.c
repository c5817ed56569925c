/* Facts of the host; see host.h. */
#include "api/docker/host.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"

/* The value of NAME="value" in the text of an os-release file; "" where it is not there. */
static void release_value(const char *text, const char *name, char *ret, size_t size)
{
	size_t n = strlen(name);

	ret[0] = '\0';
	for (const char *line = text; line && *line; line = strchr(line, '\n')) {
		size_t len;

		line += *line == '\n';
		if (strncmp(line, name, n) != 0 || line[n] != '=')
			continue;
		line += n + 1;
		len = strcspn(line, "\n");
		if (len >= 2 && (*line == '"' || *line == '\'') && line[len - 1] == *line) {
			line++;
			len -= 2;
		}
		snprintf(ret, size, "%.*s", (int) len, line);
		return;
	}
}

static void look_at_os(struct host *h)
{
	autofree char *text = NULL;

	if (read_file_at(AT_FDCWD, "/etc/os-release", 1 << 16, &text, NULL) < 0 &&
	    read_file_at(AT_FDCWD, "/usr/lib/os-release", 1 << 16, &text, NULL) < 0)
		text = NULL;
	release_value(text ? text : "", "PRETTY_NAME", h->os_name, sizeof h->os_name);
	release_value(text ? text : "", "VERSION_ID", h->os_version, sizeof h->os_version);
	if (!h->os_name[0])
		snprintf(h->os_name, sizeof h->os_name, "Linux");
}

static bool proc_is_one(const char *path)
{
	char text[16];

	return read_small_at(AT_FDCWD, path, text, sizeof text) >= 0 && text[0] == '1';
}

static int64_t count_entries(const char *path)
{
	DIR *d = opendir(path);
	int64_t n = 0;

	if (!d)
		return 0;
	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static const char *go_arch(const char *machine)
{
	static const char *const names[][2] = {
		{"x86_64", "amd64"}, {"aarch64", "arm64"},   {"i686", "386"},
		{"armv7l", "arm"},   {"armv6l", "arm"},	     {"ppc64le", "ppc64le"},
		{"s390x", "s390x"},  {"riscv64", "riscv64"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(names[i][0], machine) == 0)
			return names[i][1];
	}
	return "unknown";
}

void host_look(struct host *ret)
{
	struct utsname uts = {0};
	struct sysinfo si = {0};
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	memset(ret, 0, sizeof *ret);
	look_at_os(ret);
	(void) uname(&uts);
	(void) sysinfo(&si);
	snprintf(ret->kernel, sizeof ret->kernel, "%s", uts.release);
	snprintf(ret->machine, sizeof ret->machine, "%s", uts.machine);
	snprintf(ret->name, sizeof ret->name, "%s", uts.nodename);
	ret->go_arch = go_arch(uts.machine);
	ret->cpus = cpus > 0 ? cpus : 1;
	ret->memory = (int64_t) si.totalram * si.mem_unit;
	ret->ip_forward = proc_is_one("/proc/sys/net/ipv4/ip_forward");
	ret->bridge_iptables = proc_is_one("/proc/sys/net/bridge/bridge-nf-call-iptables");
	ret->bridge_ip6tables = proc_is_one("/proc/sys/net/bridge/bridge-nf-call-ip6tables");
	ret->cgroup_namespace = access("/proc/self/ns/cgroup", F_OK) == 0;
	ret->fds = count_entries("/proc/self/fd");
	ret->threads = count_entries("/proc/self/task");
}

const char *host_filesystem(const char *path)
{
	static const struct {
		uint32_t magic;
		const char *name;
	} names[] = {
		{0xef53, "extfs"},     {0x58465342, "xfs"},	  {0x9123683e, "btrfs"},
		{0x01021994, "tmpfs"}, {0x794c7630, "overlayfs"}, {0x2fc12fc1, "zfs"},
		{0xf2f52010, "f2fs"},  {0x6969, "nfs"},
	};
	struct statfs st;

	for (size_t i = 0; statfs(path, &st) == 0 && i < ARRAY_SIZE(names); i++) {
		if ((uint32_t) st.f_type == names[i].magic)
			return names[i].name;
	}
	return "<unknown>";
}

/* FNV-1a */
static uint64_t mix(uint64_t h, const char *s)
{
	for (; *s; s++)
		h = (h ^ (unsigned char) *s) * 0x100000001b3ULL;
	return h;
}

void host_id(const char *text, char ret[static 37])
{
	char machine[64] = "";
	uint64_t a, b;

	if (read_small_at(AT_FDCWD, "/etc/machine-id", machine, sizeof machine) < 0)
		(void) gethostname(machine, sizeof machine - 1);
	a = mix(mix(0xcbf29ce484222325ULL, machine), text);
	b = mix(mix(a, text), machine);
	snprintf(ret, 37, "%08x-%04x-%04x-%04x-%012llx", (unsigned) (a >> 32),
		 (unsigned) (a >> 16) & 0xffff, (unsigned) a & 0xffff, (unsigned) (b >> 48),
		 (unsigned long long) b & 0xffffffffffffULL);
}
