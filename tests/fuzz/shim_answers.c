/*
 * Fuzz target: the daemon's side of the protocol. Parts are packets that a shim sends before it
 * hangs up: answers to a call, and its word on a start.
 */
#include "fuzz.h"

#include <sys/socket.h>

/* All of them, for what waits for an answer is no function of the public. */
#include "engine/shim.c"
#include "engine/start.c"

/* The end that we read of a connection that has brought all this. */
static int connection_with(const char *data, size_t n)
{
	const char *part;
	size_t len;
	int pair[2];

	must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	while (fuzz_part(&data, &n, &part, &len))
		if (len > 0 && send(pair[1], part, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			break;
	(void) close(pair[1]);
	return pair[0];
}

static void check_answer(const char *data, size_t n)
{
	autoclose int fd = connection_with(data, n);
	struct err err = {0};
	autokv answer = {0};

	if (receive_answer(fd, 60000, &answer, &err) == 0)
		must(is_answer(&answer));
	else
		must(err.text[0]);
}

static void check_start(const char *data, size_t n)
{
	auto_(container_config_unref_p) struct container_config *config = container_config_new();
	autoclose int fd = connection_with(data, n);
	struct err err = {0};
	int code = 0;

	if (await_start(fd, config, 3, &code, &err) == 0)
		return;
	must(err.text[0]);
	must(code == CODE_UNKNOWN || (code >= 126 && code <= 128));
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n)
{
	check_answer((const char *) data, n);
	check_start((const char *) data, n);
	return 0;
}
