/* Names out of an archive: made safe to follow, and fit to be shown. */
#pragma once

#include <stddef.h>

/* Removes ".", "..", and empty components: "/a/./b/../c/" -> "a/c", the root itself is "". 0,
 * -EXDEV where ".." leads out, -ENAMETOOLONG where it does not fit into ret. */
int clean_path(const char *name, char *ret, size_t size);
/* A name out of an archive, fit for a message: controls as '?', cut at 200 bytes. */
#define PRINTABLE_MAX 208
const char *printable(const char *name, char ret[static PRINTABLE_MAX]);
