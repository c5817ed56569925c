/*
 * References to images as docker writes them (github.com/distribution/reference):
 * [domain/]path[:tag][@digest]. Normalised, a name always has its domain ("docker.io") and a path
 * of at least two components there ("library/x"); familiar, it has as little as is needed. Names
 * are stored normalised and shown familiar.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "base/mem.h"

struct reference {
	char *name; /* "docker.io/library/busybox" */
	char *tag;
	char *digest; /* "sha256:..." */
};

/* ERR_INVALID in docker's words. */
int reference_parse(const char *text, struct reference *ret, struct err *err);
void reference_free(struct reference *r);
#define autoreference auto_(reference_free) struct reference

bool tag_is_valid(const char *tag);
/* Gives it the tag "latest" where it has neither tag nor digest. */
void reference_add_default_tag(struct reference *r);
/* name[:tag][@digest]; the caller's. */
char *reference_text(const struct reference *r);
/* The familiar form of a normalised text; borrowed from it. */
const char *familiar_text(const char *normalised);
