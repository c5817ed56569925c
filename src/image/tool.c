/* Runs holdfast-image, which does all reading and writing of archives; see layout.h. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/spawn.h"
#include "image/store.h"

#define PIECE (256 << 10)

/* Staging directories */

int staging_make(struct images *s, char *ret_name, struct err *err)
{
	char name[32];

	strcpy(name, "work-");
	random_hex(name + strlen(name), 16);
	if (mkdirat(s->staging, name, 0700) < 0)
		return err_sys(err, errno, "create a directory in %s/" IMAGE_DIR_STAGING,
			       s->root_path);
	strcpy(ret_name, name);
	return 0;
}

void staging_remove(struct images *s, const char *name)
{
	int r = remove_tree_at(s->staging, name);

	if (r < 0)
		log_warn("image: cannot remove staging/%s: %s", name, strerror(-r));
}

/* The process */

struct tool_run {
	pid_t pid; /* 0: none */
	int in;	   /* our end of its stdin */
	int out;   /* and of its stdout */
	int err;   /* a file with what it said */
};

/* Whatever state it is in: gone when this returns. */
static void tool_run_end(struct tool_run *t)
{
	if (t->pid > 0) {
		(void) kill(t->pid, SIGKILL);
		while (waitpid(t->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	close_p(&t->in);
	close_p(&t->out);
	close_p(&t->err);
}

/* in: what becomes its stdin, closed here. */
static int start(struct images *s, struct tool_run *t, const char *const *argv, int in,
		 struct err *err)
{
	autoclose int theirs = in;
	autoclose int out = -1;
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(err, errno, "pipe");
	t->out = fds[0];
	out = fds[1];
	t->err = memfd_create("holdfast-image", MFD_CLOEXEC);
	if (t->err < 0)
		return err_sys(err, errno, "memfd_create");
	(void) fcntl(out, F_SETPIPE_SZ, 1 << 20);
	return spawn_start(&(struct spawn){.argv = argv, .in = theirs, .out = out, .err = t->err},
			   &t->pid, err);
}

/* Waits for its end; 0 if it was a good one. */
static int finish(struct tool_run *t, struct err *err)
{
	char said[512];
	ssize_t n;
	int status;

	while (waitpid(t->pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_sys(err, errno, "wait for holdfast-image");
	t->pid = 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	n = pread(t->err, said, sizeof said - 1, 0);
	said[n > 0 ? n : 0] = '\0';
	said[strcspn(said, "\n")] = '\0';
	if (WIFSIGNALED(status))
		return err_set(err, ERR_SYSTEM, "holdfast-image was killed by signal %d %s",
			       WTERMSIG(status), said);
	return err_set(err, ERR_SYSTEM, "holdfast-image failed with status %d: %s",
		       WEXITSTATUS(status), said[0] ? said : "it did not say why");
}

/* Reading */

/* Gives it all that `in` has. That it hangs up early is no error: its answer tells why. */
static int feed(struct tool_run *t, const struct image_source *in, struct err *err)
{
	autofree char *piece = xmalloc(PIECE);

	for (;;) {
		ssize_t n = in->read(in->arg, piece, PIECE), sent = 0;

		if (n < 0)
			return err_sys(err, (int) -n, "read the archive from the client");
		if (n == 0)
			break;
		while (sent < n) {
			ssize_t r = send(t->in, piece + sent, (size_t) (n - sent), MSG_NOSIGNAL);

			if (r < 0 && errno == EINTR)
				continue;
			if (r < 0 && (errno == EPIPE || errno == ECONNRESET))
				return 0;
			if (r < 0)
				return err_sys(err, errno, "send the archive to holdfast-image");
			sent += r;
		}
	}
	(void) shutdown(t->in, SHUT_WR);
	return 0;
}

static int read_answer(struct tool_run *t, json_t **ret, struct err *err)
{
	autobuf b = {0};
	json_error_t je;

	for (;;) {
		ssize_t n = read(t->out, buf_reserve(&b, 64 << 10), 64 << 10);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, errno, "read the answer of holdfast-image");
		if (n == 0)
			break;
		b.len += (size_t) n;
		if (b.len > IMAGE_MAX_ANSWER)
			return err_set(err, ERR_TOO_LARGE, "the archive holds too many images");
	}
	if (b.len == 0)
		return 0; /* its exit code says more */
	*ret = json_loadb(b.text, b.len, 0, &je);
	return *ret ? 0 : err_set(err, ERR_SYSTEM, "holdfast-image answered nonsense: %s", je.text);
}

static int told_error(const json_t *answer, struct err *err)
{
	const json_t *e = json_object_get(answer, "Error");
	const char *kind = json_str(e, "Kind"), *text = json_str(e, "Text");

	if (!text)
		return 0;
	return err_set(err,
		       str_eq(kind, "system")	   ? ERR_SYSTEM
		       : str_eq(kind, "too large") ? ERR_TOO_LARGE
						   : ERR_INVALID,
		       "%s", text);
}

int tool_read(struct images *s, const char *verb, const char *staging,
	      const struct image_source *in, json_t **ret, struct err *err)
{
	auto_(tool_run_end) struct tool_run t = {.in = -1, .out = -1, .err = -1};
	autofree char *staging_path = NULL;
	autojson json_t *answer = NULL;
	json_t *images;
	int fds[2];

	staging_path = xasprintf("%s/" IMAGE_DIR_STAGING "/%s", s->root_path, staging);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return err_sys(err, errno, "socketpair");
	t.in = fds[0];
	if (start(s, &t,
		  (const char *const[]){s->tool, verb, "--root", s->root_path, "--staging",
					staging_path, NULL},
		  fds[1], err) < 0)
		return -1;
	if (feed(&t, in, err) < 0 || read_answer(&t, &answer, err) < 0 ||
	    told_error(answer, err) < 0 || finish(&t, err) < 0)
		return -1;
	images = json_object_get(answer, "Images");
	if (!json_is_array(images))
		return err_set(err, ERR_SYSTEM, "holdfast-image gave no answer");
	*ret = json_incref(images);
	return 0;
}

int tool_copy_up(struct images *s, const char *to, const char *path, char *const *layers,
		 json_t **ret, struct err *err)
{
	auto_(tool_run_end) struct tool_run t = {.in = -1, .out = -1, .err = -1};
	size_t n = strv_len(layers);
	const char **argv = xcalloc(n + 6, sizeof *argv);
	autojson json_t *answer = NULL;
	int r;

	memcpy(argv, ((const char *[]){s->tool, "copy-up", s->root_path, to, path}),
	       5 * sizeof *argv);
	memcpy(argv + 5, layers, n * sizeof *argv);
	r = start(s, &t, argv, -1, err);
	free(argv);
	if (r < 0 || read_answer(&t, &answer, err) < 0 || told_error(answer, err) < 0 ||
	    finish(&t, err) < 0)
		return -1;
	*ret = take(answer);
	return 0;
}

/* Writing */

/* A file, for the list may be larger than a pipe. */
static int wanted_file(const json_t *wanted, int *ret, struct err *err)
{
	autofree char *text = json_text(wanted);
	autoclose int fd = memfd_create("images", MFD_CLOEXEC);
	int r;

	if (fd < 0)
		return err_sys(err, errno, "memfd_create");
	r = write_all(fd, text, strlen(text));
	if (r < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(err, r < 0 ? -r : errno, "write the list of images");
	*ret = take_fd(fd);
	return 0;
}

static int pass_on(struct tool_run *t, const struct image_sink *out, struct err *err)
{
	autofree char *piece = xmalloc(PIECE);

	for (;;) {
		ssize_t n = read(t->out, piece, PIECE);
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, errno, "read from holdfast-image");
		if (n == 0)
			return 0;
		r = out->write(out->arg, piece, (size_t) n);
		if (r < 0)
			return err_sys(err, -r, "send the archive to the client");
	}
}

/* The tool tells what went wrong in JSON, on stderr, for stdout is the archive. */
static int told_on_stderr(struct tool_run *t, struct err *err)
{
	char said[2048];
	ssize_t n = pread(t->err, said, sizeof said, 0);
	autojson json_t *answer = n > 0 ? json_loadb(said, (size_t) n, 0, NULL) : NULL;

	return told_error(answer, err);
}

int tool_write(struct images *s, const json_t *wanted, const struct image_sink *out,
	       struct err *err)
{
	auto_(tool_run_end) struct tool_run t = {.in = -1, .out = -1, .err = -1};
	struct err failed = {0};
	int list = -1;

	if (wanted_file(wanted, &list, err) < 0 ||
	    start(s, &t, (const char *const[]){s->tool, "save", "--root", s->root_path, NULL}, list,
		  err) < 0 ||
	    pass_on(&t, out, err) < 0)
		return -1;
	if (finish(&t, &failed) == 0)
		return 0;
	if (told_on_stderr(&t, err) == 0 && err)
		*err = failed;
	return -1;
}
