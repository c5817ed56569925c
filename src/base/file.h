/*
 * Files. Functions return 0 (or a count, or a descriptor) or -errno and are silent, except those
 * that take a struct err. `dir` is a directory descriptor or AT_FDCWD. Thread-safe; nothing is
 * cached.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* Writes all of it, through EINTR and short writes. */
int write_all(int fd, const void *data, size_t n);
/* Reads until n bytes are there or the end; returns the count. */
ssize_t read_full(int fd, void *data, size_t n);

/* Reads a regular file whole. -EFBIG above max, -EISDIR, -EINVAL where it is not a regular file
 * (its opening never blocks). *ret_text is NUL-terminated and the caller's; ret_len may be NULL. */
int read_file_at(int dir, const char *name, size_t max, char **ret_text, size_t *ret_len);

/* Opens without ever waiting for a writer, and reads once: three system calls for a small regular
 * file. Returns the count; size itself says that there may be more. */
ssize_t read_once_at(int dir, const char *name, void *buf, size_t size);

/* Reads a small file of /proc or /sys into buf, NUL-terminated, trailing newline cut. -EFBIG where
 * it does not fit. */
int read_small_at(int dir, const char *name, char *buf, size_t size);
/* Writes text by one write(2) to an existing file (cgroup, /proc). */
int write_small_at(int dir, const char *name, const char *text);

enum save_mode {
	SAVE_DURABLE, /* temp, write, fsync, rename, fsync directory */
	SAVE_ATOMIC,  /* without the fsyncs: for the exec root, which a crash of the host empties */
};

/* Removes what a save of dir/name that was cut short has left, if any. */
void save_tidy_at(int dir, const char *name);
/* Replaces dir/name by text: a reader, or a crash, sees the old or the new file, never a mix. */
int save_file_at(int dir, const char *name, const char *text, size_t len, enum save_mode mode,
		 struct err *err);

/* open(2) as directory, close-on-exec. */
int open_dir_at(int dir, const char *path);
/* mkdir -p; existing directories stay as they are. */
int mkdir_p(const char *path, mode_t mode);
/* Removes a tree (or file) below dir; does not follow links and does not descend into what is
 * mounted there, be it a bind mount of the same file system (-EXDEV; a mounted-on file gives
 * -EBUSY). 0 where it is not there. A failure leaves the rest in no particular shape. */
int remove_tree_at(int dir, const char *name);
/* As remove_tree_at, but first renamed to `.gone-<random>` in the same directory so that dir/name
 * is gone at once and for good, however long the rest takes or whenever it is cut short. */
int remove_tree_atomically_at(int dir, const char *name);
/* The apparent sizes of the files below dir/name, as docker counts; what many names share is
 * counted once in all. Links are not followed; what cannot be read is not counted. */
int64_t tree_size_at(int dir, const char *name);
/* fsync of a directory. */
int sync_dir(int dir);
bool exists_at(int dir, const char *name);
