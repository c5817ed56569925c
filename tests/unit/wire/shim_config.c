#include "wire/shim_config.h"

#include <unistd.h>

#include "test.h"
#include "wire/layout.h"

static int read_text(const char *text, struct shim_config *ret, struct err *err)
{
	int dir = test_dir_fd();
	int r;

	assert_int_equal(save_file_at(dir, LAYOUT_SHIM_CONF, text, strlen(text), SAVE_ATOMIC, NULL),
			 0);
	r = shim_config_read(dir, ret, err);
	close(dir);
	return r;
}

TEST(what_is_written_is_read_again)
{
	char *lower[] = {(char[]){"top"}, (char[]){"mid,dle"}, (char[]){"bo:ttom"}, NULL};
	struct shim_config was = {
		.id = (char[]){"abc"},
		.runtime = (char[]){"/usr/bin/crun"},
		.runtime_root = (char[]){"/run/hold\nfast"},
		.runtime_timeout_ms = 5,
		.cgroup = (char[]){"/holdfast/abc"},
		.layers_dir = (char[]){"/var/lib/layers"},
		.lower = lower,
		.volatile_opt = (char[]){"volatile"},
		.tty = true,
		.stdin_once = true,
		.log_file = true,
		.log_max_size = 10 << 20,
		.log_max_files = 3,
		.restart = RESTART_ON_FAILURE,
		.restart_max = 5,
		.restart_count = 2,
	};
	struct shim_config is;
	autobuf b = {0};

	shim_config_format(&b, &was);
	assert_int_equal(read_text(b.text, &is, NULL), 0);
	assert_string_equal(is.id, was.id);
	assert_string_equal(is.runtime, was.runtime);
	assert_string_equal(is.runtime_root, was.runtime_root);
	assert_int_equal(is.runtime_timeout_ms, 5);
	assert_string_equal(is.cgroup, was.cgroup);
	assert_string_equal(is.layers_dir, was.layers_dir);
	assert_int_equal(strv_len(is.lower), 3);
	for (int i = 0; i < 3; i++)
		assert_string_equal(is.lower[i], lower[i]);
	assert_string_equal(is.volatile_opt, "volatile");
	assert_true(is.tty && !is.open_stdin && is.stdin_once && is.log_file && !is.systemd_cgroup);
	assert_int_equal(is.log_max_size, 10 << 20);
	assert_int_equal(is.log_max_files, 3);
	assert_int_equal(is.restart, RESTART_ON_FAILURE);
	assert_int_equal(is.restart_max, 5);
	assert_int_equal(is.restart_count, 2);
	shim_config_free(&is);
}

TEST(what_is_missing_or_wrong_is_named)
{
	static const struct {
		const char *text, *names;
	} table[] = {
		{"", "id"},
		{"id=\n", "id"},
		{"id=a\n", "runtime"},
		{"id=a\nruntime=b\n", "runtime-root"},
		{"id=a\nruntime=b\nruntime-root=c\nlower=d\n", "layers-dir"},
		{"id=a\nruntime=b\nruntime-root=c\nlog-max-files=0\n", "log-max-files"},
		{"id=a\nruntime=b\nruntime-root=c\ntty=yes\n", "tty"},
		{"id=a\nruntime=b\nruntime-root=c\nrestart=maybe\n", "restart"},
		{"rubbish", "damaged"},
	};
	struct shim_config c;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct err err = {0};

		assert_true(read_text(table[i].text, &c, &err) < 0);
		assert_non_null(strstr(err.text, table[i].names));
	}
}

TEST(unknown_keys_are_skipped_and_absent_ones_have_defaults)
{
	struct shim_config c;

	assert_int_equal(
		read_text("version=9\nid=a\nruntime=b\nruntime-root=c\ncolour=red\n", &c, NULL), 0);
	assert_null(c.lower);
	assert_null(c.cgroup);
	assert_int_equal(c.log_max_files, 1);
	assert_int_equal(c.restart, RESTART_NO);
	shim_config_free(&c);
}
