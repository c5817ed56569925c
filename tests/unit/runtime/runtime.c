#include "runtime/runtime.h"

#include <sys/stat.h>

#include "runtime/private.h"
#include "test.h"

TEST(last_message_is_the_runtimes_own)
{
	static const char *const cases[][2] = {
		{"", ""},
		{"\n\n", ""},
		{"plain words\n", "plain words"},
		{"first\nsecond: No such file\n\n", "second: No such file"},
		{"time=\"2026-11-24T03:47:05Z\" level=error msg=\"container does not exist\"\n",
		 "container does not exist"},
		{"time=\"x\" level=error msg=\"exec: \\\"nope\\\": not found\"",
		 "exec: \"nope\": not found"},
		{"level=error msg=\"cut of", "cut of"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autofree char *said = runtime_last_message(cases[i][0]);

		assert_string_equal(said, cases[i][1]);
	}
}

TEST(state_is_unknown_unless_understood)
{
	static const struct {
		const char *text;
		enum runtime_status status;
		pid_t pid;
	} cases[] = {
		{"{\"status\":\"running\",\"pid\":7}", RUNTIME_RUNNING, 7},
		{"{\"status\":\"paused\",\"pid\":8}", RUNTIME_PAUSED, 8},
		{"{\"status\":\"created\",\"pid\":9}", RUNTIME_CREATED, 9},
		{"{\"status\":\"stopped\",\"pid\":0}", RUNTIME_STOPPED, 0},
		{"{\"status\":\"dancing\",\"pid\":1}", RUNTIME_UNKNOWN, -1},
		{"{\"status\":7}", RUNTIME_UNKNOWN, -1},
		{"{\"status\":\"runn", RUNTIME_UNKNOWN, -1},
		{"", RUNTIME_UNKNOWN, -1},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err err = {0};
		pid_t pid = -1;

		assert_int_equal(runtime_parse_state(cases[i].text, &pid, &err), cases[i].status);
		assert_int_equal(pid, cases[i].pid);
		assert_int_equal(err.kind == ERR_NONE, cases[i].status != RUNTIME_UNKNOWN);
	}
}

/* A runtime that is a shell script. */
static struct runtime fake(const char *script)
{
	autofree char *path = xasprintf("%s/fake", test_dir());
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fprintf(f, "#!/bin/sh\n%s\n", script);
	fclose(f);
	chmod(path, 0755);
	return (struct runtime){
		.name = (char *) "fake", .path = take(path), .root = (char *) "/nowhere"};
}

static enum runtime_status state_of(const char *script, struct err *err)
{
	struct runtime rt = fake(script);
	enum runtime_status status;
	pid_t pid = 0;

	err_clear(err);
	status = runtime_state(&rt, "abc", &pid, err);
	free(rt.path);
	return status;
}

TEST(absent_is_said_only_by_the_runtime_itself)
{
	struct err err = {0};

	assert_int_equal(state_of("echo '{\"status\":\"running\",\"pid\":1}'", &err),
			 RUNTIME_RUNNING);
	assert_int_equal(
		state_of("echo 'level=error msg=\"container does not exist\"' >&2; exit 1", &err),
		RUNTIME_ABSENT);
	assert_int_equal(
		state_of("echo 'error opening file `/r/abc/status`: No such file or directory' "
			 ">&2; exit 1",
			 &err),
		RUNTIME_ABSENT);
	assert_int_equal(
		state_of("echo 'error opening file `/r/abc/status`: Permission denied' >&2; exit 1",
			 &err),
		RUNTIME_UNKNOWN);
	assert_string_equal(err.text,
			    "fake state: error opening file `/r/abc/status`: Permission denied");
	assert_int_equal(state_of("exit 1", &err), RUNTIME_UNKNOWN);
	assert_string_equal(err.text, "fake state: failed without a word");
	assert_int_equal(state_of("echo garbage", &err), RUNTIME_UNKNOWN);
}

TEST(verbs_are_told_as_runtimes_expect_them)
{
	struct runtime rt = fake("echo \"$@\" >&2; exit 1");
	struct err err = {0};

	assert_true(runtime_kill_all(&rt, "abc", 9, &err) < 0);
	assert_string_equal(err.text, "fake kill: --root /nowhere kill --all abc 9");
	assert_true(runtime_delete(&rt, "abc", &err) < 0);
	assert_string_equal(err.text, "fake delete: --root /nowhere delete --force abc");
	assert_true(runtime_pause(&rt, "abc", -1, &err) < 0);
	assert_string_equal(err.text, "fake pause: --root /nowhere pause abc");
	assert_true(runtime_resume(&rt, "abc", -1, &err) < 0);
	assert_string_equal(err.text, "fake resume: --root /nowhere resume abc");
	free(rt.path);
}

TEST(default_runtime_is_as_configured_and_added_ones_are_found)
{
	struct runtime rt = fake("echo fake version 3; echo more");
	struct strmap added = {0};
	autofree char *root = xasprintf("%s/exec", test_dir());
	struct runtime_options o = {.exec_root = root, .default_runtime = "mine", .added = &added};
	struct runtimes *rs = NULL;
	struct err err = {0};
	char *why = NULL;

	assert_true(runtimes_open(&o, &rs, &why, &err) < 0);
	assert_string_equal(
		err.text, "default runtime 'mine' is neither installed nor added by --add-runtime");

	strmap_set(&added, "mine", rt.path);
	assert_int_equal(runtimes_open(&o, &rs, &why, &err), 0);
	assert_ptr_equal(runtime_find(rs, ""), runtime_find(rs, "mine"));
	assert_ptr_equal(runtime_find(rs, NULL), runtime_default(rs));
	assert_null(runtime_find(rs, "nope"));
	assert_string_equal(runtime_version(rs, runtime_default(rs)), "fake version 3");
	assert_true(str_has_suffix(runtime_default(rs)->root, "/exec/runtime/mine"));
	assert_non_null(strstr(why, "as configured"));
	free(why);
	runtimes_close(rs);

	strmap_set(&added, "../x", rt.path);
	assert_true(runtimes_open(&o, &rs, &why, &err) < 0);
	assert_string_equal(err.text, "invalid runtime name: '../x'");
	strv_free(added.kv);
	free(rt.path);
}
