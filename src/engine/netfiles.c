/*
 * hostname, hosts and resolv.conf of a container, bind-mounted over its own: as docker writes them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "engine/internal.h"
#include "engine/networks.h"

#define HOST_FILE_MAX (1 << 20)

static bool is_mode(const struct container_config *config, const char *mode)
{
	return str_eq(config->host.network_mode, mode);
}

static int save(int dir, const char *name, const struct buf *b, struct err *err)
{
	int r = save_file_at(dir, name, b->text ?: "", b->len, SAVE_ATOMIC, err);

	/* It is the container's file to read, whatever its user. */
	return r < 0				  ? r
	       : fchmodat(dir, name, 0644, 0) < 0 ? err_sys(err, errno, "chmod %s", name)
						  : 0;
}

/* The host's address in the first of its networks that has one, caller frees; NULL: none has. */
static char *own_gateway(struct container *c)
{
	hold(&c->lock);

	for (size_t i = 0; i < c->disk.endpoints.n; i++) {
		const struct endpoint *ep = objects_at(&c->disk.endpoints, struct endpoint, i);

		/* Of a macvlan it is not the host's. */
		if (!str_empty(ep->host_ifname) && !str_empty(ep->gateway))
			return xstrdup(ep->gateway);
	}
	return NULL;
}

/* What host-gateway means: dockerd always says the default bridge's; ours may not be up where
 * nobody is in it, and there is no other difference. */
static int host_gateway(struct engine *e, struct container *c, char **ret, struct err *err)
{
	struct network_view v;

	*ret = own_gateway(c);
	if (*ret)
		return 0;
	if (network_find(e->networks, "bridge", &v, err) < 0)
		return -1;
	if (v.config.ipam.pools.n > 0)
		*ret = take(objects_at(&v.config.ipam.pools, struct ipam_pool, 0)->gateway);
	network_view_free(&v);
	return *ret ? 0
		    : err_set(err, ERR_INVALID, "unable to derive the IP value for host-gateway");
}

/* Each "name:address" of --add-host; an IPv6 address may be in brackets. */
static int add_extra_hosts(struct engine *e, struct container *c, struct buf *b, char *const *extra,
			   struct err *err)
{
	for (; extra && *extra; extra++) {
		const char *colon = strpbrk(*extra, ":="), *at;
		autofree char *gateway = NULL;

		if (!colon || colon == *extra || !colon[1])
			return err_set(err, ERR_INVALID, "bad format for add-host: \"%s\"", *extra);
		at = colon + 1;
		if (!strcmp(at, "host-gateway") && host_gateway(e, c, &gateway, err) < 0)
			return -1;
		at += *at == '[';
		buf_addf(b, "%.*s\t%.*s\n", (int) strcspn(gateway ?: at, "]"), gateway ?: at,
			 (int) (colon - *extra), *extra);
	}
	return 0;
}

/* Its own name at each of its addresses. */
static void add_own_addresses(struct buf *b, struct container *c, const struct config *config)
{
	const char *host = config->hostname ?: "", *domain = config->domainname;

	hold(&c->lock);
	for (size_t i = 0; *host && i < c->disk.endpoints.n; i++) {
		const struct endpoint *ep = objects_at(&c->disk.endpoints, struct endpoint, i);
		const char *const ips[] = {ep->ip, ep->ip6};

		for (size_t k = 0; k < ARRAY_SIZE(ips); k++) {
			if (str_empty(ips[k]))
				continue;
			buf_addf(b, "%s\t", ips[k]);
			if (!str_empty(domain))
				buf_addf(b, "%s.%s ", host, domain);
			buf_addf(b, "%s\n", host);
		}
	}
}

static int hosts_text(struct engine *e, struct container *c, const struct container_config *config,
		      struct buf *b, struct err *err)
{
	autofree char *host = NULL;

	if (is_mode(config, "host") &&
	    read_file_at(AT_FDCWD, "/etc/hosts", HOST_FILE_MAX, &host, NULL) == 0) {
		buf_adds(b, host);
		if (b->len > 0 && b->text[b->len - 1] != '\n')
			buf_addc(b, '\n');
	} else {
		buf_adds(b, "127.0.0.1\tlocalhost\n"
			    "::1\tlocalhost ip6-localhost ip6-loopback\n"
			    "fe00::\tip6-localnet\n"
			    "ff00::\tip6-mcastprefix\n"
			    "ff02::1\tip6-allnodes\n"
			    "ff02::2\tip6-allrouters\n");
	}
	if (add_extra_hosts(e, c, b, config->host.extra_hosts, err) < 0)
		return -1;
	links_add(e, c, config, b);
	add_own_addresses(b, c, &config->config);
	return 0;
}

static int write_hosts(struct engine *e, struct container *c, const struct container_config *config,
		       int dir, struct err *err)
{
	autobuf b = {0};

	return hosts_text(e, c, config, &b, err) < 0 ? -1 : save(dir, "hosts", &b, err);
}

