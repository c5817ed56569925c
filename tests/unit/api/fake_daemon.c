/* The API on an engine of straw, to be driven by hand: fake-daemon SOCKET [CONTAINERS] */
#include <signal.h>
#include <stdio.h>

#include "api/api.h"
#include "fake_engine.h"

int main(int argc, char **argv)
{
	struct engine *e = fake_engine_new();
	struct api *a = api_new(&(struct api_options){
		.engine = e, .seccomp_profile = "/x", .init_path = "/usr/bin/tini"});
	struct http_server *s;
	struct err err;
	sigset_t set;
	int fd, sig;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (argc > 2)
		fake_engine_fill(e, atoi(argv[2]));
	if (argc < 2 || http_server_new(api_handle, a, 256, &s, &err) < 0 ||
	    http_listen_unix(argv[1], -1, &fd, &err) < 0) {
		fprintf(stderr, "fake-daemon: %s\n", argc < 2 ? "SOCKET is missing" : err.text);
		return 1;
	}
	http_server_add(s, fd);
	if (http_server_start(s, &err) < 0)
		return 1;
	sigwait(&set, &sig);
	fake_engine_end(e);
	http_server_stop(s, 2000);
	api_free(a);
	fake_engine_free(e);
	return 0;
}
