/* The daemon's options: command line over configuration file (JSON with the same keys, as dockerd's
 * daemon.json). */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "base/log.h"

struct options {
	char *data_root;
	char *exec_root;
	char **hosts; /* unix:///path, or fd:// for the sockets that we were started with */
	bool hosts_by_default;
	char *pidfile;
	char *config_file;
	char *group; /* of the sockets; NULL: holdfast or docker, where there is one */
	char *default_runtime;
	struct strmap runtimes; /* name -> path */
	enum log_level log_level;
	bool log_journal;
	bool init;
	char **labels;	   /* of the engine: key=value */
	char *shim;	   /* path of holdfast-shim */
	char *image_tool;  /* path of holdfast-image */
	char *keeper_path; /* of holdfast-keeper, where `keeper` is set */
	bool show_version;
	bool show_help;
	bool check;  /* only say whether a start with these options would come to something */
	bool keeper; /* become the keeper */
};

/* Parses; a wrong option, key or value is ERR_INVALID and names itself. */
int options_parse(int argc, char **argv, struct options *ret, struct err *err);
void options_free(struct options *o);
/* Text of --help. */
extern const char options_help[];
