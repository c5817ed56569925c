/*
 * Seccomp: from a profile in docker's format (conditions by architecture, capability and kernel) to
 * the flat list that an OCI runtime takes.
 *
 * The default profile is Debian's, in containers-common. Reading its 16 KB for every start would
 * cost more than all the rest of the document, so the compiled text is kept for each set of
 * capabilities seen; there are few.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/utsname.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/thread.h"
#include "spec/private.h"

#define PROFILE_MAX (1 << 20)
#define CACHE_SIZE  8

static const char *const profile_paths[] = {
	"/etc/containers/seccomp.json",
	"/usr/share/containers/seccomp.json",
};

/* Go's names, as profiles use them, and libseccomp's. */
#if defined(__x86_64__)
#define ARCH "amd64"
#elif defined(__aarch64__)
#define ARCH "arm64"
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCH "riscv64"
#elif defined(__s390x__)
#define ARCH "s390x"
#elif defined(__powerpc64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define ARCH "ppc64le"
#elif defined(__arm__)
#define ARCH "arm"
#elif defined(__i386__)
#define ARCH "386"
#else
#define ARCH "unknown"
#endif

static const struct {
	const char *go, *profile, *libseccomp;
} arches[] = {
	{"amd64", "amd64", "SCMP_ARCH_X86_64"},
	{"arm64", "arm64", "SCMP_ARCH_AARCH64"},
	{"riscv64", "riscv64", "SCMP_ARCH_RISCV64"},
	{"s390x", "s390x", "SCMP_ARCH_S390X"},
	{"ppc64le", "ppc64le", "SCMP_ARCH_PPC64LE"},
	{"arm", "arm", "SCMP_ARCH_ARM"},
	{"386", "x86", "SCMP_ARCH_X86"},
};

static unsigned kernel_version(void)
{
	struct utsname u;
	unsigned major = 0, minor = 0;

	if (uname(&u) < 0 || sscanf(u.release, "%u.%u", &major, &minor) != 2)
		return 0;
	return major << 16 | minor;
}

static bool array_has(const json_t *array, const char *s)
{
	const json_t *v;
	size_t i;

	json_array_foreach (array, i, v) {
		if (json_is_string(v) && strcmp(json_string_value(v), s) == 0)
			return true;
	}
	return false;
}

static bool kernel_at_least(const json_t *min, unsigned kernel)
{
	unsigned major = 0, minor = 0;

	if (!json_is_string(min) || sscanf(json_string_value(min), "%u.%u", &major, &minor) != 2)
		return false;
	return kernel >= (major << 16 | minor);
}

static bool has_cap(uint64_t caps, const char *name)
{
	for (unsigned i = 0; cap_name(i); i++) {
		if (strcmp(cap_name(i), name) == 0)
			return caps & CAP_BIT(i);
	}
	return false;
}

/* How many of the named capabilities there are in caps. */
static size_t caps_held(const json_t *list, uint64_t caps)
{
	const json_t *v;
	size_t i, n = 0;

	json_array_foreach (list, i, v)
		n += json_is_string(v) && has_cap(caps, json_string_value(v));
	return n;
}

/* Does a rule apply here? */
static bool applies(const json_t *rule, uint64_t caps, const char *arch, unsigned kernel)
{
	const json_t *in = json_object_get(rule, "includes"),
		     *ex = json_object_get(rule, "excludes");
	const json_t *min;

	if (array_has(json_object_get(ex, "arches"), arch) ||
	    caps_held(json_object_get(ex, "caps"), caps) > 0)
		return false;
	min = json_object_get(ex, "minKernel");
	if (json_is_string(min) && kernel_at_least(min, kernel))
		return false;

	if (json_array_size(json_object_get(in, "arches")) &&
	    !array_has(json_object_get(in, "arches"), arch))
		return false;
	if (caps_held(json_object_get(in, "caps"), caps) !=
	    json_array_size(json_object_get(in, "caps")))
		return false;
	min = json_object_get(in, "minKernel");
	return !json_is_string(min) || kernel_at_least(min, kernel);
}

