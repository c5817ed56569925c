/* The log; see log.h. */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/time.h"

/* A longer line is cut: it is data then, not news. */
#define LINE_MAX_BYTES 4096

static atomic_int max_level = LOG_LEVEL_INFO;
static atomic_bool journal;

void log_set_level(enum log_level level)
{
	atomic_store_explicit(&max_level, (int) level, memory_order_relaxed);
}

int log_level_parse(const char *s, enum log_level *ret)
{
	static const struct {
		const char *name;
		enum log_level level;
	} names[] = {
		{"debug", LOG_LEVEL_DEBUG},  {"info", LOG_LEVEL_INFO},	 {"warn", LOG_LEVEL_WARN},
		{"warning", LOG_LEVEL_WARN}, {"error", LOG_LEVEL_ERROR}, {"fatal", LOG_LEVEL_ERROR},
	};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (s && strcmp(s, names[i].name) == 0) {
			*ret = names[i].level;
			return 0;
		}
	return -EINVAL;
}

void log_set_journal(bool on)
{
	atomic_store_explicit(&journal, on, memory_order_relaxed);
}

bool log_enabled(enum log_level level)
{
	return (int) level <= atomic_load_explicit(&max_level, memory_order_relaxed);
}

static size_t put_head(char *line, size_t size, enum log_level level)
{
	static const char *const names[] = {"error", "warn", "info", "debug"};
	static const char *const prefixes[] = {"<3>", "<4>", "<6>", "<7>"}; /* syslog's numbers */
	char when[RFC3339_MAX];
	int n;

	if (atomic_load_explicit(&journal, memory_order_relaxed))
		n = snprintf(line, size, "%s", prefixes[level]);
	else /* 23 characters: down to the milliseconds */
		n = snprintf(line, size, "%.23sZ %s ", rfc3339_format(now_ns(), when),
			     names[level]);
	return (size_t) n;
}

void log_line(enum log_level level, const char *fmt, ...)
{
	int saved_errno = errno; /* a log line must not change what its caller reports next */
	char line[LINE_MAX_BYTES];
	size_t head, len;
	va_list ap;
	int n;

	if (!log_enabled(level))
		return;
	head = put_head(line, sizeof line, level);
	va_start(ap, fmt);
	n = vsnprintf(line + head, sizeof line - head, fmt, ap);
	va_end(ap);
	len = head + (n > 0 ? (size_t) n : 0);
	if (len > sizeof line - 1)
		len = sizeof line - 1;

	/* What users and images name must not forge lines of ours. */
	for (size_t i = head; i < len; i++)
		if ((unsigned char) line[i] < 0x20 || line[i] == 0x7f)
			line[i] = ' ';
	line[len++] = '\n';
	while (write(STDERR_FILENO, line, len) < 0 && errno == EINTR)
		;
	errno = saved_errno;
}
