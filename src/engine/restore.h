/* A restore in progress: what restore.c and restore_report.c share. */
#pragma once

#include "engine/internal.h"

/* What is known of an image at this restore, so that a thousand containers of it ask once. */
struct image_answer {
	char *id;
	char *missing; /* NULL: it is there */
};

struct handled {
	struct container *c;
	struct finding f;
};

struct restore {
	struct engine *e;
	int64_t begun_ns;
	int64_t loaded_ns;
	int64_t opened_ns;  /* the sockets are there */
	int64_t handled_ns; /* each container once */
	char **ids;
	char **exec_ids; /* sorted: those that have an exec directory */
	size_t n_exec;
	struct container **loaded; /* one per id, NULL: not a container */
	struct handled *items;	   /* those that need handling */
	size_t n_items;
	size_t pending;	     /* atomic */
	char **volumes_gone; /* directories of volumes that are to be deleted */
	char **swept;
	char **left; /* what looks like ours but is not provably so */
	size_t resting;
	struct image_answer *images;
	size_t n_images;
	bool image_missing; /* one that a container needs, or may need */
};

/* When each container has been handled, and what nobody claims is swept: one log line, a JSON file
 * in the exec root, and what engine_restore_report() tells from then on. */
void restore_write_report(struct restore *r);
