/* The server over real sockets, spoken to byte by byte. */
#include "http/http.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"
#include "base/time.h"
#include "client.h"

/* Who has been given a connection: a dup of it, what was read already, and the head to send. */
static struct {
	int fd;
	int done; /* eventfd: it is all there */
	struct buf head, read;
} taker;

static void hand_over(struct http_request *rq, bool takes_it)
{
	autofree char *body = NULL;
	struct err err = {0};
	const char *rest;
	size_t n;

	assert_int_equal(http_read_all(rq, 100, &body, &n, &err), 0);
	assert_false(http_hand_over_head(rq, 101, "text/x", HTTP_UPGRADED, "Upgrade: tcp\r\n",
					 &taker.head));
	http_hand_over_begin(rq);
	if (takes_it) {
		taker.fd = dup(http_fd(rq));
		http_unread(rq, &rest, &n);
		buf_add(&taker.read, rest, n);
	}
	http_hand_over_end(rq, takes_it);
	if (takes_it)
		(void) eventfd_write(taker.done, 1);
	else
		http_respond(rq, 409, "text/plain", "no", 2);
}

/* What the handler answers is in the path. */
static void handle(void *arg, struct http_request *rq)
{
	const char *path = http_path(rq);
	struct err err = {0};

	if (str_eq(path, "/echo")) {
		autofree char *body = NULL;
		size_t n;

		if (http_read_all(rq, 1 << 20, &body, &n, &err) < 0) {
			http_respond(rq, err.kind == ERR_TOO_LARGE ? 413 : 400, "text/plain",
				     err.text, strlen(err.text));
			return;
		}
		http_set_header(rq, "X-Method", http_method(rq));
		http_set_header(rq, "X-Evil", "a\r\nInjected: b");
		http_respond(rq, 200, "text/plain", body, n);
	} else if (str_eq(path, "/tiny-reads")) {
		autobuf b = {0};
		ssize_t r;
		char c;

		while ((r = http_read(rq, &c, 1)) > 0)
			buf_addc(&b, c);
		http_respond(rq, r == 0 ? 200 : 400, "text/plain", b.text, b.len);
	} else if (str_eq(path, "/ignore")) {
		http_respond(rq, 409, "text/plain", "no", 2);
	} else if (str_eq(path, "/nothing")) {
		http_respond(rq, 204, NULL, NULL, 0);
	} else if (str_eq(path, "/silent")) {
		/* no answer at all */
	} else if (str_eq(path, "/stream") || str_eq(path, "/broken")) {
		http_begin(rq, 200, "text/plain");
		assert_true(http_begun(rq));
		http_write(rq, "one", 3);
		http_write(rq, "", 0);
		http_write(rq, "three", 5);
		if (str_eq(path, "/broken"))
			http_abort(rq);
	} else if (str_eq(path, "/wait")) {
		struct pollfd p = {.fd = http_fd(rq), .events = POLLRDHUP};

		http_begin(rq, 200, "text/plain");
		(void) poll(&p, 1, 20000);
		*(bool *) arg = (p.revents & (POLLRDHUP | POLLHUP)) != 0;
	} else if (str_eq(path, "/hand-over") || str_eq(path, "/refused-hand-over")) {
		hand_over(rq, str_eq(path, "/hand-over"));
	} else {
		http_respond(rq, 404, "text/plain", path, strlen(path));
	}
}

static bool hung_up;

static struct http_server *start(void)
{
	struct http_server *s;
	struct err err;

	assert_int_equal(http_server_new(handle, &hung_up, 8, &s, &err), 0);
	http_server_add(s, listen_anew());
	assert_int_equal(http_server_start(s, &err), 0);
	return s;
}

/* Reads until the server closes. Caller frees. */
static char *hear_all(int fd)
{
	struct buf b = {0};
	ssize_t r;

	while ((r = read(fd, buf_reserve(&b, 4096), 4096)) > 0)
		b.len += r;
	close(fd);
	buf_addc(&b, '\0');
	return buf_take(&b);
}

/* Reads until `text` has come, n times. */
static void hear(int fd, const char *text, int n)
{
	autobuf b = {0};
	ssize_t r;

	for (;;) {
		int seen = 0;

		for (const char *p = b.len ? b.text : ""; (p = strstr(p, text)); p++)
			seen++;
		if (seen >= n)
			return;
		r = read(fd, buf_reserve(&b, 4096), 4095);
		assert_true(r > 0);
		b.len += r;
		b.text[b.len] = '\0';
	}
}

static char *ask(const char *request)
{
	int fd = dial();

	say(fd, request);
	shutdown(fd, SHUT_WR);
	return hear_all(fd);
}

#define assert_has(text, part)	 assert_non_null(strstr(text, part))
#define assert_lacks(text, part) assert_null(strstr(text, part))

