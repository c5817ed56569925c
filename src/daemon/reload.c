/* SIGHUP: the configuration read again. */
#include <string.h>

#include "base/log.h"
#include "daemon/daemon.h"

#define SWAP(a, b)                         \
	do {                               \
		__typeof__(a) swap_ = (a); \
		(a) = (b);                 \
		(b) = swap_;               \
	} while (0)

static bool same_list(char *const *a, char *const *b)
{
	if (strv_len(a) != strv_len(b))
		return false;
	for (size_t i = 0; i < strv_len(a); i++)
		if (!str_eq(a[i], b[i]))
			return false;
	return true;
}

/* What has changed, but only a new start takes up. */
static void say_what_waits(const struct options *was, const struct options *now)
{
	const struct {
		const char *key;
		bool same;
	} keys[] = {
		{"data-root", str_eq(was->data_root, now->data_root)},
		{"exec-root", str_eq(was->exec_root, now->exec_root)},
		{"hosts", same_list(was->hosts, now->hosts)},
		{"pidfile", str_eq(was->pidfile, now->pidfile)},
		{"group", str_eq(was->group, now->group)},
		{"shim", str_eq(was->shim, now->shim)},
		{"image-tool", str_eq(was->image_tool, now->image_tool)},
		{"init", was->init == now->init},
		{"log-journal", was->log_journal == now->log_journal},
	};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (!keys[i].same)
			log_warn("configuration: %s takes effect at the next start only",
				 keys[i].key);
}

void reload(struct daemon *d)
{
	struct options now;
	struct err err = {0};

	if (options_parse(d->argc, d->argv, &now, &err) < 0) {
		log_error("configuration not reloaded, nothing changes: %s", err.text);
		return;
	}
	if (engine_reload(d->engine, now.default_runtime, &now.runtimes, now.labels, &err) < 0) {
		log_error("configuration not reloaded, nothing changes: %s", err.text);
		options_free(&now);
		return;
	}
	log_set_level(now.log_level);
	say_what_waits(&d->o, &now);
	SWAP(d->o.log_level, now.log_level);
	SWAP(d->o.labels, now.labels);
	SWAP(d->o.runtimes, now.runtimes);
	SWAP(d->o.default_runtime, now.default_runtime);
	options_free(&now);
	api_tell_reload(d->api);
	log_info("configuration reloaded");
}
