/*
 * Go templates, the part that people type behind --format, over JSON values:
 *
 *	{{.State.Status}}  {{json .Config}}  {{.Name | upper}}  {{index .Config.Labels "a.b"}}
 *	{{range .Mounts}}{{.Source}} {{end}}  {{range $k, $v := .Ports}}...{{end}}
 *	{{if eq .State.Status "running"}}...{{else}}...{{end}}  {{with .State}}{{.Pid}}{{end}}
 *
 * Functions: json, join, split, lower, upper, title, trim, truncate, pad, println, print, printf
 * (%s %d %v %q), len, index, eq, ne, lt, le, gt, ge, and, or, not. A field called with an argument
 * looks the argument up in it, as in ps's {{.Label "key"}}. {{- and -}} trim. Values print as Go
 * prints them.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "base/str.h"

struct template;

/* Parses; the error names what is wrong with the text. */
int template_parse(const char *text, struct template **ret, struct err *err);
void template_free(struct template *t);
DEFINE_AUTO(struct template *, template_free);
#define autotemplate auto_(template_free_p) struct template *

/* Appends what it makes of the value. A field that does not exist is an error that names it. */
int template_run(const struct template *t, json_t *value, struct buf *out, struct err *err);
/* True if it mentions the field .name somewhere. */
bool template_mentions(const struct template *t, const char *name);
