/*
 * Names on networks that users make: served by Debian's aardvark-dns, a process of its own, which
 * answers while we are away. It listens at each such network's gateway, and reads a file for each
 * network in its directory (below the exec root, so a reboot empties it):
 *
 *	GATEWAY[,GATEWAY6]
 *	OWNER ADDRESS ADDRESS6 NAME,NAME... [RESOLVER,...]
 *
 * The files are written from memory whenever members come or go, then it is told, or started, and
 * ended when no file is left (dns_server.c). Between the first change and its being told a mark
 * beside them says so to the daemon that comes after us if we die there.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/thread.h"
#include "network/private.h"

#define DNS_DIR	     "dns"
#define DNS_NEW	     "dns.new" /* beside it: whatever is in it is taken for a network */
#define DNS_UNTOLD   "dns.untold"
#define DNS_FILE_MAX (16 << 20)

static char *dns_path(const struct networks *ns)
{
	return xasprintf("%s/" DNS_DIR, ns->o.exec_root);
}

bool dns_serves(const struct networks *ns, const struct network *n)
{
	return ns->o.exec_root && n->bridge[0] && !network_is_builtin(n) &&
	       exists_at(AT_FDCWD, dns_program(ns));
}

/* The files */

/* Users give names, and what the file's own form is made of is in none that can be asked for. */
static bool is_askable(const char *name)
{
	return !strpbrk(name, " ,\t\r\n");
}

#define SHORT_ID_LEN 12

static bool is_called(const struct member *m, const char *name, size_t len)
{
	for (char **n = m->e.names; n && *n; n++)
		if (strlen(*n) == len && memcmp(*n, name, len) == 0)
			return true;
	return len >= SHORT_ID_LEN && strncmp(m->owner, name, len) == 0;
}

static const struct member *member_called(const struct network *n, const char *name, size_t len)
{
	for (size_t i = 0; i < n->n_members; i++)
		if (is_called(&n->members[i], name, len))
			return &n->members[i];
	return NULL;
}

/* Who is meant by the alias of a link. The server says the same to all who ask, so where links of
 * one alias mean several, or it is somebody's own name, it is nobody's here: who has the link finds
 * it in his hosts file all the same. */
static const struct member *linked_as(const struct network *n, const char *alias)
{
	const struct member *found = NULL;

	if (member_called(n, alias, strlen(alias)))
		return NULL;
	for (size_t i = 0; i < n->n_members; i++)
		for (char **l = n->members[i].e.links; l && *l; l++) {
			size_t len = strcspn(*l, ":");
			const struct member *m;

			if (!(*l)[len] || strcmp(*l + len + 1, alias) != 0)
				continue;
			m = member_called(n, *l, len);
			if (m && found && m != found)
				return NULL;
			found = m ?: found;
		}
	return found;
}

/* Each is known with the network's name behind it as well. */
static void add_name(char ***names, const char *name, const struct network *n)
{
	autofree char *whole = xasprintf("%s.%s", name, n->config.name);

	if (*name && is_askable(name) && !strv_contains(*names, name))
		strv_add(names, name);
	if (*name && is_askable(whole) && !strv_contains(*names, whole))
		strv_add(names, whole);
}

static char *names_of(const struct network *n, const struct member *m)
{
	autostrv char **good = NULL;

	for (char **name = m->e.names; name && *name; name++)
		add_name(&good, *name, n);
	for (size_t i = 0; i < n->n_members; i++)
		for (char **l = n->members[i].e.links; l && *l; l++) {
			const char *alias = strchr(*l, ':');

			if (alias && linked_as(n, alias + 1) == m)
				add_name(&good, alias + 1, n);
		}
	return strv_join(good, ",");
}

static void add_member(struct buf *b, const struct network *network, const struct member *m)
{
	autofree char *names = names_of(network, m);
	autofree char *resolvers = strv_join(m->e.resolvers, ",");

	if (str_empty(m->e.ip) || str_empty(names))
		return;
	buf_addf(b, "%s %s %s %s", m->owner, m->e.ip, m->e.ip6 ?: "", names);
	if (!str_empty(resolvers))
		buf_addf(b, " %s", resolvers);
	buf_addc(b, '\n');
}

