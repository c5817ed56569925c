/* See join.h. */
#include "shim/join.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/proc.h"
#include "wire/layout.h"
#include "wire/proto.h"

#define ANSWER_S 5 /* a shim that lives answers in a millisecond */

struct owner {
	char type[8]; /* net, pid, ipc */
	char id[CONTAINER_ID_LEN + 1];
	int32_t pid; /* as the daemon knew it: for a container that has lost its shim */
	uint64_t ticks;
};

static int parse(const char *text, struct owner *ret, struct err *err)
{
	if (sscanf(text, "%7s %64s %" SCNd32 " %" SCNu64, ret->type, ret->id, &ret->pid,
		   &ret->ticks) != 4)
		return err_set(err, ERR_INVALID, LAYOUT_SHIM_CONF ": join: %s", text);
	return 0;
}

/* The answer to hello; events that come before it are not for us. */
static int say_hello(int fd, struct kv *ret)
{
	const struct timeval patience = {.tv_sec = ANSWER_S};
	autobuf msg = {0};
	int r;

	(void) setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	kv_add(&msg, "msg", "hello");
	kv_add_int(&msg, "version", PROTO_VERSION);
	r = proto_send(fd, &msg, NULL, 0);
	while (r == 0) {
		autokv kv = {0};

		r = proto_recv(fd, &kv, NULL, NULL);
		if (r <= 0)
			return r < 0 ? r : -ECONNRESET;
		r = 0;
		if (str_eq(kv_get(&kv, "msg"), "hello")) {
			*ret = kv;
			kv.items = NULL;
			return 0;
		}
	}
	return r;
}

/* Asks the owner's shim who its init is now. */
static int ask(int exec, struct owner *o, struct err *err)
{
	autofree char *sock = xasprintf("../%s/" LAYOUT_SHIM_SOCK, o->id);
	autoclose int fd = proto_connect_at(exec, sock);
	autokv answer = {0};
	int r;

	if (fd < 0)
		return 0; /* no shim: the daemon's knowledge stands, or the process is gone */
	r = say_hello(fd, &answer);
	if (r < 0)
		return err_sys(err, -r, "ask the shim of container %.12s", o->id);
	o->pid = (int32_t) kv_int(&answer, "pid", 0);
	o->ticks = (uint64_t) kv_int(&answer, "ticks", 0);
	return 0;
}

static int make_target(int exec, const char *target, struct err *err)
{
	int fd;

	while (umount2(target, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
		;
	fd = openat(exec, target, O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_sys(err, errno, "make %s", target);
	(void) close(fd);
	return 0;
}

static int join_one(const char *text, int exec, struct err *err)
{
	char source[64], target[32];
	struct owner o = {0};
	autoclose int pidfd = -1;

	if (parse(text, &o, err) < 0 || ask(exec, &o, err) < 0)
		return -1;
	pidfd = pidfd_open_checked(o.pid, o.ticks);
	if (pidfd < 0)
		return err_set(err, ERR_CONFLICT, "cannot join %s of a non running container: %s",
			       o.type, o.id);
	snprintf(source, sizeof source, "/proc/%d/ns/%s", (int) o.pid, o.type);
	snprintf(target, sizeof target, LAYOUT_BUNDLE "/" LAYOUT_NS_PREFIX "%s", o.type);
	if (make_target(exec, target, err) < 0)
		return -1;
	if (mount(source, target, NULL, MS_BIND, NULL) < 0)
		return err_sys(err, errno, "bind %s", source);
	/* Still there: then the pid was its own all the while. */
	if (pidfd_kill(pidfd, 0) < 0)
		return err_set(err, ERR_CONFLICT, "cannot join %s of a non running container: %s",
			       o.type, o.id);
	return 0;
}

int join_own_network(int netns, int exec, struct err *err)
{
	static const char target[] = LAYOUT_BUNDLE "/" LAYOUT_NS_PREFIX "net";
	char source[64];

	if (netns < 0)
		return 0;
	snprintf(source, sizeof source, "/proc/self/fd/%d", netns);
	if (make_target(exec, target, err) < 0)
		return -1;
	return mount(source, target, NULL, MS_BIND, NULL) < 0
		       ? err_sys(err, errno, "bind the network namespace")
		       : 0;
}

int join_namespaces(const struct shim_config *c, int exec, struct err *err)
{
	for (char **j = c->join; j && *j; j++)
		if (join_one(*j, exec, err) < 0)
			return -1;
	return 0;
}
