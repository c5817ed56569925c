/* The listening sockets: those that were passed to us, and those that we bind ourselves. */
#include <grp.h>
#include <string.h>

#include "daemon/daemon.h"

static int socket_group(const struct options *o, int *ret, struct err *err)
{
	const char *const names[] = {"holdfast", "docker"};
	struct group *g = NULL;

	*ret = -1;
	if (o->group) {
		g = getgrnam(o->group);
		if (!g)
			return err_set(err, ERR_INVALID, "group: there is no group '%s'", o->group);
	}
	for (size_t i = 0; i < ARRAY_SIZE(names) && !g; i++)
		g = getgrnam(names[i]);
	if (g)
		*ret = (int) g->gr_gid;
	return 0;
}

int sockets_open(const struct options *o, struct heritage *h, struct err *err)
{
	int gid;

	if (o->hosts_by_default && h->passed)
		return 0;
	if (socket_group(o, &gid, err) < 0)
		return -1;
	for (char **host = o->hosts; *host; host++) {
		const char *path;
		int fd;

		if (str_eq(*host, "fd://")) {
			if (!h->passed)
				return err_set(err, ERR_INVALID,
					       "host fd://: no listening socket was passed to us "
					       "(LISTEN_FDS); is holdfast.socket started?");
			continue;
		}
		path = *host + strlen("unix://");
		if (heritage_has_socket(h, path))
			continue;
		if (http_listen_unix(path, gid, &fd, err) < 0)
			return -1;
		heritage_add_socket(h, fd);
	}
	return 0;
}
