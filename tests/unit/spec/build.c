#include "fixture.h"

static const char id[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/* A request's document; NULL with err. */
static json_t *built(const char *text, struct err *err)
{
	autorequest r = request(text);
	struct objects mounts = {0};
	char *roots[] = {(char *) test_dir(), NULL};
	struct spec_input in = {
		.id = id,
		.name = "t",
		.config = &r.config,
		.host = &r.host,
		.mounts = &mounts,
		.roots = roots,
		.cgroup_path = "/holdfast/x",
		.hostname_path = "/d/hostname",
		.hosts_path = "/d/hosts",
		.init_path = "/usr/bin/catatonit",
	};
	autofree char *json = NULL;
	autostrv char **warnings = NULL;
	autofree char *unlearned = NULL;
	json_t *doc = NULL;

	if (!r.host.network_mode)
		r.host.network_mode = xstrdup("none");
	assert_int_equal(spec_merge(&r.config, &r.host, NULL, id, err), 0);
	assert_int_equal(spec_mounts(&r.config, &r.host, NULL, 0, &mounts, err), 0);
	if (spec_build(&in, &json, &unlearned, &warnings, err) == 0) {
		json_error_t at;

		doc = json_loads(json, JSON_REJECT_DUPLICATES, &at);
		assert_string_equal(doc ? "" : at.text, "");
	}
	for (size_t i = 0; i < mounts.n; i++)
		fields_free(mount_point_fields, objects_at(&mounts, struct mount_point, i));
	free(mounts.items);
	return doc;
}

/* The member at a path like "linux.resources.memory.limit", as text; "-" for none. */
static char *member(const json_t *doc, const char *path)
{
	autostrv char **keys = strv_split(path, '.');

	for (char **k = keys; *k; k++)
		doc = json_is_array(doc) ? json_array_get(doc, (size_t) atoi(*k))
					 : json_object_get(doc, *k);
	return doc ? json_dumps(doc, JSON_COMPACT | JSON_ENCODE_ANY) : xstrdup("-");
}

/* Each row: a path and what is there. */
static void assert_members(const json_t *doc, const char *const (*want)[2], size_t n)
{
	for (size_t i = 0; i < n; i++) {
		autofree char *got = member(doc, want[i][0]);

		assert_string_equal(got, want[i][1]);
	}
}

static const json_t *mount_at(const json_t *doc, const char *dest)
{
	const json_t *m;
	size_t i;

	json_array_foreach (json_object_get(doc, "mounts"), i, m) {
		if (str_eq(json_str(m, "destination"), dest))
			return m;
	}
	return NULL;
}

#define HOST(fields) "{'Cmd':['a'],'HostConfig':{" fields "}}"

TEST(fields_arrive_where_runtimes_read_them)
{
	static const char *const cases[][3] = {
		{"{'Cmd':['a','b'],'Entrypoint':['e']}", "process.args", "[\"e\",\"a\",\"b\"]"},
		{HOST("'Init':true"), "process.args", "[\"/sbin/docker-init\",\"--\",\"a\"]"},
		{HOST("'Init':true,'PidMode':'host'"), "process.args", "[\"a\"]"},
		{"{'Cmd':['a\\n\\u0001'],'Tty':true}", "process.args", "[\"a\\n\\u0001\"]"},
		{"{'Cmd':['a'],'Tty':true,'HostConfig':{'ConsoleSize':[24,80]}}",
		 "process.consoleSize", "{\"height\":24,\"width\":80}"},
		{"{'Cmd':['a'],'WorkingDir':'/a//b/../c'}", "process.cwd", "\"/a/c\""},
		{"{'Cmd':['a'],'User':'5:6','HostConfig':{'GroupAdd':['7']}}", "process.user",
		 "{\"uid\":5,\"gid\":6,\"additionalGids\":[6,7]}"},
		{"{'Cmd':['a'],'User':'5'}", "process.capabilities.effective", "-"},
		{HOST("'CapDrop':['ALL']"), "process.capabilities.effective", "[]"},
		{HOST("'Ulimits':[{'Name':'core','Soft':0,'Hard':0}]"), "process.rlimits",
		 "[{\"type\":\"RLIMIT_CORE\",\"hard\":0,\"soft\":0}]"},
		{HOST("'SecurityOpt':['no-new-privileges']"), "process.noNewPrivileges", "true"},
		{HOST("'OomScoreAdj':500"), "process.oomScoreAdj", "500"},
		{HOST("'ReadonlyRootfs':true"), "root", "{\"path\":\"rootfs\",\"readonly\":true}"},
		{"{'Cmd':['a'],'Hostname':'h'}", "hostname", "\"h\""},
		{HOST("'UTSMode':'host'"), "hostname", "-"},
		{HOST("'Annotations':{'k':'v'}"), "annotations", "{\"k\":\"v\"}"},
		{"{'Cmd':['a'],'Labels':{'run.oci.x':'v'}}", "annotations", "-"},
		{HOST(""), "linux.cgroupsPath", "\"/holdfast/x\""},
		{HOST("'NetworkMode':'host','PidMode':'host','IpcMode':'host','UTSMode':'host',"
		      "'CgroupnsMode':'host'"),
		 "linux.namespaces", "[{\"type\":\"mount\"}]"},
		{HOST("'CgroupnsMode':'private'"), "linux.namespaces",
		 "[{\"type\":\"mount\"},{\"type\":\"network\"},{\"type\":\"ipc\"},{\"type\":"
		 "\"pid\"},"
		 "{\"type\":\"uts\"},{\"type\":\"cgroup\"}]"},
		{HOST("'NanoCpus':500000000"), "linux.resources.cpu",
		 "{\"period\":100000,\"quota\":50000}"},
		{HOST("'PidsLimit':-1"), "linux.resources.pids", "-"},
		{HOST("'DeviceCgroupRules':['c 9:* r']"), "linux.resources.devices.7",
		 "{\"allow\":true,\"type\":\"c\",\"major\":9,\"access\":\"r\"}"},
		{HOST("'Devices':[{'PathOnHost':'/dev/null','PathInContainer':'/dev/n'}]"),
		 "linux.devices.0.path", "\"/dev/n\""},
		{HOST("'MaskedPaths':[]"), "linux.maskedPaths", "[]"},
		{HOST("'Privileged':true"), "linux.maskedPaths", "-"},
		{HOST("'Privileged':true"), "linux.seccomp", "-"},
		{HOST("'Privileged':true"), "linux.resources.devices",
		 "[{\"allow\":true,\"access\":\"rwm\"}]"},
		{HOST("'SecurityOpt':['seccomp=unconfined']"), "linux.seccomp", "-"},
		{HOST("'SecurityOpt':['seccomp={}']"), "linux.seccomp", "-"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err err = {0};
		autojson json_t *doc = built(cases[i][0], &err);
		autofree char *got = NULL;

		assert_string_equal(err.text, "");
		got = member(doc, cases[i][1]);
		assert_string_equal(got, cases[i][2]);
	}
}

TEST(the_users_mounts_shadow_the_default_ones)
{
	autojson json_t *doc =
		built(HOST("'Binds':['/h:/etc/hosts:ro','/s:/dev/shm'],'Mounts':[{'Type':'bind',"
			   "'Source':'/tmp','Target':'/t','ReadOnly':true,"
			   "'BindOptions':{'ReadOnlyNonRecursive':true}}]"),
		      NULL);
	autojson json_t *dev = built(HOST("'Binds':['/dev:/dev'],'IpcMode':'none'"), NULL);
	autofree char *options = member(mount_at(doc, "/t"), "options");

	assert_string_equal(json_str(mount_at(doc, "/etc/hosts"), "source"), "/h");
	assert_string_equal(json_str(mount_at(doc, "/etc/hostname"), "source"), "/d/hostname");
	assert_null(mount_at(doc, "/etc/resolv.conf"));
	assert_string_equal(json_str(mount_at(doc, "/dev/shm"), "source"), "/s");
	assert_string_equal(options, "[\"rbind\",\"rprivate\",\"ro\"]");
	assert_null(mount_at(dev, "/dev/pts"));
	assert_null(mount_at(dev, "/dev/mqueue"));
	assert_string_equal(json_str(mount_at(dev, "/dev"), "type"), "bind");
}

TEST(what_cannot_be_given_is_named)
{
	struct err err = {0};

	assert_null(built(HOST("'PidMode':'container:x'"), &err));
	assert_string_equal(err.text, "pid mode \"container:x\": no namespace to join");
	assert_null(built(HOST("'Devices':[{'PathOnHost':'/dev/nope'}]"), &err));
	assert_string_equal(err.text,
			    "error gathering device information while adding custom device "
			    "\"/dev/nope\": No such file or directory");
	assert_null(built(HOST("'Devices':[{'PathOnHost':'/etc/passwd'}]"), &err));
	assert_string_equal(err.text,
			    "error gathering device information while adding custom device "
			    "\"/etc/passwd\": not a device node");
}

TEST(compiled_profiles_are_kept_by_capabilities)
{
	autojson json_t *plain = built(HOST(""), NULL);
	autofree char *filter = member(plain, "linux.seccomp");

	if (!spec_seccomp_profile_path())
		skip();
	for (unsigned i = 0; i < 40; i++) {
		autofree char *text =
			xasprintf(HOST("'CapDrop':['ALL'],'CapAdd':['%s']"), cap_name(i % 11));
		autojson json_t *other = built(text, NULL);
		autojson json_t *again = built(HOST(""), NULL);
		autofree char *theirs = member(other, "linux.seccomp");
		autofree char *ours = member(again, "linux.seccomp");

		assert_string_not_equal(filter, theirs);
		assert_string_equal(filter, ours);
	}
}

TEST(a_further_process_is_as_the_container_is)
{
	autorequest r =
		request("{'Cmd':['a'],'Entrypoint':['e'],'Tty':true,'User':'5:6','Env':['A=b'],"
			"'WorkingDir':'/w','HostConfig':{'Init':true,'CapDrop':['ALL'],"
			"'ConsoleSize':[1,2],'OomScoreAdj':7,"
			"'SecurityOpt':['no-new-privileges']}}");
	char *roots[] = {(char *) test_dir(), NULL};
	const struct spec_input in = {.id = id,
				      .config = &r.config,
				      .host = &r.host,
				      .roots = roots,
				      .init_path = "/usr/bin/catatonit"};
	char *argv[] = {(char *) "probe", (char *) "-x", NULL};
	const struct exec_config exec = {.cmd = argv};
	static const char *const want[][2] = {
		{"args", "[\"probe\",\"-x\"]"},
		{"terminal", "false"},
		{"consoleSize", "-"},
		{"cwd", "\"/w\""},
		{"user", "{\"uid\":5,\"gid\":6,\"additionalGids\":[6]}"},
		{"capabilities.bounding", "[]"},
		{"noNewPrivileges", "true"},
		{"oomScoreAdj", "7"},
		{"env.1", "\"HOSTNAME=0123456789ab\""},
		{"env.2", "\"A=b\""},
		{"env.3", "\"HOME=/\""},
	};
	autofree char *text = NULL;
	autojson json_t *doc = NULL;
	struct err err = {0};

	assert_int_equal(spec_merge(&r.config, &r.host, NULL, id, &err), 0);
	assert_int_equal(spec_exec(&in, &exec, &text, &err), 0);
	doc = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	assert_members(doc, want, ARRAY_SIZE(want));
	/* Nothing of the container's own has changed. */
	assert_true(r.config.tty);
	assert_string_equal(r.config.entrypoint[0], "e");
}

TEST(a_further_process_may_ask_for_something_else)
{
	autorequest r = request("{'Cmd':['a'],'User':'5:6','Env':['A=b','C=d','E=f'],"
				"'WorkingDir':'/w','HostConfig':{'CapDrop':['ALL']}}");
	char *roots[] = {(char *) test_dir(), NULL};
	const struct spec_input in = {
		.id = id, .config = &r.config, .host = &r.host, .roots = roots};
	char *argv[] = {(char *) "sh", NULL};
	char *env[] = {(char *) "C=other", (char *) "G=h", (char *) "E", NULL};
	autojson json_t *size = json_loads("[24,80]", 0, NULL);
	const struct exec_config exec = {.user = (char *) "7",
					 .privileged = true,
					 .tty = true,
					 .console_size = size,
					 .env = env,
					 .working_dir = (char *) "/x/../y",
					 .cmd = argv};
	static const char *const want[][2] = {
		{"args", "[\"sh\"]"},
		{"terminal", "true"},
		{"consoleSize", "{\"height\":24,\"width\":80}"},
		{"cwd", "\"/y\""},
		{"user", "{\"uid\":7,\"gid\":0,\"additionalGids\":[0]}"},
		{"env.2", "\"TERM=xterm\""},
		{"env.3", "\"A=b\""},
		{"env.4", "\"C=other\""},
		{"env.5", "\"G=h\""},
		{"env.6", "\"HOME=/\""},
	};
	autofree char *text = NULL, *bounding = NULL, *effective = NULL;
	autojson json_t *doc = NULL;
	struct err err = {0};

	assert_int_equal(spec_merge(&r.config, &r.host, NULL, id, &err), 0);
	assert_int_equal(spec_exec(&in, &exec, &text, &err), 0);
	doc = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	assert_members(doc, want, ARRAY_SIZE(want));
	bounding = member(doc, "capabilities.bounding");
	effective = member(doc, "capabilities.effective");
	assert_string_equal(bounding, effective);
	assert_string_not_equal(bounding, "[]");
}
