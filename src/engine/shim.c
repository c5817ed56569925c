/* Speaking with shims: birth, pulse, questions. The protocol is in wire/proto.h. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/file.h"
#include "base/spawn.h"
#include "engine/internal.h"
#include "wire/proto.h"

/* A shim answers at once; one that is stopped has the client all the same. */
#define HAND_OVER_MS 5000
#define ANSWER_MS    5000

static enum pulse pulse_at(int dir, const char *path)
{
	autoclose int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return errno == ENOENT ? PULSE_NONE : PULSE_UNKNOWN;
	if (flock(fd, LOCK_SH | LOCK_NB) == 0)
		return PULSE_NONE;
	return errno == EWOULDBLOCK ? PULSE_ALIVE : PULSE_UNKNOWN;
}

enum pulse shim_pulse(int exec_dir)
{
	return pulse_at(exec_dir, LAYOUT_ALIVE);
}

enum pulse shim_pulse_of(const struct engine *e, const char *id)
{
	autofree char *path = xasprintf("%s/" LAYOUT_ALIVE, id);

	return pulse_at(container_store_exec_dir(e->store), path);
}

int shim_take_pulse(int exec_dir, struct err *err)
{
	autoclose int fd =
		openat(exec_dir, LAYOUT_ALIVE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return err_sys(err, errno, "open " LAYOUT_ALIVE);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK
			       ? err_set(err, ERR_CONFLICT, "its former shim still lives")
			       : err_sys(err, errno, "lock " LAYOUT_ALIVE);
	return take_fd(fd);
}

int shim_spawn(struct engine *e, const char *id, int data_dir, int exec_dir, int alive_fd,
	       struct shim_birth *ret, struct err *err)
{
	autofree char *cwd = xasprintf("%s/" LAYOUT_CONTAINERS "/%s", e->o.exec_root, id);
	const char *argv[] = {e->o.shim, "--id", id, NULL};
	autoclose int mine = -1, its = -1;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(err, errno, "socketpair");
	mine = pair[0];
	its = pair[1];

	const int keep[] = {alive_fd, its, data_dir, exec_dir};
	const struct spawn s = {.argv = argv, .cwd = cwd, .keep = keep, .n_keep = ARRAY_SIZE(keep)};

	if (spawn_start(&s, &ret->pid, err) < 0)
		return err_wrap(err, "start %s", e->o.shim);
	ret->conn = take_fd(mine);
	return 0;
}

int shim_connect_of(const struct engine *e, const char *id, struct err *err)
{
	autofree char *path =
		xasprintf("%s/" LAYOUT_CONTAINERS "/%s/" LAYOUT_SHIM_SOCK, e->o.exec_root, id);
	int fd = proto_connect_at(AT_FDCWD, path); /* a third faster than through a directory */

	if (fd == -ENAMETOOLONG) {
		autoclose int dir = container_open_exec(e->store, id);

		fd = dir < 0 ? dir : proto_connect_at(dir, LAYOUT_SHIM_SOCK);
	}
	return fd < 0 ? err_sys(err, -fd, "connect to " LAYOUT_SHIM_SOCK) : fd;
}

int shim_connect(int exec_dir, struct err *err)
{
	int fd = proto_connect_at(exec_dir, LAYOUT_SHIM_SOCK);

	return fd < 0 ? err_sys(err, -fd, "connect to " LAYOUT_SHIM_SOCK) : fd;
}

/* Events come on every connection; an answer is one of these. */
static bool is_answer(const struct kv *kv)
{
	const char *msg = kv_get(kv, "msg");

	return msg && (!strcmp(msg, "ok") || !strcmp(msg, "error") || !strcmp(msg, "hello"));
}

int shim_receive(int conn, const struct timespec *deadline, struct kv *ret, struct err *err)
{
	for (;;) {
		struct pollfd p = {.fd = conn, .events = POLLIN};
		int64_t left = deadline_left_ns(deadline);
		int fds[PROTO_FDS_MAX], r;
		size_t n_fds = 0;

		r = poll(&p, 1, (int) ((left + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC));
		if (r < 0 && errno == EINTR)
			continue;
		if (r == 0)
			return err_set(err, ERR_UNAVAILABLE, "its shim did not answer in time");
		r = proto_recv(conn, ret, fds, &n_fds);
		for (size_t i = 0; i < n_fds; i++)
			(void) close(fds[i]);
		return r > 0 ? 0 : err_sys(err, r < 0 ? -r : ECONNRESET, "its shim hung up");
	}
}

int shim_refused(const struct kv *answer, struct err *err)
{
	const char *text = kv_get(answer, "text") ?: "no reason";

	if (strcmp(text, "unknown message") == 0)
		return err_set(err, ERR_NOT_SUPPORTED,
			       "its shim is of an earlier version and cannot do that: it can once "
			       "the container has been restarted");
	return err_set(err, ERR_CONFLICT, "its shim says: %s", text);
}

static int receive_answer(int fd, int timeout_ms, struct kv *ret, struct err *err)
{
	struct timespec deadline = deadline_in(timeout_ms * NSEC_PER_MSEC);

	for (;;) {
		autokv kv = {0};

		if (shim_receive(fd, &deadline, &kv, err) < 0)
			return -1;
		if (!is_answer(&kv))
			continue;
		if (!strcmp(kv_get(&kv, "msg"), "error"))
			return shim_refused(&kv, err);
		*ret = kv;
		kv.items = NULL;
		return 0;
	}
}

int shim_call(int exec_dir, const struct buf *msg, int timeout_ms, struct kv *ret, struct err *err)
{
	autoclose int fd = shim_connect(exec_dir, err);
	int r;

	if (fd < 0)
		return -1;
	r = proto_send(fd, msg, NULL, 0);
	if (r < 0)
		return err_sys(err, -r, "tell its shim");
	return receive_answer(fd, timeout_ms, ret, err);
}

int shim_hand_over(int exec_dir, struct buf *msg, const struct client_stream *client,
		   const int *fds, size_t n_fds, struct err *err)
{
	autoclose int conn = shim_connect(exec_dir, err);
	autofree char *read = base64_encode(client->read, client->n_read);
	int all[PROTO_FDS_MAX] = {client->fd};
	struct err why = {0};
	autokv answer = {0};
	int r;

	if (conn < 0)
		return -1;
	assert(n_fds < PROTO_FDS_MAX);
	for (size_t i = 0; i < n_fds; i++)
		all[1 + i] = fds[i];
	kv_add(msg, "head", client->head);
	kv_add_int(msg, "chunked", client->chunked);
	if (client->n_read > 0)
		kv_add(msg, "read", read);
	r = proto_send(conn, msg, all, 1 + n_fds);
	if (r < 0)
		return err_sys(err, -r, "hand the client to its shim");
	if (receive_answer(conn, HAND_OVER_MS, &answer, &why) == 0)
		return 0;
	if (why.kind == ERR_CONFLICT || why.kind == ERR_NOT_SUPPORTED) {
		if (err)
			*err = why;
		return -1;
	}
	log_warn("a client was handed over, and then: %s", why.text);
	return 0;
}

int shim_hello(int conn, struct kv *ret, struct err *err)
{
	autobuf msg = {0};
	int r;

	kv_add(&msg, "msg", "hello");
	kv_add_int(&msg, "version", PROTO_VERSION);
	r = proto_send(conn, &msg, NULL, 0);
	return r < 0 ? err_sys(err, -r, "ask its shim") : receive_answer(conn, ANSWER_MS, ret, err);
}

int shim_bear(struct engine *e, struct container *c, int data_dir, int exec_dir, int *ret_conn,
	      struct err *err)
{
	autoclose int alive = shim_take_pulse(exec_dir, err);
	struct shim_birth born = {.conn = -1};

	if (alive < 0 || shim_spawn(e, c->id, data_dir, exec_dir, alive, &born, err) < 0)
		return -1;
	*ret_conn = born.conn;
	hold(&c->lock);
	c->shim_child = born.pid;
	return 0;
}

/* 0 as well where no shim is there to be told. */
static int tell(struct engine *e, const struct container *c, const struct buf *msg, struct err *err)
{
	autoclose int dir = container_open_exec(e->store, c->id);
	autokv answer = {0};

	if (dir < 0 || shim_pulse(dir) == PULSE_NONE)
		return 0;
	return shim_call(dir, msg, ANSWER_MS, &answer, err);
}

void shim_tell_wish(struct engine *e, const struct container *c, enum wanted w)
{
	struct err err = {0};
	autobuf msg = {0};

	kv_add(&msg, "msg", "wish");
	kv_add(&msg, "wanted", wanted_text(w));
	if (tell(e, c, &msg, &err) < 0)
		log_warn("container %.12s: its shim was not told that it is wanted %s: %s", c->id,
			 wanted_text(w), err.text);
}

int shim_tell_policy(struct engine *e, const struct container *c, const struct restart_policy *p)
{
	struct err err = {0};
	autobuf msg = {0};

	kv_add(&msg, "msg", "policy");
	kv_add(&msg, "restart", str_empty(p->name) ? "no" : p->name);
	kv_add_int(&msg, "max", p->max_retries);
	if (tell(e, c, &msg, &err) == 0)
		return 0;
	log_warn("container %.12s: its shim was not told its restart policy %s: %s", c->id,
		 p->name ?: "", err.text);
	return -1;
}

void shim_forget(struct engine *e, struct container *c)
{
	autoclose int exec = container_open_exec(e->store, c->id);
	autokv answer = {0};
	autobuf msg = {0};
	int64_t settled;

	{
		hold(&c->lock);
		settled = c->state.settled_run;
	}
	if (exec < 0 || settled == 0)
		return;
	kv_add(&msg, "msg", "forget");
	kv_add_int(&msg, "run", settled);
	(void) shim_call(exec, &msg, ANSWER_MS, &answer, NULL);
}

void shim_quit(struct engine *e, struct container *c, bool keep_clients)
{
	autoclose int exec = container_open_exec(e->store, c->id);
	autokv answer = {0};
	autobuf msg = {0};

	if (exec < 0 || shim_pulse(exec) != PULSE_ALIVE)
		return;
	kv_add(&msg, "msg", "quit");
	if (keep_clients)
		kv_add_int(&msg, "keep-clients", 1);
	{
		hold(&c->lock);
		kv_add_int(&msg, "code", c->state.exit_code);
		if (c->state.error)
			kv_add(&msg, "error", c->state.error);
	}
	(void) shim_call(exec, &msg, ANSWER_MS, &answer, NULL);
}
