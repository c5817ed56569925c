/* holdfastd's options: command line over file, and faults that name themselves. */
#include "test.h"

#include "daemon/options.h"

static int parse(struct options *o, struct err *err, ...)
{
	char *argv[24] = {(char *) "holdfastd", (char *) "--shim", (char *) "/bin/true",
			  (char *) "--image-tool", (char *) "/bin/true"};
	int argc = 5;
	va_list ap;

	va_start(ap, err);
	while (argc < 23 && (argv[argc] = va_arg(ap, char *)))
		argc++;
	va_end(ap);
	return options_parse(argc, argv, o, err);
}

static char *write_config(const char *text)
{
	autoclose int dir = test_dir_fd();

	assert_int_equal(save_file_at(dir, "daemon.json", text, strlen(text), SAVE_ATOMIC, NULL),
			 0);
	return xasprintf("%s/daemon.json", test_dir());
}

TEST(defaults)
{
	struct options o;

	assert_int_equal(parse(&o, NULL, NULL), 0);
	assert_string_equal(o.data_root, "/var/lib/holdfast");
	assert_string_equal(o.hosts[0], "unix:///run/holdfast/holdfast.sock");
	assert_int_equal(o.log_level, LOG_LEVEL_INFO);
	options_free(&o);
}

TEST(the_command_line_wins_over_the_file)
{
	autofree char *file =
		write_config("{\"data-root\":\"/a\",\"exec-root\":\"/b\",\"log-level\":\"debug\","
			     "\"hosts\":[\"unix:///c\"],\"init\":true,"
			     "\"runtimes\":{\"kata\":{\"path\":\"/usr/bin/kata\"}}}");
	struct options o;

	assert_int_equal(parse(&o, NULL, "--config-file", file, "--data-root=/z", "-H", "unix:///d",
			       "-H", "unix:///e", NULL),
			 0);
	assert_string_equal(o.data_root, "/z");
	assert_string_equal(o.exec_root, "/b");
	assert_int_equal(o.log_level, LOG_LEVEL_DEBUG);
	assert_int_equal(strv_len(o.hosts), 2);
	assert_string_equal(o.hosts[1], "unix:///e");
	assert_true(o.init);
	assert_string_equal(strmap_get(&o.runtimes, "kata"), "/usr/bin/kata");
	options_free(&o);
}

TEST(a_fault_names_itself)
{
	static const struct {
		const char *config;
		const char *names;
	} faults[] = {
		{"{\"data-rot\":\"/a\"}", "data-rot"},
		{"{\"data-root\":3}", "data-root"},
		{"{\"data-root\":\"a\"}", "data-root"},
		{"{\"log-level\":\"loud\"}", "loud"},
		{"{\"hosts\":\"unix:///a\"}", "hosts"},
		{"{\"hosts\":[\"tcp://0.0.0.0:1\"]}", "tcp://0.0.0.0:1"},
		{"{\"runtimes\":{\"x\":{}}}", "runtimes.x.path"},
		{"{\"init\":\"yes\"}", "init"},
		{"[]", "daemon.json"},
		{"{", "daemon.json"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		autofree char *file = write_config(faults[i].config);
		struct options o;
		struct err err = {0};

		assert_true(parse(&o, &err, "--config-file", file, NULL) < 0);
		if (!strstr(err.text, faults[i].names))
			fail_msg("%s: %s", faults[i].config, err.text);
	}
}

TEST(a_wrong_option_names_itself)
{
	static const char *const wrong[][2] = {{"--no-such", "--no-such"},
					       {"--data-root", "--data-root"},
					       {"stray", "stray"},
					       {"--add-runtime=x", "x"},
					       {"-Htcp://x", "tcp://x"}};

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct options o;
		struct err err = {0};

		assert_true(parse(&o, &err, wrong[i][0], NULL) < 0);
		assert_non_null(strstr(err.text, wrong[i][1]));
	}
}

TEST(a_config_file_that_was_named_must_exist)
{
	struct options o;
	struct err err = {0};

	assert_true(parse(&o, &err, "--config-file", "/no/such/file", NULL) < 0);
	assert_non_null(strstr(err.text, "/no/such/file"));
}