/* What of the host's resolv.conf a container's begins with. */
struct inherit {
	const struct host_config *hc;
	bool apart;    /* in a network namespace of its own */
	bool has_ip6;  /* there */
	bool is_named; /* it asks a network's server */
};

/* A resolver that the container does not reach: the host's own, or by a protocol that it lacks. */
static bool is_out_of_reach(const struct inherit *in, const char *address)
{
	address += strspn(address, " \t");
	return !strncmp(address, "127.", 4) || !strncmp(address, "::1", 3) ||
	       (!in->has_ip6 && strcspn(address, ":") < strcspn(address, " \t\n"));
}

static bool is_overridden(const struct inherit *in, const char *line)
{
	if (str_has_prefix(line, "nameserver"))
		return in->is_named || strv_len(in->hc->dns) ||
		       (in->apart && is_out_of_reach(in, line + strlen("nameserver")));
	if (str_has_prefix(line, "search") || str_has_prefix(line, "domain"))
		return strv_len(in->hc->dns_search);
	return str_has_prefix(line, "options") && strv_len(in->hc->dns_options);
}

static void copy_resolv_lines(struct buf *b, const char *host, const struct inherit *in)
{
	while (*host) {
		size_t n = strcspn(host, "\n");

		if (n > 0 && !is_overridden(in, host)) {
			buf_add(b, host, n);
			buf_addc(b, '\n');
		}
		host += n + (host[n] == '\n');
	}
}

static void copy_resolv_file(struct buf *b, const char *path, const struct inherit *in)
{
	autofree char *text = NULL;

	if (read_file_at(AT_FDCWD, path, HOST_FILE_MAX, &text, NULL) == 0)
		copy_resolv_lines(b, text, in);
}

static bool has_resolver(const struct buf *b)
{
	return b->len && strstr(b->text, "nameserver");
}

/* Resolvers of the host's choice; where it has none that are for others: docker's. */
static void inherit_resolvers(struct buf *b, const struct inherit *in)
{
	bool needed = in->apart && !in->is_named && !strv_len(in->hc->dns);

	copy_resolv_file(b, "/etc/resolv.conf", in);
	if (!needed || has_resolver(b))
		return;
	/* Behind systemd's local resolver stand the ones that it asks. */
	buf_free(b);
	copy_resolv_file(b, "/run/systemd/resolve/resolv.conf", in);
	if (has_resolver(b))
		return;
	buf_free(b);
	copy_resolv_file(b, "/etc/resolv.conf", in);
	buf_adds(b, "nameserver 8.8.8.8\nnameserver 8.8.4.4\n");
}

/* The first of its networks that knows names, caller frees; and has any of them IPv6? */
static char *ask_for_names_at(struct container *c, bool *ret_has_ip6)
{
	char *at = NULL;

	hold(&c->lock);
	*ret_has_ip6 = false;
	for (size_t i = 0; i < c->disk.endpoints.n; i++) {
		const struct endpoint *ep = objects_at(&c->disk.endpoints, struct endpoint, i);

		if (!at && !str_empty(ep->dns))
			at = xstrdup(ep->dns);
		*ret_has_ip6 |= !str_empty(ep->ip6);
	}
	return at;
}

static void resolv_text(struct container *c, const struct container_config *config, struct buf *b)
{
	const struct host_config *hc = &config->host;
	struct inherit in = {.hc = hc, .apart = is_networked(&config->config, hc)};
	autofree char *search = NULL, *options = NULL, *names_at = NULL;

	/* Who asks its network asks nobody else: the network's server knows the resolvers. */
	names_at = ask_for_names_at(c, &in.has_ip6);
	in.is_named = names_at;
	inherit_resolvers(b, &in);
	if (names_at)
		buf_addf(b, "nameserver %s\n", names_at);
	for (char **d = hc->dns; !names_at && d && *d; d++)
		buf_addf(b, "nameserver %s\n", *d);
	if (strv_len(hc->dns_search) && strcmp(hc->dns_search[0], ".") != 0) {
		search = strv_join(hc->dns_search, " ");
		buf_addf(b, "search %s\n", search);
	}
	if (strv_len(hc->dns_options)) {
		options = strv_join(hc->dns_options, " ");
		buf_addf(b, "options %s\n", options);
	}
	/* A container's name is asked for as it is before any domain of the host's is put behind
	 * it. */
	if (names_at && !(b->len && strstr(b->text, "ndots:")))
		buf_adds(b, "options ndots:0\n");
}

static int write_resolv_conf(struct container *c, const struct container_config *config, int dir,
			     struct err *err)
{
	autobuf b = {0};

	resolv_text(c, config, &b);
	return save(dir, "resolv.conf", &b, err);
}

static int write_hostname(const struct container_config *config, int dir, struct err *err)
{
	autobuf b = {0};

	buf_addf(&b, "%s\n", config->config.hostname ?: "");
	return save(dir, "hostname", &b, err);
}

