/* The OCI document, put together; see spec.h. Its parts are written by the files of their names. */
#include "spec/spec.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include "base/mem.h"
#include "spec/private.h"

static const char *found_init;
static pthread_once_t init_once = PTHREAD_ONCE_INIT;

static void find_init(void)
{
	/* catatonit and tini-static run in any image; tini only where the image has its libc. */
	static const char *const paths[] = {"/usr/bin/catatonit",
					    "/usr/libexec/catatonit/catatonit",
					    "/usr/libexec/podman/catatonit",
					    "/usr/bin/tini-static",
					    "/usr/bin/docker-init",
					    "/usr/bin/tini"};

	for (size_t i = 0; i < ARRAY_SIZE(paths) && !found_init; i++) {
		if (access(paths[i], X_OK) == 0)
			found_init = paths[i];
	}
}

const char *spec_init_path(void)
{
	pthread_once(&init_once, find_init);
	return found_init;
}

#define ANNOTATION_PROGRAM "run.oci.seccomp_bpf_data" /* crun's */

/* The user's own, and the seccomp program where it is known. */
static void write_annotations(struct build *b, char **ret_unlearned)
{
	const struct strmap *annotations = &b->in->host->annotations;
	autofree char *program = NULL;
	const char *key, *value;

	if (b->in->filters && b->profile && !strmap_get(annotations, ANNOTATION_PROGRAM)) {
		program = filters_find(b->in->filters, b->profile);
		if (!program)
			*ret_unlearned = take(b->profile);
	}
	if (!program && !(annotations->kv && annotations->kv[0]))
		return;
	out_object(&b->out, "annotations");
	strmap_foreach (annotations, key, value)
		out_str(&b->out, key, value);
	if (program)
		out_str(&b->out, ANNOTATION_PROGRAM, program);
	out_end(&b->out);
}

/* NULL is "as by default", empty is "none"; a privileged container sees everything. */
static void write_paths(struct build *b, const char *key, char *const *wish,
			const char *const *otherwise)
{
	if (b->in->host->privileged)
		return;
	out_strv(&b->out, key, wish ? wish : (char *const *) otherwise);
}

static int write_linux(struct build *b, struct err *err)
{
	const struct spec_input *in = b->in;
	const char *propagation = mounts_root_propagation(in->mounts);
	struct out *o = &b->out;

	out_object(o, "linux");
	if (namespaces_write(b, err) < 0 || devices_write(b, err) < 0 ||
	    resources_write(b, err) < 0 || sysctls_write(b, err) < 0)
		return -1;
	out_str(o, "cgroupsPath", in->cgroup_path);
	if (propagation)
		out_str(o, "rootfsPropagation", propagation);
	write_paths(b, "maskedPaths", in->host->masked_paths, default_masked_paths);
	write_paths(b, "readonlyPaths", in->host->readonly_paths, default_readonly_paths);
	if (seccomp_write(b, err) < 0)
		return -1;
	out_end(o);
	return 0;
}

static int write_document(struct build *b, char **ret_unlearned, struct err *err)
{
	const struct spec_input *in = b->in;
	struct out *o = &b->out;

	out_object(o, NULL);
	out_str(o, "ociVersion", "1.0.2");
	if (process_write(b, "process", err) < 0)
		return -1;
	out_object(o, "root");
	out_str(o, "path", "rootfs");
	out_bool(o, "readonly", in->host->readonly_rootfs);
	out_end(o);
	if (!mode_is(in->host->uts_mode, "host") && !str_empty(in->config->hostname))
		out_str(o, "hostname", in->config->hostname);
	if (mounts_write(b, err) < 0)
		return -1;
	if (write_linux(b, err) < 0)
		return -1;
	write_annotations(b, ret_unlearned);
	out_end(o);
	return 0;
}

static void warn_missing_caps(struct build *b, uint64_t missing)
{
	autobuf text = {0};

	if (!missing)
		return;
	buf_adds(&text, "this host lacks capabilities that containers have by default:");
	for (unsigned i = 0; cap_name(i); i++) {
		if (missing & CAP_BIT(i))
			buf_addf(&text, " %s", cap_name(i));
	}
	strv_add(b->warnings, text.text);
}

static void build_free(struct build *b)
{
	spec_user_free(&b->user);
	free(b->profile);
	buf_free(&b->out.b);
}

/* Who runs, and with what rights. */
static int resolve(struct build *b, uint64_t *ret_missing, struct err *err)
{
	const struct spec_input *in = b->in;

	if (security_parse(in->host->security_opt, &b->security, NULL, err) < 0 ||
	    caps_resolve(in->host, caps_of_host(), &b->caps, ret_missing, err) < 0)
		return -1;
	return spec_user_lookup(in->roots, in->config->user, in->host->group_add, &b->user, err);
}

/* The container's environment, then the session's own. */
static char **join_env(char *const *container, char *const *own)
{
	char **env = strv_copy(container);

	for (; own && *own; own++)
		strv_add(&env, *own);
	return env;
}

int spec_exec(const struct spec_input *container, const struct exec_config *exec, char **ret,
	      struct err *err)
{
	struct config config = *container->config;
	struct host_config host = *container->host;
	struct spec_input in = *container;
	autostrv char **env = join_env(config.env, exec->env);
	autostrv char **said = NULL; /* the same as of the container itself */
	auto_(build_free) struct build b = {
		.in = &in, .warnings = &said, .all_caps = exec->privileged};
	uint64_t missing;

	config.tty = exec->tty;
	config.env = env;
	config.entrypoint = NULL;
	config.cmd = exec->cmd;
	if (!str_empty(exec->user))
		config.user = exec->user;
	if (!str_empty(exec->working_dir))
		config.working_dir = exec->working_dir;
	host.console_size = exec->console_size;
	in.config = &config;
	in.host = &host;
	in.init_path = NULL;
	if (resolve(&b, &missing, err) < 0)
		return -1;
	if (exec->privileged)
		b.caps = caps_of_host();
	if (process_write(&b, NULL, err) < 0)
		return -1;
	*ret = buf_take(&b.out.b);
	return 0;
}

int spec_build(const struct spec_input *in, char **ret, char **ret_unlearned, char ***warnings,
	       struct err *err)
{
	auto_(build_free) struct build b = {.in = in, .warnings = warnings};
	const struct host_config *h = in->host;
	uint64_t missing;

	if (h->init > 0 && !in->init_path)
		return err_set(err, ERR_NOT_SUPPORTED,
			       "HostConfig.Init: neither catatonit nor tini is installed");
	if (resolve(&b, &missing, err) < 0)
		return -1;
	warn_missing_caps(&b, missing);
	*ret_unlearned = NULL;
	buf_reserve(&b.out.b, 16384);
	if (write_document(&b, ret_unlearned, err) < 0)
		return -1;
	*ret = buf_take(&b.out.b);
	return 0;
}