TEST(a_request_is_answered_and_the_connection_kept)
{
	struct http_server *s = start();
	int fd = dial();

	for (int i = 0; i < 100; i++) {
		say(fd, "POST /echo HTTP/1.1\r\nHost: d\r\nContent-Length: 5\r\n\r\nhello");
		hear(fd, "\r\n\r\nhello", 1);
	}
	close(fd);
	http_server_stop(s, 1000);
}

TEST(requests_arrive_byte_by_byte)
{
	static const char rq[] =
		"POST /echo HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n"
		"3\r\nabc\r\n5;x=y\r\ndefgh\r\n0\r\nTrailer: t\r\n\r\n"
		"GET /x HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n";
	struct http_server *s = start();

	for (size_t cut = 1; cut < sizeof rq - 1; cut++) {
		int fd = dial();
		autofree char *text = NULL;

		assert_int_equal(send(fd, rq, cut, 0), cut);
		/* Give the server the chance to see only this much. */
		if (cut % 8 == 0)
			usleep(500);
		assert_int_equal(send(fd, rq + cut, sizeof rq - 1 - cut, 0), sizeof rq - 1 - cut);
		text = hear_all(fd);
		assert_has(text, "\r\n\r\nabcdefgh");
		assert_has(text, "404 Not Found");
		assert_has(text, "\r\n\r\n/x");
	}
	int fd = dial();
	for (size_t i = 0; i < sizeof rq - 1; i++)
		assert_int_equal(send(fd, rq + i, 1, 0), 1);
	autofree char *text = hear_all(fd);
	assert_has(text, "\r\n\r\nabcdefgh");
	assert_has(text, "\r\n\r\n/x");
	http_server_stop(s, 1000);
}

TEST(pipelined_requests_are_answered_in_order)
{
	struct http_server *s = start();
	autobuf b = {0};
	const char *at;

	for (int i = 0; i < 200; i++)
		buf_addf(&b,
			 "POST /tiny-reads HTTP/1.1\r\nHost: d\r\nContent-Length: 4\r\n\r\n%04d",
			 i);
	buf_adds(&b, "GET /x HTTP/1.0\r\n\r\n");
	autofree char *text = ask(b.text);
	at = text;
	for (int i = 0; i < 200; i++) {
		char body[16];

		snprintf(body, sizeof body, "\r\n\r\n%04d", i);
		at = strstr(at, body);
		assert_non_null(at);
	}
	assert_has(at, "404 Not Found");
	http_server_stop(s, 1000);
}

TEST(a_body_in_tiny_chunks_is_read_in_tiny_pieces)
{
	struct http_server *s = start();
	autofree char *text =
		ask("POST /tiny-reads HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n"
		    "1\r\na\r\n1\r\nb\r\n00000002\r\ncd\r\n0\r\n\r\nGET /next HTTP/1.0\r\n\r\n");

	assert_has(text, "\r\n\r\nabcd");
	assert_has(text, "\r\n\r\n/next");
	http_server_stop(s, 1000);
}

TEST(broken_framing_ends_the_connection)
{
	struct http_server *s = start();
	autofree char *chunk =
		ask("POST /echo HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n"
		    "zz\r\nGET /smuggled HTTP/1.1\r\nHost: d\r\n\r\n");
	autofree char *both =
		ask("POST /echo HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n"
		    "Content-Length: 4\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n");
	autofree char *noise = ask("\x16\x03\x01 nonsense\r\n\r\n");
	autofree char *cut = ask("POST /echo HTTP/1.1\r\nHost: d\r\nContent-Length: 10\r\n\r\nabc");

	assert_has(chunk, "HTTP/1.1 400");
	assert_lacks(chunk, "smuggled");
	assert_has(both, "HTTP/1.1 400");
	assert_lacks(both, "smuggled");
	assert_has(noise, "HTTP/1.1 400");
	assert_lacks(cut, "HTTP/1.1 200");
	http_server_stop(s, 1000);
}

TEST(limits_have_their_status)
{
	struct http_server *s = start();
	autobuf line = {0}, fields = {0}, large = {0};

	buf_adds(&line, "GET /");
	buf_adds(&fields, "GET / HTTP/1.1\r\nHost: d\r\nX: ");
	for (int i = 0; i < 70000; i++) {
		buf_addc(&line, 'x');
		buf_addc(&fields, 'x');
	}
	autofree char *a = ask(line.text);
	autofree char *b = ask(fields.text);
	autofree char *c =
		ask("POST /echo HTTP/1.1\r\nHost: d\r\nContent-Length: 1048577\r\n\r\nxx");

	buf_adds(&large,
		 "POST /echo HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n200000\r\n");
	for (int i = 0; i < 0x200000; i++)
		buf_addc(&large, 'x');
	buf_adds(&large, "\r\n0\r\n\r\n");
	autofree char *d = ask(large.text);

	assert_has(a, "HTTP/1.1 414");
	assert_has(b, "HTTP/1.1 431");
	assert_has(c, "HTTP/1.1 413");
	assert_has(d, "HTTP/1.1 413");
	http_server_stop(s, 1000);
}

