/*
 * holdfastd: options, wiring, start-up and shut-down order. It may be killed at any instant; the
 * order below is for the clean end. Containers never end with it.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/api.h"
#include "base/file.h"
#include "base/log.h"
#include "base/time.h"
#include "daemon/options.h"
#include "engine/engine.h"
#include "http/http.h"
#include "spec/spec.h"

#define REQUESTS_MAX 512   /* threads; each idle one ends by itself */
#define GRACE_MS     10000 /* for requests in flight at a clean end */

struct daemon {
	struct options o;
	struct engine *engine;
	struct api *api;
	struct http_server *server;
	bool has_pidfile;
};

/* A light process: two heaps are enough, and freed memory goes back. */
static void tune_process(void)
{
	struct rlimit files;

	(void) mallopt(M_ARENA_MAX, 2);
	(void) mallopt(M_TRIM_THRESHOLD, 256 * 1024);
	(void) umask(0022);
	(void) signal(SIGPIPE, SIG_IGN);
	/* One descriptor for each running container. */
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
		files.rlim_cur = files.rlim_max;
		(void) setrlimit(RLIMIT_NOFILE, &files);
	}
}

static int socket_group(const struct options *o, int *ret, struct err *err)
{
	const char *const names[] = {"holdfast", "docker"};
	struct group *g = NULL;

	*ret = -1;
	if (o->group) {
		g = getgrnam(o->group);
		if (!g)
			return err_set(err, ERR_INVALID, "group: there is no group '%s'", o->group);
	}
	for (size_t i = 0; i < ARRAY_SIZE(names) && !g; i++)
		g = getgrnam(names[i]);
	if (g)
		*ret = (int) g->gr_gid;
	return 0;
}

static int listen_all(struct daemon *d, struct err *err)
{
	int gid;

	if (socket_group(&d->o, &gid, err) < 0)
		return -1;
	for (char **host = d->o.hosts; *host; host++) {
		const char *path = *host + strlen("unix://");
		int fd;

		if (http_listen_unix(path, gid, &fd, err) < 0)
			return -1;
		http_server_add(d->server, fd);
	}
	return 0;
}

static int write_pidfile(struct daemon *d, struct err *err)
{
	char text[16];
	int n = snprintf(text, sizeof text, "%d\n", (int) getpid());

	if (!d->o.pidfile)
		return 0;
	if (save_file_at(AT_FDCWD, d->o.pidfile, text, (size_t) n, SAVE_ATOMIC, err) < 0)
		return -1;
	d->has_pidfile = true;
	return 0;
}

/* The sockets are bound late: who finds one finds all containers behind it. The pidfile comes
 * between the binding and the first answer: who has an answer finds it, and a second daemon, which
 * fails before, does not touch the first one's. */
static int start(struct daemon *d, struct err *err)
{
	const struct engine_options eo = {
		.data_root = d->o.data_root,
		.exec_root = d->o.exec_root,
		.default_runtime = d->o.default_runtime,
		.runtimes = d->o.runtimes,
		.shim = d->o.shim,
		.image_tool = d->o.image_tool,
		.init = d->o.init,
	};
	struct api_options ao = {
		.seccomp_profile = spec_seccomp_profile_path(),
		.init_path = spec_init_path(),
		.started_ns = now_ns(),
	};

	if (engine_become_reaper(err) < 0 || engine_open(&eo, &d->engine, err) < 0 ||
	    engine_restore_load(d->engine, err) < 0)
		return -1;
	ao.engine = d->engine;
	d->api = api_new(&ao);
	if (http_server_new(api_handle, d->api, REQUESTS_MAX, &d->server, err) < 0 ||
	    listen_all(d, err) < 0 || write_pidfile(d, err) < 0)
		return -1;
	engine_restore_handle(d->engine);
	return http_server_start(d->server, err);
}

static void stop(struct daemon *d)
{
	if (d->engine)
		engine_end(d->engine);
	if (d->server)
		http_server_stop(d->server, GRACE_MS);
	api_free(d->api);
	engine_close(d->engine);
	if (d->has_pidfile)
		(void) unlink(d->o.pidfile);
}

static int fail(const struct err *err)
{
	log_error("%s", err->text);
	return 1;
}

/* Until a signal says that this is the end: which one. */
static int serve(struct daemon *d, const sigset_t *signals)
{
	int sig = 0;

	for (;;) {
		if (sigwait(signals, &sig) != 0 || sig == SIGHUP)
			continue;
		if (sig != SIGCHLD)
			return sig;
		engine_reap(d->engine);
	}
}

int main(int argc, char **argv)
{
	struct daemon d = {0};
	struct err err = {0};
	sigset_t signals;
	int r;

	if (options_parse(argc, argv, &d.o, &err) < 0) {
		fprintf(stderr, "holdfastd: %s\n", err.text);
		return 1;
	}
	if (d.o.show_help || d.o.show_version) {
		fputs(d.o.show_help ? options_help : "holdfastd version " HOLDFAST_VERSION "\n",
		      stdout);
		options_free(&d.o);
		return 0;
	}
	log_set_level(d.o.log_level);
	log_set_journal(d.o.log_journal);
	tune_process();
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	/* Waited for as well, and then passed over: a terminal that closes must not end the daemon.
	 */
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGCHLD);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);

	r = start(&d, &err);
	if (r == 0) {
		log_info("holdfastd " HOLDFAST_VERSION " serves API " API_VERSION " on %s",
			 d.o.hosts[0]);
		log_info("%s: ending; the containers go on", strsignal(serve(&d, &signals)));
	} else {
		r = fail(&err);
	}
	stop(&d);
	options_free(&d.o);
	return r;
}
