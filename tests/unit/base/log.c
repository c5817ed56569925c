#include "base/log.h"

#include <errno.h>
#include <unistd.h>

#include "base/mem.h"
#include "test.h"

static int saved_stderr = -1;

/* Sends stderr into a pipe whose reading end is returned. */
static int capture(void)
{
	int p[2];

	assert_int_equal(pipe2(p, O_CLOEXEC | O_NONBLOCK), 0);
	saved_stderr = fcntl(2, F_DUPFD_CLOEXEC, 3);
	assert_int_equal(dup2(p[1], 2), 2);
	close(p[1]);
	return p[0];
}

static void restore(void)
{
	dup2(saved_stderr, 2);
	close(saved_stderr);
}

/* What arrived by the next read, "" for nothing. */
static void expect(int fd, char *line, size_t size)
{
	ssize_t n = read(fd, line, size - 1);

	line[n > 0 ? n : 0] = '\0';
}

TEST(a_line_has_time_and_level)
{
	autoclose int fd = capture();
	char line[8192];

	errno = E2BIG;
	log_info("container %s", "web");
	assert_int_equal(errno, E2BIG);
	expect(fd, line, sizeof line);
	restore();
	assert_int_equal(strlen(line), strlen("2026-11-24T03:27:23.123Z info container web\n"));
	assert_int_equal(line[10], 'T');
	assert_int_equal(line[19], '.');
	assert_string_equal(line + 23, "Z info container web\n");
}

TEST(what_is_logged_cannot_forge_lines)
{
	autoclose int fd = capture();
	char line[8192];

	log_set_journal(true);
	log_error("name a\n<0>b\x1b[0m");
	log_set_journal(false);
	expect(fd, line, sizeof line);
	restore();
	assert_string_equal(line, "<3>name a <0>b [0m\n");
}

TEST(long_lines_are_cut)
{
	autoclose int fd = capture();
	char line[8192], text[6000];

	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	log_warn("%s", text);
	expect(fd, line, sizeof line);
	restore();
	assert_int_equal(strlen(line), 4096);
	assert_int_equal(line[4095], '\n');
}

TEST(lines_above_the_level_are_dropped)
{
	enum log_level level = LOG_LEVEL_INFO;
	autoclose int fd = capture();
	char line[8192];

	log_debug("nothing");
	expect(fd, line, sizeof line);
	restore();
	assert_string_equal(line, "");
	assert_int_equal(log_level_parse("warning", &level), 0);
	assert_int_equal(level, LOG_LEVEL_WARN);
	assert_int_equal(log_level_parse("loud", &level), -EINVAL);
	log_set_level(level);
	assert_true(log_enabled(LOG_LEVEL_ERROR));
	assert_false(log_enabled(LOG_LEVEL_INFO));
	log_set_level(LOG_LEVEL_INFO);
}
