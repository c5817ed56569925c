/*
 * The process that serves names: Debian's aardvark-dns, which reads all files of a directory when it
 * starts and at each SIGHUP. Whoever starts it, tells it or ends it returns when that is done, so
 * that a container's first question is answered, and nobody tells one that is about to end.
 *
 * What it does not say is seen: its start ends when its pid is written, before it hears signals, the
 * first of which would kill it; at a SIGHUP it closes its sockets, reads the files, and opens sockets
 * again.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>

#include "base/file.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/spawn.h"
#include "base/time.h"
#include "network/private.h"

#define START_MS      10000
#define TELL_MS	      5000 /* it is told in one or two; who is later than that is not waited for */
#define LOOK_MS	      1
#define DNS_PORT      53
#define PID_FILE      "aardvark.pid"
#define CAUGHT	      "SigCgt:"
#define PROC_FILE_MAX (16 << 20)

const char *dns_program(const struct networks *ns)
{
	return ns->o.dns ?: "/usr/lib/podman/aardvark-dns";
}

/* What is known of it */

/* A pidfd of the one that serves the directory, or -1. */
static int find_server(const char *dir, pid_t *ret_pid)
{
	autoclose int fd = open_dir_at(AT_FDCWD, dir);
	autofree char *path = NULL;
	char text[32], cmdline[4096];
	autoclose int pidfd = -1;
	int64_t pid;

	if (fd < 0 || read_small_at(fd, PID_FILE, text, sizeof text) < 0 ||
	    parse_i64(text, &pid) < 0 || pid <= 1)
		return -1;
	*ret_pid = (pid_t) pid;
	pidfd = pidfd_open_checked(*ret_pid, proc_start_ticks(*ret_pid));
	path = xasprintf("/proc/%d/cmdline", (int) pid);
	/* argv[2], behind --config: whoever else has that pid now does not speak of our directory.
	 */
	if (pidfd < 0 || read_small_at(AT_FDCWD, path, cmdline, sizeof cmdline) < 0)
		return -1;
	for (const char *arg = cmdline; arg < cmdline + sizeof cmdline - 1 && *arg;
	     arg += strlen(arg) + 1)
		if (str_eq(arg, dir))
			return take_fd(pidfd);
	return -1;
}

/* Does it end within that time? */
static bool ends(int pidfd, int64_t ms)
{
	struct pollfd p = {.fd = pidfd, .events = POLLIN};

	return poll(&p, 1, (int) ms) > 0;
}

static bool hears(pid_t pid, int sig)
{
	autofree char *path = xasprintf("/proc/%d/status", (int) pid);
	autofree char *text = NULL;
	const char *caught;

	if (read_file_at(AT_FDCWD, path, PROC_FILE_MAX, &text, NULL) < 0)
		return false;
	caught = strstr(text, CAUGHT);
	return caught && strtoull(caught + strlen(CAUGHT), NULL, 16) >> (sig - 1) & 1;
}

/* Of a line "SLOT: ADDRESS:PORT ...", all in hexadecimal: has it the port at that address, or at all
 * addresses, as another server of the host's may? */
static bool is_taken_by(const char *line, const char *address)
{
	char local[33];
	unsigned port;

	return sscanf(line, "%*s %32[0-9A-F]:%X", local, &port) == 2 && port == DNS_PORT &&
	       (str_eq(local, address) || !local[strspn(local, "0")]);
}

static bool is_taken_in(const char *table, const char *address)
{
	autofree char *text = NULL;

	if (read_file_at(AT_FDCWD, table, PROC_FILE_MAX, &text, NULL) < 0)
		return false;
	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (is_taken_by(line, address))
			return true;
	}
	return false;
}

static bool is_taken(const struct ip *at)
{
	char address[9];
	uint32_t raw;

	if (at->family != AF_INET)
		return true;
	memcpy(&raw, at->b, sizeof raw);
	snprintf(address, sizeof address, "%08X", raw);
	return is_taken_in("/proc/self/net/udp", address) ||
	       is_taken_in("/proc/self/net/udp6", address);
}

static bool listens(const struct ip *at, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!is_taken(&at[i]))
			return false;
	return true;
}

/* Waiting for it; each false where it has ended, or is late. */

static bool comes_to_listen(int pidfd, const struct ip *at, size_t n,
			    const struct timespec *deadline)
{
	while (!listens(at, n))
		if (deadline_left_ns(deadline) == 0 || ends(pidfd, LOOK_MS))
			return false;
	return true;
}

static bool comes_to_hear(int pidfd, pid_t pid, const struct timespec *deadline)
{
	while (!hears(pid, SIGHUP))
		if (deadline_left_ns(deadline) == 0 || ends(pidfd, LOOK_MS))
			return false;
	return true;
}

