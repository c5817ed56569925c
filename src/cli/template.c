/* The parser of templates; see template.h. */
#include "cli/template.h"

#include <ctype.h>
#include <string.h>

#include "cli/template_ast.h"

#define DEPTH_MAX 64

static void expr_free(struct expr *e)
{
	if (!e)
		return;
	for (size_t i = 0; i < e->n_args; i++)
		expr_free(e->args[i]);
	free(e->args);
	free(e->name);
	json_decref(e->literal);
	free(e);
}
DEFINE_AUTO(struct expr *, expr_free);

static void nodes_free(struct node *n)
{
	while (n) {
		struct node *next = n->next;

		free(n->text);
		free(n->vars[0]);
		free(n->vars[1]);
		expr_free(n->expr);
		nodes_free(n->body);
		nodes_free(n->otherwise);
		free(n);
		n = next;
	}
}

void template_free(struct template *t)
{
	if (!t)
		return;
	nodes_free(t->nodes);
	free(t);
}

static struct expr *expr_new(enum expr_kind kind, char *name)
{
	struct expr *e = xnew(struct expr);

	e->kind = kind;
	e->name = name;
	return e;
}

static void expr_add(struct expr *e, struct expr *arg)
{
	e->args = xreallocarray(e->args, e->n_args + 1, sizeof *e->args);
	e->args[e->n_args++] = arg;
}

/* expressions -------------------------------------------------------------------------------- */

/* Reads the inside of one {{...}}. */
struct reader {
	const char *p;
	const char *end;
	int depth;
	struct err *err;
};

static int parse_pipeline(struct reader *r, struct expr **ret);

static void skip_space(struct reader *r)
{
	while (r->p < r->end && isspace((unsigned char) *r->p))
		r->p++;
}

static bool at(const struct reader *r, char c)
{
	return r->p < r->end && *r->p == c;
}

static size_t word_length(const struct reader *r)
{
	size_t n = 0;

	while (r->p + n < r->end && (isalnum((unsigned char) r->p[n]) || r->p[n] == '_'))
		n++;
	return n;
}

static char *take_word(struct reader *r)
{
	size_t n = word_length(r);
	char *word = xstrndup(r->p, n);

	r->p += n;
	return word;
}

/* "text" with backslashes, or `text`. */
static int parse_string(struct reader *r, struct expr **ret)
{
	char quote = *r->p++;
	autobuf text = {0};

	while (r->p < r->end && *r->p != quote) {
		char c = *r->p++;

		if (c == '\\' && quote == '"' && r->p < r->end) {
			c = *r->p++;
			c = c == 'n' ? '\n' : c == 't' ? '\t' : c;
		}
		buf_addc(&text, c);
	}
	if (!at(r, quote))
		return err_set(r->err, ERR_INVALID, "unterminated quoted string");
	r->p++;
	*ret = expr_new(EXPR_LITERAL, NULL);
	(*ret)->literal = json_string(text.text ? text.text : "");
	if (!(*ret)->literal)
		(*ret)->literal = json_string("?");
	return 0;
}

static int parse_number(struct reader *r, struct expr **ret)
{
	size_t n = 1;
	int64_t value;

	while (r->p + n < r->end && isdigit((unsigned char) r->p[n]))
		n++;

	autofree char *digits = xstrndup(r->p, n);

	if (parse_i64(digits, &value) < 0)
		return err_set(r->err, ERR_INVALID, "bad number \"%s\"", digits);
	r->p += n;
	*ret = expr_new(EXPR_LITERAL, NULL);
	(*ret)->literal = json_integer(value);
	return 0;
}

static struct expr *word_expr(char *word)
{
	json_t *literal = NULL;
	struct expr *e;

	if (str_eq(word, "true") || str_eq(word, "false"))
		literal = json_boolean(word[0] == 't');
	else if (str_eq(word, "nil"))
		literal = json_null();
	if (!literal)
		return expr_new(EXPR_CALL, word);
	free(word);
	e = expr_new(EXPR_LITERAL, NULL);
	e->literal = literal;
	return e;
}

