/*
 * The daemon's log: one line each to stderr, thread-safe (one write(2) a line).
 * error = somebody must act; warn = degraded; info = life; debug = free. Log or return, never both.
 */
#pragma once

#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Lines above this level are dropped. Default: info. */
void log_set_level(enum log_level level);
/* "debug", "info", "warn" / "warning", "error" / "fatal" -> level; 0 or -EINVAL. */
int log_level_parse(const char *s, enum log_level *ret);
/* With journald prefixes ("<6>") instead of time and level, for systemd's stderr stream. */
void log_set_journal(bool on);
bool log_enabled(enum log_level level);
void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)  log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)                                          \
	do {                                                    \
		if (log_enabled(LOG_LEVEL_DEBUG))               \
			log_line(LOG_LEVEL_DEBUG, __VA_ARGS__); \
	} while (0)
