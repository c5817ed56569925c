/*
 * Dockerfile lines that change an image's configuration, as import (and later commit) take them:
 * CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME, WORKDIR.
 */
#pragma once

#include "config/config.h"

/* Applies the lines in order. ERR_INVALID names the line that cannot be read; config may then be
 * half changed. */
int config_change(struct config *config, char *const *lines, struct err *err);
