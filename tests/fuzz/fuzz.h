/*
 * What the fuzz targets share: a directory in memory for files under test, and inputs of several
 * parts. Parts are separated by a line "%%", so that a corpus can be read and written by hand.
 * libFuzzer's interface is LLVMFuzzerTestOneInput(); each target states what must hold by abort().
 */
#pragma once

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

#define PART_MARK "%%\n"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* What must hold. */
#define must(what)                                                                         \
	do {                                                                               \
		if (!(what)) {                                                             \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what); \
			abort();                                                           \
		}                                                                          \
	} while (0)

static char fuzz_path_[64];

__attribute__((unused)) static void fuzz_remove_dir_(void)
{
	(void) remove_tree_at(AT_FDCWD, fuzz_path_);
}

/* The path of this process's own directory, in memory where the host has such a place. */
__attribute__((unused)) static const char *fuzz_dir(void)
{
	if (!fuzz_path_[0]) {
		snprintf(fuzz_path_, sizeof fuzz_path_, "%s/fuzz-XXXXXX",
			 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
		must(mkdtemp(fuzz_path_));
		must(atexit(fuzz_remove_dir_) == 0);
	}
	return fuzz_path_;
}

/* Takes the next part off the input; false where there is none left. */
__attribute__((unused)) static bool fuzz_part(const char **data, size_t *n, const char **ret,
					      size_t *ret_len)
{
	const char *mark;

	if (!*data)
		return false;
	mark = memmem(*data, *n, PART_MARK, sizeof PART_MARK - 1);
	*ret = *data;
	*ret_len = mark ? (size_t) (mark - *data) : *n;
	*n -= *ret_len + (mark ? sizeof PART_MARK - 1 : 0);
	*data = mark ? mark + sizeof PART_MARK - 1 : NULL;
	return true;
}

__attribute__((unused)) static void fuzz_write(int dir, const char *name, const void *text,
					       size_t len)
{
	autoclose int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	must(fd >= 0 && write_all(fd, text, len) == 0);
}

/* Refusals are the rule here: they are not worth a line each. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void) argc;
	(void) argv;
	log_set_level(LOG_LEVEL_ERROR);
	return 0;
}
