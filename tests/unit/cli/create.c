/* The flags of run and create, and the request they make. */
#include "cli/create.h"

#include "test.h"

extern const struct option create_options_table[];

static struct err err;

/* The request of "create <line>", words separated by one space; NULL with err. */
static json_t *request(const char *line)
{
	auto_(create_options_free) struct create_options o;
	char text[1024], *words[64];
	int argc = 0, n;
	json_t *json = NULL;

	snprintf(text, sizeof text, "create %s", line);
	for (char *p = strtok(text, " "); p; p = strtok(NULL, " "))
		words[argc++] = p;
	words[argc] = NULL;
	create_options_init(&o);
	err_clear(&err);
	if (options_parse(create_options_table, true, &o, argc, words, &n, &err) < 0)
		return NULL;
	assert_true(n >= 1);
	return create_request(&o, words, n, &json, &err) < 0 ? NULL : json;
}

/* The member at "A.B" of the request is this JSON. */
static void check(const char *line, const char *path, const char *wanted)
{
	autojson json_t *json = request(line);
	autostrv char **keys = strv_split(path, '.');
	autofree char *got = NULL;
	const json_t *at = json;

	if (!json)
		fail_msg("%s: %s", line, err.text);
	for (char **key = keys; *key; key++)
		at = json_object_get(at, *key);
	got = at ? json_dumps(at, JSON_COMPACT | JSON_ENCODE_ANY) : xstrdup("(missing)");
	assert_string_equal(got, wanted);
}

static void check_refused(const char *line, const char *wanted)
{
	autojson json_t *json = request(line);

	assert_null(json);
	if (!strstr(err.text, wanted))
		fail_msg("%s: %s", line, err.text);
}

TEST(image_command_and_entrypoint)
{
	check("busybox", "Image", "\"busybox\"");
	check("busybox", "Cmd", "null");
	check("busybox sh -c x", "Cmd", "[\"sh\",\"-c\",\"x\"]");
	check("--entrypoint= busybox", "Entrypoint", "[\"\"]");
	check("--entrypoint /x busybox", "Entrypoint", "[\"/x\"]");
	check("-it -u 1:2 -w /tmp -h host busybox", "Tty", "true");
	check("-it -u 1:2 -w /tmp -h host busybox", "Hostname", "\"host\"");
	check("--stop-timeout 3 busybox", "StopTimeout", "3");
	check("busybox", "StopTimeout", "(missing)");
}

TEST(variables_come_from_flags_files_and_ours)
{
	char line[256];
	FILE *f;

	setenv("HF_OURS", "here", 1);
	unsetenv("HF_NOT_OURS");
	check("-e A=1 -e HF_OURS -e HF_NOT_OURS x", "Env",
	      "[\"A=1\",\"HF_OURS=here\",\"HF_NOT_OURS\"]");
	snprintf(line, sizeof line, "%s/env", test_dir());
	f = fopen(line, "we");
	assert_non_null(f);
	fputs("# note\n\n  A=1 2\r\nHF_OURS\nHF_NOT_OURS\n", f);
	assert_int_equal(fclose(f), 0);
	snprintf(line, sizeof line, "--env-file %s/env -e B=2 x", test_dir());
	check(line, "Env", "[\"A=1 2\",\"HF_OURS=here\",\"B=2\"]");
	check_refused("--env-file /nonexistent/x x", "open /nonexistent/x: No such file");
	check_refused("-e =1 x", "invalid environment variable");
}

TEST(mounts)
{
	check("-v /a:/b:ro -v name:/c -v /anonymous x", "HostConfig.Binds",
	      "[\"/a:/b:ro\",\"name:/c\"]");
	check("-v /anonymous x", "Volumes", "{\"/anonymous\":{}}");
	check("--mount type=bind,src=/a,dst=/b,readonly,bind-propagation=rshared x",
	      "HostConfig.Mounts",
	      "[{\"Type\":\"bind\",\"Source\":\"/a\",\"Target\":\"/b\",\"ReadOnly\":true,"
	      "\"BindOptions\":{\"Propagation\":\"rshared\"}}]");
	check("--mount type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=1770 x", "HostConfig.Mounts",
	      "[{\"Type\":\"tmpfs\",\"Target\":\"/"
	      "t\",\"TmpfsOptions\":{\"SizeBytes\":1048576,\"Mode\":1016}}]");
	check("--mount src=v,dst=/v,volume-nocopy x", "HostConfig.Mounts",
	      "[{\"Type\":\"volume\",\"Source\":\"v\",\"Target\":\"/"
	      "v\",\"VolumeOptions\":{\"NoCopy\":true}}]");
	check("--mount dst=/v,volume-label=a=b,volume-driver=d,volume-opt=type=tmpfs x",
	      "HostConfig.Mounts",
	      "[{\"Type\":\"volume\",\"Target\":\"/v\",\"VolumeOptions\":{\"Labels\":{\"a\":\"b\"},"
	      "\"DriverConfig\":{\"Name\":\"d\",\"Options\":{\"type\":\"tmpfs\"}}}}]");
	check("--tmpfs /run:size=1m --tmpfs /tmp x", "HostConfig.Tmpfs",
	      "{\"/run\":\"size=1m\",\"/tmp\":\"\"}");
	check_refused("-v a:b:c:d x", "invalid volume specification: 'a:b:c:d'");
	check_refused("--mount type=bind,src=/a x", "target is required");
	check_refused("--mount type=bind,what=1,dst=/b x", "unexpected key 'what'");
}

