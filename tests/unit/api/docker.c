/* The API on an engine of straw, over a socket: what a client sends, and what it gets. */
#include "api/api.h"

#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/time.h"
#include "fake_engine.h"
#include "test.h"

static struct engine *engine;
static struct api *api;
static struct http_server *server;
static char socket_path[100];

static void start(void)
{
	struct err err;
	int fd;

	snprintf(socket_path, sizeof socket_path, "%s/api.sock", test_dir());
	engine = fake_engine_new();
	api = api_new(&(struct api_options){.engine = engine, .init_path = "/usr/bin/tini"});
	assert_int_equal(http_listen_unix(socket_path, -1, &fd, &err), 0);
	assert_int_equal(http_server_new(api_handle, api, 16, &server, &err), 0);
	http_server_add(server, fd);
	assert_int_equal(http_server_start(server, &err), 0);
}

static void stop(void)
{
	fake_engine_end(engine);
	http_server_stop(server, 2000);
	api_free(api);
	fake_engine_free(engine);
}

/* A connection on which this has been asked; the head is read later. */
static int asked(const char *method, const char *path, const char *body)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	autobuf b = {0};

	snprintf(addr.sun_path, sizeof addr.sun_path, "%s", socket_path);
	assert_int_equal(connect(fd, (struct sockaddr *) &addr, sizeof addr), 0);
	buf_addf(&b, "%s %s HTTP/1.1\r\nHost: d\r\nConnection: close\r\n", method, path);
	if (body)
		buf_addf(&b, "Content-Length: %zu\r\n", strlen(body));
	buf_adds(&b, "\r\n");
	if (body)
		buf_adds(&b, body);
	assert_int_equal(write_all(fd, b.text, b.len), 0);
	return fd;
}

/* Adds what comes next to b; false at the end. */
static bool more(int fd, struct buf *b)
{
	ssize_t r = read(fd, buf_reserve(b, 65537), 65536);

	if (r <= 0)
		return false;
	b->len += (size_t) r;
	b->text[b->len] = '\0';
	return true;
}

/* Reads until text has come. */
static void until(int fd, struct buf *b, const char *text)
{
	while (!b->len || !strstr(b->text, text))
		assert_true(more(fd, b));
}

static char last_head[2048];

/* Takes the chunks of an answer together, in place. */
static void unchunk(char *body)
{
	char *out = body, *in = body;

	for (;;) {
		size_t n = strtoul(in, &in, 16);

		if (n == 0)
			break;
		memmove(out, in + 2, n);
		out += n;
		in += 2 + n + 2;
	}
	*out = '\0';
}

/* Asks, checks the status, and gives the body (caller frees; NUL bytes in it are the caller's
 * care). */
static char *ask_body(int status, const char *method, const char *path, const char *body)
{
	int fd = asked(method, path, body);
	autobuf b = {0};
	char *end;

	while (more(fd, &b))
		;
	close(fd);
	assert_true(b.len > 12);
	end = strstr(b.text, "\r\n\r\n");
	assert_non_null(end);
	snprintf(last_head, sizeof last_head, "%.*s", (int) (end - b.text), b.text);
	if (atoi(b.text + 9) != status)
		fail_msg("%s %s: %s", method, path, b.text);
	memmove(b.text, end + 4, b.len - (size_t) (end + 4 - b.text) + 1);
	if (strstr(last_head, "chunked"))
		unchunk(b.text);
	return buf_take(&b);
}

/* As ask_body(), parsed. */
static json_t *ask(int status, const char *method, const char *path, const char *body)
{
	autofree char *text = ask_body(status, method, path, body);
	json_error_t where;
	json_t *j = json_loads(text, 0, &where);

	if (!j && *text)
		fail_msg("%s %s: not JSON: %s", method, path, text);
	return j;
}

static void expect(int status, const char *method, const char *path, const char *body)
{
	autojson json_t *j = ask(status, method, path, body);
}

