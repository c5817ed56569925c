/*
 * Reading a container's log forwards: the open files in a row, the oldest first, of which the first
 * is being read.
 *
 * The shim rotates by renaming (json.log.1 -> .2, json.log -> .1) and beginning a new json.log.
 * Files are therefore opened from the newest name to the oldest and told apart by inode: one that
 * is renamed meanwhile is met again under its next name and known, never missed. That holds for one
 * rotation: where json.log has become another file meanwhile, the search begins anew. And an old
 * file is complete once json.log is another one: who follows sees that first, reads the old file to
 * its end, and goes on with the next.
 */
#include "logs/logs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "base/wake.h"
#include "logs/files.h"
#include "logs/follow.h"
#include "wire/layout.h"
#include "wire/logline.h"

/* The time of a file's last change is a little older than what was written by then: by a tick of
 * the kernel's coarse clock. */
#define MTIME_SLACK_NS NSEC_PER_SEC

/* A rotation is far rarer than a search is long; this only says that it ends. */
#define FIND_TRIES 1000

struct log_reader {
	int dir;
	struct logs_query query;

	struct log_file *files; /* files[0] is being read */
	size_t n_files;
	struct log_place start[LOG_STDERR + 1]; /* by stream: entries before are not of the tail */

	struct buf data; /* of files[0]; what is before `done` is handed out */
	size_t done;
	int64_t read_to; /* offset of the data's end in the file */
	bool skipping;	 /* in a line that is too long */
	struct buf text; /* of the last entry */

	struct log_follower *follower;
	struct follow_seat *seat; /* taken when there is first something to wait for */
	int wake;
	bool armed; /* woken by what happens from now on; one last look, then sleep */
	bool ended;
};

/* the files ------------------------------------------------------------------------------- */

static void log_name(unsigned i, char *ret, size_t size)
{
	if (i == 0)
		snprintf(ret, size, "%s", LAYOUT_LOG);
	else
		snprintf(ret, size, "%s.%u", LAYOUT_LOG, i);
}

static bool is_known(const struct log_file *files, size_t n, const struct stat *st)
{
	for (size_t i = 0; i < n; i++)
		if (files[i].dev == st->st_dev && files[i].ino == st->st_ino)
			return true;
	return false;
}

static int64_t mtime_ns(const struct stat *st)
{
	return st->st_mtim.tv_sec * NSEC_PER_SEC + st->st_mtim.tv_nsec;
}

/* Some files, the newest first; theirs to close. */
struct found {
	struct log_file *files;
	size_t n;
};

static void found_free(struct found *f)
{
	for (size_t i = 0; i < f->n; i++)
		close_p(&f->files[i].fd);
	free(f->files);
}

/* What is to be done after one name. */
enum step { STEP_ON, STEP_MISSING, STEP_STOP };

/* Opens one and adds it, unless it is there already. */
static int find_one(const struct log_reader *r, unsigned i, struct found *f, enum step *ret)
{
	autoclose int fd = -1;
	char name[sizeof LAYOUT_LOG + 12];
	struct stat st;

	log_name(i, name, sizeof name);
	fd = openat(r->dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT) {
		*ret = STEP_MISSING;
		return 0;
	}
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;

	*ret = STEP_ON;
	if (is_known(r->files, r->n_files, &st) ||
	    (i > 0 && mtime_ns(&st) + MTIME_SLACK_NS < r->query.since_ns)) {
		*ret = STEP_STOP;
		return 0;
	}
	if (!S_ISREG(st.st_mode) || is_known(f->files, f->n, &st))
		return 0;

	f->files = xreallocarray(f->files, f->n + 1, sizeof *f->files);
	f->files[f->n++] = (struct log_file){
		.fd = take_fd(fd),
		.dev = st.st_dev,
		.ino = st.st_ino,
		/* Who does not follow reads what is there now, or might never come to an end. */
		.end = r->query.follow ? INT64_MAX : st.st_size,
	};
	return 0;
}

/* Which file json.log is; all 0 where there is none. */
static struct log_file newest_of(const struct log_reader *r)
{
	struct stat st;

