/*
 * A client of the server under test, which listens on a unix socket in test_dir(): it says what it is
 * told to, byte by byte.
 */
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include "http/http.h"
#include "test.h"

static char socket_path[100];

/* A listening socket at a path where there may have been another. */
static int listen_anew(void)
{
	struct err err = {0};
	int fd;

	snprintf(socket_path, sizeof socket_path, "%s/http.sock", test_dir());
	assert_int_equal(http_listen_unix(socket_path, -1, &fd, &err), 0);
	return fd;
}

static int dial(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof addr.sun_path, "%s", socket_path);
	assert_int_equal(connect(fd, (struct sockaddr *) &addr, sizeof addr), 0);
	return fd;
}

/* A server that has closed is found out by who listens for its answer. */
static void say(int fd, const char *text)
{
	(void) send(fd, text, strlen(text), MSG_NOSIGNAL);
}
