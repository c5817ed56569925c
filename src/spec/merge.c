/* A request completed by its image and by defaults: dockerd's merge, field by field. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "runtime/runtime.h"
#include "spec/private.h"

#define SHM_SIZE (64 << 20)

const char *const default_masked_paths[] = {
	"/proc/asound",
	"/proc/acpi",
	"/proc/interrupts",
	"/proc/kcore",
	"/proc/keys",
	"/proc/latency_stats",
	"/proc/timer_list",
	"/proc/timer_stats",
	"/proc/sched_debug",
	"/proc/scsi",
	"/sys/firmware",
	"/sys/devices/virtual/powercap",
	NULL,
};
const char *const default_readonly_paths[] = {
	"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger", NULL,
};

char **masked_paths_default(void)
{
	char **paths = strv_copy((char *const *) default_masked_paths);
	long cpus = sysconf(_SC_NPROCESSORS_CONF);

	for (long i = 0; i < cpus; i++) {
		autofree char *path =
			xasprintf("/sys/devices/system/cpu/cpu%ld/thermal_throttle", i);

		if (exists_at(AT_FDCWD, path))
			strv_add(&paths, path);
	}
	return paths;
}

static void replace_str(char **s, const char *with)
{
	free(*s);
	*s = xstrdup(with);
}

static void default_str(char **s, const char *otherwise)
{
	if (str_empty(*s) && !str_empty(otherwise))
		replace_str(s, otherwise);
}

/* The image's variables go behind the user's, where he did not say otherwise. */
static void merge_env(char ***env, char *const *image)
{
	size_t n = strv_len(*env);

	for (; image && *image; image++) {
		size_t key = strcspn(*image, "=");
		bool said = false;

		for (size_t i = 0; i < n && !said; i++)
			said = strcspn((*env)[i], "=") == key &&
			       strncmp((*env)[i], *image, key) == 0;
		if (!said)
			strv_add(env, *image);
	}
}

static void merge_set(char ***set, char *const *image)
{
	for (; image && *image; image++) {
		if (!strv_contains(*set, *image))
			strv_add(set, *image);
	}
}

/* An entrypoint given resets the image's command; a command given keeps the image's entrypoint. An
 * empty list is an entrypoint as well, "none", but keeps the image's command: so does dockerd. */
static void merge_command(struct config *c, const struct config *image)
{
	if (strv_len(c->entrypoint) > 0)
		return;
	if (strv_len(c->cmd) == 0) {
		strv_free(c->cmd);
		c->cmd = strv_copy(image->cmd);
		c->args_escaped = image->args_escaped;
	}
	if (!c->entrypoint)
		c->entrypoint = strv_copy(image->entrypoint);
}

static void merge_healthcheck(struct healthcheck *h, const struct healthcheck *image)
{
	if (!strv_len(h->test)) {
		strv_free(h->test);
		h->test = strv_copy(image->test);
	}
	if (!h->interval_ns)
		h->interval_ns = image->interval_ns;
	if (!h->timeout_ns)
		h->timeout_ns = image->timeout_ns;
	if (!h->start_period_ns)
		h->start_period_ns = image->start_period_ns;
	if (!h->start_interval_ns)
		h->start_interval_ns = image->start_interval_ns;
	if (!h->retries)
		h->retries = image->retries;
}

static void merge_image(struct config *c, const struct config *image)
{
	const char *key, *value;

	default_str(&c->user, image->user);
	default_str(&c->working_dir, image->working_dir);
	default_str(&c->stop_signal, image->stop_signal);
	merge_set(&c->exposed_ports, image->exposed_ports);
	merge_set(&c->volumes, image->volumes);
	merge_env(&c->env, image->env);
	strmap_foreach (&image->labels, key, value) {
		if (!strmap_get(&c->labels, key))
			strmap_set(&c->labels, key, value);
	}
	merge_command(c, image);
	merge_healthcheck(&c->healthcheck, &image->healthcheck);
	if (!strv_len(c->shell) && strv_len(image->shell)) {
		strv_free(c->shell);
		c->shell = strv_copy(image->shell);
	}
}

static void default_hostname(struct config *c, const struct host_config *h, const char *id)
{
	char name[65] = "";

	if (!str_empty(c->hostname))
		return;
	if (mode_is(h->network_mode, "host") || mode_is(h->uts_mode, "host"))
		(void) gethostname(name, sizeof name - 1);
	else
		snprintf(name, sizeof name, "%.12s", id);
	replace_str(&c->hostname, name);
}

static void default_host(struct host_config *h)
{
	if (h->memory > 0 && h->memory_swap == 0)
		h->memory_swap = h->memory * 2;
	if (h->memory_swappiness == -1)
		h->memory_swappiness = FIELD_UNSET;
	if (h->shm_size == 0)
		h->shm_size = SHM_SIZE;
	default_str(&h->network_mode, "bridge");
	default_str(&h->ipc_mode, "private");
	default_str(&h->cgroupns_mode, cgroup_mode() == CGROUP_V2 ? "private" : "host");
	default_str(&h->log.type, "json-file");
	default_str(&h->restart.name, "no");
	if (h->oom_kill_disable == FIELD_UNSET_BOOL && cgroup_features()->oom_kill_disable)
		h->oom_kill_disable = 0;
	if (!h->masked_paths && !h->privileged)
		h->masked_paths = masked_paths_default();
	if (!h->readonly_paths && !h->privileged)
		h->readonly_paths = strv_copy((char *const *) default_readonly_paths);
}

int spec_merge(struct config *c, struct host_config *h, const struct config *image, const char *id,
	       struct err *err)
{
	if (image)
		merge_image(c, image);
	/* [""] is how clients say "no entrypoint". */
	if (strv_len(c->entrypoint) == 1 && !c->entrypoint[0][0]) {
		strv_free(c->entrypoint);
		c->entrypoint = NULL;
	}
	if (!strv_len(c->entrypoint) && !strv_len(c->cmd))
		return err_set(err, ERR_INVALID, "no command specified");
	default_hostname(c, h, id);
	default_host(h);
	return 0;
}
