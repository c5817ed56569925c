/*
 * Probes of health checks: a process in the container (exec.h) that has a time, and of whose output
 * the beginning is kept. Its result has output=, and timed-out=1 where its time was up and it was
 * killed for that. One that ends because the whole container does leaves no result.
 */
#pragma once

#include "shim/exec.h"

#define PROBE_OUTPUT_MAX 4096

struct probe_order {
	const char *id;	     /* 64 hexadecimal digits */
	const char *process; /* file below the exec directory: "process" of the OCI specification */
	int64_t timeout_ns;  /* it is killed this long after it began to run; <= 0: never */
};
/* Begins; event probed follows unless it is abandoned. */
int probe_start(struct execs *xs, const struct probe_order *order, struct err *err);
