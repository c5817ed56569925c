/*
 * A second thread for the bytes of one stream: the writer goes on while the thread hashes or
 * compresses what was written. One writer; order is kept. The first failure is kept and told at the
 * next write or the end.
 */
#pragma once

#include <stddef.h>

#include "base/err.h"
#include "base/mem.h"

struct pump;

/* Runs in the pump's thread. 0 or < 0 with err. */
typedef int (*pump_fn)(void *arg, const void *data, size_t n, struct err *err);

struct pump *pump_new(pump_fn fn, void *arg);
/* Copies the data. */
int pump_write(struct pump *p, const void *data, size_t n, struct err *err);
/* Waits until all of it went through fn. */
int pump_flush(struct pump *p, struct err *err);
/* Joins the thread, whatever state it is in. NULL is fine. */
void pump_free(struct pump *p);
DEFINE_AUTO(struct pump *, pump_free);
