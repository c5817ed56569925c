/*
 * traffic: many small requests, each on a socket of its own, so that each goes the whole way through
 * the host's rules; and who answers them.
 *
 *   traffic serve PORT                      a word to whoever comes, by TCP and UDP; says "ready"
 *   traffic ask KIND HOST FIRST-LAST RATE   KIND: tcp, udp; the ports in turn
 *   traffic ask NAME=ADDRESS HOST 53-53 RATE   to a name server
 *
 * It asks RATE times a second, and catches up where it was held up. A line on its standard input is
 * answered by a line "sent S answered A failed F", its end by waiting for what is under way, and such
 * a line. A request that fails, and one that is never answered, is told on standard error. Nothing is
 * sent twice, so a datagram that is lost counts as one; of TCP the kernel sends again, and that is
 * "again" at the line's end.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define WORD	      "here\n"
#define UNDER_WAY_MAX 200
#define LOST_MS	      15000 /* nothing at all has come for so long: what is under way is lost */
#define TOLD_MAX      20

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static int watch(int poller, int fd, uint32_t what)
{
	struct epoll_event ev = {.events = what, .data.fd = fd};

	return epoll_ctl(poller, EPOLL_CTL_ADD, fd, &ev);
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/* Serving */

static int open_server(int type, int port)
{
	struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t) port)};
	int fd = socket(AF_INET6, type | SOCK_NONBLOCK, 0), size = 4 << 20;

	if (fd < 0) {
		/* Where IPv6 is not. */
		struct sockaddr_in a4 = {.sin_family = AF_INET, .sin_port = a.sin6_port};

		fd = socket(AF_INET, type | SOCK_NONBLOCK, 0);
		if (fd < 0 || bind(fd, (struct sockaddr *) &a4, sizeof a4) < 0)
			die("bind");
	} else if (bind(fd, (struct sockaddr *) &a, sizeof a) < 0) {
		die("bind");
	}
	(void) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	if (type == SOCK_STREAM && listen(fd, 4096) < 0)
		die("listen");
	return fd;
}

static void serve(int port)
{
	int tcp = open_server(SOCK_STREAM, port), udp = open_server(SOCK_DGRAM, port);
	int poller = epoll_create1(0);
	struct epoll_event ev;

	watch(poller, tcp, EPOLLIN);
	watch(poller, udp, EPOLLIN);
	puts("ready");
	fflush(stdout);
	while (epoll_wait(poller, &ev, 1, -1) >= 0 || errno == EINTR) {
		struct sockaddr_storage peer;
		socklen_t len = sizeof peer;
		char byte[16];

		if (ev.data.fd == tcp) {
			int fd = accept(tcp, NULL, NULL);

			if (fd < 0)
				continue;
			(void) send(fd, WORD, strlen(WORD), MSG_NOSIGNAL);
			close(fd);
		} else if (recvfrom(udp, byte, sizeof byte, 0, (struct sockaddr *) &peer, &len) >=
			   0) {
			(void) sendto(udp, WORD, strlen(WORD), 0, (struct sockaddr *) &peer, len);
		}
	}
	die("epoll_wait");
}

/* Asking */

struct load {
	struct sockaddr_storage to;
	socklen_t to_len;
	int first, last, port;
	bool tcp;
	unsigned char question[300], address[4]; /* of a name */
	size_t question_len;
	long sent, answered, failed, again;
	int under_way;
	int poller;
};

static void fail(struct load *l, const char *what, const char *why)
{
	if (l->failed++ < TOLD_MAX)
		fprintf(stderr, "request %ld: %s: %s\n", l->sent, what, why);
}

static void say(const struct load *l)
{
	printf("sent %ld answered %ld failed %ld again %ld\n", l->sent, l->answered, l->failed,
	       l->again);
	fflush(stdout);
}

static void set_port(struct load *l)
{
	uint16_t port = htons((uint16_t) l->port);

	if (l->to.ss_family == AF_INET)
		((struct sockaddr_in *) &l->to)->sin_port = port;
	else
		((struct sockaddr_in6 *) &l->to)->sin6_port = port;
	l->port = l->port == l->last ? l->first : l->port + 1;
}

