/* The daemon's options: command line over configuration file (JSON with the same keys, as dockerd's
 * daemon.json). */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "base/log.h"

struct options {
	char *data_root;
	char *exec_root;
	char **hosts; /* unix:///path */
	char *pidfile;
	char *config_file;
	char *group; /* of the sockets; NULL: holdfast or docker, where there is one */
	char *default_runtime;
	struct strmap runtimes; /* name -> path */
	enum log_level log_level;
	bool log_journal;
	bool init;
	char *shim;	  /* path of holdfast-shim */
	char *image_tool; /* path of holdfast-image */
	bool show_version;
	bool show_help;
};

/* Parses; a wrong option, key or value is ERR_INVALID and names itself. */
int options_parse(int argc, char **argv, struct options *ret, struct err *err);
void options_free(struct options *o);
/* Text of --help. */
extern const char options_help[];
