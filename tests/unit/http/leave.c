/* A server that is paused, killed or replaced, and what its clients see of it. */
#include "http/shelf.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/time.h"
#include "client.h"

static struct http_server *server;

/* /hang: says on the pipe in arg that it is there, and never answers. */
static void handle(void *arg, struct http_request *rq)
{
	const char *path = http_path(rq);

	if (str_eq(path, "/hang") || str_eq(path, "/begin")) {
		if (str_eq(path, "/begin"))
			http_begin(rq, 200, "text/plain");
		assert_int_equal(write(*(int *) arg, "!", 1), 1);
		for (;;)
			pause();
	}
	if (str_eq(path, "/next")) {
		http_server_pause(server);
		http_serve_next(rq, "GET /in-its-place HTTP/1.1\r\nHost: d\r\n\r\n");
		assert_int_equal(write(*(int *) arg, "!", 1), 1);
		return;
	}
	http_respond(rq, 200, "text/plain", path, strlen(path));
}

static int nobody = -1;

static struct http_server *new_server(void *arg, struct http_shelf *shelf)
{
	struct http_server *s;
	struct err err;

	assert_int_equal(http_server_new(handle, arg, 8, &s, &err), 0);
	http_server_use_shelf(s, shelf);
	return s;
}

static struct http_server *serve(int listen_fd, void *arg, struct http_shelf *shelf)
{
	struct http_server *s = new_server(arg, shelf);

	http_server_add(s, dup(listen_fd));
	assert_int_equal(http_server_start(s, NULL), 0);
	return s;
}

static struct http_shelf *new_shelf(int n)
{
	struct http_shelf *h = http_shelf_new(-1);

	for (int i = 0; i < n; i++) {
		int pair[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
		http_shelf_add(h, pair);
	}
	return h;
}

/* Reads until the answer ends so; false where the server closes before. */
static bool hears(int fd, const char *end)
{
	autobuf b = {0};
	ssize_t r;

	while (!b.text || !str_has_suffix(b.text, end)) {
		r = read(fd, buf_reserve(&b, 512), 256);
		if (r <= 0)
			return false;
		b.len += (size_t) r;
		b.text[b.len] = '\0';
	}
	return true;
}

static bool is_silent(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, 50) == 0;
}

TEST(a_pause_leaves_clients_waiting_and_the_next_server_answers_them)
{
	int listen_fd = listen_anew(), idle, half, late;
	struct http_server *s = serve(listen_fd, &nobody, NULL);
	struct http_left left;

	idle = dial();
	say(idle, "GET /a HTTP/1.1\r\nHost: d\r\n\r\n");
	assert_true(hears(idle, "/a"));
	half = dial();
	say(half, "GET /b HTTP/1.1\r\nHo");
	/* What is behind it in the queue of events has been read when it is answered. */
	say(idle, "GET /c HTTP/1.1\r\nHost: d\r\n\r\n");
	assert_true(hears(idle, "/c"));

	http_server_pause(s);
	assert_true(http_server_drain(s, 1000));
	say(idle, "GET /d HTTP/1.1\r\nHost: d\r\n\r\n");
	say(half, "st: d\r\n\r\n");
	late = dial();
	say(late, "POST /e HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n");
	assert_true(is_silent(idle));

	http_server_leave(s, &left);
	assert_int_equal(left.n_listen, 1);
	s = new_server(&nobody, NULL);
	http_server_inherit(s, &left);
	assert_int_equal(http_server_start(s, NULL), 0);
	assert_true(hears(idle, "/d"));
	assert_true(hears(half, "/b"));
	assert_true(hears(late, "/e"));
	close(idle);
	close(half);
	close(late);
	close(listen_fd);
	http_server_stop(s, 1000);
}