/* ., .A.B, $v.A, "text", 12, (pipeline).A, or a function's name without its arguments. */
static int parse_operand(struct reader *r, struct expr **ret)
{
	auto_(expr_free_p) struct expr *e = NULL;

	if (at(r, '"') || at(r, '`')) {
		if (parse_string(r, &e) < 0)
			return -1;
	} else if (at(r, '(')) {
		r->p++;
		if (parse_pipeline(r, &e) < 0)
			return -1;
		if (!at(r, ')'))
			return err_set(r->err, ERR_INVALID, "unclosed left paren");
		r->p++;
	} else if (at(r, '$')) {
		r->p++;
		e = expr_new(EXPR_VAR, take_word(r));
	} else if (at(r, '.')) {
		e = expr_new(EXPR_DOT, NULL);
		if (r->p + 1 == r->end || !(isalnum((unsigned char) r->p[1]) || r->p[1] == '_'))
			r->p++;
	} else if (r->p < r->end && (isdigit((unsigned char) *r->p) || *r->p == '-')) {
		if (parse_number(r, &e) < 0)
			return -1;
	} else if (word_length(r)) {
		e = word_expr(take_word(r));
	} else {
		return err_set(r->err, ERR_INVALID, "unexpected \"%.*s\"", (int) (r->end - r->p),
			       r->p);
	}

	while (at(r, '.')) {
		struct expr *field;

		r->p++;
		if (!word_length(r))
			return err_set(r->err, ERR_INVALID, "a name is missing after '.'");
		field = expr_new(EXPR_FIELD, take_word(r));
		expr_add(field, take(e));
		e = field;
	}
	*ret = take(e);
	return 0;
}

/* An operand with arguments. */
static int parse_command(struct reader *r, struct expr **ret)
{
	auto_(expr_free_p) struct expr *e = NULL;
	bool wrapped = false;

	skip_space(r);
	if (parse_operand(r, &e) < 0)
		return -1;
	for (;;) {
		struct expr *arg = NULL;

		skip_space(r);
		if (r->p == r->end || at(r, '|') || at(r, ')'))
			break;
		if (parse_operand(r, &arg) < 0)
			return -1;
		if (e->kind != EXPR_CALL && !wrapped) {
			struct expr *index = expr_new(EXPR_INDEX, NULL);

			expr_add(index, take(e));
			e = index;
			wrapped = true;
		}
		expr_add(e, arg);
	}
	*ret = take(e);
	return 0;
}

/* Commands with | between: each becomes the last argument of the next. */
static int parse_pipeline(struct reader *r, struct expr **ret)
{
	auto_(expr_free_p) struct expr *e = NULL;

	if (++r->depth > DEPTH_MAX)
		return err_set(r->err, ERR_INVALID, "too deep");
	if (parse_command(r, &e) < 0)
		return -1;
	while (at(r, '|')) {
		struct expr *next = NULL;

		r->p++;
		if (parse_command(r, &next) < 0)
			return -1;
		expr_add(next, take(e));
		e = next;
		if (e->kind != EXPR_CALL)
			return err_set(r->err, ERR_INVALID, "what follows '|' is no function");
	}
	r->depth--;
	*ret = take(e);
	return 0;
}

/* `$v :=` or `$k, $v :=`, where it is there. */
static void parse_vars(struct reader *r, struct node *n)
{
	struct reader look = *r;
	autofree char *first = NULL, *second = NULL;

	skip_space(&look);
	if (!at(&look, '$'))
		return;
	look.p++;
	first = take_word(&look);
	skip_space(&look);
	if (at(&look, ',')) {
		look.p++;
		skip_space(&look);
		if (!at(&look, '$'))
			return;
		look.p++;
		second = take_word(&look);
		skip_space(&look);
	}
	if (look.end - look.p < 2 || look.p[0] != ':' || look.p[1] != '=')
		return;
	r->p = look.p + 2;
	n->vars[0] = second ? take(first) : NULL;
	n->vars[1] = second ? take(second) : take(first);
}

/* nodes -------------------------------------------------------------------------------------- */

enum stop { STOP_TEXT_END, STOP_END, STOP_ELSE, STOP_ELSE_IF };

struct parser {
	const char *p;
	bool trim; /* the last action ended with -}} */
	int depth;
	struct reader else_if; /* where a list was stopped by STOP_ELSE_IF */
	struct err *err;
};

static int parse_nodes(struct parser *ps, struct node **ret, enum stop *ret_stop);

static void add_text(struct parser *ps, const char *end, bool trim_end, struct node ***tail)
{
	const char *p = ps->p;

	if (ps->trim)
		while (p < end && isspace((unsigned char) *p))
			p++;
	if (trim_end)
		while (end > p && isspace((unsigned char) end[-1]))
			end--;
	if (p == end)
		return;

	struct node *n = xnew(struct node);

	n->kind = NODE_TEXT;
	n->text = xstrndup(p, (size_t) (end - p));
	**tail = n;
	*tail = &n->next;
}

/* Finds the }} that ends an action, past quoted strings. */
static const char *action_end(const char *p)
{
	for (; *p; p++) {
		if (*p == '"' || *p == '`') {
			char quote = *p++;

			while (*p && *p != quote)
				p += *p == '\\' && quote == '"' && p[1] ? 2 : 1;
			if (!*p)
				return NULL;
		} else if (p[0] == '}' && p[1] == '}') {
			return p;
		}
	}
	return NULL;
}

static bool keyword(struct reader *r, const char *word)
{
	size_t n = strlen(word);

	skip_space(r);
	if (word_length(r) != n || memcmp(r->p, word, n) != 0)
		return false;
	r->p += n;
	return true;
}

