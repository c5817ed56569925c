/* Namespaces by their modes, and the sysctls that belong to them. */
#include <fcntl.h>
#include <stdio.h>

#include "base/file.h"
#include "base/mem.h"
#include "runtime/runtime.h"
#include "spec/private.h"

/* "container:<id>" with an id */
static bool is_container(const char *mode)
{
	return mode && str_has_prefix(mode, "container:") && mode[10];
}

static bool is_one_of(const char *mode, const char *const *words)
{
	if (str_empty(mode))
		return true;
	for (; *words; words++) {
		if (strcmp(mode, *words) == 0)
			return true;
	}
	return false;
}

static int modes_check(const struct host_config *h, struct err *err)
{
	if (!is_container(h->pid_mode) &&
	    !is_one_of(h->pid_mode, (const char *const[]){"host", NULL}))
		return err_set(err, ERR_INVALID, "invalid PID mode: %s", h->pid_mode);
	if (!is_container(h->ipc_mode) &&
	    !is_one_of(h->ipc_mode,
		       (const char *const[]){"none", "private", "shareable", "host", NULL}))
		return err_set(err, ERR_INVALID, "invalid IPC mode: %s", h->ipc_mode);
	if (!is_one_of(h->uts_mode, (const char *const[]){"host", NULL}))
		return err_set(err, ERR_INVALID, "invalid UTS mode: %s", h->uts_mode);
	if (!is_one_of(h->userns_mode, (const char *const[]){"host", NULL}))
		return err_set(err, ERR_INVALID, "invalid user namespace mode: %s", h->userns_mode);
	if (!is_one_of(h->cgroupns_mode, (const char *const[]){"host", "private", NULL}))
		return err_set(err, ERR_INVALID, "invalid cgroup namespace mode: %s",
			       h->cgroupns_mode);
	if (mode_is(h->cgroupns_mode, "private") && h->privileged && cgroup_mode() != CGROUP_V2)
		return err_set(err, ERR_INVALID,
			       "privileged mode is incompatible with private cgroup namespaces on "
			       "cgroup v1 host.  You must "
			       "run the container in the host cgroup namespace when running "
			       "privileged mode");
	return 0;
}

/* What cannot be had in somebody else's network namespace. */
static int joined_net_check(const struct config *c, const struct host_config *h, struct err *err)
{
	if (!str_empty(c->hostname))
		return err_set(err, ERR_INVALID,
			       "conflicting options: hostname and the network mode");
	if (strv_len(h->links))
		return err_set(err, ERR_INVALID,
			       "conflicting options: container type network can't be used with "
			       "links. This would result in "
			       "undefined behavior");
	if (strv_len(h->dns))
		return err_set(err, ERR_INVALID, "conflicting options: dns and the network mode");
	if (strv_len(h->extra_hosts))
		return err_set(
			err, ERR_INVALID,
			"conflicting options: custom host-to-IP mapping and the network mode");
	if (h->publish_all_ports || json_object_size(h->port_bindings) > 0)
		return err_set(
			err, ERR_INVALID,
			"conflicting options: port publishing and the container type network mode");
	if (strv_len(c->exposed_ports))
		return err_set(
			err, ERR_INVALID,
			"conflicting options: port exposing and the container type network mode");
	return 0;
}

int namespaces_check(const struct config *c, const struct host_config *h, struct err *err)
{
	const char *net = h->network_mode;
	bool joined = is_container(net);

	if (modes_check(h, err) < 0)
		return -1;
	if (net && str_has_prefix(net, "container:") && !joined)
		return err_set(err, ERR_INVALID, "invalid container format container:<name|id>");
	if (joined && joined_net_check(c, h, err) < 0)
		return -1;
	if (mode_is(h->uts_mode, "host") && !str_empty(c->hostname))
		return err_set(err, ERR_INVALID, "conflicting options: hostname and the UTS mode");
	if (mode_is(net, "host") && strv_len(h->links))
		return err_set(err, ERR_INVALID,
			       "conflicting options: host type networking can't be used with "
			       "links. This would result in "
			       "undefined behavior");
	if ((joined || mode_is(net, "host")) && !str_empty(c->mac_address))
		return err_set(err, ERR_INVALID,
			       "conflicting options: mac-address and the network mode");
	return 0;
}

