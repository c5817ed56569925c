/*
 * Filters: making the BPF program of a seccomp profile takes libseccomp longer than all the rest of
 * a start, and the result is always the same. crun leaves it beside its state, and takes a ready
 * one by annotation; so the first start of a profile is watched, and the later ones get what it
 * made. Other runtimes leave nothing, and nothing is learnt.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <string.h>

#include "base/base64.h"
#include "base/file.h"
#include "base/thread.h"
#include "spec/private.h"

#define FILTERS_MAX 8
#define FILTER_MAX  (BPF_MAXINSNS * sizeof(struct sock_filter))

struct spec_filters {
	pthread_mutex_t lock;
	struct {
		char *profile; /* linux.seccomp, as it was written */
		char *program; /* base64 */
	} items[FILTERS_MAX];
	size_t next;
};

struct spec_filters *spec_filters_new(void)
{
	struct spec_filters *f = xnew(struct spec_filters);

	pthread_mutex_init(&f->lock, NULL);
	return f;
}

void spec_filters_free(struct spec_filters *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < FILTERS_MAX; i++) {
		free(f->items[i].profile);
		free(f->items[i].program);
	}
	pthread_mutex_destroy(&f->lock);
	free(f);
}

char *filters_find(struct spec_filters *f, const char *profile)
{
	hold(&f->lock);

	for (size_t i = 0; i < FILTERS_MAX; i++)
		if (str_eq(f->items[i].profile, profile))
			return xstrdup(f->items[i].program);
	return NULL;
}

void spec_filters_learn(struct spec_filters *f, const char *profile, const char *path)
{
	autofree char *program = NULL;
	size_t len;

	if (read_file_at(AT_FDCWD, path, FILTER_MAX, &program, &len) < 0 || len == 0 ||
	    len % sizeof(struct sock_filter) != 0)
		return;
	hold(&f->lock);
	for (size_t i = 0; i < FILTERS_MAX; i++)
		if (str_eq(f->items[i].profile, profile))
			return;
	free(f->items[f->next].profile);
	free(f->items[f->next].program);
	f->items[f->next].profile = xstrdup(profile);
	f->items[f->next].program = base64_encode(program, len);
	f->next = (f->next + 1) % FILTERS_MAX;
}
