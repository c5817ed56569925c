/* Copying what a file is besides its content. -errno; thread-safe. */
#pragma once

/* Copies owner, extended attributes, mode and times of from_dir/from to to_dir/to, which is there
 * and of the same type; links themselves, not what they point to. `from` and `to` may be "."
 * Overlay's own attributes stay behind, and so do those that the other file system does not have.
 */
int copy_attributes_at(int from_dir, const char *from, int to_dir, const char *to);