static void expect_message(int status, const char *method, const char *path, const char *body,
			   const char *part)
{
	autojson json_t *j = ask(status, method, path, body);

	if (!json_str(j, "message") || !strstr(json_str(j, "message"), part))
		fail_msg("%s %s: message \"%s\"", method, path, json_str(j, "message"));
}

#define NONE "\"HostConfig\":{\"NetworkMode\":\"none\"}"
static void create(const char *name)
{
	autofree char *path = xasprintf("/containers/create?name=%s", name);

	expect(201, "POST", path,
	       "{\"Image\":\"busybox\",\"Cmd\":[\"echo\",\"a b\"],\"Labels\":{\"x\":\"y\"}," NONE
	       "}");
}

TEST(ping_tells_the_version)
{
	start();
	for (int i = 0; i < 3; i++) {
		static const char *const paths[] = {"/_ping", "/v1.41/_ping", "/v1.24/_ping/"};
		autofree char *get = ask_body(200, "GET", paths[i], NULL);
		autofree char *head = ask_body(200, "HEAD", paths[i], NULL);

		assert_string_equal(get, "OK");
		assert_string_equal(head, "");
		assert_non_null(strstr(last_head, "Api-Version: 1.44\r\n"));
		assert_non_null(strstr(last_head, "Docker-Experimental: false\r\n"));
		assert_non_null(strstr(last_head, "Ostype: linux\r\n"));
		assert_non_null(strstr(last_head, "Builder-Version: 1\r\n"));
		assert_non_null(strstr(last_head, "Swarm: inactive\r\n"));
	}
	stop();
}

TEST(what_is_not_here_says_so)
{
	start();
	expect_message(404, "GET", "/nonsense", NULL, "page not found");
	expect_message(404, "GET", "/v1.41/nonsense", NULL, "page not found");
	expect_message(405, "DELETE", "/version", NULL, "method not allowed");
	assert_non_null(strstr(last_head, "Allow: GET\r\n"));
	expect_message(400, "GET", "/v1.99/info", NULL, "too new");
	expect_message(400, "GET", "/v1.10/info", NULL, "too old");
	expect_message(501, "POST", "/build", NULL, "building images");
	expect_message(404, "POST", "/networks/none/connect", "{\"Container\":\"x\"}", "No such");
	expect_message(400, "POST", "/networks/none/connect", "{}", "container name");
	expect_message(501, "POST", "/images/create?fromImage=busybox", NULL,
		       "pulling from registries is not supported yet");
	expect_message(404, "GET", "/volumes/x", NULL, "no such volume");
	expect_message(404, "GET", "/networks/web", NULL, "network web not found");
	expect_message(404, "GET", "/plugins/x/json", NULL, "plugin \"x\" not found");
	expect_message(404, "GET", "/containers/x/json", NULL, "No such container: x");
	expect_message(404, "GET", "/images/x/json", NULL, "No such image: x:latest");
	expect_message(503, "GET", "/nodes", NULL, "not a swarm manager");
	expect_message(503, "GET", "/secrets/x", NULL, "not a swarm manager");
	stop();
}

TEST(info_and_version_are_whole)
{
	start();
	autojson json_t *info = ask(200, "GET", "/info", NULL);
	autojson json_t *version = ask(200, "GET", "/version", NULL);

	assert_true(json_is_true(json_object_get(info, "LiveRestoreEnabled")));
	assert_string_equal(json_str(info, "Driver"), "overlay2");
	assert_string_equal(json_str(info, "DefaultRuntime"), "straw");
	assert_string_equal(json_str(info, "InitBinary"), "tini");
	assert_string_equal(json_str(json_object_get(info, "Swarm"), "LocalNodeState"), "inactive");
	assert_true(json_int(info, "NCPU", 0) > 0);
	assert_true(json_int(info, "MemTotal", 0) > 1 << 20);
	assert_int_equal(json_int(info, "Images", 0), 2);
	assert_true(strlen(json_str(info, "OperatingSystem")) > 2);
	assert_string_equal(json_str(version, "ApiVersion"), "1.44");
	assert_string_equal(json_str(version, "MinAPIVersion"), "1.24");
	assert_true(strlen(json_str(version, "KernelVersion")) > 2);
	stop();
}