/* Has a file been read to its end? */
static bool has_read(int watch)
{
	_Alignas(struct inotify_event) char buf[4096];
	ssize_t n = read(watch, buf, sizeof buf);

	for (ssize_t i = 0; i < n;) {
		const struct inotify_event *e = (const void *) (buf + i);

		if (e->len > 0 && !(e->mask & IN_ISDIR) && !str_eq(e->name, PID_FILE))
			return true;
		i += (ssize_t) (sizeof *e + e->len);
	}
	return false;
}

static bool comes_to_read(int pidfd, int watch, const struct timespec *deadline)
{
	struct pollfd p[] = {{.fd = watch, .events = POLLIN}, {.fd = pidfd, .events = POLLIN}};

	while (!has_read(watch)) {
		int64_t left = deadline_left_ns(deadline);

		if (left == 0 || poll(p, ARRAY_SIZE(p), (int) (left / NSEC_PER_MSEC) + 1) < 0 ||
		    p[1].revents)
			return false;
	}
	return true;
}

/* What is done with it */

static int start_server(const struct networks *ns, const char *dir, const struct ip *at, size_t n)
{
	const char *argv[] = {dns_program(ns), "--config", dir, "--port", "53", "run", NULL};
	const struct timespec deadline = deadline_in(START_MS * NSEC_PER_MSEC);
	const struct spawn s = {.argv = argv};
	struct spawn_result result = {0};
	autoclose int pidfd = -1;
	struct err err = {0};
	pid_t pid;
	int r;

	r = spawn_run(&s, START_MS, 0, &result, &err);
	if (r < 0)
		log_error("names of networks: %s", err.text);
	else if (result.code != 0)
		log_error("names of networks: %s ended with %d: %.200s", argv[0], result.code,
			  result.err_text ?: "");
	r = r < 0 || result.code != 0 ? -1 : 0;
	spawn_result_free(&result);
	if (r < 0)
		return -1;
	pidfd = find_server(dir, &pid);
	if (pidfd >= 0 && comes_to_listen(pidfd, at, n, &deadline))
		return 0;
	log_warn("names of networks: the server %s",
		 pidfd < 0 || ends(pidfd, 0) ? "has ended at its start" : "is late");
	return -1;
}

static int end_server(int pidfd)
{
	if (pidfd < 0 || pidfd_kill(pidfd, SIGKILL) < 0 || ends(pidfd, START_MS))
		return 0;
	log_warn("names of networks: the server does not end");
	return -1;
}

/* < 0: it is no more. */
static int tell_server(int pidfd, pid_t pid, const char *dir, const struct ip *at, size_t n)
{
	struct timespec deadline = deadline_in(START_MS * NSEC_PER_MSEC);
	autoclose int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	int r;

	/* Somebody began to start it, and died. */
	if (!comes_to_hear(pidfd, pid, &deadline))
		return end_server(pidfd), -ESRCH;
	if (watch >= 0 && inotify_add_watch(watch, dir, IN_CLOSE_NOWRITE) < 0)
		close(take_fd(watch));
	r = pidfd_kill(pidfd, SIGHUP);
	if (r < 0)
		return r;
	deadline = deadline_in(TELL_MS * NSEC_PER_MSEC);
	/* Without a watch nobody knows when it has read: it will have in a moment. */
	if (watch < 0 ||
	    (comes_to_read(pidfd, watch, &deadline) && comes_to_listen(pidfd, at, n, &deadline)))
		return 0;
	if (ends(pidfd, 0))
		return -ESRCH;
	log_warn("names of networks: the server is late");
	return 0;
}

/* Is there anything to be served, of networks that we know or not? */
static bool has_files(const char *dir)
{
	const struct dirent *e;
	DIR *d = opendir(dir);
	bool any = false;

	while (d && !any && (e = readdir(d)))
		any = e->d_name[0] != '.' && !str_eq(e->d_name, PID_FILE);
	if (d)
		(void) closedir(d);
	return any;
}

int dns_server_serve(const struct networks *ns, const char *dir, bool changed, const struct ip *at,
		     size_t n)
{
	pid_t pid;
	autoclose int pidfd = find_server(dir, &pid);

	/* It would end by itself, but there is no saying when. */
	if (!has_files(dir))
		return end_server(pidfd);
	if (pidfd >= 0 && (!changed || tell_server(pidfd, pid, dir, at, n) == 0))
		return 0;
	return start_server(ns, dir, at, n);
}

void dns_server_end(const char *dir)
{
	pid_t pid;
	autoclose int pidfd = find_server(dir, &pid);

	(void) end_server(pidfd);
}
