/* Writing the record of runs; see runs.h. Used by the shim, which has no JSON library. */
#include "wire/runs.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/time.h"

const char *run_event_name(enum run_event event)
{
	switch (event) {
	case RUN_STARTED:
		return "started";
	case RUN_ENDED:
		return "ended";
	case RUN_FAILED:
		return "failed";
	case RUN_RESTART:
		return "restart";
	case RUN_GAVE_UP:
		return "gave-up";
	case RUN_NONE:
		break;
	}
	return "none";
}

static void add_text(struct buf *b, const char *text)
{
	buf_adds(b, ",\"text\":\"");
	buf_add_json(b, text, strlen(text));
	buf_addc(b, '"');
}

void run_record_format(struct buf *b, const struct run_record *r)
{
	char time[RFC3339_MAX];

	buf_addf(b, "{\"v\":1,\"event\":\"%s\",\"run\":%" PRId64 ",\"time\":\"%s\"",
		 run_event_name(r->event), r->run, rfc3339_format(r->time_ns, time));
	switch (r->event) {
	case RUN_STARTED:
		buf_addf(b, ",\"pid\":%d,\"ticks\":%" PRIu64, (int) r->pid, r->pid_ticks);
		break;
	case RUN_ENDED:
		buf_addf(b, ",\"code\":%d,\"signal\":%d,\"oom\":%s", r->code, r->signal,
			 r->oom ? "true" : "false");
		break;
	case RUN_RESTART:
		buf_addf(b, ",\"due\":\"%s\",\"count\":%" PRId64, rfc3339_format(r->due_ns, time),
			 r->count);
		break;
	case RUN_FAILED:
	case RUN_GAVE_UP:
		add_text(b, r->text);
		break;
	case RUN_NONE:
		break;
	}
	buf_adds(b, "}\n");
}

int runs_append_lines(int fd, const struct buf *lines)
{
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	r = write_all(fd, lines->text, lines->len);
	if (r == 0 && fdatasync(fd) < 0)
		r = -errno;
	/* Half a line would spoil the next one. */
	if (r < 0 && ftruncate(fd, st.st_size) < 0)
		return -errno;
	return r;
}

int runs_append(int fd, const struct run_record *r)
{
	autobuf line = {0};

	run_record_format(&line, r);
	return runs_append_lines(fd, &line);
}
