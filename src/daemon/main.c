/*
 * holdfastd: options, wiring, start-up and shut-down order. It may be killed at any instant; the
 * order below is for the clean end. Containers never end with it.
 */
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/time.h"
#include "daemon/daemon.h"
#include "daemon/notify.h"
#include "runtime/runtime.h"
#include "spec/spec.h"

#define REQUESTS_MAX 512   /* threads; each idle one ends by itself */
#define GRACE_MS     10000 /* for requests in flight at a clean end */
#define LAST_MS	     1000  /* for those then that have been told to come home */

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

static struct api_options api_options(struct daemon *d)
{
	return (struct api_options){
		.engine = d->engine,
		.seccomp_profile = spec_seccomp_profile_path(),
		.init_path = spec_init_path(),
		.started_ns = now_ns(),
		.upgrade = upgrade_request,
		.upgrade_arg = d,
		.upgraded_from = d->heritage.from,
		.upgrade_error = d->upgrade_error,
	};
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
		.labels = d->o.labels,
	};
	struct api_options ao;

	if (engine_become_reaper(err) < 0 || engine_open(&eo, &d->engine, err) < 0 ||
	    engine_restore_load(d->engine, err) < 0)
		return -1;
	ao = api_options(d);
	d->api = api_new(&ao);
	if (http_server_new(api_handle, d->api, REQUESTS_MAX, &d->server, err) < 0 ||
	    sockets_open(&d->o, &d->heritage, err) < 0 || write_pidfile(d, err) < 0)
		return -1;
	engine_restore_handle(d->engine);
	heritage_make_shelf(&d->heritage);
	http_server_use_shelf(d->server, d->heritage.shelf);
	d->heritage.queued = d->heritage.left.queue_fd > 0;
	http_server_inherit(d->server, &d->heritage.left);
	return http_server_start(d->server, err);
}

/* Streams get their end, and requests in flight may come to theirs. What takes longer goes home
 * with what it has, for its intent is on disk and the next daemon goes on with it. */
static void quiesce(struct daemon *d)
{
	http_server_pause(d->server);
	engine_end_streams(d->engine);
	if (!http_server_drain(d->server, GRACE_MS))
		log_warn("requests are in flight still after %d s: they are cut short",
			 GRACE_MS / 1000);
	engine_end(d->engine);
	(void) http_server_drain(d->server, LAST_MS);
}

static void close_engine(struct daemon *d)
{
	api_free(take(d->api));
	engine_close(take(d->engine));
}

static void stop(struct daemon *d)
{
	if (d->server && d->engine)
		quiesce(d);
	/* Until it has ended a request may still ask for an upgrade. */
	http_server_stop(d->server, 0);
	d->server = NULL;
	close_engine(d);
	if (d->has_pidfile)
		(void) unlink(d->o.pidfile);
}

static int fail(const struct err *err)
{
	log_error("%s", err->text);
	return 1;
}

/* Where there is a new program it is the reason for the signal. */
static void hang_up(struct daemon *d)
{
	struct err err = {0};

	if (!program_has_changed(d))
		reload(d);
	else if (upgrade_request(d, &err) < 0)
		log_error("%s; this program goes on", err.text);
}

/* Until a signal says that this is the end, or the upgrade: which one. */
static int serve(struct daemon *d, const sigset_t *signals)
{
	int sig = 0;

	for (;;) {
		if (sigwait(signals, &sig) != 0)
			continue;
		if (sig == SIGTERM || sig == SIGINT || (sig == SIGNAL_UPGRADE && upgrade_is_due(d)))
			return sig;
		if (sig == SIGCHLD)
			engine_reap(d->engine);
		else if (sig == SIGHUP)
			hang_up(d);
	}
}

/* Comes back where the new program cannot be started. */
static void upgrade(struct daemon *d)
{
	log_info("upgrade to %s", d->program);
	notify_reloading(d->heritage.notify_socket);
	quiesce(d);
	http_server_leave(take(d->server), &d->heritage.left);
	close_engine(d);
	upgrade_exec(d);
}

static void say_ready(const struct daemon *d)
{
	if (d->heritage.from)
		log_info("holdfastd " HOLDFAST_VERSION " has taken over from %s", d->heritage.from);
	log_info("holdfastd " HOLDFAST_VERSION " serves API " API_VERSION " on %s", d->o.hosts[0]);
	notify_tell(d->heritage.notify_socket,
		    d->heritage.queued ? "READY=1\nACCEPT=1\nSTATUS=serves API " API_VERSION
				       : "READY=1\nSTATUS=serves API " API_VERSION);
}

static int run(struct daemon *d)
{
	struct err err = {0};
	sigset_t signals;
	int sig;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGCHLD);
	sigaddset(&signals, SIGNAL_UPGRADE);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);

	for (;;) {
		if (start(d, &err) < 0)
			return fail(&err);
		say_ready(d);
		sig = serve(d, &signals);
		if (sig != SIGNAL_UPGRADE)
			break;
		upgrade(d);
	}
	log_info("%s: ending; the containers go on", strsignal(sig));
	notify_tell(d->heritage.notify_socket, "STOPPING=1");
	return 0;
}

/* --check: what would stop a start is said now. */
static int check(const struct options *o)
{
	const struct runtime_options ro = {
		.exec_root = o->exec_root,
		.default_runtime = o->default_runtime,
		.added = &o->runtimes,
	};
	struct err err = {0};

	if (runtimes_check(&ro, &err) < 0) {
		fprintf(stderr, "holdfastd: %s\n", err.text);
		return 1;
	}
	puts("holdfastd " HOLDFAST_VERSION ": options and configuration are good");
	return 0;
}

/* Help, version, check, keeper: without a daemon. -1: none of them. */
static int run_aside(const struct options *o, char **argv)
{
	struct err err = {0};

	if (o->show_help || o->show_version) {
		fputs(o->show_help ? options_help : "holdfastd version " HOLDFAST_VERSION "\n",
		      stdout);
		return 0;
	}
	if (o->check)
		return check(o);
	if (!o->keeper)
		return -1;
	return become_keeper(o, argv, &err) < 0 ? fail(&err) : 0;
}

int main(int argc, char **argv)
{
	struct daemon d = {.argc = argc, .argv = argv, .program = program_path()};
	struct err err = {0};
	int r;

	if (options_parse(argc, argv, &d.o, &err) < 0) {
		fprintf(stderr, "holdfastd: %s\n", err.text);
		free(d.program);
		return 1;
	}
	log_set_level(d.o.log_level);
	log_set_journal(d.o.log_journal);
	r = run_aside(&d.o, argv);
	if (r < 0) {
		tune_process();
		pthread_mutex_init(&d.upgrade_lock, NULL);
		r = heritage_take(&d.heritage, &err) < 0 ? fail(&err) : run(&d);
		stop(&d);
		heritage_free(&d.heritage);
	}
	options_free(&d.o);
	free(d.program);
	free(d.upgrade_error);
	return r;
}
