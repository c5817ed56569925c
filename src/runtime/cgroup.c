/*
 * The host's cgroup hierarchies: where they are mounted, what they can limit, and the few acts that
 * the engine needs on a container's cgroup: is anyone in it, who, and remove it when nobody else is
 * left to do that.
 *
 * Mount points come from /proc/self/mountinfo, read once: hosts do not move their cgroups about.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "runtime/private.h"
#include "runtime/runtime.h"

#define MOUNTINFO_MAX (4 << 20)
#define PROCS_MAX     (32 << 20) /* of four million pids, all that a kernel has */
#define LOOKS	      500	 /* at a freezer, a millisecond each, before it is told again */

static struct cgroup_hosts host;
static pthread_once_t host_once = PTHREAD_ONCE_INIT;

/* mountinfo writes space, tab, newline and backslash as \ooo. */
static void unescape_octal(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] && s[3]) {
			*to++ = (char) ((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 3;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
}

/* What is mounted later on the same place hides what was there. */
static void hide(struct cgroup_hosts *h, const char *path)
{
	for (size_t i = 0; i < h->n; i++) {
		if (strcmp(h->mounts[i].path, path) != 0)
			continue;
		free(h->mounts[i].path);
		strv_free(h->mounts[i].options);
		h->mounts[i] = h->mounts[--h->n];
		return;
	}
}

/* One line: "31 23 0:28 / /sys/fs/cgroup rw,relatime shared:1 - cgroup cgroup rw,cpu". */
static void take_mount(struct cgroup_hosts *h, char *line)
{
	char *dash = strstr(line, " - "), *at, *save = NULL;
	char *type, *options;
	struct cgroup_mount *m;

	if (!dash)
		return;
	*dash = '\0';
	strtok_r(line, " ", &save);
	for (int i = 0; i < 3; i++)
		strtok_r(NULL, " ", &save);
	at = strtok_r(NULL, " ", &save);
	type = strtok_r(dash + 3, " ", &save);
	if (!at || !type)
		return;
	strtok_r(NULL, " ", &save);
	options = strtok_r(NULL, " ", &save);

	unescape_octal(at);
	hide(h, at);
	if (strcmp(type, "cgroup") != 0 && strcmp(type, "cgroup2") != 0)
		return;
	h->mounts = xreallocarray(h->mounts, h->n + 1, sizeof *h->mounts);
	m = &h->mounts[h->n++];
	*m = (struct cgroup_mount){
		.path = xstrdup(at),
		.v2 = strcmp(type, "cgroup2") == 0,
		.options = strv_split(options ? options : "", ','),
	};
}

struct cgroup_hosts *cgroup_hosts_parse(char *mountinfo)
{
	struct cgroup_hosts *h = xnew(struct cgroup_hosts);
	char *save = NULL;

	for (char *line = strtok_r(mountinfo, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		take_mount(h, line);
	return h;
}

void cgroup_hosts_free(struct cgroup_hosts *h)
{
	if (!h)
		return;
	for (size_t i = 0; i < h->n; i++) {
		free(h->mounts[i].path);
		strv_free(h->mounts[i].options);
	}
	free(h->mounts);
	free(h);
}

enum cgroup_mode cgroup_hosts_mode(const struct cgroup_hosts *h)
{
	bool v1 = false, v2 = false;

	for (size_t i = 0; i < h->n; i++) {
		if (h->mounts[i].v2)
			v2 = true;
		else
			v1 = true;
	}
	if (v1)
		return v2 ? CGROUP_HYBRID : CGROUP_V1;
	return v2 ? CGROUP_V2 : CGROUP_NONE;
}

static void find_host(void)
{
	autofree struct cgroup_hosts *h = NULL;
	autofree char *text = NULL;

	if (read_file_at(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, &text, NULL) < 0)
		return;
	h = cgroup_hosts_parse(text);
	host = *h;
}

static const struct cgroup_hosts *the_host(void)
{
	pthread_once(&host_once, find_host);
	return &host;
}

enum cgroup_mode cgroup_mode(void)
{
	return cgroup_hosts_mode(the_host());
}

const char *cgroup_mount_of(const char *controller)
{
	const struct cgroup_hosts *h = the_host();

	for (size_t i = 0; i < h->n; i++) {
		if (controller ? !h->mounts[i].v2 && strv_contains(h->mounts[i].options, controller)
			       : h->mounts[i].v2)
			return h->mounts[i].path;
	}
	return NULL;
}

/* An absolute path with at least one name in it and no "..": what we may look into and remove. */
static bool path_is_ours(const char *path)
{
	size_t n = strspn(path, "/");

	return n > 0 && path[n] != '\0' && !strstr(path, "/../") && !str_has_suffix(path, "/..");
}

/* The next directory below d, "" at the end. */
static const char *next_child(DIR *d)
{
	for (struct dirent *e; (e = readdir(d));) {
		if (e->d_type == DT_DIR && strcmp(e->d_name, ".") != 0 &&
		    strcmp(e->d_name, "..") != 0)
			return e->d_name;
	}
	return NULL;
}

static DIR *open_children(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (fd >= 0 && !d)
		(void) close(fd);
	return d;
}

static void closedir_p(DIR **d)
{
	if (*d)
		closedir(*d);
}

/* v1 has no cgroup.events: look for a pid here, then below. */
static int v1_populated(int dir, const char *name)
{
	auto_(closedir_p) DIR *d = open_children(dir, name);
	char procs[64];
	int r;

	if (!d)
		return errno == ENOENT ? 0 : -errno;
	r = read_small_at(dirfd(d), "cgroup.procs", procs, sizeof procs);
	if (r == -EFBIG)
		return 1;
	if (r < 0)
		return r == -ENOENT || r == -ENODEV ? 0 : r;
	if (procs[0])
		return 1;
	for (const char *child; (child = next_child(d));) {
		r = v1_populated(dirfd(d), child);
		if (r != 0)
			return r;
	}
	return 0;
}

static int v2_populated(const char *path)
{
	autofree char *file = xasprintf("%s/cgroup.events", path);
	char text[256];
	int r = read_small_at(AT_FDCWD, file, text, sizeof text);

	if (r < 0)
		return r == -ENOENT || r == -ENODEV ? 0 : r;
	return strstr(text, "populated 1") != NULL;
}

int cgroup_populated(const char *path)
{
	const struct cgroup_hosts *h = the_host();
	int failed = 0;

	if (!path_is_ours(path))
		return -EINVAL;
	for (size_t i = 0; i < h->n; i++) {
		autofree char *at = xasprintf("%s%s", h->mounts[i].path, path);
		int r = h->mounts[i].v2 ? v2_populated(at) : v1_populated(AT_FDCWD, at);

		if (r > 0)
			return 1;
		if (r < 0)
			failed = r;
	}
	return failed;
}

/* Freezing */

static int write_state(int dir, const char *state)
{
	autoclose int fd = openat(dir, "freezer.state", O_WRONLY | O_CLOEXEC);

	return fd < 0 ? -errno : write_all(fd, state, strlen(state));
}

/* 1, 0, or -errno. Reading is what makes v1 look: who is still to be frozen needs the processor. */
static int is_frozen(int dir, bool v2)
{
	char text[256];
	int r = read_small_at(dir, v2 ? "cgroup.events" : "freezer.state", text, sizeof text);

	return r < 0 ? r : strstr(text, v2 ? "frozen 1" : "FROZEN") != NULL;
}

/* While processes are born v1 does not come to an end by itself. */
static int freeze_anew(int dir, bool first)
{
	int r = first ? 0 : write_state(dir, "THAWED");

	return r < 0 ? r : write_state(dir, "FROZEN");
}

static int await_frozen(int dir, bool v2, int64_t timeout_ns)
{
	struct timespec deadline = deadline_in(timeout_ns);
	const struct timespec moment = {.tv_nsec = NSEC_PER_MSEC};

	for (unsigned i = 0; i == 0 || deadline_left_ns(&deadline) > 0; i++) {
		int r = !v2 && i % LOOKS == 0 ? freeze_anew(dir, i == 0) : 0;

		if (r == 0)
			r = is_frozen(dir, v2);
		if (r != 0)
			return r;
		(void) nanosleep(&moment, NULL);
	}
	if (!v2)
		(void) write_state(dir, "THAWED");
	return -ETIMEDOUT;
}

int cgroup_await_frozen(const char *path, int64_t timeout_ns)
{
	const char *v1 = cgroup_mount_of("freezer"), *top = v1 ?: cgroup_mount_of(NULL);
	autofree char *at = top ? xasprintf("%s%s", top, path) : NULL;
	autoclose int dir = -1;
	int r;

	if (!at || !path_is_ours(path))
		return 0;
	dir = open_dir_at(AT_FDCWD, at);
	r = dir < 0 ? dir : await_frozen(dir, !v1, timeout_ns);
	return r == -ENOENT || r == -ENOTDIR || r == -ENODEV ? 0 : r;
}

/* Of the threads below a threaded cgroup v2, which has no list, the cgroup above has the processes. */
static void add_procs(int dir, const char *name, struct buf *ret)
{
	auto_(closedir_p) DIR *d = open_children(dir, name);
	autofree char *text = NULL;

	if (!d)
		return;
	if (read_file_at(dirfd(d), "cgroup.procs", PROCS_MAX, &text, NULL) == 0)
		buf_adds(ret, text);
	for (const char *child; (child = next_child(d));)
		add_procs(dirfd(d), child, ret);
}

static int by_pid(const void *a, const void *b)
{
	pid_t x = *(const pid_t *) a, y = *(const pid_t *) b;

	return x < y ? -1 : x > y;
}

void cgroup_pids(const char *path, pid_t **ret, size_t *ret_n)
{
	const struct cgroup_hosts *h = the_host();
	autobuf text = {0};
	size_t n = 0;
	char *at;

	*ret = NULL;
	*ret_n = 0;
	/* One hierarchy has them all; in a hybrid one a runtime may leave v2 alone. */
	for (size_t i = 0; path_is_ours(path) && i < h->n && text.len == 0; i++) {
		autofree char *dir = xasprintf("%s%s", h->mounts[i].path, path);

		add_procs(AT_FDCWD, dir, &text);
	}
	if (text.len == 0)
		return;
	*ret = xreallocarray(NULL, text.len / 2, sizeof **ret); /* a digit and a newline, each */
	for (at = text.text; *at; at += strspn(at, "\n")) {
		long pid = strtol(at, &at, 10);

		if (pid > 0) /* 0: in a pid namespace that we do not see */
			(*ret)[n++] = (pid_t) pid;
	}
	qsort(*ret, n, sizeof **ret, by_pid);
	*ret_n = n;
}

/* Children first. A cgroup's files go with it. */
static int remove_below(int dir, const char *name)
{
	auto_(closedir_p) DIR *d = open_children(dir, name);
	int failed = 0;

	if (!d)
		return errno == ENOENT ? 0 : -errno;
	for (const char *child; (child = next_child(d));) {
		int r = remove_below(dirfd(d), child);

		if (r < 0)
			failed = r;
	}
	if (unlinkat(dir, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return failed ? failed : -errno;
	return 0;
}

void cgroup_remove_empty(const char *path)
{
	const struct cgroup_hosts *h = the_host();

	if (!path_is_ours(path))
		return;
	for (size_t i = 0; i < h->n; i++) {
		autofree char *at = xasprintf("%s%s", h->mounts[i].path, path);

		(void) rmdir(at);
	}
}

int cgroup_remove(const char *path)
{
	const struct cgroup_hosts *h = the_host();
	int failed = 0;

	if (!path_is_ours(path))
		return -EINVAL;
	for (size_t i = 0; i < h->n; i++) {
		autofree char *at = xasprintf("%s%s", h->mounts[i].path, path);
		int r = remove_below(AT_FDCWD, at);

		if (r < 0)
			failed = r;
	}
	return failed;
}