static void send_one(struct load *l)
{
	int fd = socket(l->to.ss_family, (l->tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK, 0);

	if (fd < 0)
		die("socket");
	l->sent++;
	set_port(l);
	if (connect(fd, (struct sockaddr *) &l->to, l->to_len) < 0 && errno != EINPROGRESS) {
		fail(l, "connect", strerror(errno));
		close(fd);
		return;
	}
	if (!l->tcp && send(fd, l->question, l->question_len, 0) < 0) {
		fail(l, "send", strerror(errno));
		close(fd);
		return;
	}
	if (watch(l->poller, fd, EPOLLIN) < 0)
		die("epoll_ctl");
	l->under_way++;
}

static bool is_right(const struct load *l, const unsigned char *answer, size_t n)
{
	if (l->question_len <= 1)
		return n == strlen(WORD) && memcmp(answer, WORD, n) == 0;
	/* One record, whose name is two bytes that point to the question's. */
	return n >= l->question_len + 16 && answer[7] == 1 && (answer[3] & 15) == 0 &&
	       memcmp(answer + l->question_len + 12, l->address, 4) == 0;
}

static void count_again(struct load *l, int fd)
{
	struct tcp_info info;
	socklen_t len = sizeof info;

	if (l->tcp && getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0)
		l->again += info.tcpi_total_retrans;
}

static void receive(struct load *l, int fd)
{
	unsigned char answer[1500];
	ssize_t n = recv(fd, answer, sizeof answer, 0);

	if (n < 0 && errno == EAGAIN)
		return;
	count_again(l, fd);
	if (n < 0)
		fail(l, "answer", strerror(errno));
	else if (!is_right(l, answer, (size_t) n))
		fail(l, "answer", "another than it should be");
	else
		l->answered++;
	close(fd);
	l->under_way--;
}

/* false: the standard input has ended. */
static bool listen_to_user(const struct load *l)
{
	char line[64];
	ssize_t n = read(STDIN_FILENO, line, sizeof line);

	if (n > 0)
		say(l);
	return n > 0;
}

/* Hears what there is; false: the user is through. */
static bool hear(struct load *l, int timeout_ms, int *ret_n)
{
	struct epoll_event evs[64];
	int n = epoll_wait(l->poller, evs, 64, timeout_ms);
	bool more = true;

	for (int i = 0; i < n; i++) {
		if (evs[i].data.fd == STDIN_FILENO)
			more = listen_to_user(l);
		else
			receive(l, evs[i].data.fd);
	}
	*ret_n = n;
	return more;
}

static void ask(struct load *l, long rate)
{
	int64_t start = now_ms();
	int n;

	do {
		long due = (long) ((now_ms() - start) * rate / 1000) + 1 - l->sent;

		while (due-- > 0 && l->under_way < UNDER_WAY_MAX)
			send_one(l);
	} while (hear(l, 1, &n));
	(void) epoll_ctl(l->poller, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
	for (n = 1; l->under_way > 0 && n > 0;)
		(void) hear(l, LOST_MS, &n);
	while (l->under_way-- > 0)
		fail(l, "answer", "lost");
	say(l);
}

static size_t put_name(unsigned char *at, const char *name)
{
	size_t len = 0;

	while (*name) {
		size_t n = strcspn(name, ".");

		at[len++] = (unsigned char) n;
		memcpy(at + len, name, n);
		len += n;
		name += n + (name[n] == '.');
	}
	at[len++] = 0;
	return len;
}

/* For the address of NAME, from NAME=ADDRESS. */
static void make_question(struct load *l, char *text)
{
	static const unsigned char head[] = {0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0},
				   tail[] = {0, 1, 0, 1};
	char *address = strchr(text, '=');

	if (!address || strlen(text) > 250)
		die("NAME=ADDRESS");
	*address++ = '\0';
	if (inet_pton(AF_INET, address, l->address) != 1)
		die("address");
	memcpy(l->question, head, sizeof head);
	l->question_len = sizeof head + put_name(l->question + sizeof head, text);
	memcpy(l->question + l->question_len, tail, sizeof tail);
	l->question_len += sizeof tail;
}

static void set_host(struct load *l, const char *host)
{
	struct sockaddr_in *a4 = (struct sockaddr_in *) &l->to;
	struct sockaddr_in6 *a6 = (struct sockaddr_in6 *) &l->to;

	if (inet_pton(AF_INET, host, &a4->sin_addr) == 1) {
		a4->sin_family = AF_INET;
		l->to_len = sizeof *a4;
	} else if (inet_pton(AF_INET6, host, &a6->sin6_addr) == 1) {
		a6->sin6_family = AF_INET6;
		l->to_len = sizeof *a6;
	} else {
		die("host");
	}
}

int main(int argc, char **argv)
{
	struct load l = {.question_len = 1};

	if (argc == 3 && strcmp(argv[1], "serve") == 0)
		serve(atoi(argv[2]));
	if (argc != 6 || strcmp(argv[1], "ask") != 0 ||
	    sscanf(argv[4], "%d-%d", &l.first, &l.last) != 2) {
		fputs("traffic serve PORT | ask KIND HOST FIRST-LAST RATE\n", stderr);
		return 2;
	}
	l.tcp = strcmp(argv[2], "tcp") == 0;
	if (!l.tcp && strcmp(argv[2], "udp") != 0)
		make_question(&l, argv[2]);
	set_host(&l, argv[3]);
	l.port = l.first;
	l.poller = epoll_create1(0);
	if (l.poller < 0 || watch(l.poller, STDIN_FILENO, EPOLLIN) < 0)
		die("epoll");
	ask(&l, atol(argv[5]));
	return 0;
}