TEST(continue_is_said_only_to_who_is_read)
{
	struct http_server *s = start();
	int fd = dial();
	autofree char *text = NULL;

	say(fd,
	    "POST /echo HTTP/1.1\r\nHost: d\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
	hear(fd, "HTTP/1.1 100 Continue\r\n\r\n", 1);
	say(fd, "ab");
	hear(fd, "\r\n\r\nab", 1);
	say(fd, "POST /ignore HTTP/1.1\r\nHost: d\r\nExpect: 100-continue\r\nContent-Length: "
		"2\r\n\r\n");
	text = hear_all(fd);
	assert_has(text, "HTTP/1.1 409");
	assert_has(text, "Connection: close");
	assert_lacks(text, "Continue");
	http_server_stop(s, 1000);
}

TEST(an_unread_body_is_skipped)
{
	struct http_server *s = start();
	autofree char *text =
		ask("POST /ignore HTTP/1.1\r\nHost: d\r\nContent-Length: 5\r\n\r\nhello"
		    "GET /next HTTP/1.1\r\nHost: d\r\n\r\n");

	assert_has(text, "HTTP/1.1 409");
	assert_null(strstr(text, "Upgrade:")); /* of the head that nobody has sent */
	assert_has(text, "\r\n\r\n/next");
	http_server_stop(s, 1000);
	buf_free(&taker.head);
}

TEST(answers_without_body_have_none)
{
	struct http_server *s = start();
	autofree char *head = ask("HEAD /x HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n");
	autofree char *nothing =
		ask("GET /nothing HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n");
	autofree char *stream = ask("HEAD /stream HTTP/1.1\r\nHost: d\r\n\r\n"
				    "GET /next HTTP/1.1\r\nHost: d\r\n\r\n");

	assert_has(head, "Content-Length: 2\r\n");
	assert_true(str_has_suffix(head, "\r\n\r\n"));
	assert_has(nothing, "HTTP/1.1 204 No Content\r\n");
	assert_lacks(nothing, "Content-Length");
	assert_true(str_has_suffix(nothing, "\r\n\r\n"));
	assert_lacks(stream, "three");
	assert_has(stream, "\r\n\r\n/next");
	http_server_stop(s, 1000);
}

TEST(streams_are_chunked_and_end)
{
	struct http_server *s = start();
	autofree char *whole = ask("GET /stream HTTP/1.1\r\nHost: d\r\n\r\n"
				   "GET /next HTTP/1.1\r\nHost: d\r\n\r\n");
	autofree char *old = ask("GET /stream HTTP/1.0\r\n\r\n");
	autofree char *broken = ask("GET /broken HTTP/1.1\r\nHost: d\r\n\r\n");
	autofree char *silent = ask("GET /silent HTTP/1.1\r\nHost: d\r\n\r\n");

	assert_has(whole, "Transfer-Encoding: chunked\r\n");
	assert_has(whole, "\r\n\r\n3\r\none\r\n5\r\nthree\r\n0\r\n\r\n");
	assert_has(whole, "\r\n\r\n/next");
	assert_has(old, "Connection: close\r\n\r\nonethree");
	assert_lacks(old, "chunked");
	assert_true(str_has_suffix(broken, "5\r\nthree\r\n"));
	assert_has(silent, "HTTP/1.1 500");
	http_server_stop(s, 1000);
}

TEST(a_refused_upgrade_keeps_the_connection)
{
	struct http_server *s = start();
	autofree char *text =
		ask("POST /ignore HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
		    "Content-Length: 2\r\n\r\n{}GET /next HTTP/1.1\r\nHost: d\r\n\r\n");

	assert_has(text, "HTTP/1.1 409");
	assert_lacks(text, "Connection: close");
	assert_has(text, "\r\n\r\n/next");
	http_server_stop(s, 1000);
}

TEST(a_connection_handed_over_lives_on_without_the_server)
{
	struct http_server *s = start();
	autofree char *all = NULL;
	eventfd_t count;
	int fd = dial();

	taker.fd = -1;
	taker.done = eventfd(0, EFD_CLOEXEC);
	/* Served before, so that it is in the epoll set. */
	say(fd, "GET /first HTTP/1.1\r\nHost: d\r\n\r\n");
	hear(fd, "/first", 1);
	say(fd, "POST /hand-over HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
		"Content-Length: 2\r\n\r\n{}already read");
	assert_int_equal(eventfd_read(taker.done, &count), 0);
	http_server_stop(s, 10000);

	assert_true(taker.fd >= 0);
	assert_int_equal(taker.read.len, strlen("already read"));
	assert_memory_equal(taker.read.text, "already read", taker.read.len);
	assert_int_equal(send(taker.fd, taker.head.text, taker.head.len, MSG_NOSIGNAL),
			 taker.head.len);
	say(taker.fd, "mine");
	close(taker.fd);
	all = hear_all(fd);
	assert_int_equal(strncmp(all, "HTTP/1.1 101 UPGRADED\r\n", 23), 0);
	assert_has(all, "Content-Type: text/x\r\nUpgrade: tcp\r\n\r\nmine");
	close(taker.done);
	buf_free(&taker.read);
	buf_free(&taker.head);
}

TEST(a_hand_over_that_is_refused_is_answered)
{
	struct http_server *s = start();
	autofree char *text = ask("POST /refused-hand-over HTTP/1.1\r\nHost: d\r\n"
				  "Content-Length: 0\r\n\r\nGET /next HTTP/1.1\r\nHost: d\r\n\r\n");

	assert_has(text, "HTTP/1.1 409");
	assert_has(text, "\r\n\r\n/next");
	http_server_stop(s, 1000);
}

TEST(headers_cannot_be_injected)
{
	struct http_server *s = start();
	autofree char *text = ask("POST /echo HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n");

	assert_has(text, "X-Method: POST\r\n");
	assert_lacks(text, "Injected");
	http_server_stop(s, 1000);
}

TEST(a_client_that_hangs_up_is_noticed)
{
	struct http_server *s = start();
	int fd = dial();

	hung_up = false;
	say(fd, "GET /wait HTTP/1.1\r\nHost: d\r\n\r\n");
	hear(fd, "\r\n\r\n", 1);
	close(fd);
	http_server_stop(s, 10000);
	assert_true(hung_up);
}

TEST(stop_ends_idle_waiting_and_half_spoken_connections)
{
	struct http_server *s = start();
	int idle = dial(), half = dial(), waiting = dial(), body = dial();
	int64_t begun = monotonic_ns();

	say(half, "GET / HT");
	say(waiting, "GET /wait HTTP/1.1\r\nHost: d\r\n\r\n");
	hear(waiting, "\r\n\r\n", 1);
	say(body,
	    "POST /echo HTTP/1.1\r\nHost: d\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n");
	hear(body, "100 Continue", 1);
	http_server_stop(s, 50);
	assert_true(monotonic_ns() - begun < 10 * NSEC_PER_SEC);
	free(hear_all(idle));
	free(hear_all(half));
	free(hear_all(waiting));
	free(hear_all(body));
}

static void *many_requests(void *arg)
{
	for (int i = 0; i < 50; i++) {
		int fd = dial();

		for (int k = 0; k < 4; k++) {
			say(fd, "POST /echo HTTP/1.1\r\nHost: d\r\nContent-Length: 2\r\n\r\nhi");
			hear(fd, "\r\n\r\nhi", 1);
		}
		if (i % 2)
			say(fd, "GET /ha");
		close(fd);
	}
	return NULL;
}

TEST(clients_in_parallel)
{
	struct http_server *s = start();
	pthread_t t[8];

	for (int i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&t[i], NULL, many_requests, NULL), 0);
	for (int i = 0; i < 8; i++)
		pthread_join(t[i], NULL);
	http_server_stop(s, 1000);
}

