/*
 * What a template is made of, between its parser (template.c) and its evaluator (template_run.c),
 * and what that has of values and functions (template_functions.c).
 */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "base/str.h"

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

#define TEMPLATE_ARGS_MAX 16

/* Appends the value as Go prints it. */
void template_print(struct buf *out, const json_t *v);
/* Is it true, as Go's templates have it: neither zero nor empty? */
bool template_truth(const json_t *v);
/* Calls the function of that name: a new reference, or NULL with err. */
json_t *template_call(const char *name, json_t **args, size_t n, struct err *err);
