/*
 * holdfast-image: reads and writes image archives for the daemon, which thereby never touches a
 * byte of them. What it answers is written in image/layout.h.
 *
 *	load    an archive on stdin; blobs and layers go to the staging directory
 *	import  a tarball on stdin becomes one layer, and with staging/config.json an image
 *	save    a list of images on stdin; the archive goes to stdout
 *	copy-up what these layers have in a directory goes to another, which is empty
 */
#pragma once

#include "base/json.h"
#include "imagetool/budget.h"

struct tool {
	int root;    /* <data-root>/image */
	int staging; /* -1 for save */
	struct budget budget;
};

/* The answer is a new reference. */
int tool_copy_up(const char *image_dir, const char *to, const char *path, char *const *layers,
		 json_t **ret, struct err *err);
int tool_load(struct tool *t, json_t **ret, struct err *err);
int tool_import(struct tool *t, json_t **ret, struct err *err);
int tool_save(struct tool *t, struct err *err);
