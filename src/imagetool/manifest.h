/*
 * What images an archive holds, by its own account: manifest.json of a docker-archive, or
 * index.json of an OCI layout. Only what is said there; whether configuration and layers fit
 * together is for the caller (load.c).
 */
#pragma once

#include "imagetool/members.h"

struct found_image {
	struct member *config;	/* SMALL */
	char **names;		/* as written */
	struct member **layers; /* lowest first; NULL: not in the archive */
	size_t n_layers;
};

struct found_images {
	struct found_image *items;
	size_t n;
};

int manifest_read(struct members *m, struct found_images *ret, struct err *err);
void found_images_free(struct found_images *f);
