/* See heritage.h. */
#include "daemon/heritage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/file.h"
#include "base/log.h"
#include "daemon/notify.h"

#define FIRST_FD      3
#define PASSED_MAX    1024
#define HERITAGE_ENV  "HOLDFAST_HERITAGE"
#define HERITAGE_MAX  (1 << 30)
#define SLOT_NAME     "slot-"
#define STATES_NAME   "connections"
#define QUEUE_NAME    "queue"
#define HERITAGE_HEAD "holdfast heritage 1\n"

/* Descriptors ----------------------------------------------------------------------------- */

static void set_cloexec(int fd, bool on)
{
	(void) fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0);
}

static void each_fd(struct heritage *h, void (*fn)(int fd, bool on), bool on)
{
	int pair[2];

	for (size_t i = 0; i < h->left.n_listen; i++)
		fn(h->left.listen_fds[i], on);
	for (size_t i = 0; i < h->left.n_conns; i++)
		fn(h->left.conns[i].fd, on);
	for (unsigned i = 0; http_shelf_pair(h->shelf, i, pair); i++) {
		fn(pair[0], on);
		fn(pair[1], on);
	}
	if (h->shelf)
		fn(http_shelf_state_fd(h->shelf), on);
	if (h->left.queue_fd > 0)
		fn(h->left.queue_fd, on);
}

bool fd_is_listening(int fd)
{
	int domain = 0, type = 0, accepts = 0;
	socklen_t len = sizeof domain;

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_UNIX &&
	       getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM &&
	       getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &len) == 0 && accepts;
}

void heritage_add_socket(struct heritage *h, int fd)
{
	struct http_left *left = &h->left;

	left->listen_fds =
		xreallocarray(left->listen_fds, left->n_listen + 1, sizeof *left->listen_fds);
	left->listen_fds[left->n_listen++] = fd;
}

static bool has_path(int fd, const char *path)
{
	struct sockaddr_un addr = {0};
	socklen_t len = sizeof addr - 1;

	return getsockname(fd, (struct sockaddr *) &addr, &len) == 0 && str_eq(addr.sun_path, path);
}

bool heritage_has_socket(const struct heritage *h, const char *path)
{
	for (size_t i = 0; i < h->left.n_listen; i++)
		if (has_path(h->left.listen_fds[i], path))
			return true;
	return false;
}

bool socket_is_among(int fd, char *const *hosts)
{
	for (; *hosts; hosts++)
		if (str_has_prefix(*hosts, "unix://") && has_path(fd, *hosts + strlen("unix://")))
			return true;
	return false;
}

/* Activation ------------------------------------------------------------------------------ */

int activation_parse(pid_t pid, const char *listen_pid, const char *listen_fds, const char *names,
		     char ***ret_names)
{
	autostrv char **list = names ? strv_split(names, ':') : NULL;
	int64_t wanted, n;

	*ret_names = NULL;
	if (!listen_pid || !listen_fds || parse_i64(listen_pid, &wanted) < 0 || wanted != pid ||
	    parse_i64(listen_fds, &n) < 0 || n <= 0 || n > PASSED_MAX)
		return 0;
	for (int64_t i = 0; i < n; i++)
		strv_add(ret_names, (size_t) i < strv_len(list) ? list[i] : "unknown");
	return (int) n;
}

/* The two ends of a slot have one name. */
struct half {
	const char *name;
	int fd;
};

static void take_slot_end(struct heritage *h, struct half *halves, size_t *n, const char *name,
			  int fd)
{
	for (size_t i = 0; i < *n; i++) {
		if (strcmp(halves[i].name, name) != 0)
			continue;
		http_shelf_add(h->shelf, (const int[]){halves[i].fd, fd});
		halves[i] = halves[--*n];
		return;
	}
	halves[(*n)++] = (struct half){name, fd};
}

static void take_passed(struct heritage *h, char *const *names)
{
	struct half halves[PASSED_MAX];
	size_t n_halves = 0;

	/* The states first: slots are added to the shelf that has them. */
	for (int i = 0; names[i] && !h->shelf; i++)
		if (str_eq(names[i], STATES_NAME))
			h->shelf = http_shelf_new(FIRST_FD + i);

	for (int i = 0; names[i]; i++) {
		int fd = FIRST_FD + i;

		set_cloexec(fd, true);
		if (str_eq(names[i], STATES_NAME)) {
			continue;
		} else if (str_has_prefix(names[i], SLOT_NAME)) {
			take_slot_end(h, halves, &n_halves, names[i], fd);
		} else if (str_eq(names[i], QUEUE_NAME)) {
			h->left.queue_fd = fd;
		} else if (fd_is_listening(fd)) {
			/* Whoever passes it may have it blocking. */
			(void) fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
			heritage_add_socket(h, fd);
			h->passed = true;
		} else {
			log_warn("descriptor %d (%s), which was passed to us, is no listening unix "
				 "socket",
				 fd, names[i]);
			(void) close(fd);
		}
	}
	for (size_t i = 0; i < n_halves; i++)
		(void) close(halves[i].fd);
}