TEST(a_container_is_made_shown_and_removed)
{
	start();
	autojson json_t *made =
		ask(201, "POST",
		    "/v1.44/containers/create?name=web&Image=ignored&Cmd=a&Cmd=b&Whatever=1",
		    "{\"Image\":\"busybox\",\"Cmd\":[\"echo\",\"a b\"],\"Unknown\":[],\"Env\":null,"
		    "\"HostConfig\":{\"NetworkMode\":\"none\",\"Binds\":null,\"Nonsense\":{}},"
		    "\"NetworkingConfig\":{\"EndpointsConfig\":{\"default\":{\"GwPriority\":0}}}}");
	autojson json_t *list = ask(200, "GET", "/containers/json?all=True", NULL);
	autojson json_t *running = ask(200, "GET", "/containers/json?limit=-1&size=0", NULL);
	autojson json_t *inspect = ask(200, "GET", "/containers/web/json?size=1", NULL);
	const json_t *c = json_array_get(list, 0), *state = json_object_get(inspect, "State");

	assert_string_equal(json_string_value(json_array_get(json_object_get(made, "Warnings"), 0)),
			    "this is straw");
	assert_int_equal(json_array_size(list), 1);
	assert_int_equal(json_array_size(running), 0);
	assert_string_equal(json_str(c, "Id"), json_str(made, "Id"));
	assert_string_equal(json_str(c, "Command"), "echo 'a b'");
	assert_string_equal(json_str(c, "Image"), "busybox");
	assert_string_equal(json_str(c, "State"), "created");
	assert_string_equal(json_string_value(json_array_get(json_object_get(c, "Names"), 0)),
			    "/web");
	assert_string_equal(json_str(json_object_get(c, "HostConfig"), "NetworkMode"), "none");
	assert_null(json_object_get(c, "SizeRw"));
	assert_string_equal(json_str(inspect, "Name"), "/web");
	assert_string_equal(json_str(inspect, "Path"), "echo");
	assert_string_equal(json_str(state, "Status"), "created");
	assert_string_equal(json_str(state, "StartedAt"), "0001-01-01T00:00:00Z");
	assert_string_equal(json_str(json_object_get(inspect, "Config"), "Image"), "busybox");
	assert_int_equal(json_int(inspect, "SizeRootFs", 0), 22);
	assert_non_null(json_object_get(
		json_object_get(json_object_get(inspect, "NetworkSettings"), "Networks"), "none"));

	expect(204, "POST", "/containers/web/start", "{}");
	expect(304, "POST", "/containers/web/start", NULL);
	expect(204, "POST", "/containers/web/pause", NULL);
	expect(409, "POST", "/containers/web/pause", NULL);
	expect(204, "POST", "/containers/web/unpause", NULL);
	expect(204, "POST", "/containers/web/rename?name=www", NULL);
	expect(400, "POST", "/containers/www/rename", NULL);
	expect(400, "POST", "/containers/www/update", NULL);
	expect(400, "POST", "/containers/www/update", "[]");
	expect(400, "POST", "/containers/www/update", "{\"Memory\":\"x\"}");
	expect(400, "POST", "/containers/www/update", "{\"RestartPolicy\":{\"Name\":\"missing\"}}");
	expect(404, "POST", "/containers/nobody/update", "{}");
	autojson json_t *updated =
		ask(200, "POST", "/containers/www/update",
		    "{\"memory\":77,\"PidsLimit\":-1,\"KernelMemory\":1,\"Devices\":[]}");
	assert_string_equal(
		json_string_value(json_array_get(json_object_get(updated, "Warnings"), 0)),
		"no kernel memory limit");
	autojson json_t *limits = ask(200, "GET", "/containers/www/json", NULL);
	assert_int_equal(json_int(json_object_get(limits, "HostConfig"), "Memory", 0), 77);
	assert_int_equal(json_int(json_object_get(limits, "HostConfig"), "PidsLimit", 9), 0);
	/* Old clients did not know this limit: theirs is no wish. */
	expect(200, "POST", "/v1.39/containers/www/update", "{\"PidsLimit\":5}");
	expect(409, "DELETE", "/containers/www", NULL);
	expect(204, "POST", "/containers/www/restart?t=1", NULL);
	expect(204, "POST", "/containers/www/stop?t=7", NULL);
	expect(304, "POST", "/containers/www/stop", NULL);
	expect(400, "POST", "/containers/www/stop?t=x", NULL);
	expect(409, "POST", "/containers/www/kill?signal=9", NULL);
	autojson json_t *after = ask(200, "GET", "/containers/www/json", NULL);
	assert_int_equal(json_int(json_object_get(after, "State"), "ExitCode", -1), 7);
	expect(501, "DELETE", "/containers/www?link=1", NULL);
	expect(204, "DELETE", "/containers/www?v=True&link=False&force=False", NULL);
	expect(404, "DELETE", "/containers/www", NULL);
	stop();
}

