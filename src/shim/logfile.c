/* See logfile.h. */
#include "shim/logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "shim/jsonlog.h"
#include "wire/layout.h"

#define OUT_SIZE (384 * 1024)
/* Memory that is kept when idle. */
#define OUT_KEEP 4096

static const char *const stream_names[] = {
	[LOG_FROM_STDOUT] = "stdout",
	[LOG_FROM_STDERR] = "stderr",
};

/* Opening */

/* Position behind the last newline before `end`, where it is near (no line of ours is longer). */
static int64_t last_line_end(int fd, int64_t end)
{
	autofree char *text = xmalloc(JSONLOG_ROOM);
	int64_t from = end > JSONLOG_ROOM ? end - JSONLOG_ROOM : 0;
	ssize_t n = pread(fd, text, (size_t) (end - from), from);
	const char *newline = n > 0 ? memrchr(text, '\n', (size_t) n) : NULL;

	return newline ? from + (newline - text) + 1 : from;
}

/* A shim that was killed in the middle of a write left half a line. */
static void cut_torn_line(int fd, int64_t *size)
{
	char last;

	if (*size == 0 || pread(fd, &last, 1, *size - 1) != 1 || last == '\n')
		return;
	*size = last_line_end(fd, *size);
	if (ftruncate(fd, *size) < 0)
		log_warn("%s: cut a torn line: error %d", LAYOUT_LOG, errno);
}

static void open_file(struct logfile *l)
{
	struct stat st;

	/* Here as elsewhere: a link in the place of a file that is appended to leads to somebody
	 * else's. */
	l->fd = openat(l->dir, LAYOUT_LOG, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
		       0640);
	if (l->fd < 0 || fstat(l->fd, &st) < 0)
		return;
	l->size = st.st_size;
	cut_torn_line(l->fd, &l->size);
}

void logfile_open(struct logfile *l, int dir, int64_t max_size, int64_t max_files)
{
	*l = (struct logfile){
		.dir = dir,
		.fd = -1,
		.max_size = max_size > 0 ? max_size : 0,
		.max_files = max_files,
	};
	l->rotate_at = l->max_size;
	open_file(l);
	if (l->fd < 0)
		log_warn("open %s: error %d", LAYOUT_LOG, errno);
}

void logfile_tell(struct logfile *l, const struct logfile_reader *reader, void *arg)
{
	l->reader = reader;
	l->reader_arg = arg;
}

/* Writing */

static uint64_t count_lines(const char *text, size_t n)
{
	uint64_t lines = 0;

	for (const char *end = text + n;
	     text < end && (text = memchr(text, '\n', (size_t) (end - text))); text++)
		lines++;
	return lines;
}

/* Writes until it fails: the bytes that are in the file. */
static size_t write_some(int fd, const char *text, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t r = write(fd, text + done, n - done);

		if (r > 0)
			done += (size_t) r;
		else if (r == 0 || errno != EINTR)
			break;
	}
	return done;
}

static void lose(struct logfile *l, const char *text, size_t n, int errnum)
{
	if (l->lost_lines == 0)
		log_warn("%s cannot be written, lines are being lost: %s", LAYOUT_LOG,
			 strerror(errnum));
	l->lost_lines += count_lines(text, n);
}

/* Half a line must not stay in the file: cuts back to the last whole one. */
static size_t keep_whole_lines(struct logfile *l, size_t written)
{
	const char *newline = memrchr(l->out, '\n', written);
	size_t whole = newline ? (size_t) (newline - l->out) + 1 : 0;

	if (whole < written && ftruncate(l->fd, l->size + (int64_t) whole) < 0) {
		/* Then at least the next line begins anew. */
		(void) !write(l->fd, "\n", 1);
		l->size += (int64_t) (written - whole) + 1;
	}
	return whole;
}

static void flush(struct logfile *l)
{
	size_t written = 0;
	int errnum;

	if (l->len == 0)
		return;
	if (l->fd < 0)
		open_file(l);
	errno = l->fd < 0 ? errno : 0;
	if (l->fd >= 0)
		written = write_some(l->fd, l->out, l->len);
	errnum = errno ? errno : EIO;

	if (written < l->len) {
		written = l->fd < 0 ? 0 : keep_whole_lines(l, written);
		lose(l, l->out + written, l->len - written, errnum);
	} else if (l->lost_lines > 0) {
		log_warn("%s can be written again; lines lost: %" PRIu64, LAYOUT_LOG,
			 l->lost_lines);
		l->lost_lines = 0;
	}
	l->size += (int64_t) written;
	l->len = 0;
	if (written > 0 && l->reader)
		l->reader->grown(l->reader_arg);
}