/* Written down ---------------------------------------------------------------------------- */

void heritage_write(const struct heritage *h, struct buf *out)
{
	int pair[2];

	buf_adds(out, HERITAGE_HEAD);
	buf_adds(out, "from " HOLDFAST_VERSION "\n");
	if (h->passed)
		buf_adds(out, "passed\n");
	for (size_t i = 0; i < h->left.n_listen; i++)
		buf_addf(out, "listen %d\n", h->left.listen_fds[i]);
	if (h->left.queue_fd > 0)
		buf_addf(out, "queue %d\n", h->left.queue_fd);
	if (h->shelf)
		buf_addf(out, "shelf %d\n", http_shelf_state_fd(h->shelf));
	for (unsigned i = 0; http_shelf_pair(h->shelf, i, pair); i++)
		buf_addf(out, "slot %d %d\n", pair[0], pair[1]);
	for (size_t i = 0; i < h->left.n_conns; i++) {
		const struct http_left_conn *c = &h->left.conns[i];

		buf_addf(out, "conn %d %zu\n", c->fd, c->in.len);
		if (c->in.len)
			buf_add(out, c->in.text, c->in.len);
		buf_addc(out, '\n');
	}
}

static void add_conn(struct http_left *left, int fd, const char *bytes, size_t n)
{
	struct http_left_conn *c;

	left->conns = xreallocarray(left->conns, left->n_conns + 1, sizeof *left->conns);
	c = &left->conns[left->n_conns++];
	*c = (struct http_left_conn){.fd = fd};
	if (n)
		buf_add(&c->in, bytes, n);
}

/* A line that says what we do not know is a later version's, and passed over. */
static int parse_line(struct heritage *h, const char *line, const char *behind, const char *end,
		      const char **ret_next)
{
	int a, b;
	size_t n;

	*ret_next = behind;
	if (sscanf(line, "listen %d", &a) == 1) {
		heritage_add_socket(h, a);
	} else if (sscanf(line, "queue %d", &a) == 1) {
		h->left.queue_fd = a;
	} else if (sscanf(line, "shelf %d", &a) == 1) {
		if (!h->shelf)
			h->shelf = http_shelf_new(a);
	} else if (sscanf(line, "slot %d %d", &a, &b) == 2) {
		http_shelf_add(h->shelf, (const int[]){a, b});
	} else if (sscanf(line, "conn %d %zu", &a, &n) == 2) {
		if (n >= (size_t) (end - behind) || behind[n] != '\n')
			return -1;
		add_conn(&h->left, a, behind, n);
		*ret_next = behind + n + 1;
	} else if (str_has_prefix(line, "from ")) {
		free(h->from);
		h->from = xstrdup(line + strlen("from "));
	} else if (str_eq(line, "passed")) {
		h->passed = true;
	}
	return 0;
}

int heritage_parse(const char *text, size_t n, struct heritage *ret, struct err *err)
{
	const char *end = text + n, *at = text + strlen(HERITAGE_HEAD);

	if (n < strlen(HERITAGE_HEAD) || memcmp(text, HERITAGE_HEAD, strlen(HERITAGE_HEAD)) != 0)
		return err_set(err, ERR_SYSTEM, "the former daemon's heritage is not understood");
	while (at < end) {
		const char *lf = memchr(at, '\n', (size_t) (end - at));
		autofree char *line = lf ? xstrndup(at, (size_t) (lf - at)) : NULL;

		if (!lf || parse_line(ret, line, lf + 1, end, &at) < 0)
			return err_set(err, ERR_SYSTEM, "the former daemon's heritage is torn");
	}
	return 0;
}

/* Taking and giving ----------------------------------------------------------------------- */

/* Out of the environment, where runtimes would take them for theirs. Caller frees. */
static char *take_env(const char *name)
{
	char *value = xstrdup(getenv(name));

	(void) unsetenv(name);
	return value;
}