	if (fstatat(r->dir, LAYOUT_LOG, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return (struct log_file){};
	return (struct log_file){.dev = st.st_dev, .ino = st.st_ino};
}

/* Opens by name what is newer than the files we have: 1, 0 where a rotation came between (then
 * something may be missing, or in the wrong order), or -errno. */
static int find_newer(const struct log_reader *r, struct found *f)
{
	enum step before = STEP_ON, step = STEP_ON;
	struct log_file first = newest_of(r), last;
	int e;

	for (unsigned i = 0; step != STEP_STOP; i++) {
		before = step;
		e = find_one(r, i, f, &step);
		if (e < 0)
			return e;
		/* In the middle of one rotation a name may be missing, but not two in a row. */
		if (step == STEP_MISSING && before == STEP_MISSING)
			break;
	}
	last = newest_of(r);
	return first.dev == last.dev && first.ino == last.ino;
}

/* Opens the files that are newer than those we have, and puts them behind. */
static int open_newer(struct log_reader *r, struct err *err)
{
	auto_(found_free) struct found f = {};
	int e = 0;

	for (int i = 0; i < FIND_TRIES && e == 0; i++) {
		found_free(&f);
		f = (struct found){};
		e = find_newer(r, &f);
	}
	if (e < 0)
		return err_sys(err, -e, "open the log");

	r->files = xreallocarray(r->files, r->n_files + f.n, sizeof *r->files);
	while (f.n > 0)
		r->files[r->n_files++] = f.files[--f.n];
	return 0;
}

static void forget_data(struct log_reader *r, int64_t offset)
{
	r->data.len = r->done = 0;
	r->read_to = offset;
	r->skipping = false;
}

/* The first file is done with. */
static void drop_first(struct log_reader *r)
{
	close_p(&r->files[0].fd);
	r->n_files--;
	memmove(r->files, r->files + 1, r->n_files * sizeof *r->files);
	for (size_t s = 0; s < ARRAY_SIZE(r->start); s++) {
		if (r->start[s].file > 0)
			r->start[s].file--;
		else
			r->start[s].offset = 0;
	}
	forget_data(r, 0);
}

/* Follows, and has read the newest file to its end: is there a newer one? 1, 0 or < 0. */
static int look_for_rotation(struct log_reader *r, struct err *err)
{
	size_t had = r->n_files;
	struct stat st;

	if (fstatat(r->dir, LAYOUT_LOG, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(err, errno, "look at the log");
	if (!is_known(r->files, r->n_files, &st))
		return open_newer(r, err) < 0 ? -1 : r->n_files > had;
	if (st.st_size >= r->read_to)
		return 0;
	forget_data(r, 0); /* emptied in place */
	return 1;
}

/* the lines ------------------------------------------------------------------------------- */

/* Reads a block more: 1, 0 at the end, or -errno. */
static int read_more(struct log_reader *r)
{
	const struct log_file *f = &r->files[0];
	int64_t left = f->end - r->read_to;
	size_t want = left < LOG_BLOCK ? (size_t) left : LOG_BLOCK;
	ssize_t n;

	if (left <= 0)
		return 0;
	buf_consume(&r->data, r->done);
	r->done = 0;
	if (r->data.len > LOG_LINE_MAX) {
		r->data.len = 0;
		r->skipping = true;
	}
	n = pread(f->fd, buf_reserve(&r->data, want), want, r->read_to);
	if (n < 0)
		return errno == EINTR ? 1 : -errno;
	r->data.len += (size_t) n;
	r->read_to += n;
	return n > 0;
}

/* The next whole line of the first file: 1, 0 at its end, or -errno. */
static int next_line(struct log_reader *r, const char **ret_line, size_t *ret_len,
		     int64_t *ret_offset)
{
	if (r->n_files == 0)
		return 0;
	for (;;) {
		size_t left = r->data.len - r->done;
		const char *line = left ? r->data.text + r->done : "";
		const char *newline = memchr(line, '\n', left);
		int e;

		if (newline) {
			bool skip = r->skipping;

			*ret_line = line;
			*ret_len = (size_t) (newline - line);
			*ret_offset = r->read_to - (int64_t) left;
			r->done += *ret_len + 1;
			r->skipping = false;
			if (!skip)
				return 1;
			continue;
		}
		e = read_more(r);
		if (e <= 0)
			return e;
	}
}

/* Gives half a line at the end of the file back: it is read again when there is more. A shim that
 * finds such a thing cuts it off and writes another line in its place. */
static void give_back_torn(struct log_reader *r)
{
	r->read_to -= (int64_t) (r->data.len - r->done);
	r->data.len = r->done;
}

/* Reset, then arm, then look: whatever comes after the look wakes us. */
static int arm(struct log_reader *r, struct err *err)
{
	if (!r->seat && follow_join(r->follower, r->dir, r->wake, &r->seat, err) < 0)
		return -1;
	wake_reset(r->wake, r->query.until_ns);
	if (follow_arm(r->follower, r->seat, err) < 0)
		return -1;
	r->armed = true;
	return 0;
}

/* At the end of the first file. 1: look again; 0: nothing more now; 2: nothing more ever. */
static int at_end(struct log_reader *r, struct err *err)
{
	int changed;

	if (r->n_files > 1) {
		drop_first(r);
		return 1;
	}
	if (!r->query.follow)
		return 0;

	give_back_torn(r);
	if (!r->armed)
		return arm(r, err) < 0 ? -1 : 1;
	changed = look_for_rotation(r, err);
	if (changed)
		return changed;
	r->armed = false;
	if (r->query.until_ns && now_ns() >= r->query.until_ns) {
		r->ended = true;
		return 2;
	}
	return 0;
}

static bool is_wanted(const struct log_reader *r, const struct log_entry *e, struct log_place at)
{
	bool wanted = e->stream == LOG_STDOUT ? r->query.want_stdout : r->query.want_stderr;

	return wanted && e->time_ns >= r->query.since_ns &&
	       !log_place_before(at, r->start[e->stream]);
}

/* Is seen at first sight to be older than what is wanted: no need to unpack the text. */
static bool is_too_old(const struct log_reader *r, const char *line, size_t len)
{
	int64_t t = r->query.since_ns ? log_line_time(line, len) : 0;

	return t && t < r->query.since_ns;
}

int logs_next(struct log_reader *r, struct log_entry *ret, struct err *err)
{
	while (!r->ended) {
		struct log_place at = {};
		struct log_entry e;
		const char *line;
		size_t len;
		int n = next_line(r, &line, &len, &at.offset);

		if (n < 0)
			return err_sys(err, -n, "read the log");
		if (n == 0) {
			n = at_end(r, err);
			if (n != 1)
				return n;
			continue;
		}
		if (is_too_old(r, line, len) || log_line_parse(line, len, &r->text, &e) < 0)
			continue;
		if (r->query.until_ns && e.time_ns > r->query.until_ns)
			r->ended = true;
		else if (is_wanted(r, &e, at)) {
			*ret = e;
			return 1;
		}
	}
	return 2;
}

/* handing over ---------------------------------------------------------------------------- */

/* Goes to the first line that is not older than what is wanted: 0 or -errno. */
static int skip_old(struct log_reader *r)
{
	const char *line;
	int64_t offset;
	size_t len;
	int n = 1;

	while (n > 0 && r->query.since_ns) {
		n = next_line(r, &line, &len, &offset);
		if (n == 0 && r->n_files > 1) {
			drop_first(r);
			n = 1;
		} else if (n > 0 && !is_too_old(r, line, len)) {
			r->done -= len + 1; /* give it back */
			break;
		}
	}
	return n < 0 ? n : 0;
}

int logs_position(struct log_reader *r, struct logs_position *ret, struct err *err)
{
	int e = skip_old(r);

	if (e < 0)
		return err_sys(err, -e, "read the log");
	*ret = (struct logs_position){.fd = -1};
	if (r->n_files == 0)
		return 0;
	give_back_torn(r);
	ret->fd = r->files[0].fd;
	ret->offset = r->read_to - (int64_t) (r->data.len - r->done);
	for (int s = LOG_STDOUT; s <= LOG_STDERR; s++) {
		ret->start[s].ino = r->files[r->start[s].file].ino;
		ret->start[s].offset = r->start[s].offset;
	}
	return 0;
}

/* opening and closing --------------------------------------------------------------------- */

/* Goes to where the tail begins. */
static int seek_tail(struct log_reader *r, struct err *err)
{
	struct log_place first;

	if (r->query.tail < 0 || r->n_files == 0)
		return 0;
	if (log_tail_find(r->files, r->n_files, &r->query, r->start, err) < 0)
		return -1;

	first = log_place_before(r->start[LOG_STDOUT], r->start[LOG_STDERR]) ? r->start[LOG_STDOUT]
									     : r->start[LOG_STDERR];
	for (; first.file > 0; first.file--)
		drop_first(r);
	forget_data(r, first.offset);
	return 0;
}

static int start_following(struct log_reader *r, struct log_follower *follower, struct err *err)
{
	r->follower = follower;
	r->wake = wake_new();
	if (r->wake < 0)
		return err_sys(err, -r->wake, "follow logs");
	wake_up(r->wake); /* the first look is due */
	return 0;
}

DEFINE_AUTO(struct log_reader *, logs_close);

int logs_open(int dir, const struct logs_query *query, struct log_follower *follower,
	      struct log_reader **ret, struct err *err)
{
	auto_(logs_close_p) struct log_reader *r = xnew(struct log_reader);

	r->query = *query;
	r->wake = -1;
	r->dir = fcntl(dir, F_DUPFD_CLOEXEC, 0);
	if (r->dir < 0)
		return err_sys(err, errno, "open the log");
	if (query->follow && start_following(r, follower, err) < 0)
		return -1;
	if (open_newer(r, err) < 0 || seek_tail(r, err) < 0)
		return -1;

	*ret = take(r);
	return 0;
}

int logs_fd(const struct log_reader *r)
{
	return r->wake;
}

void logs_close(struct log_reader *r)
{
	if (!r)
		return;
	follow_leave(r->follower, r->seat);
	while (r->n_files > 0)
		close_p(&r->files[--r->n_files].fd);
	free(r->files);
	buf_free(&r->data);
	buf_free(&r->text);
	close_p(&r->wake);
	close_p(&r->dir);
	free(r);
}
