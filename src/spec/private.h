/*
 * What the files of spec/ share. spec.c puts the document together; each of its parts is written by
 * the file of its name, out of a `struct build`.
 */
#pragma once

#include <string.h>

#include "base/out.h"
#include "base/str.h"
#include "spec/spec.h"

/* SecurityOpt, read. The strings are borrowed from the options. */
struct security {
	bool no_new_privileges;
	const char *apparmor; /* NULL: not said */
	const char
		*seccomp; /* NULL: not said; "unconfined", "builtin", else the JSON of a profile */
};
int security_parse(char *const *options, struct security *ret, char ***warnings, struct err *err);
/* The profile to name in the document, or NULL for none. */
const char *security_apparmor(const struct security *s, bool privileged);

struct build {
	const struct spec_input *in;
	char *profile; /* linux.seccomp as written, NULL: none */
	struct out out;
	char ***warnings;
	struct spec_user user;
	struct security security;
	uint64_t caps; /* bit n: capability number n */
	bool all_caps; /* in effect whoever it is: docker's exec --privileged */
};

/* key NULL: a document of its own. */
int process_write(struct build *b, const char *key, struct err *err);
int mounts_write(struct build *b, struct err *err);
int namespaces_write(struct build *b, struct err *err);
int sysctls_write(struct build *b, struct err *err);
int resources_write(struct build *b, struct err *err);
/* The members of linux.resources that limit; for an update also what says "no limit any more". */
int limits_write(struct out *o, const struct host_config *host, bool update, struct err *err);
int devices_write(struct build *b, struct err *err);	  /* linux.devices */
int device_rules_write(struct build *b, struct err *err); /* linux.resources.devices */
/* Leaves what it wrote in b->profile. */
int seccomp_write(struct build *b, struct err *err);
/* The program of a profile, base64, or NULL. Caller frees. */
char *filters_find(struct spec_filters *f, const char *profile);
/* linux.rootfsPropagation as the binds want it, or NULL. */
const char *mounts_root_propagation(const struct objects *mounts);

/* Capabilities that this process may lend. */
uint64_t caps_of_host(void);
const char *cap_name(unsigned number); /* "CAP_CHOWN", NULL behind the last */
/* What the container gets by CapAdd, CapDrop and Privileged of what the host has; *ret_missing are
 * those of docker's default set that the host lacks. */
int caps_resolve(const struct host_config *host, uint64_t host_caps, uint64_t *ret,
		 uint64_t *ret_missing, struct err *err);
#define CAP_BIT(n) (UINT64_C(1) << (n))

/* The container's environment in dockerd's order: PATH, HOSTNAME, TERM, `more`, then Config.Env (which may
 * replace or, by a bare name, take away what is there), then HOME. */
char **env_build(const struct config *config, char *const *more, const char *home);

int ulimits_check(const struct objects *ulimits, struct err *err);
int sysctls_check(const struct host_config *host, struct err *err);
int namespaces_check(const struct config *config, const struct host_config *host, struct err *err);
int restart_check(const struct host_config *host, struct err *err);
int resources_check(const struct host_config *host, char ***warnings, struct err *err);
int devices_check(const struct host_config *host, struct err *err);
int binds_check(const struct config *config, const struct host_config *host, struct err *err);
/* "0-3,7" -> members as bits of a 1024-bit set; 0 or -EINVAL. */
#define CPU_LIST_MAX 1024
int cpu_list_parse(const char *s, bool ret[static CPU_LIST_MAX]);

/* Compiles a profile in docker's format for one machine and one set of capabilities to the value of
 * linux.seccomp. arch is Go's name ("amd64"), kernel is major << 16 | minor. An empty profile gives
 * an empty buf. */
int seccomp_compile(const json_t *profile, uint64_t caps, const char *arch, unsigned kernel,
		    struct buf *ret, struct err *err);
int seccomp_parse(const char *text, json_t **ret, struct err *err);

/* One mount point of each way to ask for it: a member of Binds, of Mounts, of Tmpfs; a volume without
 * a name at this path. An error leaves a part in *m, which was zero. */
int mount_parse_bind(const char *raw, const char *driver, struct mount_point *m, struct err *err);
int mount_parse(const struct mount_spec *s, struct mount_point *m, struct err *err);
int mount_parse_tmpfs(const char *dest, const char *options, struct mount_point *m,
		      struct err *err);
int mount_parse_volume(const char *path, const char *driver, struct mount_point *m,
		       struct err *err);

/* tmpfs options merged as docker does: the last of contradicting flags wins. Caller frees. */
int tmpfs_options(const char *user, char ***ret, struct err *err);

/* Lexically clean path, as Go's path.Clean. Caller frees. */
char *path_clean(const char *path);
size_t path_depth(const char *clean);

extern const char *const default_masked_paths[];
extern const char *const default_readonly_paths[];
char **masked_paths_default(void); /* with those of the CPUs of this host; caller frees */

static inline bool mode_is(const char *mode, const char *word)
{
	return mode && strcmp(mode, word) == 0;
}

/* --init is for a pid namespace of one's own; elsewhere pid 1 is another's, and dockerd leaves it
 * out as well. */
static inline bool has_init(const struct spec_input *in)
{
	return in->init_path && in->host->init > 0 && str_empty(in->host->pid_mode);
}
