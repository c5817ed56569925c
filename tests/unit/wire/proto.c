#include "wire/proto.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"

static void pair(int fds[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
}

static void close_both(int fds[2])
{
	close(fds[0]);
	close(fds[1]);
}

static int count_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

TEST(packets_and_descriptors_arrive)
{
	autobuf msg = {0};
	autokv kv = {0};
	int s[2], pipe_fds[2], fds[PROTO_FDS_MAX];
	size_t n = 99;
	char c;

	pair(s);
	assert_int_equal(pipe(pipe_fds), 0);
	kv_add(&msg, "msg", "hello");
	kv_add(&msg, "text", "two\nlines");
	assert_int_equal(proto_send(s[0], &msg, pipe_fds, 2), 0);
	assert_int_equal(proto_recv(s[1], &kv, fds, &n), 1);
	assert_string_equal(kv_get(&kv, "text"), "two\nlines");
	assert_int_equal(n, 2);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(fcntl(fds[i], F_GETFD), FD_CLOEXEC);
	assert_int_equal(write(fds[1], "x", 1), 1);
	assert_int_equal(read(pipe_fds[0], &c, 1), 1);

	close(s[0]);
	assert_int_equal(proto_recv(s[1], &kv, fds, &n), 0);
	close(s[1]);
	close_both(fds);
	close_both(pipe_fds);
}

TEST(what_does_not_fit_is_closed)
{
	static char good[] = "msg=x", bad[] = "xxxxx";
	struct iovec iov = {.iov_base = good, .iov_len = 5};
	union {
		char bytes[CMSG_SPACE(9 * sizeof(int))];
		struct cmsghdr align;
	} room = {0};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = &room,
			   .msg_controllen = sizeof room};
	int s[2], fds[PROTO_FDS_MAX], before = count_fds();
	size_t n;

	pair(s);
	room.align = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
				      .cmsg_type = SCM_RIGHTS,
				      .cmsg_len = CMSG_LEN(9 * sizeof(int))};
	for (int round = 0; round < 3; round++) {
		autokv kv = {0};

		assert_int_equal(sendmsg(s[0], &m, 0), 5);
		/* Wanted, not wanted, and with a packet that is damaged. */
		iov.iov_base = bad;
		if (round == 0) {
			assert_int_equal(proto_recv(s[1], &kv, fds, &n), 1);
			assert_int_equal(n, PROTO_FDS_MAX);
			for (size_t i = 0; i < n; i++)
				close(fds[i]);
		} else {
			assert_int_equal(proto_recv(s[1], &kv, round == 1 ? NULL : fds, NULL),
					 -EINVAL);
		}
	}
	close_both(s);
	assert_int_equal(count_fds(), before);
}

TEST(hostile_packets_are_refused_and_the_next_is_read)
{
	static char large[PROTO_PACKET_MAX + 1];
	autobuf msg = {0}, none = {0};
	autokv kv = {0};
	int s[2];

	pair(s);
	memset(large, 'a', sizeof large);
	assert_int_equal(send(s[0], large, sizeof large, 0), sizeof large);
	assert_int_equal(send(s[0], "a=b\0c", 5, 0), 5);
	kv_add(&msg, "msg", "ok");
	assert_int_equal(proto_send(s[0], &msg, NULL, 0), 0);
	assert_int_equal(proto_recv(s[1], &kv, NULL, NULL), -EMSGSIZE);
	assert_int_equal(proto_recv(s[1], &kv, NULL, NULL), -EINVAL);
	assert_int_equal(proto_recv(s[1], &kv, NULL, NULL), 1);
	assert_string_equal(kv_get(&kv, "msg"), "ok");

	assert_int_equal(proto_send(s[0], &none, NULL, 0), -EMSGSIZE);
	close(s[1]);
	assert_int_equal(proto_send(s[0], &msg, NULL, 0), -EPIPE); /* and no SIGPIPE */
	close(s[0]);
}

TEST(a_full_socket_says_so)
{
	autobuf msg = {0};
	int s[2], r = 0;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, s), 0);
	kv_add(&msg, "msg", "ok");
	for (int i = 0; i < 100000 && r == 0; i++)
		r = proto_send(s[0], &msg, NULL, 0);
	assert_int_equal(r, -EAGAIN);
	close_both(s);
}

TEST(an_empty_socket_says_so)
{
	autokv kv = {0};
	int s[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, s), 0);
	assert_int_equal(proto_recv(s[0], &kv, NULL, NULL), -EAGAIN);
	close_both(s);
}

TEST(sockets_below_a_long_path)
{
	int dir = test_dir_fd();
	int listener, conn;
	struct stat st;

	for (int i = 0; i < 4; i++) {
		char name[101];
		int next;

		memset(name, 'd', 100);
		name[100] = '\0';
		assert_int_equal(mkdirat(dir, name, 0700), 0);
		next = openat(dir, name, O_RDONLY | O_DIRECTORY);
		close(dir);
		dir = next;
	}
	assert_int_equal(proto_connect_at(dir, "s"), -ENOENT);
	listener = proto_listen_at(dir, "s");
	assert_true(listener >= 0);
	assert_int_equal(fstatat(dir, "s", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	conn = proto_connect_at(dir, "s");
	assert_true(conn >= 0);
	close(conn);
	close(listener);
	/* What a dead one left is in nobody's way. */
	assert_int_equal(proto_connect_at(dir, "s"), -ECONNREFUSED);
	listener = proto_listen_at(dir, "s");
	assert_true(listener >= 0);
	close(listener);
	close(dir);
}
