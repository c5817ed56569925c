/* update: other limits, another restart policy. */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/create.h"

#define O(letter, name, type, member, value, help) \
	OPTION(struct create_options, letter, name, type, member, value, help)

const struct option update_options[] = {
	O(0, "blkio-weight", OPTION_INT, blkio_weight, "int",
	  "Block I/O (relative weight), between 10 and 1000"),
	O(0, "cpu-period", OPTION_INT, cpu_period, "int", "Limit CPU CFS period"),
	O(0, "cpu-quota", OPTION_INT, cpu_quota, "int", "Limit CPU CFS quota"),
	O(0, "cpu-rt-period", OPTION_INT, cpu_rt_period, "int",
	  "Limit CPU real-time period in microseconds"),
	O(0, "cpu-rt-runtime", OPTION_INT, cpu_rt_runtime, "int",
	  "Limit CPU real-time runtime in microseconds"),
	O('c', "cpu-shares", OPTION_INT, cpu_shares, "int", "CPU shares (relative weight)"),
	O(0, "cpus", OPTION_DECIMAL, nano_cpus, "decimal", "Number of CPUs"),
	O(0, "cpuset-cpus", OPTION_STR, cpuset_cpus, "string",
	  "CPUs in which to allow execution (0-3, 0,1)"),
	O(0, "cpuset-mems", OPTION_STR, cpuset_mems, "string",
	  "MEMs in which to allow execution (0-3, 0,1)"),
	O('m', "memory", OPTION_SIZE, memory, "bytes", "Memory limit"),
	O(0, "memory-reservation", OPTION_SIZE, memory_reservation, "bytes", "Memory soft limit"),
	O(0, "memory-swap", OPTION_SIZE, memory_swap, "bytes",
	  "Swap limit equal to memory plus swap: '-1' to enable unlimited swap"),
	O(0, "pids-limit", OPTION_INT, pids_limit, "int",
	  "Tune container pids limit (set -1 for unlimited)"),
	O(0, "restart", OPTION_STR, restart, "string",
	  "Restart policy to apply when a container exits"),
	OPTION_END,
};

static int update_one(struct cli *cli, const char *ref, const json_t *body, struct err *err)
{
	autojson json_t *answer = NULL;
	autobuf target = {0};
	json_t *warning;
	size_t i;

	target_container(&target, ref, "update");
	if (client_call(cli->address, "POST", target.text, body, &answer, err) < 0)
		return -1;
	puts(ref);
	(void) fflush(stdout);
	json_array_foreach (json_object_get(answer, "Warnings"), i, warning)
		fprintf(stderr, "WARNING: %s\n", json_string_value(warning));
	return 0;
}

int command_update(struct cli *cli, int argc, char **argv)
{
	struct create_options o;
	autojson json_t *body = NULL;
	int exit_code = EXIT_OK, n;
	struct err err = {0};

	create_options_init(&o);
	n = cli_begin(cli, &o, argc, argv);
	if (update_request(&o, &body, &err) < 0)
		return cli_fail(&err);
	for (int i = 0; i < n; i++)
		if (update_one(cli, argv[i], body, &err) < 0)
			exit_code = cli_fail(&err);
	return exit_code;
}
