/* See records.h. */
#include "shim/records.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "wire/layout.h"

/* When nobody says what may be forgotten: above MAX records, the youngest KEEP stay. */
#define RECORDS_KEEP 1000
#define RECORDS_MAX  1200
/* A run writes four records of 400 bytes at most. */
#define RESERVE_BYTES 4096
/* A rewrite costs two syncs: not for less than this. */
#define FORGET_BYTES   (16 * 1024)
#define FILE_MAX_BYTES (4 * 1024 * 1024)

static int open_file(struct records *rs)
{
	int fd = openat(rs->dir, LAYOUT_RUNS, O_RDWR | O_APPEND | O_NOFOLLOW | O_CLOEXEC);

	if (fd >= 0 || errno != ENOENT)
		return fd < 0 ? -errno : fd;
	fd = openat(rs->dir, LAYOUT_RUNS, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
		    0600);
	if (fd < 0)
		return -errno;
	(void) sync_dir(rs->dir);
	return fd;
}

/* Length up to the last newline, and how many there are. */
static size_t whole_lines(const char *text, size_t len, size_t *ret_count)
{
	size_t whole = 0;

	*ret_count = 0;
	for (const char *nl; (nl = memchr(text + whole, '\n', len - whole)); (*ret_count)++)
		whole = (size_t) (nl - text) + 1;
	return whole;
}

int records_open(struct records *rs, int dir, struct err *err)
{
	autofree char *text = NULL;
	size_t len, whole;
	int r;

	*rs = (struct records){.dir = dir, .fd = -1};
	r = open_file(rs);
	if (r < 0)
		return err_sys(err, -r, "open %s", LAYOUT_RUNS);
	rs->fd = r;
	r = read_file_at(dir, LAYOUT_RUNS, FILE_MAX_BYTES, &text, &len);
	if (r < 0)
		return err_sys(err, -r, "read %s", LAYOUT_RUNS);

	/* A torn last line is no line, and must not become the head of the next one. */
	whole = whole_lines(text, len, &rs->count);
	if (whole < len && ftruncate(rs->fd, (off_t) whole) < 0)
		return err_sys(err, errno, "cut the torn line of %s", LAYOUT_RUNS);
	return 0;
}

int records_reserve(struct records *rs, struct err *err)
{
	struct stat st;

	if (fstat(rs->fd, &st) < 0)
		return err_sys(err, errno, "stat %s", LAYOUT_RUNS);
	/* Blocks behind the end of the file, which keeps its size. Not every file system can. */
	if (fallocate(rs->fd, FALLOC_FL_KEEP_SIZE, st.st_size, RESERVE_BYTES) < 0 &&
	    errno != EOPNOTSUPP && errno != ENOSYS)
		return err_sys(err, errno, "reserve room in %s", LAYOUT_RUNS);
	return 0;
}

/* Replaces the file by these lines of it. */
static void rewrite(struct records *rs, const char *text, size_t len, size_t count)
{
	struct err err = {0};
	int fd;

	if (save_file_at(rs->dir, LAYOUT_RUNS, text, len, SAVE_DURABLE, &err) < 0) {
		log_warn("%s", err.text);
		return;
	}
	fd = openat(rs->dir, LAYOUT_RUNS, O_RDWR | O_APPEND | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		/* The next record would go into a file without a name. */
		log_error("open %s: %s", LAYOUT_RUNS, strerror(errno));
		return;
	}
	(void) close(rs->fd);
	rs->fd = fd;
	rs->count = count;
	(void) records_reserve(rs, NULL);
}

static void keep_youngest(struct records *rs)
{
	autofree char *text = NULL;
	size_t len, drop = 0;

	if (rs->count <= RECORDS_MAX ||
	    read_file_at(rs->dir, LAYOUT_RUNS, FILE_MAX_BYTES, &text, &len) < 0)
		return;
	for (size_t n = rs->count; n > RECORDS_KEEP; n--) {
		const char *nl = memchr(text + drop, '\n', len - drop);

		if (!nl)
			return;
		drop = (size_t) (nl - text) + 1;
	}
	rewrite(rs, text + drop, len - drop, RECORDS_KEEP);
}

int records_flush(struct records *rs)
{
	size_t count;
	int r;

	if (rs->pending.len == 0)
		return 0;
	r = runs_append_lines(rs->fd, &rs->pending);
	if (r < 0)
		return r;
	(void) whole_lines(rs->pending.text, rs->pending.len, &count);
	rs->count += count;
	buf_free(&rs->pending);
	keep_youngest(rs);
	return 0;
}

int records_add(struct records *rs, const struct run_record *r, size_t n)
{
	for (size_t i = 0; i < n; i++)
		run_record_format(&rs->pending, &r[i]);
	return records_flush(rs);
}

/* The run that a line of ours is about; INT64_MAX where it is none of ours. */
static int64_t run_of(const char *line, size_t len)
{
	static const char key[] = "\"run\":";
	const char *p = memmem(line, len, key, sizeof key - 1);

	return p ? strtoll(p + sizeof key - 1, NULL, 10) : INT64_MAX;
}

void records_forget(struct records *rs, int64_t run)
{
	autofree char *text = NULL;
	autobuf keep = {0};
	size_t len, count = 0;

	if (read_file_at(rs->dir, LAYOUT_RUNS, FILE_MAX_BYTES, &text, &len) < 0)
		return;
	for (const char *p = text, *nl; (nl = memchr(p, '\n', (size_t) (text + len - p)));
	     p = nl + 1) {
		size_t line = (size_t) (nl - p) + 1;

		if (run_of(p, line) <= run)
			continue;
		buf_add(&keep, p, line);
		count++;
	}
	if (len - keep.len >= FORGET_BYTES)
		rewrite(rs, keep.text ? keep.text : "", keep.len, count);
}
