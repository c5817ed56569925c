/*
 * shim.conf: what a shim needs to know to run one container, written by the daemon into the container's
 * exec directory before the shim is born, as kv text (wire/kv.h). The shim re-reads nothing; what changes
 * later comes as a message (wire/proto.h).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "wire/restart.h"

struct shim_config {
	char *id;	    /* container id */
	char *runtime;	    /* path of the OCI runtime */
	char *runtime_root; /* its --root */
	int64_t runtime_timeout_ms; /* after which a call of it is killed; 0: a minute */
	bool systemd_cgroup;/* reserved; false */
	char *cgroup;	    /* linux.cgroupsPath of its spec; NULL: as /proc says */

	char *layers_dir;   /* directory in which `lower` is looked up */
	char **lower;	    /* overlay's lower directories, top first, relative to layers_dir */
	char *volatile_opt; /* further overlay options, NULL: none */

	char **join;	    /* namespaces of other containers: "net <id> <pid> <start ticks>"; also pid, ipc.
			       The pid is for an owner that has lost its shim, which is asked first. They
			       are bound to bundle/ns-net, ... before each run */

	bool tty;
	bool open_stdin;
	bool stdin_once;

	bool log_file;		/* false: driver "none" */
	int64_t log_max_size;	/* bytes; <= 0: no rotation */
	int64_t log_max_files;	/* >= 1 */

	enum restart_name restart;
	int64_t restart_max;
	int64_t restart_count;	/* to go on counting from, after a restart by the daemon */
	int64_t restart_delay_ns; /* before this start, where a policy asked for it: the back-off goes on from it */
};

/* Text of the file. */
void shim_config_format(struct buf *b, const struct shim_config *c);
/* Reads dir/shim.conf. The error names what is missing or wrong. */
int shim_config_read(int dir, struct shim_config *ret, struct err *err);
void shim_config_free(struct shim_config *c);
