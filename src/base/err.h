/*
 * Errors that gather their story on the way up.
 *
 * A function that can fail for a reason a user should read takes a `struct err *` last, returns < 0
 * and fills it once, where the failure happens; callers may put their own words in front with
 * err_wrap(). The error owns no memory, so it can live on the stack and be copied. Passing NULL is
 * allowed everywhere: the caller does not care why.
 */
#pragma once

enum err_kind {
	ERR_NONE = 0,
	ERR_SYSTEM,	   /* the host failed us: an errno, a program that misbehaves */
	ERR_INVALID,	   /* the request makes no sense */
	ERR_UNAUTHORIZED,  /* who are you */
	ERR_FORBIDDEN,	   /* not you */
	ERR_NOT_FOUND,	   /* the named thing does not exist */
	ERR_CONFLICT,	   /* the named thing is in a state that does not allow this */
	ERR_NOT_MODIFIED,  /* it is already so */
	ERR_TOO_LARGE,	   /* over one of our limits */
	ERR_NOT_SUPPORTED, /* we do not do this (yet) */
	ERR_UNAVAILABLE,   /* try again later */
};

struct err {
	enum err_kind kind;
	int errnum; /* errno behind it, 0 where there is none */
	char text[720];
};

/* Sets kind and text. Returns -1 always, so that `return err_set(...)` reads well. */
int err_set(struct err *err, enum err_kind kind, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* As err_set() with ERR_SYSTEM and ": <strerror(errnum)>" behind the text. errnum is positive. */
int err_sys(struct err *err, int errnum, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts "<text>: " before what err already says; kind and errnum stay. Returns -1. */
int err_wrap(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Forgets what err says. */
void err_clear(struct err *err);
