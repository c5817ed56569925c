/*
 * The live upgrade: the program on disk takes our place by execve(2), in this process, so whoever
 * watches us sees nothing, and every descriptor that is worth it goes along. It is asked first
 * whether it would start with our options at all; and should the exec fail all the same, we open
 * again what we have closed.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/spawn.h"
#include "base/thread.h"
#include "daemon/daemon.h"

#define SELF	 "/proc/self/exe"
#define DELETED	 " (deleted)"
#define CHECK_MS 20000

char *program_path(void)
{
	char path[PATH_MAX];
	ssize_t n = readlink(SELF, path, sizeof path - 1);

	if (n < 0)
		return NULL;
	path[n] = '\0';
	/* Replaced since the exec, a moment ago. */
	if (str_has_suffix(path, DELETED))
		path[n - (ssize_t) strlen(DELETED)] = '\0';
	return xstrdup(path);
}

bool program_has_changed(const struct daemon *d)
{
	struct stat ours, theirs;

	return d->program && stat(SELF, &ours) == 0 && stat(d->program, &theirs) == 0 &&
	       (ours.st_dev != theirs.st_dev || ours.st_ino != theirs.st_ino);
}

/* The last line that it said, without our own name in front. */
static const char *last_line(char *text)
{
	size_t n = strlen(text);
	char *line;

	while (n && text[n - 1] == '\n')
		text[--n] = '\0';
	line = strrchr(text, '\n');
	line = line ? line + 1 : text;
	return str_has_prefix(line, "holdfastd: ") ? line + strlen("holdfastd: ") : line;
}

static int check(const struct daemon *d, struct err *err)
{
	autofree const char **argv = xcalloc((size_t) d->argc + 2, sizeof *argv);
	struct spawn_result res = {0};
	struct spawn s = {.argv = argv, .in = -1};
	int r = 0;

	argv[0] = d->program;
	argv[1] = "--check";
	for (int i = 1; i < d->argc; i++)
		argv[i + 1] = d->argv[i];
	if (spawn_run(&s, CHECK_MS, 4096, &res, err) < 0)
		return err_wrap(err, "upgrade to %s", d->program);
	if (res.timed_out)
		r = err_set(err, ERR_SYSTEM,
			    "upgrade to %s: it did not say within %d s that it is fit", d->program,
			    CHECK_MS / 1000);
	else if (res.code != 0)
		r = err_set(err, ERR_INVALID, "upgrade to %s: it refuses: %s", d->program,
			    last_line(res.err_text ?: (char[]){""}));
	else if (!res.out || !str_has_prefix(res.out, "holdfastd "))
		r = err_set(err, ERR_INVALID, "upgrade to %s: that is no holdfastd", d->program);
	spawn_result_free(&res);
	return r;
}

static int begin_check(struct daemon *d, struct err *err)
{
	hold(&d->upgrade_lock);

	if (d->checking || d->upgrading)
		return err_set(err, ERR_CONFLICT, "an upgrade is in progress already");
	if (!d->program)
		return err_set(err, ERR_SYSTEM, "the path of this program is not known");
	d->checking = true;
	return 0;
}

/* Not under the lock: the other program may take its time. */
int upgrade_request(void *arg, struct err *err)
{
	struct daemon *d = arg;
	int r;

	if (begin_check(d, err) < 0)
		return -1;
	r = check(d, err);

	hold(&d->upgrade_lock);
	d->checking = false;
	if (r < 0)
		return -1;
	d->upgrading = true;
	http_server_pause(d->server);
	(void) kill(getpid(), SIGNAL_UPGRADE);
	return 0;
}

bool upgrade_is_due(struct daemon *d)
{
	hold(&d->upgrade_lock);

	return d->upgrading;
}

void upgrade_exec(struct daemon *d)
{
	struct err err = {0};

	if (heritage_give(&d->heritage, &err) == 0) {
		(void) execv(d->program, d->argv);
		(void) err_sys(&err, errno, "exec %s", d->program);
		heritage_keep(&d->heritage);
	}
	log_error("upgrade: %s; the former program goes on", err.text);
	free(d->upgrade_error);
	d->upgrade_error = xstrdup(err.text);
	d->upgrading = false;
}
