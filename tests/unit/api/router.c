/* Paths, versions, and JSON on its way out. */
#include "api/docker/docker.h"

#include "test.h"

static const char *note_of(const char *method, const char *path, char **ret_name)
{
	static const struct route routes[] = {
		{"GET", "/images/json", NULL, "list"},
		{"GET", "/images/get", NULL, "get-many"},
		{"GET", "/images/{name*}/json", NULL, "inspect"},
		{"POST", "/images/{name*}/tag", NULL, "tag"},
		{"DELETE", "/images/{name*}", NULL, "remove"},
		{"GET", "/containers/{name}/json", NULL, "container"},
		{"DELETE", "/containers/{name}", NULL, "remove container"},
		{NULL},
	};
	autofree char *allow = NULL;
	const struct route *r = route_find(routes, method, path, ret_name, &allow);

	if (r)
		return r->note;
	*ret_name = xstrdup("");
	return allow ? "405" : "404";
}

#define assert_route(method, path, note, name)                            \
	do {                                                              \
		autofree char *name_ = NULL;                              \
		assert_string_equal(note_of(method, path, &name_), note); \
		assert_string_equal(name_, name);                         \
	} while (0)

TEST(names_of_images_may_have_slashes_and_those_of_containers_not)
{
	assert_route("GET", "/images/json", "list", "");
	assert_route("GET", "/images/get", "get-many", "");
	assert_route("GET", "/images/busybox/json", "inspect", "busybox");
	assert_route("GET", "/images/host:5000/a/b:c@sha256:d/json", "inspect",
		     "host:5000/a/b:c@sha256:d");
	assert_route("GET", "/images/json/json", "inspect", "json");
	assert_route("GET", "/images/a/json/json", "inspect", "a/json");
	assert_route("POST", "/images/a/tag", "tag", "a");
	assert_route("DELETE", "/images/a/b", "remove", "a/b");
	assert_route("GET", "/containers/a/json", "container", "a");
	assert_route("GET", "/containers/a/b/json", "404", "");
	assert_route("GET", "/containers//json", "404", "");
	assert_route("GET", "/containers/json", "405", "");
	assert_route("DELETE", "/containers/", "404", "");
	assert_route("GET", "/containers", "404", "");
	assert_route("PUT", "/images/a/tag", "405", "");
	assert_route("GET", "/", "404", "");
	assert_route("GET", "", "404", "");
}

static const char *split(const char *path, int *ret_version)
{
	static struct err err;
	const char *rest;

	err_clear(&err);
	return version_split(path, ret_version, &rest, &err) < 0 ? err.text : rest;
}

TEST(versions_are_negotiated)
{
	int v;

	assert_string_equal(split("/containers/json", &v), "/containers/json");
	assert_int_equal(v, 44);
	assert_string_equal(split("/v1.24/_ping", &v), "/_ping");
	assert_int_equal(v, 24);
	assert_string_equal(split("/v1.44/_ping", &v), "/_ping");
	assert_int_equal(v, 44);
	assert_string_equal(
		split("/v1.50/_ping", &v),
		"client version 1.50 is too new. Maximum supported API version is 1.44");
	assert_string_equal(split("/v2.0/_ping", &v),
			    "client version 2.0 is too new. Maximum supported API version is 1.44");
	assert_string_equal(split("/v1.23/_ping", &v),
			    "client version 1.23 is too old. Minimum supported API version is "
			    "1.24, please upgrade "
			    "your client to a newer version");
	assert_non_null(strstr(split("/v1/_ping", &v), "too old"));
	assert_non_null(strstr(split("/v1.9/_ping", &v), "too old"));
	assert_non_null(strstr(split("/v1.2.3/_ping", &v), "invalid API version"));
	assert_non_null(strstr(split("/v..../_ping", &v), "invalid API version"));
	assert_non_null(strstr(split("/v99999999999999999999999999999999/_ping", &v),
			       "invalid API version"));
	assert_string_equal(split("/version", &v), "/version");
	assert_string_equal(split("/volumes", &v), "/volumes");
	assert_string_equal(split("/v1.44", &v), "/v1.44");
}

TEST(json_is_written_with_commas_and_escapes)
{
	struct strmap m = {0};
	autoout o = {0};
	static const char *const v[] = {"a\"b", "\x01\n", NULL};

	strmap_set(&m, "k\"", "v\xff");
	out_object(&o, NULL);
	out_str(&o, "s", NULL);
	out_int(&o, "i", INT64_MIN);
	out_bool(&o, "t", true);
	out_null(&o, "n");
	out_array(&o, "empty");
	out_array_end(&o);
	out_strv(&o, "v", (char *const *) v);
	out_map(&o, "m", &m);
	out_object(&o, "inner");
	out_end(&o);
	out_fmt(&o, "f", "/%d", 7);
	out_end(&o);
	buf_addc(&o.b, '\0');
	assert_string_equal(
		o.b.text,
		"{\"s\":\"\",\"i\":-9223372036854775808,\"t\":true,\"n\":null,\"empty\":[],"
		"\"v\":[\"a\\\"b\",\"\\u0001\\n\"],\"m\":{\"k\\\"\":\"v\\ufffd\"},"
		"\"inner\":{},\"f\":\"/7\"}");
	strv_free(m.kv);
}

TEST(every_kind_of_error_has_its_status)
{
	static const struct {
		enum err_kind kind;
		int status;
	} rows[] = {
		{ERR_SYSTEM, 500},	  {ERR_INVALID, 400},	  {ERR_UNAUTHORIZED, 401},
		{ERR_FORBIDDEN, 403},	  {ERR_NOT_FOUND, 404},	  {ERR_CONFLICT, 409},
		{ERR_NOT_MODIFIED, 304},  {ERR_TOO_LARGE, 413},	  {ERR_NONE, 500},
		{ERR_NOT_SUPPORTED, 501}, {ERR_UNAVAILABLE, 503},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(status_of(&(struct err){.kind = rows[i].kind}), rows[i].status);
}

TEST(every_route_has_a_handler_and_refusals_say_what)
{
	for (const struct route *r = docker_routes; r->method; r++) {
		assert_non_null(r->handler);
		assert_int_equal(r->handler == not_supported, r->note != NULL);
	}
}