TEST(a_request_in_anothers_place_is_served_by_the_next_server)
{
	int listen_fd = listen_anew(), told[2], fd;
	struct http_left left;
	char byte;

	assert_int_equal(pipe(told), 0);
	server = serve(listen_fd, &told[1], NULL);
	fd = dial();
	say(fd, "POST /next HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n");
	assert_int_equal(read(told[0], &byte, 1), 1);
	assert_true(http_server_drain(server, 1000));
	assert_true(is_silent(fd));
	http_server_leave(server, &left);
	assert_int_equal(left.n_conns, 1);

	server = new_server(&nobody, NULL);
	http_server_inherit(server, &left);
	assert_int_equal(http_server_start(server, NULL), 0);
	assert_true(hears(fd, "/in-its-place"));
	close(fd);
	close(told[0]);
	close(told[1]);
	close(listen_fd);
	http_server_stop(server, 1000);
}

/* A server in a process of its own, for clients that have said something: killed when a handler has
 * begun with it. */
static void serve_and_be_killed(int listen_fd, struct http_shelf *shelf)
{
	int told[2], status;
	char byte;
	pid_t pid;

	assert_int_equal(pipe(told), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void) serve(listen_fd, &told[1], shelf);
		for (;;)
			pause();
	}
	assert_int_equal(read(told[0], &byte, 1), 1);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(told[0]);
	close(told[1]);
}

TEST(a_get_and_an_idle_connection_outlive_the_process)
{
	int listen_fd = listen_anew(), idle = dial(), fd;
	struct http_shelf *shelf = new_shelf(4);
	struct http_server *s = serve(listen_fd, &nobody, shelf);
	struct http_left left;

	say(idle, "GET /a HTTP/1.1\r\nHost: d\r\n\r\n");
	assert_true(hears(idle, "/a"));
	http_server_pause(s);
	assert_true(http_server_drain(s, 1000));
	http_server_leave(s, &left);
	assert_int_equal(left.n_conns, 0); /* it is on the shelf */
	close(left.listen_fds[0]);
	free(left.listen_fds);
	free(left.conns);

	fd = dial();
	say(fd, "GET /hang HTTP/1.1\r\nHost: d\r\n\r\n");
	for (int i = 0; i < 6; i++) {
		serve_and_be_killed(listen_fd, shelf);
		assert_true(is_silent(fd));
	}
	/* A request that each of them dies of is given up in the end. */
	s = serve(listen_fd, &nobody, shelf);
	assert_false(hears(fd, "?"));
	say(idle, "GET /c HTTP/1.1\r\nHost: d\r\n\r\n");
	assert_true(hears(idle, "/c"));
	close(idle);
	close(fd);
	close(listen_fd);
	http_server_stop(s, 1000);
	http_shelf_free(shelf);
}

TEST(what_must_not_be_done_twice_is_not)
{
	static const char *const heads[] = {
		"POST /hang HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n",
		"DELETE /hang HTTP/1.1\r\nHost: d\r\n\r\n",
		/* Answered in part. */
		"GET /begin HTTP/1.1\r\nHost: d\r\n\r\n",
		/* With something behind. */
		"GET /hang HTTP/1.1\r\nHost: d\r\n\r\nPOST",
	};
	int listen_fd = listen_anew();
	struct http_shelf *shelf = new_shelf(4);

	for (size_t i = 0; i < ARRAY_SIZE(heads); i++) {
		int fd = dial();

		say(fd, heads[i]);
		serve_and_be_killed(listen_fd, shelf);
		/* The client knows at once. */
		assert_false(hears(fd, "?"));
		close(fd);
	}
	http_shelf_free(shelf);
	close(listen_fd);
}

TEST(a_full_shelf_protects_whom_it_can)
{
	int listen_fd = listen_anew(), fds[4];
	struct http_shelf *shelf = new_shelf(2);
	struct http_server *s = serve(listen_fd, &nobody, shelf);

	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 4; i++) {
			fds[i] = dial();
			say(fds[i], "GET /a HTTP/1.1\r\nHost: d\r\n\r\n");
			assert_true(hears(fds[i], "/a"));
		}
		for (int i = 0; i < 4; i++)
			close(fds[i]);
	}
	http_server_stop(s, 1000);
	http_shelf_free(shelf);
	close(listen_fd);
}

