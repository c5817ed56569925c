#include "fixture.h"

static const char id[] = "0123456789abcdef";

static char *joined(char *const *v)
{
	return v ? strv_join(v, "|") : xstrdup("NULL");
}

TEST(command_is_merged_as_docker_does)
{
	static const struct {
		const char *user, *image, *entrypoint, *cmd;
	} cases[] = {
		{"{}", "{'Cmd':['sh'],'Entrypoint':['e']}", "e", "sh"},
		{"{'Cmd':['ls','-l']}", "{'Cmd':['sh'],'Entrypoint':['e']}", "e", "ls|-l"},
		{"{'Entrypoint':['x']}", "{'Cmd':['sh'],'Entrypoint':['e']}", "x", "NULL"},
		{"{'Entrypoint':['x'],'Cmd':['y']}", "{'Cmd':['sh'],'Entrypoint':['e']}", "x", "y"},
		{"{'Entrypoint':[''],'Cmd':['y']}", "{'Cmd':['sh'],'Entrypoint':['e']}", "NULL",
		 "y"},
		{"{'Entrypoint':[]}", "{'Cmd':['sh'],'Entrypoint':['e']}", "", "sh"},
		{"{'Entrypoint':'x y'}", "{}", "x y", "NULL"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autorequest r = request(cases[i].user);
		autorequest image = request(cases[i].image);
		autofree char *entrypoint = NULL, *cmd = NULL;

		assert_int_equal(spec_merge(&r.config, &r.host, &image.config, id, NULL), 0);
		entrypoint = joined(r.config.entrypoint);
		cmd = joined(r.config.cmd);
		assert_string_equal(entrypoint, cases[i].entrypoint);
		assert_string_equal(cmd, cases[i].cmd);
	}
}

TEST(no_command_is_refused)
{
	static const char *const cases[] = {"{}", "{'Cmd':[]}", "{'Entrypoint':['']}"};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autorequest r = request(cases[i]);
		autorequest image = request("{}");
		struct err err = {0};

		assert_true(spec_merge(&r.config, &r.host, &image.config, id, &err) < 0);
		assert_string_equal(err.text, "no command specified");
		assert_int_equal(err.kind, ERR_INVALID);
	}
}

TEST(image_fills_what_the_user_left_open)
{
	autorequest r = request("{'Env':['A=1','PATH=/mine'],'Labels':{'a':'user'},'User':'u',"
				"'ExposedPorts':{'80/tcp':{}}}");
	autorequest image =
		request("{'Env':['PATH=/bin','B=2'],'Labels':{'a':'image','b':'image'},"
			"'User':'i','WorkingDir':'/w','StopSignal':'SIGQUIT','Cmd':['sh'],"
			"'ExposedPorts':{'80/tcp':{},'81/udp':{}},'Volumes':{'/data':{}}}");
	autofree char *env = NULL, *ports = NULL, *volumes = NULL;

	assert_int_equal(spec_merge(&r.config, &r.host, &image.config, id, NULL), 0);
	env = joined(r.config.env);
	ports = joined(r.config.exposed_ports);
	volumes = joined(r.config.volumes);
	assert_string_equal(env, "A=1|PATH=/mine|B=2");
	assert_string_equal(ports, "80/tcp|81/udp");
	assert_string_equal(volumes, "/data");
	assert_string_equal(strmap_get(&r.config.labels, "a"), "user");
	assert_string_equal(strmap_get(&r.config.labels, "b"), "image");
	assert_string_equal(r.config.user, "u");
	assert_string_equal(r.config.working_dir, "/w");
	assert_string_equal(r.config.stop_signal, "SIGQUIT");
	assert_string_equal(r.config.hostname, "0123456789ab");
}

TEST(defaults_are_filled)
{
	autorequest r =
		request("{'Cmd':['x'],'HostConfig':{'Memory':10000000,'MemorySwappiness':-1}}");
	autorequest p =
		request("{'Cmd':['x'],'Hostname':'h','HostConfig':{'Privileged':true,'ShmSize':5,"
			"'IpcMode':'none'}}");
	autorequest e =
		request("{'Cmd':['x'],'HostConfig':{'MaskedPaths':[],'ReadonlyPaths':['/x']}}");

	assert_int_equal(spec_merge(&r.config, &r.host, NULL, id, NULL), 0);
	assert_int_equal(r.host.memory_swap, 20000000);
	assert_int_equal(r.host.memory_swappiness, FIELD_UNSET);
	assert_int_equal(r.host.shm_size, 64 << 20);
	assert_string_equal(r.host.ipc_mode, "private");
	assert_string_equal(r.host.log.type, "json-file");
	assert_true(strv_contains(r.host.masked_paths, "/proc/kcore"));
	assert_true(strv_contains(r.host.readonly_paths, "/proc/sys"));

	assert_int_equal(spec_merge(&p.config, &p.host, NULL, id, NULL), 0);
	assert_null(p.host.masked_paths);
	assert_string_equal(p.config.hostname, "h");
	assert_string_equal(p.host.ipc_mode, "none");
	assert_int_equal(p.host.shm_size, 5);

	assert_int_equal(spec_merge(&e.config, &e.host, NULL, id, NULL), 0);
	assert_non_null(e.host.masked_paths);
	assert_int_equal(strv_len(e.host.masked_paths), 0);
	assert_int_equal(strv_len(e.host.readonly_paths), 1);
}

TEST(environment_is_in_docker_order)
{
	static const struct {
		const char *config, *env;
	} cases[] = {
		{"{'Hostname':'h'}",
		 "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin|"
		 "HOSTNAME=h|HOME=/r"},
		{"{'Hostname':'h','Tty':true,'Env':['PATH=/b','Z=1','A=2','Z=3']}",
		 "PATH=/b|HOSTNAME=h|TERM=xterm|Z=3|A=2|HOME=/r"},
		{"{'Hostname':'h','Env':['PATH','HOME=/x','E=']}", "HOSTNAME=h|HOME=/x|E="},
		{"{'Hostname':'h','Env':['PATH=/b','NOPE']}", "PATH=/b|HOSTNAME=h|HOME=/r"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autorequest r = request(cases[i].config);
		autostrv char **env = env_build(&r.config, NULL, "/r");
		autofree char *text = joined(env);

		assert_string_equal(text, cases[i].env);
	}
}

TEST(what_links_add_yields_to_the_users)
{
	autorequest r = request("{'Hostname':'h','Env':['A=own','B=2']}");
	char *const more[] = {(char *) "A=1", (char *) "C=3", NULL};
	autostrv char **env = env_build(&r.config, more, "/r");
	autofree char *text = joined(env + 1);

	assert_string_equal(text, "HOSTNAME=h|A=own|C=3|B=2|HOME=/r");
}