static void copy_member(struct out *o, const json_t *from, const char *key)
{
	const json_t *v = json_object_get(from, key);
	autofree char *text = NULL;

	if (!v || json_is_null(v))
		return;
	text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
	out_raw(o, key, text);
}

static int write_rule(struct out *o, const json_t *rule, struct err *err)
{
	const json_t *name = json_object_get(rule, "name"), *names = json_object_get(rule, "names");

	if (json_is_string(name) && json_string_length(name) > 0 && json_array_size(names) > 0)
		return err_set(err, ERR_INVALID,
			       "both 'name' and 'names' are specified, in seccomp profile: %s",
			       json_string_value(name));
	out_object(o, NULL);
	if (json_array_size(names) > 0) {
		copy_member(o, rule, "names");
	} else {
		out_array(o, "names");
		out_str(o, NULL, json_is_string(name) ? json_string_value(name) : "");
		out_array_end(o);
	}
	copy_member(o, rule, "action");
	copy_member(o, rule, "errnoRet");
	if (json_array_size(json_object_get(rule, "args")) > 0)
		copy_member(o, rule, "args");
	out_end(o);
	return 0;
}

static const char *libseccomp_arch(const char *go)
{
	for (size_t i = 0; i < ARRAY_SIZE(arches); i++) {
		if (strcmp(arches[i].go, go) == 0)
			return arches[i].libseccomp;
	}
	return NULL;
}

static const char *profile_arch(const char *go)
{
	for (size_t i = 0; i < ARRAY_SIZE(arches); i++) {
		if (strcmp(arches[i].go, go) == 0)
			return arches[i].profile;
	}
	return go;
}

static void write_strings(struct out *o, const json_t *array)
{
	const json_t *v;
	size_t i;

	json_array_foreach (array, i, v) {
		if (json_is_string(v))
			out_str(o, NULL, json_string_value(v));
	}
}

/* The architectures named outright, or of archMap that of this machine and its relatives. */
static void write_arches(struct out *o, const json_t *profile, const char *arch)
{
	const json_t *map = json_object_get(profile, "archMap"), *entry;
	const char *ours = libseccomp_arch(arch);
	size_t i;

	if (!json_array_size(json_object_get(profile, "architectures")) &&
	    (!json_array_size(map) || !ours))
		return;
	out_array(o, "architectures");
	write_strings(o, json_object_get(profile, "architectures"));
	json_array_foreach (map, i, entry) {
		const char *name = json_str(entry, "architecture");

		if (!name || !ours || strcmp(name, ours) != 0)
			continue;
		out_str(o, NULL, name);
		write_strings(o, json_object_get(entry, "subArchitectures"));
		break;
	}
	out_array_end(o);
}

int seccomp_compile(const json_t *profile, uint64_t caps, const char *arch, unsigned kernel,
		    struct buf *ret, struct err *err)
{
	const json_t *rules = json_object_get(profile, "syscalls"), *rule;
	const char *action = json_str(profile, "defaultAction");
	struct out o = {0};
	size_t i;

	if (str_empty(action) && json_array_size(rules) == 0)
		return 0;
	if (json_array_size(json_object_get(profile, "architectures")) &&
	    json_array_size(json_object_get(profile, "archMap")))
		return err_set(err, ERR_INVALID,
			       "both 'architectures' and 'archMap' are specified in the seccomp "
			       "profile, use either "
			       "'architectures' or 'archMap'");
	out_object(&o, NULL);
	copy_member(&o, profile, "defaultAction");
	copy_member(&o, profile, "defaultErrnoRet");
	copy_member(&o, profile, "flags");
	copy_member(&o, profile, "listenerPath");
	copy_member(&o, profile, "listenerMetadata");
	write_arches(&o, profile, arch);
	out_array(&o, "syscalls");
	json_array_foreach (rules, i, rule) {
		if (applies(rule, caps, profile_arch(arch), kernel) &&
		    write_rule(&o, rule, err) < 0) {
			buf_free(&o.b);
			return -1;
		}
	}
	out_array_end(&o);
	out_end(&o);
	*ret = o.b;
	return 0;
}