TEST(requests_to_create_are_checked)
{
	static const char create_path[] = "/containers/create";

	start();
	expect_message(400, "POST", create_path, NULL, "EOF");
	expect_message(400, "POST", create_path, "{\"Image\":", "invalid JSON");
	expect_message(400, "POST", create_path, "[]", "must be an object");
	expect_message(400, "POST", create_path, "{}", "config cannot be empty");
	expect_message(400, "POST", create_path, "{\"Image\":7}", "Image: must be a string");
	expect_message(400, "POST", create_path, "{\"Image\":\"a\\u0000b\"}", "invalid JSON");
	expect_message(400, "POST", create_path,
		       "{\"Image\":\"busybox\",\"HostConfig\":{\"Memory\":\"1g\"}}",
		       "HostConfig.Memory: must be a whole number");
	expect_message(400, "POST", create_path, "{\"Image\":\"busybox\",\"HostConfig\":[]}",
		       "HostConfig: must be an object");
	expect_message(404, "POST", create_path, "{\"Image\":\"missing\"}", "No such image");
	expect_message(
		400, "POST", create_path,
		"{\"Image\":\"busybox\",\"NetworkingConfig\":{\"EndpointsConfig\":{\"web\":3}}}",
		"EndpointsConfig.web: must be an object");
	expect_message(400, "POST", create_path,
		       "{\"Image\":\"busybox\",\"NetworkingConfig\":{\"EndpointsConfig\":3}}",
		       "must be an object");
	expect(201, "POST", "/containers/create?name=fails",
	       "{\"Image\":\"busybox\",\"Cmd\":[\"fail\"]," NONE "}");
	expect_message(500, "POST", "/containers/fails/start", NULL, "crun: it broke");
	expect_message(400, "POST", "/containers/fails/start", "{\"Binds\":[]}",
		       "non-empty request body");
	stop();
}

TEST(filters_are_read_in_both_shapes)
{
	start();
	create("one");
	create("two");
	autojson json_t *go = ask(
		200, "GET",
		"/containers/json?all=1&filters=%7B%22name%22%3A%7B%22one%22%3Atrue%7D%7D", NULL);
	autojson json_t *py =
		ask(200, "GET", "/containers/json?all=1&filters=%7B%22name%22%3A%5B%22t.o%22%5D%7D",
		    NULL);

	assert_int_equal(json_array_size(go), 1);
	assert_int_equal(json_array_size(py), 1);
	expect_message(400, "GET", "/containers/json?filters=%7B%22nonsense%22%3A%5B%22x%22%5D%7D",
		       NULL, "invalid filter");
	expect(400, "GET", "/containers/json?filters=nonsense", NULL);
	expect(400, "GET", "/containers/json?limit=many", NULL);
	stop();
}

