/* version and info. */
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "cli/cli.h"
#include "cli/list.h"
#include "cli/words.h"

struct system_options {
	const char *format;
};

const struct option system_options[] = {
	OPTION(struct system_options, 'f', "format", OPTION_STR, format, "string",
	       "Format output: 'json', or a Go template"),
	OPTION_END,
};

static void print_field(const char *label, const char *value)
{
	if (!str_empty(value))
		printf(" %-18s %s\n", label, value);
}

static void print_member(const char *label, const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	if (json_is_string(value))
		print_field(label, json_string_value(value));
	else if (json_is_integer(value))
		printf(" %-18s %lld\n", label, (long long) json_integer_value(value));
	else if (json_is_boolean(value))
		printf(" %-18s %s\n", label, json_is_true(value) ? "true" : "false");
}

/* version ------------------------------------------------------------------------------------ */

static const char *go_arch(const char *machine)
{
	static const char *const names[][2] = {
		{"x86_64", "amd64"},
		{"aarch64", "arm64"},
		{"i686", "386"},
		{"armv7l", "arm"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (str_eq(machine, names[i][0]))
			return names[i][1];
	return machine;
}

static json_t *client_version(void)
{
	struct utsname host;

	(void) uname(&host);
	return json_pack("{s:s, s:s, s:s, s:s}", "Version", HOLDFAST_VERSION, "ApiVersion", "1.44",
			 "Os", "linux", "Arch", go_arch(host.machine));
}

static void print_version(const char *side, const json_t *version)
{
	autofree char *platform = NULL;
	const char *os = json_str(version, "Os"), *arch = json_str(version, "Arch");

	printf("%s:\n", side);
	print_member("Version:", version, "Version");
	print_member("API version:", version, "ApiVersion");
	print_member("Minimum API:", version, "MinAPIVersion");
	print_member("Git commit:", version, "GitCommit");
	print_member("Built:", version, "BuildTime");
	if (os && arch) {
		platform = xasprintf("%s/%s", os, arch);
		print_field("OS/Arch:", platform);
	}
	print_member("Kernel:", version, "KernelVersion");
}

static void print_components(const json_t *version)
{
	size_t i;
	json_t *component;

	json_array_foreach (json_object_get(version, "Components"), i, component) {
		const char *name = json_str(component, "Name");

		if (i == 0 || !name) /* the first is the daemon itself */
			continue;

		autofree char *label = xasprintf("%s:", name);

		print_field(label, json_str(component, "Version"));
	}
}

int command_version(struct cli *cli, int argc, char **argv)
{
	struct system_options o = {0};
	autojson json_t *client = client_version(), *server = NULL, *both = NULL;
	struct err err = {0};
	int exit_code = EXIT_OK;

	(void) cli_begin(cli, &o, argc, argv);
	if (client_call(cli->address, "GET", "/version", NULL, &server, &err) < 0)
		exit_code = EXIT_ERROR;
	if (!str_empty(o.format)) {
		struct err bad = {0};

		both = json_pack("{s:O}", "Client", client);
		json_object_set_new(both, "Server", server ? json_incref(server) : json_null());
		if (value_print(o.format, both, &bad) < 0)
			exit_code = cli_fail(&bad);
	} else {
		print_version("Client", client);
		if (server) {
			putchar('\n');
			print_version("Server", server);
			print_components(server);
		}
	}
	if (!server)
		(void) cli_fail(&err);
	return exit_code;
}

/* info --------------------------------------------------------------------------------------- */

static void print_list(const char *label, const json_t *names)
{
	autobuf b = {0};
	size_t i;
	json_t *name;

	json_array_foreach (names, i, name)
		if (json_is_string(name))
			buf_addf(&b, "%s%s", b.len ? " " : "", json_string_value(name));
	print_field(label, b.text);
}

static void print_runtimes(const json_t *info)
{
	autobuf b = {0};
	const char *name;
	json_t *runtime;

	json_object_foreach (json_object_get(info, "Runtimes"), name, runtime)
		buf_addf(&b, "%s%s", b.len ? " " : "", name);
	print_field("Runtimes:", b.text);
}

static void print_info(const json_t *info)
{
	autofree char *memory = size_words_binary(json_int(info, "MemTotal", 0));
	const char *cgroup = json_str(info, "CgroupVersion");
	autofree char *cgroups =
		cgroup ? xasprintf("v%s (%s)", cgroup,
				   json_str(info, "CgroupDriver") ? json_str(info, "CgroupDriver")
								  : "?")
		       : NULL;
	size_t i;
	json_t *warning;

	puts("Server:");
	printf(" %-18s %lld (%lld running, %lld paused, %lld stopped)\n",
	       "Containers:", (long long) json_int(info, "Containers", 0),
	       (long long) json_int(info, "ContainersRunning", 0),
	       (long long) json_int(info, "ContainersPaused", 0),
	       (long long) json_int(info, "ContainersStopped", 0));
	print_member("Images:", info, "Images");
	print_member("Version:", info, "ServerVersion");
	print_member("Storage driver:", info, "Driver");
	print_member("Logging driver:", info, "LoggingDriver");
	print_field("Cgroups:", cgroups);
	print_runtimes(info);
	print_member("Default runtime:", info, "DefaultRuntime");
	print_list("Security options:", json_object_get(info, "SecurityOptions"));
	print_member("Kernel:", info, "KernelVersion");
	print_member("Operating system:", info, "OperatingSystem");
	print_member("Architecture:", info, "Architecture");
	print_member("CPUs:", info, "NCPU");
	print_field("Memory:", memory);
	print_member("Name:", info, "Name");
	print_member("ID:", info, "ID");
	print_member("Data root:", info, "DockerRootDir");
	print_member("Live restore:", info, "LiveRestoreEnabled");
	(void) fflush(stdout);
	json_array_foreach (json_object_get(info, "Warnings"), i, warning)
		fprintf(stderr, "WARNING: %s\n", json_string_value(warning));
}

int command_info(struct cli *cli, int argc, char **argv)
{
	struct system_options o = {0};
	autojson json_t *info = NULL;
	struct err err = {0};

	(void) cli_begin(cli, &o, argc, argv);
	if (client_call(cli->address, "GET", CLIENT_API "/info", NULL, &info, &err) < 0)
		return cli_fail(&err);
	if (str_empty(o.format))
		print_info(info);
	else if (value_print(o.format, info, &err) < 0)
		return cli_fail(&err);
	return EXIT_OK;
}
