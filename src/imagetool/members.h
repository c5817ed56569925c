/*
 * The members of an image archive. Which of them are layers is known only when the manifest was
 * read, and that may come last; so whatever looks like one is unpacked as it passes, into a work
 * directory of its own, and what is small is kept in memory. Other members are dropped, with their
 * names and digests remembered.
 */
#pragma once

#include <stdbool.h>

#include "imagetool/layer.h"

struct member {
	char *name;	 /* clean */
	unsigned number; /* order in the archive, and the name of its work directory */
	enum { MEMBER_SMALL, MEMBER_LAYER, MEMBER_STORED, MEMBER_LINK, MEMBER_OTHER } kind;
	digest_hex digest; /* of its bytes; not of a link */
	int64_t size;
	char *text;	    /* SMALL: its bytes, NUL-terminated */
	char *target;	    /* LINK: clean name of another member */
	struct layer layer; /* LAYER */
	bool taken;	    /* LAYER: published */
	struct err err;	    /* LAYER: why it could not be unpacked */
};

struct members {
	struct member *items; /* sorted by name once read */
	size_t n;
	size_t cap;
	int64_t text_bytes; /* held in memory */
};

/* Reads the archive on fd. root: the store (layers in it are not unpacked again, kind STORED);
 * staging: where to work. Fails where the archive as a whole is damaged, refused or over its
 * budget. */
int members_read(struct members *m, int fd, int root, int staging, struct budget *budget,
		 struct err *err);
/* By name, links followed; NULL where there is none. */
struct member *members_find(struct members *m, const char *name);
void members_free(struct members *m);
