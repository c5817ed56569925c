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

/* The host's address on the default bridge: there every container finds it. */
static int host_gateway(struct engine *e, char **ret, struct err *err)
{
	struct network_view v;
	int r = network_find(e->networks, "bridge", &v, err);

	if (r < 0)
		return r;
	if (v.config.ipam.pools.n > 0)
		*ret = take(objects_at(&v.config.ipam.pools, struct ipam_pool, 0)->gateway);
	network_view_free(&v);
	return *ret ? 0
		    : err_set(err, ERR_INVALID, "unable to derive the IP value for host-gateway");
}

/* Each "name:address" of --add-host. */
static int add_extra_hosts(struct engine *e, struct buf *b, char *const *extra, struct err *err)
{
	for (; extra && *extra; extra++) {
		const char *colon = strpbrk(*extra, ":=");
		autofree char *gateway = NULL;

		if (!colon || colon == *extra || !colon[1])
			return err_set(err, ERR_INVALID, "bad format for add-host: \"%s\"", *extra);
		if (!strcmp(colon + 1, "host-gateway") && host_gateway(e, &gateway, err) < 0)
			return -1;
		buf_addf(b, "%s\t%.*s\n", gateway ?: colon + 1, (int) (colon - *extra), *extra);
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
	if (add_extra_hosts(e, b, config->host.extra_hosts, err) < 0)
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

int netfiles_renew_hosts(struct engine *e, struct container *c,
			 const struct container_config *config, int data_dir, struct err *err)
{
	autoclose int fd = openat(data_dir, "hosts", O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	autobuf b = {0};

	if (hosts_text(e, c, config, &b, err) < 0)
		return -1;
	if (fd < 0 || pwrite(fd, b.text, b.len, 0) != (ssize_t) b.len ||
	    ftruncate(fd, (off_t) b.len) < 0)
		return err_sys(err, errno, "write hosts");
	return 0;
}

/* A resolver of the host that only the host itself reaches. */
static bool is_loopback_resolver(const char *line)
{
	const char *address = line + strlen("nameserver");

	address += strspn(address, " \t");
	return !strncmp(address, "127.", 4) || !strncmp(address, "::1", 3);
}

/* The lines of the host's resolv.conf that the container did not override. */
static void copy_resolv_lines(struct buf *b, const char *host, const struct host_config *hc,
			      bool apart, const char *names_at)
{
	while (*host) {
		size_t n = strcspn(host, "\n");
		bool skip = (!strncmp(host, "nameserver", 10) &&
			     (names_at || strv_len(hc->dns) ||
			      (apart && is_loopback_resolver(host)))) ||
			    ((!strncmp(host, "search", 6) || !strncmp(host, "domain", 6)) &&
			     strv_len(hc->dns_search)) ||
			    (!strncmp(host, "options", 7) && strv_len(hc->dns_options));

		if (!skip && n > 0) {
			buf_add(b, host, n);
			buf_addc(b, '\n');
		}
		host += n + (host[n] == '\n');
	}
}

/* The first of its networks that knows names. Caller frees. */
static char *ask_for_names_at(struct container *c)
{
	hold(&c->lock);

	for (size_t i = 0; i < c->disk.endpoints.n; i++) {
		const struct endpoint *ep = objects_at(&c->disk.endpoints, struct endpoint, i);

		if (!str_empty(ep->dns))
			return xstrdup(ep->dns);
	}
	return NULL;
}

static int write_resolv_conf(struct container *c, const struct container_config *config, int dir,
			     struct err *err)
{
	const struct host_config *hc = &config->host;
	autofree char *host = NULL, *search = NULL, *options = NULL, *behind = NULL;
	autofree char *names_at = NULL;
	bool apart = is_networked(&config->config, hc);
	autobuf b = {0};

	/* Who asks its network asks nobody else: the network's server knows the resolvers. */
	names_at = ask_for_names_at(c);
	if (names_at)
		buf_addf(&b, "nameserver %s\n", names_at);
	if (read_file_at(AT_FDCWD, "/etc/resolv.conf", HOST_FILE_MAX, &host, NULL) == 0)
		copy_resolv_lines(&b, host, hc, apart, names_at);
	/* Behind systemd's local resolver stand the ones that it asks. */
	if (apart && !names_at && !strv_len(hc->dns) && !(b.len && strstr(b.text, "nameserver")) &&
	    read_file_at(AT_FDCWD, "/run/systemd/resolve/resolv.conf", HOST_FILE_MAX, &behind,
			 NULL) == 0) {
		buf_free(&b);
		copy_resolv_lines(&b, behind, hc, apart, NULL);
	}
	for (char **d = hc->dns; !names_at && d && *d; d++)
		buf_addf(&b, "nameserver %s\n", *d);
	if (strv_len(hc->dns_search) && strcmp(hc->dns_search[0], ".") != 0) {
		search = strv_join(hc->dns_search, " ");
		buf_addf(&b, "search %s\n", search);
	}
	if (strv_len(hc->dns_options)) {
		options = strv_join(hc->dns_options, " ");
		buf_addf(&b, "options %s\n", options);
	}
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
