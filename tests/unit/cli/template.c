/* Go templates: what they make of a value, against what Go makes of it. */
#include "cli/template.h"

#include "test.h"

static const char value_text[] =
	"{\"Id\": \"abc\", \"N\": 3, \"Yes\": true, \"None\": null, \"Real\": 0.5,"
	" \"State\": {\"Status\": \"running\", \"Pid\": 12},"
	" \"Cmd\": [\"sh\", \"-c\", \"x\"], \"Empty\": [],"
	" \"Labels\": {\"b\": \"2\", \"a.b\": \"1\"},"
	" \"Mounts\": [{\"Source\": \"/a\"}, {\"Source\": \"/b\"}]}";

static struct err err;

/* The text, or "!" and the error. */
static char *run(const char *text)
{
	autojson json_t *value = json_loads(value_text, 0, NULL);
	autotemplate t = NULL;
	autobuf out = {0};

	err_clear(&err);
	if (template_parse(text, &t, &err) < 0 || template_run(t, value, &out, &err) < 0)
		return xasprintf("!%s", err.text);
	return buf_take(&out);
}

static void check(const char *text, const char *wanted)
{
	autofree char *got = run(text);

	assert_string_equal(got, wanted);
}

TEST(fields_print_as_go_prints_them)
{
	check("{{.Id}}", "abc");
	check("<{{ .State.Status }}>", "<running>");
	check("{{.N}} {{.Yes}} {{.None}} {{.Real}}", "3 true <nil> 0.5");
	check("{{.Cmd}} {{.Empty}}", "[sh -c x] []");
	check("{{.Labels}}", "map[a.b:1 b:2]");
	check("plain", "plain");
	check("", "");
}

TEST(functions_and_pipelines)
{
	check("{{json .State}}", "{\"Status\":\"running\",\"Pid\":12}");
	check("{{.Cmd | json}}", "[\"sh\",\"-c\",\"x\"]");
	check("{{join .Cmd \" \"}}", "sh -c x");
	check("{{.Id | upper | printf \"%s-%s\" \"x\"}}", "x-ABC");
	check("{{title .State.Status}} {{lower \"AB\"}} {{len .Cmd}}", "Running ab 3");
	check("{{index .Labels \"a.b\"}}{{index .Cmd 1}}", "1-c");
	check("{{.Labels \"b\"}}{{.Labels \"none\"}}", "2");
	check("{{index (split \"a,b\" \",\") 1}}", "b");
	check("{{printf \"%-5s|%3d|%q\" .Id .N .Id}}", "abc  |  3|\"abc\"");
	check("{{truncate .Id 2}}{{pad .Id 1 2}}.", "ab abc  .");
	check("{{println .Id}}", "abc\n");
	check("{{(index .Mounts 1).Source}}", "/b");
	check("{{`raw`}}{{\"a\\tb\"}}", "rawa\tb");
}

TEST(blocks)
{
	check("{{range .Mounts}}{{.Source}} {{end}}", "/a /b ");
	check("{{range $i, $m := .Mounts}}{{$i}}={{$m.Source}};{{end}}", "0=/a;1=/b;");
	check("{{range $k, $v := .Labels}}{{$k}}:{{$v}} {{end}}", "b:2 a.b:1 ");
	check("{{range .Empty}}x{{else}}none of {{.Id}}{{end}}", "none of abc");
	check("{{if .Yes}}y{{else}}n{{end}}{{if .None}}y{{else}}n{{end}}", "yn");
	check("{{if eq .State.Status \"dead\"}}1{{else if gt .N 2}}2{{else}}3{{end}}", "2");
	check("{{with .State}}{{.Pid}} {{$.Id}}{{end}}", "12 abc");
	check("{{if and .Yes (not .None) (or .None .Id)}}ok{{end}}", "ok");
	check("{{$x := .N}}{{$x}}", "3");
	check("a {{- .Id -}}  b{{/* note */}}", "aabcb");
}

TEST(what_is_wrong_is_named)
{
	check("{{.Nope}}", "!template: no field .Nope here");
	check("{{.State.Nope}}", "!template: no field .Nope here");
	check("{{.Id", "!template parsing error: unclosed action");
	check("{{range .Cmd}}", "!template parsing error: an {{end}} is missing");
	check("{{end}}", "!template parsing error: unexpected {{end}}");
	check("{{nope .Id}}", "!template: function \"nope\" not defined");
	check("{{join .Cmd}}", "!template: wrong number of arguments for join");
	check("{{index .Cmd 9}}", "!template: index out of range: 9");
	check("{{$x}}", "!template: undefined variable \"$x\"");
	check("{{}}", "!template parsing error: unexpected \"\"");
	check("{{\"x}}", "!template parsing error: unclosed action");
	check("{{.Id | .N}}", "!template parsing error: what follows '|' is no function");
}

TEST(deep_nesting_is_refused)
{
	autobuf b = {0};
	autofree char *got = NULL;

	for (int i = 0; i < 5000; i++)
		buf_adds(&b, "{{if .Id}}");
	got = run(b.text);
	assert_string_equal(got, "!template parsing error: too deep");
	b.len = 0;
	buf_adds(&b, "{{");
	for (int i = 0; i < 5000; i++)
		buf_addc(&b, '(');
	buf_adds(&b, "}}");
	free(take(got));
	got = run(b.text);
	assert_string_equal(got, "!template parsing error: too deep");
}

TEST(fields_that_are_mentioned_are_found)
{
	autotemplate t = NULL;

	assert_int_equal(template_parse("{{if .A}}{{json .Size}}{{end}}", &t, &err), 0);
	assert_true(template_mentions(t, "Size"));
	assert_true(template_mentions(t, "A"));
	assert_false(template_mentions(t, "B"));
}
