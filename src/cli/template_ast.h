/* What a template is made of, between its parser (template.c) and its evaluator (template_run.c).
 */
#pragma once

#include "base/json.h"

enum expr_kind {
	EXPR_LITERAL,
	EXPR_DOT,   /* . */
	EXPR_VAR,   /* $name; $ is the root */
	EXPR_FIELD, /* args[0].name */
	EXPR_CALL,  /* name args... */
	EXPR_INDEX, /* args[0] called with args[1...] */
};

struct expr {
	enum expr_kind kind;
	char *name;
	json_t *literal;
	struct expr **args;
	size_t n_args;
};

enum node_kind {
	NODE_TEXT,
	NODE_PRINT,
	NODE_IF,
	NODE_RANGE,
	NODE_WITH,
};

struct node {
	enum node_kind kind;
	char *text;	   /* NODE_TEXT */
	char *vars[2];	   /* `$v :=` is vars[1], `$k, $v :=` both */
	struct expr *expr; /* the others */
	struct node *body;
	struct node *otherwise;
	struct node *next;
};

struct template
{
	struct node *nodes;
};
