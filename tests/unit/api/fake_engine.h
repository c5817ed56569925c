/*
 * An engine of straw behind engine.h and image.h: containers and images are values in memory, verbs
 * change them at once. What the API makes of it can be seen over a real socket, without root,
 * runtime or disk.
 *
 * Answers to command names: an image named "broken" fails to load, a container whose command is
 * "fail" fails to start (ERR_SYSTEM), "missing" is no image.
 */
#pragma once

#include "engine/engine.h"

struct engine *fake_engine_new(void);
void fake_engine_free(struct engine *e);
/* What engine_end() does to listeners. */
void fake_engine_end(struct engine *e);
/* n containers, running and ended. */
void fake_engine_fill(struct engine *e, int n);
/* A container whose files could not be read. */
void fake_engine_add_dead(struct engine *e, const char *name, const char *problem);
/* Adds a line to the container's log. */
void fake_engine_log(struct engine *e, const char *ref, enum log_stream stream, const char *text);
void fake_engine_exit(struct engine *e, const char *ref, int code);
