/* The times that stand before log entries, "2026-11-24T03:45:34.123456789Z ". Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Length of the time at the start of text, space included, with *ret_ns; 0 where there is none. */
size_t logs_stamp(const char *text, size_t n, int64_t *ret_ns);
/* True if text, which ends too early, may be the start of a time. */
bool logs_stamp_may_begin(const char *text, size_t n);