TEST(a_dead_container_is_listed_and_inspected)
{
	start();
	fake_engine_add_dead(engine, "ghost", "config.json: unexpected end");
	autojson json_t *list = ask(200, "GET", "/containers/json?all=1", NULL);
	autojson json_t *inspect = ask(200, "GET", "/containers/ghost/json", NULL);

	assert_string_equal(json_str(json_array_get(list, 0), "State"), "dead");
	assert_string_equal(json_str(json_object_get(inspect, "State"), "Error"),
			    "config.json: unexpected end");
	assert_true(json_is_true(json_object_get(json_object_get(inspect, "State"), "Dead")));
	expect(204, "DELETE", "/containers/ghost?force=1", NULL);
	stop();
}

TEST(wait_sends_its_head_at_once_and_the_code_at_the_end)
{
	start();
	create("w");
	int fd = asked("POST", "/containers/w/wait?condition=next-exit", NULL);
	autobuf b = {0};

	until(fd, &b, "\r\n\r\n");
	assert_null(strstr(b.text, "StatusCode"));
	expect(204, "POST", "/containers/w/start", NULL);
	fake_engine_exit(engine, "w", 42);
	until(fd, &b, "{\"StatusCode\":42,\"Error\":null}");
	until(fd, &b, "\r\n0\r\n\r\n");
	close(fd);
	expect(400, "POST", "/containers/w/wait?condition=nonsense", NULL);
	expect(404, "POST", "/containers/x/wait", NULL);
	autojson json_t *j = ask(200, "POST", "/containers/w/wait", NULL);
	assert_int_equal(json_int(j, "StatusCode", -1), 42);
	fd = asked("POST", "/containers/w/wait?condition=removed", NULL);
	b.len = 0;
	until(fd, &b, "\r\n\r\n");
	expect(204, "DELETE", "/containers/w", NULL);
	until(fd, &b, "42");
	close(fd);
	stop();
}

TEST(waits_end_with_the_client_or_with_us)
{
	start();
	create("w");
	autobuf a = {0}, b = {0};
	int gone = asked("POST", "/containers/w/wait?condition=removed", NULL);
	int stays = asked("POST", "/containers/w/wait?condition=removed", NULL);

	until(gone, &a, "\r\n\r\n");
	until(stays, &b, "\r\n\r\n");
	close(gone);
	stop(); /* does not hang */
	while (more(stays, &b))
		;
	assert_null(strstr(b.text, "\r\n0\r\n")); /* not a good end: there is no code */
	close(stays);
}

TEST(logs_are_framed_or_raw)
{
	start();
	create("l");
	fake_engine_log(engine, "l", LOG_STDOUT, "out\n");
	fake_engine_log(engine, "l", LOG_STDERR, "err\n");
	autofree char *both = ask_body(200, "GET", "/containers/l/logs?stdout=1&stderr=1", NULL);

	assert_memory_equal(both, "\1\0\0\0\0\0\0\4out\n\2\0\0\0\0\0\0\4err\n", 24);
	assert_non_null(strstr(last_head, "application/vnd.docker.multiplexed-stream"));
	autofree char *times = ask_body(
		200, "GET",
		"/v1.41/containers/l/logs?stderr=1&timestamps=1&tail=-1&since=0&details=1", NULL);
	assert_memory_equal(times,
			    "\2\0\0\0\0\0\0\x24"
			    "2023-11-14T22:13:20.123456789Z  err\n",
			    44);
	assert_non_null(strstr(last_head, "application/vnd.docker.raw-stream"));
	expect_message(400, "GET", "/containers/l/logs", NULL,
		       "you must choose at least one stream");
	expect(400, "GET", "/containers/l/logs?stdout=1&since=yesterday", NULL);
	expect(404, "GET", "/containers/x/logs?stdout=1", NULL);

	expect(201, "POST", "/containers/create?name=tty",
	       "{\"Image\":\"busybox\",\"Tty\":true," NONE "}");
	fake_engine_log(engine, "tty", LOG_STDOUT, "raw\r\n");
	autofree char *raw =
		ask_body(200, "GET", "/containers/tty/logs?stdout=1&stderr=1&tail=all", NULL);
	assert_string_equal(raw, "raw\r\n");
	stop();
}