/* json.log becomes json.log.1, which becomes json.log.2, ...; the oldest goes. */
static int shift_files(struct logfile *l)
{
	char from[64] = LAYOUT_LOG, to[64];

	for (int64_t i = l->max_files - 1; i > 0; i--) {
		snprintf(from, sizeof from, LAYOUT_LOG ".%" PRId64, i - 1);
		snprintf(to, sizeof to, LAYOUT_LOG ".%" PRId64, i);
		if (renameat(l->dir, i > 1 ? from : LAYOUT_LOG, l->dir, to) < 0 && errno != ENOENT)
			return -errno;
	}
	return 0;
}

static void rotate(struct logfile *l)
{
	int r;

	if (l->reader)
		l->reader->rotating(l->reader_arg);
	if (l->max_files > 1)
		r = shift_files(l);
	else /* only one: it begins anew */
		r = ftruncate(l->fd, 0) < 0 ? -errno : 0;
	if (r < 0) {
		log_warn("rotate %s: %s", LAYOUT_LOG, strerror(-r));
		l->rotate_at = l->size + l->max_size; /* not at every line */
		return;
	}
	l->rotate_at = l->max_size;
	l->size = 0;
	if (l->max_files > 1) {
		(void) close(l->fd);
		open_file(l);
	} else if (l->reader) {
		l->reader->emptied(l->reader_arg);
	}
}

/* Makes room for one more line, in the file and in the buffer. */
static void make_room(struct logfile *l)
{
	if (l->rotate_at > 0 && l->size + (int64_t) l->len >= l->rotate_at) {
		flush(l);
		if (l->fd >= 0 && l->size >= l->rotate_at)
			rotate(l);
	}
	if (l->len + JSONLOG_ROOM > OUT_SIZE)
		flush(l);
}

/* Taking in */

/* Encodes all that is complete; the bytes used of text. */
static size_t add_lines(struct logfile *l, const char *text, size_t n, bool end,
			const struct jsonlog_tail *tail)
{
	size_t used = 0;

	while (used < n) {
		size_t len, line;

		make_room(l);
		line = jsonlog_line(l->out + l->len, &len, text + used, n - used, end, tail);
		if (line == 0)
			break;
		l->len += len;
		if (l->len > l->used)
			l->used = l->len;
		used += line;
	}
	return used;
}

/* Completes the unfinished line that was kept, as far as text goes; the bytes used of text. */
static size_t add_to_rest(struct logfile *l, struct buf *rest, const char *text, size_t n,
			  const struct jsonlog_tail *tail)
{
	size_t used = 0;

	while (rest->len > 0 && used < n) {
		size_t room = JSONLOG_PIECE - rest->len;
		size_t take = n - used < room ? n - used : room;
		const char *newline = memchr(text + used, '\n', take);

		if (newline)
			take = (size_t) (newline - text) + 1 - used;
		buf_add(rest, text + used, take);
		used += take;
		buf_consume(rest, add_lines(l, rest->text, rest->len, false, tail));
	}
	if (rest->len == 0)
		buf_free(rest);
	return used;
}

static bool have_buffer(struct logfile *l)
{
	if (!l->out) {
		void *p = mmap(NULL, OUT_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			       -1, 0);

		l->out = p == MAP_FAILED ? NULL : p;
	}
	return l->out;
}

void logfile_add(struct logfile *l, enum log_source from, const char *text, size_t n,
		 int64_t time_ns)
{
	struct buf *rest = &l->rest[from];
	struct jsonlog_tail tail;
	size_t used = 0;

	if (!have_buffer(l)) {
		lose(l, text, n, ENOMEM);
		return;
	}
	jsonlog_tail(&tail, stream_names[from], time_ns);
	used = add_to_rest(l, rest, text, n, &tail);
	used += add_lines(l, text + used, n - used, false, &tail);
	if (used < n)
		buf_add(rest, text + used, n - used);
	flush(l);
}

void logfile_end(struct logfile *l, enum log_source from, int64_t time_ns)
{
	struct buf *rest = &l->rest[from];
	struct jsonlog_tail tail;

	if (rest->len > 0 && have_buffer(l)) {
		jsonlog_tail(&tail, stream_names[from], time_ns);
		(void) add_lines(l, rest->text, rest->len, true, &tail);
		flush(l);
	}
	buf_free(rest);
}

void logfile_trim(struct logfile *l)
{
	if (l->out)
		(void) madvise(l->out + OUT_KEEP, OUT_SIZE - OUT_KEEP, MADV_DONTNEED);
	l->used = 0;
}

bool logfile_wants_trim(const struct logfile *l)
{
	return l->used > OUT_KEEP;
}

void logfile_close(struct logfile *l)
{
	flush(l);
	for (int i = 0; i < LOG_SOURCES; i++)
		buf_free(&l->rest[i]);
	if (l->out)
		(void) munmap(l->out, OUT_SIZE);
	l->out = NULL;
	if (l->fd >= 0)
		(void) close(l->fd);
	l->fd = -1;
}