static void write_one(struct out *o, const char *type, const char *path)
{
	out_object(o, NULL);
	out_str(o, "type", type);
	if (path)
		out_str(o, "path", path);
	out_end(o);
}

int namespaces_write(struct build *b, struct err *err)
{
	const struct spec_input *in = b->in;
	const struct host_config *h = in->host;
	struct out *o = &b->out;
	const struct {
		const char *type, *mode, *path;
	} joinable[] = {
		{"network", h->network_mode, in->net_ns},
		{"ipc", h->ipc_mode, in->ipc_ns},
		{"pid", h->pid_mode, in->pid_ns},
	};

	out_array(o, "namespaces");
	write_one(o, "mount", NULL);
	for (size_t i = 0; i < ARRAY_SIZE(joinable); i++) {
		if (is_container(joinable[i].mode) && !joinable[i].path)
			return err_set(err, ERR_INVALID, "%s mode \"%s\": no namespace to join",
				       joinable[i].type, joinable[i].mode);
		if (joinable[i].path || !mode_is(joinable[i].mode, "host"))
			write_one(o, joinable[i].type, joinable[i].path);
	}
	if (!mode_is(h->uts_mode, "host"))
		write_one(o, "uts", NULL);
	if (mode_is(h->cgroupns_mode, "private"))
		write_one(o, "cgroup", NULL);
	out_array_end(o);
	return 0;
}

static bool is_ipc_sysctl(const char *name)
{
	static const char *const names[] = {
		"kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem",
		"kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(names[i], name) == 0)
			return true;
	}
	return str_has_prefix(name, "fs.mqueue.");
}

int sysctls_check(const struct host_config *h, struct err *err)
{
	const char *name, *value;

	strmap_foreach (&h->sysctls, name, value) {
		(void) value;
		if (strchr(name, '/') || strstr(name, ".."))
			return err_set(err, ERR_INVALID, "sysctl '%s' is not well-formed", name);
		if (str_has_prefix(name, "net.")) {
			if (mode_is(h->network_mode, "host"))
				return err_set(
					err, ERR_INVALID,
					"sysctl \"%s\" not allowed in host network namespace",
					name);
		} else if (is_ipc_sysctl(name)) {
			if (mode_is(h->ipc_mode, "host"))
				return err_set(err, ERR_INVALID,
					       "sysctl \"%s\" not allowed in host IPC namespace",
					       name);
		} else if (strcmp(name, "kernel.domainname") == 0) {
			if (mode_is(h->uts_mode, "host"))
				return err_set(err, ERR_INVALID,
					       "sysctl \"%s\" not allowed in host UTS namespace",
					       name);
		} else {
			return err_set(err, ERR_INVALID,
				       "sysctl \"%s\" is not in a separate kernel namespace", name);
		}
	}
	return 0;
}

/* One of dockerd's own sysctls, unless the user set it or this kernel lacks it. */
static void write_default_sysctl(struct build *b, const char *name, const char *file,
				 const char *value)
{
	if (!strmap_get(&b->in->host->sysctls, name) && exists_at(AT_FDCWD, file))
		out_str(&b->out, name, value);
}

int sysctls_write(struct build *b, struct err *err)
{
	const struct host_config *h = b->in->host;
	const char *name, *value, *domain = b->in->config->domainname;

	if (sysctls_check(h, err) < 0)
		return -1;
	out_object(&b->out, "sysctl");
	strmap_foreach (&h->sysctls, name, value)
		out_str(&b->out, name, value);
	/* In a joined namespace these are the other container's affair. */
	if (!mode_is(h->network_mode, "host") && !is_container(h->network_mode)) {
		write_default_sysctl(b, "net.ipv4.ping_group_range",
				     "/proc/sys/net/ipv4/ping_group_range", "0 2147483647");
		write_default_sysctl(b, "net.ipv4.ip_unprivileged_port_start",
				     "/proc/sys/net/ipv4/ip_unprivileged_port_start", "0");
	}
	if (!str_empty(domain) && !mode_is(h->uts_mode, "host") &&
	    !strmap_get(&h->sysctls, "kernel.domainname"))
		out_str(&b->out, "kernel.domainname", domain);
	out_end(&b->out);
	return 0;
}
