/* The evaluator of templates; see template.h. */
#include "cli/template.h"
#include "cli/template_ast.h"

#define VARS_MAX 32

struct run {
	json_t *root;
	struct buf *out;
	struct err *err;
	struct {
		const char *name;
		json_t *value;
	} vars[VARS_MAX];
	size_t n_vars;
};

/* evaluation --------------------------------------------------------------------------------- */

static json_t *evaluate(struct run *run, const struct expr *e, json_t *dot);

static json_t *evaluate_call(struct run *run, const struct expr *e, json_t *dot)
{
	json_t *args[TEMPLATE_ARGS_MAX];
	json_t *result = NULL;
	size_t n = 0;

	if (e->n_args > TEMPLATE_ARGS_MAX) {
		(void) err_set(run->err, ERR_INVALID, "too many arguments");
		return NULL;
	}
	while (n < e->n_args && (args[n] = evaluate(run, e->args[n], dot)))
		n++;
	if (n == e->n_args)
		result =
			template_call(e->kind == EXPR_INDEX ? "index" : e->name, args, n, run->err);
	while (n > 0)
		json_decref(args[--n]);
	return result;
}

static json_t *evaluate_field(struct run *run, const struct expr *e, json_t *dot)
{
	autojson json_t *of = evaluate(run, e->args[0], dot);
	json_t *member = of ? json_object_get(of, e->name) : NULL;

	if (of && !member)
		(void) err_set(run->err, ERR_INVALID, "no field .%s here", e->name);
	return member ? json_incref(member) : NULL;
}

static json_t *evaluate_var(struct run *run, const struct expr *e)
{
	if (!*e->name)
		return json_incref(run->root);
	for (size_t i = run->n_vars; i > 0; i--)
		if (str_eq(run->vars[i - 1].name, e->name))
			return json_incref(run->vars[i - 1].value);
	(void) err_set(run->err, ERR_INVALID, "undefined variable \"$%s\"", e->name);
	return NULL;
}

/* New reference, or NULL with err. */
static json_t *evaluate(struct run *run, const struct expr *e, json_t *dot)
{
	switch (e->kind) {
	case EXPR_LITERAL:
		return json_incref(e->literal);
	case EXPR_DOT:
		return json_incref(dot);
	case EXPR_VAR:
		return evaluate_var(run, e);
	case EXPR_FIELD:
		return evaluate_field(run, e, dot);
	case EXPR_CALL:
	case EXPR_INDEX:
		return evaluate_call(run, e, dot);
	}
	return NULL;
}

static int push_var(struct run *run, const char *name, json_t *value)
{
	if (!name)
		return 0;
	if (run->n_vars == VARS_MAX)
		return err_set(run->err, ERR_INVALID, "too many variables");
	run->vars[run->n_vars].name = name;
	run->vars[run->n_vars++].value = json_incref(value);
	return 0;
}

static void pop_vars(struct run *run, size_t to)
{
	while (run->n_vars > to)
		json_decref(run->vars[--run->n_vars].value);
}

static int run_nodes(struct run *run, const struct node *n, json_t *dot);

/* One turn of a range. */
static int run_item(struct run *run, const struct node *n, json_t *key, json_t *value)
{
	size_t vars = run->n_vars;
	int r = push_var(run, n->vars[0], key);

	if (r == 0)
		r = push_var(run, n->vars[1], value);
	if (r == 0)
		r = run_nodes(run, n->body, value);
	pop_vars(run, vars);
	return r;
}

static int run_range(struct run *run, const struct node *n, json_t *over, json_t *dot)
{
	if (!template_truth(over))
		return run_nodes(run, n->otherwise, dot);
	if (json_is_array(over)) {
		for (size_t i = 0; i < json_array_size(over); i++) {
			autojson json_t *key = json_integer((json_int_t) i);

			if (run_item(run, n, key, json_array_get(over, i)) < 0)
				return -1;
		}
		return 0;
	}
	if (json_is_object(over)) {
		const char *name;
		json_t *member;

		json_object_foreach (over, name, member) {
			autojson json_t *key = json_string_nocheck(name);

			if (run_item(run, n, key, member) < 0)
				return -1;
		}
		return 0;
	}
	return err_set(run->err, ERR_INVALID, "range over a value that has no members");
}

static int run_node(struct run *run, const struct node *n, json_t *dot)
{
	if (n->kind == NODE_TEXT) {
		buf_adds(run->out, n->text);
		return 0;
	}

	autojson json_t *v = evaluate(run, n->expr, dot);
	size_t vars = run->n_vars;
	int r = 0;

	if (!v)
		return -1;
	switch (n->kind) {
	case NODE_TEXT:
		break;
	case NODE_PRINT:
		/* {{$v := ...}} prints nothing, and holds to the end of the list. */
		if (n->vars[1])
			return push_var(run, n->vars[1], v);
		template_print(run->out, v);
		break;
	case NODE_RANGE:
		r = run_range(run, n, v, dot);
		break;
	case NODE_IF:
	case NODE_WITH:
		r = push_var(run, n->vars[1], v);
		if (r == 0 && template_truth(v))
			r = run_nodes(run, n->body, n->kind == NODE_WITH ? v : dot);
		else if (r == 0)
			r = run_nodes(run, n->otherwise, dot);
		pop_vars(run, vars);
		break;
	}
	return r;
}

static int run_nodes(struct run *run, const struct node *n, json_t *dot)
{
	size_t vars = run->n_vars;
	int r = 0;

	for (; n && r == 0; n = n->next)
		r = run_node(run, n, dot);
	pop_vars(run, vars);
	return r;
}

int template_run(const struct template *t, json_t *value, struct buf *out, struct err *err)
{
	struct run run = {.root = value, .out = out, .err = err};

	if (run_nodes(&run, t->nodes, value) < 0)
		return err_wrap(err, "template");
	return 0;
}