static int parse_expr(struct reader *r, struct node *n)
{
	parse_vars(r, n);
	if (parse_pipeline(r, &n->expr) < 0)
		return -1;
	if (r->p != r->end)
		return err_set(r->err, ERR_INVALID, "unexpected \"%.*s\"", (int) (r->end - r->p),
			       r->p);
	return 0;
}

/* The rest of {{if}}, {{range}}, {{with}}, whose expression starts at r. */
static int parse_block(struct parser *ps, struct reader *r, struct node *n)
{
	enum stop stop;

	if (++ps->depth > DEPTH_MAX)
		return err_set(ps->err, ERR_INVALID, "too deep");
	if (parse_expr(r, n) < 0 || parse_nodes(ps, &n->body, &stop) < 0)
		return -1;
	if (stop == STOP_ELSE_IF) {
		struct reader again = ps->else_if;

		n->otherwise = xnew(struct node);
		n->otherwise->kind = NODE_IF;
		if (parse_block(ps, &again, n->otherwise) < 0)
			return -1;
		stop = STOP_END;
	} else if (stop == STOP_ELSE && parse_nodes(ps, &n->otherwise, &stop) < 0) {
		return -1;
	}
	if (stop != STOP_END)
		return err_set(ps->err, ERR_INVALID, "an {{end}} is missing");
	ps->depth--;
	return 0;
}

/* The inside of one action. 1 where it ends the list of nodes, with *ret_stop. */
static int parse_action(struct parser *ps, struct reader *r, struct node ***tail,
			enum stop *ret_stop)
{
	struct node *n;

	skip_space(r);
	if (r->end - r->p >= 2 && !memcmp(r->p, "/*", 2))
		return 0;
	if (keyword(r, "end")) {
		*ret_stop = STOP_END;
		return 1;
	}
	if (keyword(r, "else")) {
		*ret_stop = keyword(r, "if") ? STOP_ELSE_IF : STOP_ELSE;
		ps->else_if = *r;
		return 1;
	}
	n = xnew(struct node);
	**tail = n;
	*tail = &n->next;
	n->kind = keyword(r, "if")	? NODE_IF
		  : keyword(r, "range") ? NODE_RANGE
		  : keyword(r, "with")	? NODE_WITH
					: NODE_PRINT;
	return n->kind == NODE_PRINT ? parse_expr(r, n) : parse_block(ps, r, n);
}

static int parse_nodes(struct parser *ps, struct node **ret, enum stop *ret_stop)
{
	struct node **tail = ret;

	for (;;) {
		const char *open = strstr(ps->p, "{{");

		if (!open) {
			add_text(ps, ps->p + strlen(ps->p), false, &tail);
			ps->p += strlen(ps->p);
			*ret_stop = STOP_TEXT_END;
			return 0;
		}

		bool trim = open[2] == '-' && isspace((unsigned char) open[3]);
		struct reader r = {.p = open + (trim ? 3 : 2), .err = ps->err};
		const char *close = action_end(r.p);
		int done;

		add_text(ps, open, trim, &tail);
		if (!close)
			return err_set(ps->err, ERR_INVALID, "unclosed action");
		ps->trim =
			close - r.p >= 2 && close[-1] == '-' && isspace((unsigned char) close[-2]);
		ps->p = close + 2;
		r.end = close - (ps->trim ? 1 : 0);
		while (r.end > r.p && isspace((unsigned char) r.end[-1]))
			r.end--;
		done = parse_action(ps, &r, &tail, ret_stop);
		if (done != 0)
			return done < 0 ? -1 : 0;
	}
}

int template_parse(const char *text, struct template **ret, struct err *err)
{
	struct parser ps = {.p = text, .err = err};
	autotemplate t = xnew(struct template);
	enum stop stop;

	if (parse_nodes(&ps, &t->nodes, &stop) < 0)
		return err_wrap(err, "template parsing error");
	if (stop != STOP_TEXT_END)
		return err_set(err, ERR_INVALID, "template parsing error: unexpected {{%s}}",
			       stop == STOP_END ? "end" : "else");
	*ret = take(t);
	return 0;
}

static bool expr_mentions(const struct expr *e, const char *name)
{
	if (!e)
		return false;
	if (e->kind == EXPR_FIELD && e->args[0]->kind == EXPR_DOT && str_eq(e->name, name))
		return true;
	for (size_t i = 0; i < e->n_args; i++)
		if (expr_mentions(e->args[i], name))
			return true;
	return false;
}

static bool nodes_mention(const struct node *n, const char *name)
{
	for (; n; n = n->next)
		if (expr_mentions(n->expr, name) || nodes_mention(n->body, name) ||
		    nodes_mention(n->otherwise, name))
			return true;
	return false;
}

bool template_mentions(const struct template *t, const char *name)
{
	return nodes_mention(t->nodes, name);
}