static int take_written(struct heritage *h, const char *number, struct err *err)
{
	autofree char *text = NULL;
	autoclose int fd = -1;
	struct err why = {0};
	int64_t value;
	size_t n;
	int r;

	if (parse_i64(number, &value) < 0 || value < FIRST_FD)
		return err_set(err, ERR_INVALID, HERITAGE_ENV "=%s is no descriptor", number);
	fd = (int) value;
	autofree char *path = xasprintf("/proc/self/fd/%d", fd);

	r = read_file_at(AT_FDCWD, path, HERITAGE_MAX, &text, &n);
	if (r < 0)
		return err_sys(err, -r, "read the former daemon's heritage");
	r = heritage_parse(text, n, h, &why);
	each_fd(h, set_cloexec, true);
	/* What there is of it is taken: a host without its sockets would be worse. */
	if (r < 0)
		log_error("%s", why.text);
	return 0;
}

int heritage_take(struct heritage *ret, struct err *err)
{
	autofree char *pid = take_env("LISTEN_PID"), *fds = take_env("LISTEN_FDS");
	autofree char *listen_names = take_env("LISTEN_FDNAMES");
	autofree char *written = take_env(HERITAGE_ENV), *store = take_env("FDSTORE");
	autostrv char **names = NULL;
	int64_t room;

	*ret = (struct heritage){.notify_socket = take_env("NOTIFY_SOCKET")};
	ret->can_store = ret->notify_socket && store && parse_i64(store, &room) == 0 &&
			 room > 2 * HTTP_SHELF_MAX;
	if (written)
		return take_written(ret, written, err);
	if (activation_parse(getpid(), pid, fds, listen_names, &names) > 0)
		take_passed(ret, names);
	return 0;
}

int heritage_give(struct heritage *h, struct err *err)
{
	int fd = memfd_create("heritage", MFD_CLOEXEC);
	autobuf text = {0};
	char number[16];
	int r;

	if (fd < 0)
		return err_sys(err, errno, "memfd_create");
	heritage_write(h, &text);
	r = write_all(fd, text.text, text.len);
	if (r < 0) {
		(void) close(fd);
		return err_sys(err, -r, "write down what is left to the new daemon");
	}
	each_fd(h, set_cloexec, false);
	set_cloexec(fd, false);
	(void) snprintf(number, sizeof number, "%d", fd);
	(void) setenv(HERITAGE_ENV, number, 1);
	if (h->notify_socket)
		(void) setenv("NOTIFY_SOCKET", h->notify_socket, 1);
	if (h->can_store)
		(void) setenv("FDSTORE", "1024", 1);
	return 0;
}

void heritage_keep(struct heritage *h)
{
	autofree char *fd = take_env(HERITAGE_ENV);

	(void) unsetenv("NOTIFY_SOCKET");
	(void) unsetenv("FDSTORE");
	if (fd)
		(void) close(atoi(fd));
	each_fd(h, set_cloexec, true);
}

void heritage_make_shelf(struct heritage *h)
{
	autoclose int to = h->shelf || !h->can_store ? -1 : notify_open(h->notify_socket);
	int states, r;

	if (to < 0)
		return;
	h->shelf = http_shelf_new(-1);
	if (!h->shelf)
		return;
	states = http_shelf_state_fd(h->shelf);
	/* First, as without them the slots would be of no use to the next. */
	r = notify_send(to, "FDSTORE=1\nFDPOLL=0\nFDNAME=" STATES_NAME, &states, 1);
	for (int i = 0; r == 0 && i < HTTP_SHELF_MAX; i++) {
		autofree char *text = xasprintf("FDSTORE=1\nFDPOLL=0\nFDNAME=" SLOT_NAME "%d", i);
		int pair[2];

		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
			r = -errno;
			break;
		}
		r = notify_send(to, text, pair, 2);
		http_shelf_add(h->shelf, pair);
	}
	if (r < 0)
		log_warn("connections cannot be kept beyond our end: %s", strerror(-r));
}

static void close_fd(int fd, bool on)
{
	(void) close(fd);
}

void heritage_free(struct heritage *h)
{
	for (size_t i = 0; i < h->left.n_conns; i++)
		buf_free(&h->left.conns[i].in);
	/* The shelf closes its own. */
	http_shelf_free(take(h->shelf));
	each_fd(h, close_fd, true);
	free(h->left.listen_fds);
	free(h->left.conns);
	free(h->from);
	free(h->notify_socket);
	*h = (struct heritage){0};
}