static void describe(const struct network *n, struct buf *b)
{
	char text[IP_TEXT_MAX];

	buf_adds(b, ip_text(&n->pools[0].gateway, text));
	if (n->pools[1].gateway.family)
		buf_addf(b, ",%s", ip_text(&n->pools[1].gateway, text));
	buf_addc(b, '\n');
	for (size_t i = 0; i < n->n_members; i++)
		add_member(b, n, &n->members[i]);
}

static int mark_untold(int root)
{
	autoclose int fd = openat(root, DNS_UNTOLD, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	return fd < 0 ? -errno : 0;
}

/* 1: it is another than before, 0: it is as it was. */
static int write_file(int root, const char *name, const struct buf *b)
{
	autofree char *now = NULL;
	autoclose int fd = -1;
	size_t len;
	int r;

	if (read_file_at(root, name, DNS_FILE_MAX, &now, &len) == 0 && len == b->len &&
	    memcmp(now, b->text, len) == 0)
		return 0;
	fd = openat(root, DNS_NEW, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = write_all(fd, b->text, b->len);
	if (r == 0)
		r = mark_untold(root);
	if (r < 0)
		return r;
	return renameat(root, DNS_NEW, root, name) < 0 ? -errno : 1;
}

static int drop_file(int root, const char *name)
{
	int r;

	if (!exists_at(root, name))
		return 0;
	r = mark_untold(root);
	if (r < 0)
		return r;
	return unlinkat(root, name, 0) < 0 ? -errno : 1;
}

/* Has anything changed? */
static bool put_network(int root, const struct network *n)
{
	autofree char *name = xasprintf(DNS_DIR "/%s", n->config.id);
	autobuf b = {0};
	int r;

	describe(n, &b);
	r = n->n_members > 0 ? write_file(root, name, &b) : drop_file(root, name);
	if (r < 0)
		log_error("names of network %s: %s", n->config.name, strerror(-r));
	return r != 0;
}

/* What the server is to do. */
struct task {
	bool changed;  /* there is something to tell */
	struct ip *at; /* the gateways that it listens at */
	size_t n;
};

static void add_gateway(struct task *t, const struct ip *gateway)
{
	t->at = xreallocarray(t->at, t->n + 1, sizeof *t->at);
	t->at[t->n++] = *gateway;
}

/* Of one network, or of all. */
static void put_locked(struct networks *ns, int root, const char *id, struct task *t)
{
	bool found = false;

	hold(&ns->lock);
	for (size_t i = 0; i < ns->n; i++) {
		const struct network *n = ns->all[i];

		if (!dns_serves(ns, n))
			continue;
		if (n->n_members > 0)
			add_gateway(t, &n->pools[0].gateway);
		if (id && !str_eq(n->config.id, id))
			continue;
		t->changed |= put_network(root, n);
		found = true;
	}
	/* Its last member was on its way out when it was removed. */
	if (id && !found) {
		autofree char *name = xasprintf(DNS_DIR "/%s", id);

		t->changed |= drop_file(root, name) != 0;
	}
}

void dns_write(struct networks *ns, const char *id)
{
	autofree char *dir = NULL;
	autoclose int root = -1;
	struct task t = {0};
	int r;

	if (!ns->o.exec_root || !exists_at(AT_FDCWD, dns_program(ns)))
		return;
	hold(&ns->dns);
	dir = dns_path(ns);
	root = open_dir_at(AT_FDCWD, ns->o.exec_root);
	if (root < 0 || (mkdirat(root, DNS_DIR, 0700) < 0 && errno != EEXIST)) {
		log_error("names of networks: %s: %s", dir, strerror(errno));
		return;
	}
	t.changed = exists_at(root, DNS_UNTOLD);
	put_locked(ns, root, id, &t);
	r = dns_server_serve(ns, dir, t.changed, t.at, t.n);
	free(t.at);
	if (r == 0 && t.changed)
		(void) unlinkat(root, DNS_UNTOLD, 0);
}

void dns_rest(struct networks *ns)
{
	autofree char *dir = ns->o.exec_root ? dns_path(ns) : NULL;
	autoclose int root = dir ? open_dir_at(AT_FDCWD, ns->o.exec_root) : -1;

	if (root < 0)
		return;
	hold(&ns->dns);
	dns_server_end(dir);
	(void) remove_tree_at(root, DNS_DIR);
	(void) unlinkat(root, DNS_UNTOLD, 0);
}
