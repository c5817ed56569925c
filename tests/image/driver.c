/*
 * The image store without a daemon, for tests/image/: one verb a call on the store below a data
 * root.
 *
 *	image-driver DATA_ROOT TOOL load|import [NAME [CHANGE...]]	< archive
 *	image-driver DATA_ROOT TOOL save REF...				> archive
 *	image-driver DATA_ROOT TOOL list|sweep
 *	image-driver DATA_ROOT TOOL inspect|lower|check REF
 *	image-driver DATA_ROOT TOOL tag REF REPO
 *	image-driver DATA_ROOT TOOL remove|force REF [running|stopped]
 *	image-driver DATA_ROOT TOOL prune
 *	image-driver DATA_ROOT TOOL storm FILE...	loads, saves and removes, a thread a file,
 * and then loads all
 *
 * Prints one line a thing; an error goes to stderr with exit code 1. `load` with DRIVER_HANG set
 * stops after that many bytes: it prints "hang" and waits to be killed; with DRIVER_FAIL the client
 * is gone after that many bytes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "base/thread.h"
#include "image/image.h"

static long long limit = -1;
static bool hang;
static long long seen;

static ssize_t read_stdin(void *arg, void *data, size_t n)
{
	ssize_t r;

	if (limit >= 0 && seen >= limit) {
		if (!hang)
			return -ECONNRESET;
		puts("hang");
		(void) fflush(stdout);
		for (;;)
			(void) pause();
	}
	if (limit >= 0 && (long long) n > limit - seen)
		n = (size_t) (limit - seen);
	r = read(STDIN_FILENO, data, n);
	seen += r;
	return r < 0 ? -errno : r;
}

static int write_stdout(void *arg, const void *data, size_t n)
{
	return write_all(STDOUT_FILENO, data, n);
}

static void in_use(void *arg, const char *id, char ret[13], bool *ret_running)
{
	const char *how = arg;

	strcpy(ret, how ? "0123456789ab" : "");
	*ret_running = str_eq(how, "running");
}

static void print_changes(const struct image_changes *c)
{
	static const char *const what[] = {"loaded", "tagged", "untagged", "deleted", "imported"};

	for (size_t i = 0; i < c->list.n; i++) {
		const struct image_change *ch = objects_at(&c->list, struct image_change, i);

		printf("%s %s %s\n", what[ch->what], ch->id, ch->name ? ch->name : "-");
	}
}

static int list(struct images *s)
{
	struct image **all;
	size_t n;

	images_list(s, &all, &n);
	for (size_t i = 0; i < n; i++) {
		autostrv char **tags = image_tags(s, all[i]);
		autofree char *text = strv_join(tags, ",");

		printf("%s %s %lld\n", all[i]->id, *text ? text : "-", (long long) all[i]->size);
	}
	image_list_free(all, n);
	return 0;
}

static int show(struct images *s, const char *verb, const char *ref, struct err *err)
{
	auto_(image_unref_p) struct image *im = NULL;
	autostrv char **lower = NULL;

	if (image_resolve(s, ref, &im, err) < 0)
		return -1;
	if (str_eq(verb, "check"))
		return check_container_image_exist(s, im->id, err);
	if (str_eq(verb, "inspect")) {
		json_t *config = fields_save(config_fields, &im->config);

		(void) json_object_set_new(config, "Id", json_string(im->id));
		(void) json_object_set_new(config, "Comment",
					   json_string(im->comment ? im->comment : ""));
		(void) json_dumpf(config, stdout, JSON_COMPACT);
		json_decref(config);
		puts("");
		return 0;
	}
	lower = image_lower(s, im);
	for (char **l = lower; l && *l; l++)
		puts(*l);
	return 0;
}

/* Many at once */

struct storm {
	struct images *s;
	char **files;
	int rounds;
};

static ssize_t read_fd(void *arg, void *data, size_t n)
{
	ssize_t r = read(*(int *) arg, data, n);

	return r < 0 ? -errno : r;
}

static int drop(void *arg, const void *data, size_t n)
{
	return 0;
}

static void storm_load(struct images *s, const char *file, char *ret_id)
{
	autoclose int fd = open(file, O_RDONLY | O_CLOEXEC);
	const struct image_source in = {read_fd, &fd};
	struct image_changes changes = {0};
	struct err err = {0};

	if (images_load(s, &in, &changes, &err) < 0) {
		fprintf(stderr, "%s: %s\n", file, err.text);
		exit(4);
	}
	strcpy(ret_id, objects_at(&changes.list, struct image_change, 0)->id);
	image_changes_free(&changes);
}

static void storm_one(void *arg, size_t i)
{
	const struct storm *storm = arg;
	const struct image_users nobody = {in_use, NULL};
	const struct image_sink out = {drop, NULL};
	char id[80];

	for (int round = 0; round < storm->rounds; round++) {
		struct image_changes changes = {0};
		struct err err = {0};

		storm_load(storm->s, storm->files[i], id);
		if (check_container_image_exist(storm->s, id, &err) < 0 ||
		    images_save(storm->s, (char *[]){id, NULL}, &out, &err) < 0 ||
		    images_remove(storm->s, id, true, false, &nobody, &changes, &err) < 0) {
			fprintf(stderr, "%s: %s\n", storm->files[i], err.text);
			exit(4);
		}
		image_changes_free(&changes);
	}
	storm_load(storm->s, storm->files[i], id);
}

static int run(struct images *s, char **argv, struct image_changes *changes, struct err *err)
{
	const struct image_source in = {read_stdin, NULL};
	const struct image_sink out = {write_stdout, NULL};
	struct image_users users = {in_use, argv[0] && argv[1] ? argv[2] : NULL};
	const char *verb = argv[0];

	if (str_eq(verb, "load"))
		return images_load(s, &in, changes, err);
	if (str_eq(verb, "import"))
		return images_import(s, &in, argv[1], NULL, NULL, argv[1] ? argv + 2 : NULL, NULL,
				     changes, err);
	if (str_eq(verb, "save"))
		return images_save(s, argv + 1, &out, err);
	if (str_eq(verb, "list"))
		return list(s);
	if (str_eq(verb, "sweep"))
		return 0;
	if (str_eq(verb, "storm")) {
		size_t n = strv_len(argv + 1);

		parallel_for(n, (unsigned) n, storm_one, &(struct storm){s, argv + 1, 5});
		return 0;
	}
	if (str_eq(verb, "tag"))
		return images_tag(s, argv[1], argv[2], NULL, changes, err);
	if (str_eq(verb, "prune"))
		return images_prune(s, NULL, &users, changes, err);
	if (str_eq(verb, "remove") || str_eq(verb, "force"))
		return images_remove(s, argv[1], str_eq(verb, "force"), false, &users, changes,
				     err);
	return show(s, verb, argv[1], err);
}

int main(int argc, char **argv)
{
	struct image_changes changes = {0};
	struct images *s;
	struct err err = {0};
	int r;

	if (argc < 4)
		return 2;
	if (getenv("DRIVER_HANG") || getenv("DRIVER_FAIL")) {
		hang = getenv("DRIVER_HANG") != NULL;
		limit = atoll(getenv(hang ? "DRIVER_HANG" : "DRIVER_FAIL"));
	}
	log_set_level(LOG_LEVEL_WARN);
	if (images_open(argv[1], argv[2], &s, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 3;
	}
	images_sweep(s, false);
	r = run(s, argv + 3, &changes, &err);
	print_changes(&changes);
	image_changes_free(&changes);
	images_close(s);
	if (r < 0)
		fprintf(stderr, "%s\n", err.text);
	return r < 0 ? 1 : 0;
}
