/* Dockerfile lines on a configuration. */
#include "image/changes.h"

#include "test.h"

static struct config config;

static int change(struct err *err, const char *line, ...)
{
	char *lines[8] = {0};
	size_t n = 0;
	va_list ap;

	va_start(ap, line);
	for (; line; line = va_arg(ap, const char *))
		lines[n++] = (char *) line;
	va_end(ap);
	fields_free(config_fields, &config);
	fields_init(config_fields, &config);
	return config_change(&config, lines, err);
}

static void assert_strv(char *const *v, const char *expected)
{
	autofree char *text = strv_join(v, "|");

	assert_string_equal(text, expected);
}

TEST(commands_in_exec_and_shell_form)
{
	assert_int_equal(change(NULL, "CMD [\"a\", \"b c\"]", "entrypoint x y  ", NULL), 0);
	assert_strv(config.cmd, "a|b c");
	assert_strv(config.entrypoint, "/bin/sh|-c|x y");
	assert_int_equal(change(NULL, "CMD a", "CMD []", NULL), 0);
	assert_non_null(config.cmd);
	assert_strv(config.cmd, "");
	assert_int_equal(change(NULL, "CMD [\"not json]", NULL), 0);
	assert_strv(config.cmd, "/bin/sh|-c|[\"not json]");
}

TEST(environment_replaces_and_keeps_order)
{
	assert_int_equal(change(NULL, "ENV A=1 B=\"2 3\" C=\\\"x\\ y D='$z\\'", "ENV A two words",
				"ENV E=", NULL),
			 0);
	assert_strv(config.env, "A=two words|B=2 3|C=\"x y|D=$z\\|E=");
}

TEST(labels)
{
	assert_int_equal(change(NULL, "LABEL a=b \"c d\"=\"e f\" a=g", NULL), 0);
	assert_string_equal(strmap_get(&config.labels, "a"), "g");
	assert_string_equal(strmap_get(&config.labels, "c d"), "e f");
}

TEST(ports_volumes_and_the_rest)
{
	assert_int_equal(change(NULL, "EXPOSE 80 53/udp 90-92 80/tcp", "VOLUME /a /b",
				"VOLUME [\"/c d\"]", "USER u:g", "STOPSIGNAL SIGINT",
				"ONBUILD RUN x", NULL),
			 0);
	assert_strv(config.exposed_ports, "80/tcp|53/udp|90/tcp|91/tcp|92/tcp");
	assert_strv(config.volumes, "/a|/b|/c d");
	assert_string_equal(config.user, "u:g");
	assert_string_equal(config.stop_signal, "SIGINT");
	assert_strv(config.on_build, "RUN x");
}

TEST(workdir_is_relative_to_the_one_before)
{
	assert_int_equal(change(NULL, "WORKDIR a", NULL), 0);
	assert_string_equal(config.working_dir, "/a");
	assert_int_equal(change(NULL, "WORKDIR /a", "WORKDIR b", NULL), 0);
	assert_string_equal(config.working_dir, "/a/b");
	assert_int_equal(change(NULL, "WORKDIR /", "WORKDIR b", NULL), 0);
	assert_string_equal(config.working_dir, "/b");
}

TEST(healthcheck)
{
	assert_int_equal(change(NULL, "HEALTHCHECK --interval=5s --retries=3 CMD curl x", NULL), 0);
	assert_strv(config.healthcheck.test, "CMD-SHELL|curl x");
	assert_int_equal(config.healthcheck.interval_ns, 5000000000);
	assert_int_equal(config.healthcheck.retries, 3);
	assert_int_equal(change(NULL, "HEALTHCHECK CMD [\"a\",\"b\"]", NULL), 0);
	assert_strv(config.healthcheck.test, "CMD|a|b");
	assert_int_equal(change(NULL, "HEALTHCHECK NONE", NULL), 0);
	assert_strv(config.healthcheck.test, "NONE");
}

TEST(what_cannot_be_read_is_named)
{
	static const char *const table[] = {
		"FROM x",
		"RUN x",
		"x",
		"CMD",
		"ENV",
		"ENV A",
		"ENV A=1 B",
		"ENV =x",
		"ENV A=\"x",
		"EXPOSE 0",
		"EXPOSE 70000",
		"EXPOSE 80/icmp",
		"EXPOSE 9-8",
		"EXPOSE x",
		"EXPOSE 80:80",
		"STOPSIGNAL NOPE",
		"HEALTHCHECK x",
		"HEALTHCHECK --interval=x CMD y",
		"HEALTHCHECK --what=1 CMD y",
		"HEALTHCHECK --retries=-1 CMD x",
		"ONBUILD ONBUILD RUN x",
		"LABEL x",
		"VOLUME [\"\"]",
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct err err = {0};

		if (change(&err, table[i], NULL) == 0)
			fail_msg("'%s' was taken", table[i]);
		assert_int_equal(err.kind, ERR_INVALID);
	}
	fields_free(config_fields, &config);
}
