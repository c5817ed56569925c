/* SecurityOpt: "no-new-privileges", "seccomp=...", "apparmor=...", "label=...". */
#include <errno.h>
#include <fcntl.h>

#include "base/file.h"
#include "base/mem.h"
#include "spec/private.h"

static bool selinux_enabled(void)
{
	return exists_at(AT_FDCWD, "/sys/fs/selinux/enforce");
}

static bool apparmor_enabled(void)
{
	char text[8];

	return read_small_at(AT_FDCWD, "/sys/module/apparmor/parameters/enabled", text,
			     sizeof text) == 0 &&
	       text[0] == 'Y';
}

static bool apparmor_loaded(const char *profile)
{
	autofree char *want = xasprintf("%s (", profile), *text = NULL;

	return read_file_at(AT_FDCWD, "/sys/kernel/security/apparmor/profiles", 1 << 20, &text,
			    NULL) == 0 &&
	       strstr(text, want);
}

/* strconv.ParseBool */
static int parse_bool(const char *s, bool *ret)
{
	static const char *const yes[] = {"1", "t", "T", "true", "TRUE", "True"};
	static const char *const no[] = {"0", "f", "F", "false", "FALSE", "False"};

	for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
		if (strcmp(s, yes[i]) == 0 || strcmp(s, no[i]) == 0) {
			*ret = strcmp(s, yes[i]) == 0;
			return 0;
		}
	}
	return -EINVAL;
}

static int take_option(const char *key, size_t len, const char *value, const char *option,
		       struct security *s, struct err *err)
{
	if (len == 5 && strncmp(key, "label", len) == 0) {
		/* Without SELinux labels mean nothing, to dockerd as to us. */
		if (selinux_enabled() && strcmp(value, "disable") != 0)
			return err_set(err, ERR_NOT_SUPPORTED,
				       "HostConfig.SecurityOpt \"%s\" is not supported yet",
				       option);
		return 0;
	}
	if (len == 8 && strncmp(key, "apparmor", len) == 0) {
		s->apparmor = value;
		return 0;
	}
	if (len == 7 && strncmp(key, "seccomp", len) == 0) {
		s->seccomp = value;
		return 0;
	}
	if (len == 17 && strncmp(key, "no-new-privileges", len) == 0 &&
	    parse_bool(value, &s->no_new_privileges) == 0)
		return 0;
	return err_set(err, ERR_INVALID, "invalid --security-opt 2: \"%.200s\"", option);
}

int security_parse(char *const *options, struct security *ret, char ***warnings, struct err *err)
{
	struct security s = {0};

	for (; options && *options; options++) {
		const char *option = *options, *sep = strchr(option, '=');

		if (strcmp(option, "no-new-privileges") == 0) {
			s.no_new_privileges = true;
			continue;
		}
		if (strcmp(option, "disable") == 0)
			continue;
		if (!sep) {
			sep = strchr(option, ':');
			if (!sep)
				return err_set(err, ERR_INVALID,
					       "invalid --security-opt 1: \"%.200s\"", option);
			if (warnings)
				strv_add(warnings,
					 "Security options with `:` as a separator are deprecated "
					 "and will be "
					 "completely unsupported in 17.04, use `=` instead.");
		}
		if (take_option(option, (size_t) (sep - option), sep + 1, option, &s, err) < 0)
			return -1;
	}
	if (s.seccomp && strcmp(s.seccomp, "unconfined") != 0 &&
	    strcmp(s.seccomp, "builtin") != 0) {
		autojson json_t *profile = NULL;

		if (seccomp_parse(s.seccomp, &profile, err) < 0)
			return -1;
	}
	*ret = s;
	return 0;
}

const char *security_apparmor(const struct security *s, bool privileged)
{
	if (!apparmor_enabled())
		return NULL;
	if (!str_empty(s->apparmor))
		return s->apparmor;
	if (privileged)
		return "unconfined";
	return apparmor_loaded("docker-default") ? "docker-default" : NULL;
}