TEST(devices_and_limits)
{
	check("--device /dev/null x", "HostConfig.Devices",
	      "[{\"PathOnHost\":\"/dev/null\",\"PathInContainer\":\"/dev/"
	      "null\",\"CgroupPermissions\":\"rwm\"}]");
	check("--device /dev/a:/dev/b:r x", "HostConfig.Devices",
	      "[{\"PathOnHost\":\"/dev/a\",\"PathInContainer\":\"/dev/"
	      "b\",\"CgroupPermissions\":\"r\"}]");
	check("--ulimit nofile=10:20 --ulimit core=5 x", "HostConfig.Ulimits",
	      "[{\"Name\":\"nofile\",\"Soft\":10,\"Hard\":20},{\"Name\":\"core\",\"Soft\":5,"
	      "\"Hard\":5}]");
	check("--device-read-bps /dev/sda:1mb x", "HostConfig.BlkioDeviceReadBps",
	      "[{\"Path\":\"/dev/sda\",\"Rate\":1048576}]");
	check("-m 64m --memory-swap -1 --cpus 1.5 x", "HostConfig.Memory", "67108864");
	check("-m 64m --memory-swap -1 --cpus 1.5 x", "HostConfig.MemorySwap", "-1");
	check("--cpus 1.5 x", "HostConfig.NanoCpus", "1500000000");
	check("x", "HostConfig.PidsLimit", "null");
	check("--pids-limit 10 x", "HostConfig.PidsLimit", "10");
	check("x", "HostConfig.Init", "(missing)");
	check("--init x", "HostConfig.Init", "true");
	check_refused("--ulimit nofile x", "invalid ulimit argument");
	check_refused("--ulimit nofile=20:10 x", "soft limit must be less");
	check_refused("--device-read-iops /dev/sda:1mb x", "invalid rate");
}

TEST(rights)
{
	check("--cap-add NET_ADMIN --cap-drop ALL --privileged x", "HostConfig.CapAdd",
	      "[\"NET_ADMIN\"]");
	check("--security-opt no-new-privileges --security-opt seccomp=unconfined x",
	      "HostConfig.SecurityOpt", "[\"no-new-privileges\",\"seccomp=unconfined\"]");
	check("--security-opt systempaths=unconfined x", "HostConfig.MaskedPaths", "[]");
	check("x", "HostConfig.MaskedPaths", "null");
	check("--sysctl net.a=1 --sysctl net.b=2 x", "HostConfig.Sysctls",
	      "{\"net.a\":\"1\",\"net.b\":\"2\"}");
	check_refused("--security-opt seccomp=/nonexistent x", "opening seccomp profile");
	check_refused("--sysctl net.a x", "not name=value");
}

TEST(life)
{
	check("x", "HostConfig.RestartPolicy", "{\"Name\":\"no\",\"MaximumRetryCount\":0}");
	check("--restart on-failure:3 x", "HostConfig.RestartPolicy",
	      "{\"Name\":\"on-failure\",\"MaximumRetryCount\":3}");
	check("--log-driver none --log-opt max-size=1m x", "HostConfig.LogConfig",
	      "{\"Type\":\"none\",\"Config\":{\"max-size\":\"1m\"}}");
	check_refused("--restart always:3 x", "invalid restart policy");
	check_refused("--rm --restart always x", "conflicting options");
}

TEST(networks_and_ports)
{
	check("x", "HostConfig.NetworkMode", "\"default\"");
	check("--net none x", "HostConfig.NetworkMode", "\"none\"");
	check("x", "NetworkingConfig", "(missing)");
	check("--network a --network b --network-alias c x", "NetworkingConfig.EndpointsConfig",
	      "{\"a\":{\"Aliases\":[\"c\"]},\"b\":{}}");
	check("--add-host a=::1 --add-host b:1.2.3.4 x", "HostConfig.ExtraHosts",
	      "[\"a:::1\",\"b:1.2.3.4\"]");
	check("-p 8080:80 -p 127.0.0.1::53/udp x", "HostConfig.PortBindings",
	      "{\"80/tcp\":[{\"HostIp\":\"\",\"HostPort\":\"8080\"}],"
	      "\"53/udp\":[{\"HostIp\":\"127.0.0.1\",\"HostPort\":\"\"}]}");
	check("-p [::1]:1-2:3-4 x", "HostConfig.PortBindings",
	      "{\"3/tcp\":[{\"HostIp\":\"::1\",\"HostPort\":\"1\"}],"
	      "\"4/tcp\":[{\"HostIp\":\"::1\",\"HostPort\":\"2\"}]}");
	check("-p 80 --expose 90 x", "ExposedPorts", "{\"80/tcp\":{},\"90/tcp\":{}}");
	check_refused("-p http x", "invalid port specification: http");
	check_refused("-p 1-3:1-2 x", "invalid ranges");
}