void netfiles_tidy(int data_dir)
{
	save_tidy_at(data_dir, "hostname");
	save_tidy_at(data_dir, "hosts");
	save_tidy_at(data_dir, "resolv.conf");
}

int netfiles_write(struct engine *e, struct container *c, const struct container_config *config,
		   int data_dir, struct err *err)
{
	if (write_hostname(config, data_dir, err) < 0 ||
	    write_hosts(e, c, config, data_dir, err) < 0)
		return -1;
	return write_resolv_conf(c, config, data_dir, err);
}

/* Following what changes while it lives */

/* Into the file that is there, for it is bound into the container. */
static int rewrite(int dir, const char *name, const struct buf *b, struct err *err)
{
	autoclose int fd = openat(dir, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0 || pwrite(fd, b->text, b->len, 0) != (ssize_t) b->len ||
	    ftruncate(fd, (off_t) b->len) < 0)
		return err_sys(err, errno, "write %s", name);
	return 0;
}

/* What stands behind the address. */
static const char *names_in(const char *line)
{
	const char *tab = strchr(line, '\t');

	return tab ? tab + 1 : "";
}

/* Was it of our making, and is it no more: one that was, or of a link that has another address. */
static bool is_outdated(const char *line, char *const *was, char *const *now, char *const *links)
{
	if (strv_contains(now, line))
		return false;
	if (strv_contains(was, line))
		return true;
	for (; links && *names_in(line) && *links; links++)
		if (strcmp(names_in(line), names_in(*links)) == 0)
			return true;
	return false;
}

/* The container may have lines of its own in it: they stay. */
static void merge_hosts(const char *there, const struct buf *was_text, const struct buf *now_text,
			const struct buf *links_text, struct buf *ret)
{
	autostrv char **lines = strv_split(there, '\n');
	autostrv char **was = strv_split(was_text->text ?: "", '\n');
	autostrv char **now = strv_split(now_text->text ?: "", '\n');
	autostrv char **links = strv_split(links_text->text ?: "", '\n');
	size_t n = strv_len(lines);

	/* Behind the last newline there is no line. */
	for (size_t i = 0; i < n; i++)
		if (!is_outdated(lines[i], was, now, links) && (i + 1 < n || *lines[i]))
			buf_addf(ret, "%s\n", lines[i]);
	for (char **l = now; *l; l++)
		if (**l && !strv_contains(lines, *l))
			buf_addf(ret, "%s\n", *l);
}

static int renew_hosts(struct engine *e, struct container *c, const struct container_config *config,
		       int data_dir, const struct buf *was, struct err *err)
{
	autobuf now = {0}, links = {0}, merged = {0};
	autofree char *there = NULL;

	/* Of two who write it at once, the later one has seen what the other one has. */
	hold(&e->hosts_lock);
	links_add(e, c, config, &links);
	if (hosts_text(e, c, config, &now, err) < 0)
		return -1;
	if (read_file_at(data_dir, "hosts", HOST_FILE_MAX, &there, NULL) < 0)
		return err_set(err, ERR_SYSTEM, "read hosts");
	merge_hosts(there, was, &now, &links, &merged);
	return rewrite(data_dir, "hosts", &merged, err);
}

int netfiles_renew_hosts(struct engine *e, struct container *c,
			 const struct container_config *config, int data_dir, struct err *err)
{
	const struct buf nothing = {0};

	return renew_hosts(e, c, config, data_dir, &nothing, err);
}

void netfiles_remember(struct engine *e, struct container *c, const struct container_config *config,
		       struct netfiles *ret)
{
	*ret = (struct netfiles){0};
	(void) hosts_text(e, c, config, &ret->hosts, NULL);
	resolv_text(c, config, &ret->resolv);
}

void netfiles_free(struct netfiles *was)
{
	buf_free(&was->hosts);
	buf_free(&was->resolv);
}

/* One that the container has written itself stays as it is. */
static int follow_resolv(struct container *c, const struct container_config *config, int data_dir,
			 const struct buf *was, struct err *err)
{
	autofree char *there = NULL;
	autobuf now = {0};

	resolv_text(c, config, &now);
	if (read_file_at(data_dir, "resolv.conf", HOST_FILE_MAX, &there, NULL) < 0 ||
	    !str_eq(there, was->text ?: "") || str_eq(there, now.text ?: ""))
		return 0;
	return rewrite(data_dir, "resolv.conf", &now, err);
}

void netfiles_follow(struct engine *e, struct container *c, const struct container_config *config,
		     const struct netfiles *was)
{
	struct err err = {0};
	autoclose int data = open_data_dir(e, c->id, &err);

	if (data < 0 || renew_hosts(e, c, config, data, &was->hosts, &err) < 0 ||
	    follow_resolv(c, config, data, &was->resolv, &err) < 0)
		log_warn("container %.12s: %s", c->id, err.text);
}
