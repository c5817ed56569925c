/* What is wrong with a create request, or not supported yet: nothing is ignored in silence. */
#include <errno.h>
#include <inttypes.h>

#include "base/mem.h"
#include "base/proc.h"
#include "base/time.h"
#include "spec/private.h"
#include "wire/restart.h"

static int not_yet(const char *field, struct err *err)
{
	return err_set(err, ERR_NOT_SUPPORTED, "%s is not supported yet", field);
}

static bool json_is_nothing(const json_t *j)
{
	return !j || json_is_null(j) || json_is_false(j) ||
	       (json_is_object(j) && json_object_size(j) == 0) ||
	       (json_is_array(j) && json_array_size(j) == 0) ||
	       (json_is_string(j) && json_string_length(j) == 0);
}

/* Fields that later issues bring. */
static int unsupported_check(const struct config *c, const struct host_config *h, struct err *err)
{
	const struct {
		bool wanted;
		const char *field;
	} fields[] = {
		{h->storage_opt.kv && h->storage_opt.kv[0], "HostConfig.StorageOpt"},
		{!json_is_nothing(h->device_requests), "HostConfig.DeviceRequests"},
		{!str_empty(h->cgroup), "HostConfig.Cgroup"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		if (fields[i].wanted)
			return not_yet(fields[i].field, err);
	}
	if (!str_empty(h->isolation) && strcmp(h->isolation, "default") != 0)
		return err_set(err, ERR_INVALID, "invalid isolation '%s' on linux", h->isolation);
	return 0;
}

int restart_check(const struct host_config *h, struct err *err)
{
	const char *name = h->restart.name;
	enum restart_name policy;

	if (h->restart.max_retries < 0)
		return err_set(err, ERR_INVALID,
			       "invalid restart policy: maximum retry count cannot be negative");
	if (h->restart.max_retries && !mode_is(name, "on-failure"))
		return err_set(err, ERR_INVALID,
			       "invalid restart policy: maximum retry count can only be used with "
			       "'on-failure'");
	if (restart_name_parse(name, &policy) < 0)
		return err_set(err, ERR_INVALID,
			       "invalid restart policy: unknown policy '%s'; use one of 'no', "
			       "'always', 'on-failure', 'unless-stopped', or 'on-reboot'",
			       name);
	if (policy != RESTART_NO && h->auto_remove)
		return err_set(err, ERR_INVALID,
			       "can't create 'AutoRemove' container with restart policy");
	return 0;
}

static int log_check(const struct host_config *h, struct err *err)
{
	static const char *const later[] = {"local",   "syslog", "journald", "gelf",   "fluentd",
					    "awslogs", "splunk", "gcplogs",  "etwlogs"};
	const char *key, *value;
	int64_t n;

	for (size_t i = 0; i < ARRAY_SIZE(later); i++) {
		if (mode_is(h->log.type, later[i]))
			return err_set(
				err, ERR_NOT_SUPPORTED,
				"HostConfig.LogConfig: log driver \"%s\" is not supported yet",
				later[i]);
	}
	if (!str_empty(h->log.type) && strcmp(h->log.type, "json-file") != 0 &&
	    strcmp(h->log.type, "none") != 0)
		return err_set(err, ERR_INVALID, "logger: no log driver named '%s' is registered",
			       h->log.type);
	strmap_foreach (&h->log.options, key, value) {
		if (mode_is(h->log.type, "none"))
			continue;
		if (strcmp(key, "max-size") == 0) {
			if (strcmp(value, "-1") != 0 && (parse_size(value, &n) < 0 || n <= 0))
				return err_set(err, ERR_INVALID, "invalid value for max-size: %s",
					       value);
		} else if (strcmp(key, "max-file") == 0) {
			if (parse_i64(value, &n) < 0 || n < 1)
				return err_set(err, ERR_INVALID, "max-file cannot be less than 1");
			if (n > 1 && !strmap_get(&h->log.options, "max-size"))
				return err_set(err, ERR_INVALID,
					       "max-file cannot be set without max-size");
		} else if (strcmp(key, "mode") == 0 && strcmp(value, "blocking") == 0) {
			continue;
		} else if (strcmp(key, "mode") == 0 || strcmp(key, "compress") == 0 ||
			   strcmp(key, "labels") == 0 || strcmp(key, "labels-regex") == 0 ||
			   strcmp(key, "env") == 0 || strcmp(key, "env-regex") == 0 ||
			   strcmp(key, "tag") == 0 || strcmp(key, "max-buffer-size") == 0) {
			return err_set(err, ERR_NOT_SUPPORTED,
				       "HostConfig.LogConfig option \"%s\" is not supported yet",
				       key);
		} else {
			return err_set(err, ERR_INVALID,
				       "unknown log opt '%s' for json-file log driver", key);
		}
	}
	return 0;
}

static int env_check(char *const *env, struct err *err)
{
	for (; env && *env; env++) {
		if (**env == '=' || **env == '\0')
			return err_set(err, ERR_INVALID, "invalid environment variable: %s", *env);
	}
	return 0;
}

/* "name:address" or "name=address" */
static int extra_host_check(const char *s, struct err *err)
{
	size_t n = strcspn(s, ":=");
	autofree char *address = NULL;

	if (n == 0 || !s[n] || !s[n + 1])
		return err_set(err, ERR_INVALID, "bad format for add-host: \"%s\"", s);
	address = xstrdup(s + n + 1);
	if (strcmp(address, "host-gateway") == 0)
		return 0;
	if (address[0] == '[' && str_has_suffix(address, "]")) {
		address[strlen(address) - 1] = '\0';
		memmove(address, address + 1, strlen(address));
	}
	if (!str_is_ip(address))
		return err_set(err, ERR_INVALID, "invalid IP address in add-host: \"%s\"",
			       s + n + 1);
	return 0;
}

static int names_check(const struct config *c, const struct host_config *h, struct err *err)
{
	if (c->hostname && (strlen(c->hostname) > 64 || strpbrk(c->hostname, " \t\r\n/")))
		return err_set(err, ERR_INVALID, "invalid hostname: %.100s", c->hostname);
	if (c->domainname && (strlen(c->domainname) > 64 || strpbrk(c->domainname, " \t\r\n/")))
		return err_set(err, ERR_INVALID, "invalid domainname: %.100s", c->domainname);
	for (char **d = h->dns; d && *d; d++) {
		if (!str_is_ip(*d))
			return err_set(err, ERR_INVALID,
				       "IP address is not correctly formatted: %s", *d);
	}
	for (char **e = h->extra_hosts; e && *e; e++) {
		if (extra_host_check(*e, err) < 0)
			return -1;
	}
	return 0;
}

static int health_check(const struct healthcheck *h, struct err *err)
{
	const struct {
		const char *name;
		int64_t ns;
	} durations[] = {
		{"Interval", h->interval_ns},
		{"Timeout", h->timeout_ns},
		{"StartPeriod", h->start_period_ns},
		{"StartInterval", h->start_interval_ns},
	};

	for (size_t i = 0; i < ARRAY_SIZE(durations); i++)
		if (durations[i].ns != 0 && durations[i].ns < NSEC_PER_MSEC)
			return err_set(err, ERR_INVALID,
				       "%s in Healthcheck cannot be less than 1ms",
				       durations[i].name);
	if (h->retries < 0)
		return err_set(err, ERR_INVALID, "Retries in Healthcheck cannot be negative");
	return 0;
}

static int config_check(const struct config *c, struct err *err)
{
	if (!str_empty(c->working_dir) && c->working_dir[0] != '/')
		return err_set(
			err, ERR_INVALID,
			"the working directory '%s' is invalid, it needs to be an absolute path",
			c->working_dir);
	if (!str_empty(c->stop_signal) && signal_parse(c->stop_signal) < 0)
		return err_set(err, ERR_INVALID, "invalid signal: %s", c->stop_signal);
	if (c->stop_timeout_s != FIELD_UNSET && c->stop_timeout_s < -1)
		return err_set(err, ERR_INVALID, "invalid stop timeout: %" PRId64,
			       c->stop_timeout_s);
	if (health_check(&c->healthcheck, err) < 0)
		return -1;
	return env_check(c->env, err);
}

static int host_check(const struct host_config *h, char ***warnings, struct err *err)
{
	struct security security;
	uint64_t caps, missing;
	const char *key, *value;

	if (h->shm_size < 0)
		return err_set(err, ERR_INVALID, "SHM size can not be less than 0");
	if (h->oom_score_adj < -1000 || h->oom_score_adj > 1000)
		return err_set(err, ERR_INVALID,
			       "Invalid value %" PRId64
			       ", range for oom score adj is [-1000, 1000]",
			       h->oom_score_adj);
	if (!str_empty(h->cgroup_parent)) {
		autofree char *framed = xasprintf("/%s/", h->cgroup_parent);

		if (strstr(framed, "/../") || strstr(framed, "/./"))
			return err_set(err, ERR_INVALID, "invalid cgroup parent: '%s'",
				       h->cgroup_parent);
	}
	strmap_foreach (&h->annotations, key, value) {
		(void) value;
		if (!*key)
			return err_set(err, ERR_INVALID,
				       "invalid Annotations: the empty string is not permitted as "
				       "an annotation key");
	}
	if (caps_resolve(h, caps_of_host(), &caps, &missing, err) < 0 ||
	    security_parse(h->security_opt, &security, warnings, err) < 0 ||
	    sysctls_check(h, err) < 0 || ulimits_check(&h->ulimits, err) < 0 ||
	    devices_check(h, err) < 0)
		return -1;
	return resources_check(h, warnings, err);
}

int spec_check(const struct config *c, const struct host_config *h, char ***warnings,
	       struct err *err)
{
	if (config_check(c, err) < 0 || names_check(c, h, err) < 0 || restart_check(h, err) < 0 ||
	    log_check(h, err) < 0 || host_check(h, warnings, err) < 0 ||
	    namespaces_check(c, h, err) < 0)
		return -1;
	if (mode_is(h->network_mode, "host") &&
	    (h->publish_all_ports || json_object_size(h->port_bindings) > 0))
		strv_add(warnings, "Published ports are discarded when using host network mode");
	return unsupported_check(c, h, err);
}