TEST(sockets_of_the_dead_are_taken_over_and_others_not)
{
	autofree char *path = xasprintf("%s/l.sock", test_dir());
	autofree char *file = xasprintf("%s/file", test_dir());
	struct err err;
	struct stat st;
	int a, b;

	assert_int_equal(http_listen_unix(path, (int) getgid(), &a, &err), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
	assert_true(http_listen_unix(path, -1, &b, &err) < 0);
	assert_int_equal(err.kind, ERR_CONFLICT);
	close(a);
	assert_int_equal(http_listen_unix(path, -1, &b, &err), 0);
	close(b);

	close(open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_true(http_listen_unix(file, -1, &b, &err) < 0);
	assert_true(
		http_listen_unix(
			"/a/very/long/path/that/no/socket/address/could/ever/hold/because/it/has/"
			"more/than/one/hundred/and/seven/characters",
			-1, &b, &err) < 0);
	assert_int_equal(err.kind, ERR_INVALID);
}

TEST(a_socket_that_only_a_dead_listeners_child_still_holds_is_taken_over)
{
	autofree char *path = xasprintf("%s/orphan.sock", test_dir());
	struct err err;
	int fd, status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		if (http_listen_unix(path, -1, &fd, &err) < 0)
			_exit(1);
		if (fork() == 0)
			(void) usleep(100000);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(http_listen_unix(path, -1, &fd, &err), 0);
	close(fd);
}