/* The shelf alone, at every instant of an answer. */

struct found {
	int fd, slot;
	unsigned n;
};

static void find_one(void *arg, int fd, int slot)
{
	struct found *f = arg;

	f->fd = fd;
	f->slot = slot;
	f->n++;
}

/* As the next process would. */
static struct found next_process(struct http_shelf **h)
{
	struct http_shelf *next = http_shelf_new(dup(http_shelf_state_fd(*h)));
	struct found f = {.fd = -1, .slot = -1};
	int pair[2];

	for (unsigned i = 0; http_shelf_pair(*h, i, pair); i++)
		http_shelf_add(next, (const int[]){dup(pair[0]), dup(pair[1])});
	http_shelf_free(*h);
	*h = next;
	shelf_find(next, find_one, &f);
	return f;
}

enum instant { BEFORE, BEGUN, SENT, TAKEN, ENDED, NEXT };

static const char *const instants[] = {"before", "begun", "sent", "taken", "ended", "next"};

TEST(an_answer_is_found_as_sent_or_not_at_every_instant)
{
	for (enum instant until = BEFORE; until <= NEXT; until++) {
		struct http_shelf *h = new_shelf(2);
		struct iovec iov = {.iov_base = (void *) "answer", .iov_len = 6};
		char text[16] = "";
		int ends[2], slot;
		struct found f;

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
		shelf_find(h, find_one, &f);
		slot = shelf_put(h, ends[1], 0);
		say(ends[0], "ask");
		if (until >= BEGUN)
			shelf_begin_answer(h, slot, 3, 6);
		if (until >= SENT) {
			assert_int_equal(shelf_send(h, slot, ends[1], &iov, 1), 6);
			/* The worst case: it has been read, and leaves no trace in the socket. */
			assert_int_equal(read(ends[0], text, sizeof text), 6);
		}
		if (until >= TAKEN)
			assert_true(shelf_take_request(h, slot, ends[1], text, 3));
		if (until >= ENDED)
			shelf_end_answer(h, slot);
		if (until == NEXT || until == SENT)
			say(ends[0], "NEXT");
		close(ends[1]);

		f = next_process(&h);
		assert_int_equal(f.n, 1);
		memset(text, 0, sizeof text);
		(void) recv(f.fd, text, sizeof text - 1, MSG_DONTWAIT);
		if (!str_eq(text, until < SENT			   ? "ask"
				  : until == NEXT || until == SENT ? "NEXT"
								   : ""))
			fail_msg("%s: \"%s\"", instants[until], text);
		close(f.fd);
		close(ends[0]);
		http_shelf_free(h);
	}
}

TEST(an_answer_that_cannot_be_given_again_is_found_as_lost)
{
	struct http_shelf *h = new_shelf(1);
	struct iovec iov = {.iov_base = (void *) "answer", .iov_len = 6};
	struct found f = {0};
	int ends[2], slot;

	shelf_find(h, find_one, &f);
	/* A POST's, put there for it, and not sent. */
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	slot = shelf_put(h, ends[1], 6);
	close(ends[1]);
	assert_int_equal(next_process(&h).n, 0);
	assert_int_equal(read(ends[0], &(char){0}, 1), 0);
	close(ends[0]);

	/* Sent, then it is an idle one. */
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	slot = shelf_put(h, ends[1], 6);
	assert_int_equal(shelf_send(h, slot, ends[1], &iov, 1), 6);
	f = next_process(&h);
	assert_int_equal(f.n, 1);
	close(f.fd);
	close(ends[0]);
	close(ends[1]);

	/* Sent in part. */
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	shelf_drop(h, f.slot);
	slot = shelf_put(h, ends[1], 7);
	assert_int_equal(shelf_send(h, slot, ends[1], &iov, 1), 6);
	assert_int_equal(next_process(&h).n, 0);
	close(ends[0]);
	close(ends[1]);
	http_shelf_free(h);
}