TEST(logs_are_followed_to_the_end)
{
	start();
	create("l");
	expect(204, "POST", "/containers/l/start", NULL);
	int fd = asked("GET", "/containers/l/logs?stdout=1&follow=1", NULL);
	autobuf b = {0};

	until(fd, &b, "\r\n\r\n");
	fake_engine_log(engine, "l", LOG_STDOUT, "later\n");
	b.len = 0; /* zeroes of the frame would hide the text from strstr() */
	while (b.len < 6 || memcmp(b.text + b.len - 8, "later\n\r\n", 8) != 0)
		assert_true(more(fd, &b));
	fake_engine_exit(engine, "l", 0);
	while (more(fd, &b))
		;
	assert_memory_equal(b.text + b.len - 5, "0\r\n\r\n", 5);
	close(fd);
	stop();
}

TEST(events_are_streamed_and_filtered)
{
	start();
	autobuf b = {0}, ended = {0};
	int all = asked("GET", "/events?filters=%7B%22event%22%3A%5B%22create%22%2C%22die%22%5D%7D",
			NULL);
	int with_us = asked("GET", "/events", NULL);

	until(all, &b, "\r\n\r\n");
	until(with_us, &ended, "\r\n\r\n");
	create("e");
	expect(204, "POST", "/containers/e/start", NULL);
	fake_engine_exit(engine, "e", 0);
	until(all, &b, "\"Action\":\"create\"");
	until(all, &b, "\"Action\":\"die\"");
	assert_null(strstr(b.text, "\"Action\":\"start\""));
	close(all);
	expect(400, "GET", "/events?since=5&until=4", NULL);
	expect(400, "GET", "/events?filters=%7B%22nonsense%22%3A%5B%22x%22%5D%7D", NULL);
	autofree char *past = ask_body(200, "GET", "/events?since=1.5&until=2", NULL);
	assert_string_equal(past, "");
	stop();
	while (more(with_us, &ended))
		;
	assert_true(str_has_suffix(ended.text, "\r\n0\r\n\r\n"));
	close(with_us);
}

TEST(images_live)
{
	start();
	autojson json_t *list = ask(200, "GET", "/images/json", NULL);
	autojson json_t *inspect = ask(200, "GET", "/images/registry:5000/team/app:v1/json", NULL);
	autojson json_t *history = ask(200, "GET", "/images/busybox/history", NULL);

	assert_int_equal(json_array_size(list), 2);
	assert_int_equal(json_int(json_array_get(list, 0), "Containers", 0), -1);
	assert_null(json_object_get(json_array_get(list, 0), "VirtualSize"));
	assert_string_equal(json_str(inspect, "Os"), "linux");
	assert_string_equal(json_str(json_array_get(history, 0), "CreatedBy"), "CMD sh");
	assert_string_equal(json_str(json_array_get(history, 1), "Id"), "<missing>");

	autofree char *load = ask_body(200, "POST", "/images/load?quiet=1", "a tar");
	assert_string_equal(load, "{\"stream\":\"Loaded image: loaded:latest\\n\"}\n");
	assert_non_null(strstr(last_head, "Content-Type: application/json"));
	expect_message(400, "POST", "/images/load", "broken", "unrecognized");
	autofree char *import = ask_body(
		200, "POST", "/images/create?fromSrc=-&repo=made&tag=x&changes=CMD+a", "t");
	assert_non_null(strstr(import, "{\"status\":\"sha256:eee"));
	expect(501, "POST", "/images/create?fromSrc=http://x/y", NULL);
	expect(201, "POST", "/images/made:x/tag?repo=other&tag=y", NULL);
	autofree char *save =
		ask_body(200, "GET", "/images/get?names=busybox&names=other%3Ay", NULL);
	assert_string_equal(save, "tar of busybox\ntar of other:y\n");
	expect_message(404, "GET", "/images/missing/get", NULL, "No such image");
	expect(400, "GET", "/images/get", NULL);
	autojson json_t *removed = ask(200, "DELETE", "/images/other:y?force=0", NULL);
	assert_string_equal(json_str(json_array_get(removed, 0), "Untagged"), "other:y");
	assert_non_null(json_str(json_array_get(removed, 1), "Deleted"));
	autojson json_t *pruned = ask(200, "POST", "/images/prune", NULL);
	assert_int_equal(json_int(pruned, "SpaceReclaimed", -1), 0);
	stop();
}

