/*
 * Memory and ownership: allocation that does not fail, clean-up at the end of a scope, and the
 * words that say when ownership leaves it.
 *
 *	autofree char *path = xasprintf("%s/%s", dir, name);
 *	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
 *	...
 *	*ret_fd = take_fd(fd);
 *
 * The x-functions abort when memory is out: allocations here are small, the shims keep the
 * containers, and a restart restores. Sizes that come from outside are checked before.
 */
#pragma once

#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

void *xmalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
void *xrealloc(void *p, size_t size) __attribute__((returns_nonnull));
/* Resizes an array; aborts where n * size overflows. */
void *xreallocarray(void *p, size_t n, size_t size) __attribute__((returns_nonnull));
/* Copy of s; NULL for NULL. */
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t n) __attribute__((returns_nonnull));
void *xmemdup(const void *p, size_t n) __attribute__((returns_nonnull));
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2), returns_nonnull));

#define xnew(type) ((type *) xcalloc(1, sizeof(type)))

/* Runs fn(&variable) when the variable leaves its scope. */
#define auto_(fn) __attribute__((cleanup(fn)))

static inline void free_p(void *p)
{
	free(*(void **) p);
}

static inline void close_p(int *fd)
{
	if (*fd >= 0)
		(void) close(*fd);
}

#define autofree  auto_(free_p)
#define autoclose auto_(close_p)

/* Hands the pointer over and leaves NULL behind. */
#define take(p)                                   \
	({                                        \
		__typeof__(p) *take_p_ = &(p);    \
		__typeof__(p) take_v_ = *take_p_; \
		*take_p_ = NULL;                  \
		take_v_;                          \
	})

/* Hands the file descriptor over and leaves -1 behind. */
#define take_fd(fd)                     \
	({                              \
		int *take_p_ = &(fd);   \
		int take_v_ = *take_p_; \
		*take_p_ = -1;          \
		take_v_;                \
	})

/* Makes `fn_p(T *)`, usable with auto_(), of `fn(T)`. */
#define DEFINE_AUTO(type, fn)              \
	static inline void fn##_p(type *p) \
	{                                  \
		fn(*p);                    \
	}                                  \
	struct fn##_semicolon_

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
