/* Reading the record of runs; see runs.h. Not in the shim: it needs jansson. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/time.h"
#include "wire/layout.h"
#include "wire/runs.h"

/* The shim keeps about a thousand records of 400 bytes at most. */
#define RUNS_MAX_BYTES (4 * 1024 * 1024)

static enum run_event event_of(const char *name)
{
	for (enum run_event e = RUN_STARTED; e <= RUN_GAVE_UP; e++)
		if (str_eq(name, run_event_name(e)))
			return e;
	return RUN_NONE;
}

/* The integer member `key`, which must be there and in the range. */
static bool get_int(const json_t *j, const char *key, int64_t min, int64_t max, int64_t *ret)
{
	const json_t *v = json_object_get(j, key);

	if (!json_is_integer(v) || json_integer_value(v) < min || json_integer_value(v) > max)
		return false;
	*ret = json_integer_value(v);
	return true;
}

static bool get_time(const json_t *j, const char *key, int64_t *ret)
{
	const char *s = json_str(j, key);

	return s && rfc3339_parse(s, ret) == 0;
}

/* What belongs to this kind of event. */
static bool get_details(const json_t *j, struct run_record *r)
{
	int64_t pid = 0, ticks = 0, code = 0, sig = 0;

	switch (r->event) {
	case RUN_STARTED:
		if (!get_int(j, "pid", 1, INT32_MAX, &pid) ||
		    !get_int(j, "ticks", 0, INT64_MAX, &ticks))
			return false;
		r->pid = (pid_t) pid;
		r->pid_ticks = (uint64_t) ticks;
		return true;
	case RUN_ENDED:
		if (!get_int(j, "code", 0, 255, &code) || !get_int(j, "signal", 0, 127, &sig) ||
		    !json_is_boolean(json_object_get(j, "oom")))
			return false;
		r->code = (int) code;
		r->signal = (int) sig;
		r->oom = json_is_true(json_object_get(j, "oom"));
		return true;
	case RUN_RESTART:
		return get_time(j, "due", &r->due_ns) &&
		       get_int(j, "count", 0, INT64_MAX, &r->count);
	case RUN_FAILED:
	case RUN_GAVE_UP:
		if (!json_str(j, "text"))
			return false;
		snprintf(r->text, sizeof r->text, "%s", json_str(j, "text"));
		return true;
	case RUN_NONE:
		break;
	}
	return false;
}

enum line { LINE_RECORD, LINE_DAMAGED, LINE_FOREIGN, LINE_OF_THE_FUTURE };

static enum line parse_line(const char *text, size_t len, struct run_record *ret,
			    int64_t *ret_version)
{
	autojson json_t *j = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	struct run_record r = {0};
	const char *event = json_str(j, "event");

	if (!json_is_object(j) || !event)
		return LINE_DAMAGED;
	*ret_version = json_int(j, "v", RUNS_VERSION);
	if (*ret_version > RUNS_VERSION)
		return LINE_OF_THE_FUTURE;
	/* An event that a later shim invented is no damage. */
	r.event = event_of(event);
	if (r.event == RUN_NONE)
		return LINE_FOREIGN;
	if (!get_int(j, "run", 0, INT64_MAX, &r.run) || !get_time(j, "time", &r.time_ns) ||
	    !get_details(j, &r))
		return LINE_DAMAGED;
	*ret = r;
	return LINE_RECORD;
}

int runs_read(int dir, void (*fn)(void *arg, const struct run_record *r), void *arg,
	      unsigned *ret_damaged, struct err *err)
{
	autofree char *text = NULL;
	unsigned damaged = 0;
	size_t len = 0;
	int r;

	r = read_file_at(dir, LAYOUT_RUNS, RUNS_MAX_BYTES, &text, &len);
	if (r < 0 && r != -ENOENT)
		return err_sys(err, -r, "read %s", LAYOUT_RUNS);

	for (const char *p = text, *end; r >= 0 && (end = memchr(p, '\n', len)); p = end + 1) {
		struct run_record record;
		size_t line = (size_t) (end - p);
		int64_t version = 0;

		switch (parse_line(p, line, &record, &version)) {
		case LINE_RECORD:
			fn(arg, &record);
			break;
		case LINE_DAMAGED:
			damaged++;
			break;
		case LINE_FOREIGN:
			break;
		case LINE_OF_THE_FUTURE:
			return err_set(err, ERR_NOT_SUPPORTED,
				       LAYOUT_RUNS ": format version %lld is not known here",
				       (long long) version);
		}
		len -= line + 1;
	}
	if (ret_damaged)
		*ret_damaged = damaged;
	return 0;
}