TEST(networks_that_every_host_has_are_there)
{
	start();
	autojson json_t *list = ask(200, "GET", "/networks/", NULL);
	autojson json_t *some = ask(
		200, "GET", "/networks?filters=%7B%22name%22%3A%7B%22hos%22%3Atrue%7D%7D", NULL);
	autojson json_t *none = ask(200, "GET", "/networks/none", NULL);
	autojson json_t *volumes = ask(200, "GET", "/volumes", NULL);

	assert_int_equal(json_array_size(list), 3);
	assert_int_equal(json_array_size(some), 1);
	assert_string_equal(json_str(none, "Driver"), "null");
	assert_int_equal(json_array_size(json_object_get(volumes, "Volumes")), 0);
	assert_true(json_is_null(json_object_get(volumes, "Warnings")));
	expect_message(403, "DELETE", "/networks/host", NULL, "pre-defined");
	expect(404, "DELETE", "/networks/x", NULL);
	stop();
}

TEST(volumes_are_made_and_go)
{
	start();
	autojson json_t *made = ask(201, "POST", "/volumes/create",
				    "{\"Name\":\"v1\",\"Labels\":{\"a\":\"b\"},"
				    "\"DriverOpts\":{\"type\":\"tmpfs\",\"device\":\"tmpfs\"}}");
	autojson json_t *seen = ask(200, "GET", "/volumes/v1", NULL);
	autojson json_t *plain = ask(201, "POST", "/volumes/create", "{}");
	autojson json_t *list = ask(200, "GET", "/volumes", NULL);
	autojson json_t *pruned = ask(200, "POST", "/volumes/prune", NULL);

	assert_true(json_equal(made, seen));
	assert_string_equal(json_str(made, "Driver"), "local");
	assert_string_equal(json_str(made, "Scope"), "local");
	assert_string_equal(json_str(json_object_get(made, "Labels"), "a"), "b");
	assert_string_equal(json_str(json_object_get(made, "Options"), "type"), "tmpfs");
	assert_true(json_is_null(json_object_get(plain, "Options")));
	assert_int_equal(json_array_size(json_object_get(list, "Volumes")), 2);
	assert_true(json_is_null(json_object_get(pruned, "VolumesDeleted")));
	expect(204, "DELETE", "/volumes/v1", NULL);
	expect(404, "DELETE", "/volumes/v1", NULL);
	expect_message(503, "PUT", "/volumes/v1", "{}", "swarm");
	expect_message(503, "POST", "/volumes/create", "{\"ClusterVolumeSpec\":{}}", "swarm");
	stop();
}

TEST(prune_says_what_went)
{
	start();
	create("p");
	autojson json_t *j = ask(200, "POST", "/containers/prune", NULL);

	assert_int_equal(json_array_size(json_object_get(j, "ContainersDeleted")), 1);
	assert_int_equal(json_int(j, "SpaceReclaimed", 0), 12);
	expect(404, "GET", "/holdfast/restore", NULL);
	stop();
}