int seccomp_parse(const char *text, json_t **ret, struct err *err)
{
	json_error_t at;
	json_t *profile = json_loads(text, 0, &at);

	if (!json_is_object(profile)) {
		json_decref(profile);
		return err_set(err, ERR_INVALID, "Decoding seccomp profile failed: %s (line %d)",
			       at.text[0] ? at.text : "not an object", at.line);
	}
	*ret = profile;
	return 0;
}

static const char *found_profile;
static pthread_once_t found_once = PTHREAD_ONCE_INIT;

static void find_profile(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(profile_paths) && !found_profile; i++) {
		if (exists_at(AT_FDCWD, profile_paths[i]))
			found_profile = profile_paths[i];
	}
}

const char *spec_seccomp_profile_path(void)
{
	pthread_once(&found_once, find_profile);
	return found_profile;
}

static int compile_default(uint64_t caps, struct buf *ret, struct err *err)
{
	const char *path = spec_seccomp_profile_path();
	autojson json_t *profile = NULL;
	autofree char *text = NULL;
	int r = read_file_at(AT_FDCWD, path, PROFILE_MAX, &text, NULL);

	if (r < 0)
		return err_sys(err, -r, "read %s", path);
	if (seccomp_parse(text, &profile, err) < 0 ||
	    seccomp_compile(profile, caps, ARCH, kernel_version(), ret, err) < 0)
		return err_wrap(err, "%s", path);
	return 0;
}

/* The default profile, compiled: a ring of the last few sets of capabilities. */
static struct {
	pthread_mutex_t lock;
	struct {
		uint64_t caps;
		char *text;
	} items[CACHE_SIZE];
	size_t next;
} cache = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* An empty profile compiles to no text: no filter. */
static void paste(struct build *b, const char *text)
{
	if (str_empty(text))
		return;
	out_raw(&b->out, "seccomp", text);
	b->profile = xstrdup(text);
}

/* Pastes the text, so that nothing of the cache leaves the lock. */
static int write_default(struct build *b, struct err *err)
{
	struct buf text = {0};

	hold(&cache.lock);
	for (size_t i = 0; i < CACHE_SIZE; i++) {
		if (cache.items[i].text && cache.items[i].caps == b->caps) {
			paste(b, cache.items[i].text);
			return 0;
		}
	}
	if (compile_default(b->caps, &text, err) < 0)
		return -1;
	free(cache.items[cache.next].text);
	cache.items[cache.next].caps = b->caps;
	cache.items[cache.next].text = buf_take(&text);
	paste(b, cache.items[cache.next].text);
	cache.next = (cache.next + 1) % CACHE_SIZE;
	return 0;
}

static int write_own(struct build *b, const char *text, struct err *err)
{
	autojson json_t *profile = NULL;
	autobuf compiled = {0};

	if (seccomp_parse(text, &profile, err) < 0 ||
	    seccomp_compile(profile, b->caps, ARCH, kernel_version(), &compiled, err) < 0)
		return -1;
	paste(b, compiled.text);
	return 0;
}

int seccomp_write(struct build *b, struct err *err)
{
	const char *wish = b->security.seccomp;
	bool builtin = str_empty(wish) || strcmp(wish, "builtin") == 0;

	if (mode_is(wish, "unconfined") || (builtin && b->in->host->privileged))
		return 0;
	if (!builtin)
		return write_own(b, wish, err);
	if (!spec_seccomp_profile_path()) {
		strv_add(b->warnings, "no default seccomp profile on this host (Debian: "
				      "golang-github-containers-common); the "
				      "container runs without one");
		return 0;
	}
	return write_default(b, err);
}
