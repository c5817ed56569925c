/* What life_messages.c needs of life.c. */
#pragma once

#include "shim/life.h"

/* Begins the run that l->run numbers. */
void life_begin_run(struct life *l);
/* The wish or the policy has changed: does the restart that is due still stand? */
void life_reconsider(struct life *l);
/* Nothing will run any more: the end, once all is written and the clients are served. */
void life_rest(struct life *l);
