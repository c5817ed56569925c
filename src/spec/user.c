/*
 * Who a container runs as: "user[:group]" by the image's own /etc/passwd and /etc/group.
 *
 * The container's root does not exist yet when this is asked (the shim mounts it), so the files are
 * looked up in the directories that the overlay will be made of, by the overlay's rules: the
 * uppermost wins, whiteouts and opaque directories hide. All of it was written by strangers: links
 * are followed by us, within the roots; only regular files of sane size are read.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "spec/private.h"

#define ACCOUNTS_MAX (4 << 20)
#define LINKS_MAX    40
#define ID_MAX	     INT32_MAX /* as docker has it */

/* The directories, opened. */
struct roots {
	int *fds;
	size_t n;
};

static void roots_close(struct roots *r)
{
	for (size_t i = 0; i < r->n; i++)
		close_p(&r->fds[i]);
	free(r->fds);
}

static int roots_open(char *const *dirs, struct roots *ret, struct err *err)
{
	auto_(roots_close) struct roots r = {.fds = xcalloc(strv_len(dirs) + 1, sizeof *r.fds)};

	for (; dirs && *dirs; dirs++) {
		int fd = open(*dirs, O_PATH | O_DIRECTORY | O_CLOEXEC);

		if (fd < 0)
			return err_sys(err, errno, "open %s", *dirs);
		r.fds[r.n++] = fd;
	}
	*ret = r;
	r = (struct roots){0};
	return 0;
}

/* path has no links but perhaps the last name; that one is not followed. */
static int open_plain(int root, const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t) (flags | O_NOFOLLOW | O_CLOEXEC),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	int fd;

	/* Of a link itself O_PATH | O_NOFOLLOW may be had, but not below RESOLVE_NO_SYMLINKS. */
	if (flags & O_PATH)
		how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
	fd = (int) syscall(SYS_openat2, root, path, &how, sizeof how);
	return fd < 0 ? -errno : fd;
}

static bool is_opaque(int root, const char *path)
{
	autoclose int fd = open_plain(root, path, O_RDONLY | O_DIRECTORY);
	char value[2];

	return fd >= 0 && fgetxattr(fd, "trusted.overlay.opaque", value, sizeof value) == 1 &&
	       value[0] == 'y';
}

enum found { FOUND_NOTHING, FOUND_FILE, FOUND_LINK, FOUND_DIR, FOUND_OTHER };

/*
 * Looks for `path`, whose parent directories are real ones in the merged tree, in the first *n
 * roots. *ret_root is the one that has it; for a directory *n shrinks to the roots that still show
 * through below it.
 */
static enum found look(const struct roots *roots, size_t *n, const char *path, size_t *ret_root)
{
	enum found found = FOUND_NOTHING;

	for (size_t i = 0; i < *n; i++) {
		autoclose int fd = open_plain(roots->fds[i], path, O_PATH);
		struct stat st;

		if (fd < 0 || fstat(fd, &st) < 0)
			continue;
		if (!S_ISDIR(st.st_mode)) {
			if (found == FOUND_DIR) {
				*n = i; /* a file below a directory: the merge ends here */
				return found;
			}
			if (S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0))
				return FOUND_NOTHING;
			*ret_root = i;
			if (S_ISLNK(st.st_mode))
				return FOUND_LINK;
			return S_ISREG(st.st_mode) ? FOUND_FILE : FOUND_OTHER;
		}
		found = FOUND_DIR;
		if (is_opaque(roots->fds[i], path)) {
			*n = i + 1;
			return found;
		}
	}
	return found;
}

/* Drops the last name of a relative path ("a/b" -> "a", "a" -> ""). */
static void go_up(char *path)
{
	char *slash = strrchr(path, '/');

	*(slash ? slash : path) = '\0';
}

/* Reads the target of the link at roots->fds[root]/path; returns target + "/" + rest. */
static char *follow(const struct roots *roots, size_t root, const char *path, const char *rest)
{
	autoclose int fd = open_plain(roots->fds[root], path, O_PATH);
	char target[PATH_MAX];
	ssize_t n = fd < 0 ? -1 : readlinkat(fd, "", target, sizeof target - 1);

	if (n < 0)
		return NULL;
	target[n] = '\0';
	return xasprintf("%s/%s", target, rest);
}

/* A walk through the merged tree. */
struct walk {
	const struct roots *roots;
	size_t n;	   /* roots that show through at `at` */
	char at[PATH_MAX]; /* how far we are: relative, without links */
	char *todo;	   /* what is left to walk, from `next` on */
	char *next;
	int links;
};

/* Begins again with other directions, from the top: what shows through is found anew. Takes path.
 */
static int walk_again(struct walk *w, char *path)
{
	free(w->todo);
	w->todo = w->next = path;
	w->at[0] = '\0';
	w->n = w->roots->n;
	if (!path)
		return -ENOENT;
	return ++w->links > LINKS_MAX ? -ELOOP : 0;
}

static int walk_link(struct walk *w, size_t root)
{
	char *whole, *target = follow(w->roots, root, w->at, w->next);

	if (!target || target[0] == '/')
		return walk_again(w, target);
	go_up(w->at);
	whole = xasprintf("%s/%s", w->at, target);
	free(target);
	return walk_again(w, whole);
}

/* One name further. 1: arrived at a regular file, w->at in *ret_root; 0: go on; -errno. */
static int walk_step(struct walk *w, size_t *ret_root)
{
	size_t len, was = strlen(w->at);

	w->next += strspn(w->next, "/");
	len = strcspn(w->next, "/");
	if (len == 0)
		return -EISDIR;
	if (len == 1 && w->next[0] == '.') {
		w->next++;
		return 0;
	}
	if (len == 2 && w->next[0] == '.' && w->next[1] == '.') {
		go_up(w->at);
		return walk_again(w, xasprintf("%s/%s", w->at, w->next + len));
	}
	if (was + len + 2 > sizeof w->at)
		return -ENAMETOOLONG;
	snprintf(w->at + was, sizeof w->at - was, "%s%.*s", was ? "/" : "", (int) len, w->next);
	w->next += len;

	switch (look(w->roots, &w->n, w->at, ret_root)) {
	case FOUND_NOTHING:
		return -ENOENT;
	case FOUND_DIR:
		return 0;
	case FOUND_LINK:
		return walk_link(w, *ret_root);
	case FOUND_OTHER:
		return -EINVAL;
	case FOUND_FILE:
		break;
	}
	return w->next[strspn(w->next, "/")] ? -ENOTDIR : 1;
}

/* Reads a regular file by its absolute path in the merged tree: 0, or -errno. */
static int read_merged(const struct roots *roots, const char *path, char **ret)
{
	struct walk w = {.roots = roots, .n = roots->n, .todo = xstrdup(path)};
	autoclose int fd = -1;
	char self[40];
	size_t root = 0;
	int r;

	w.next = w.todo;
	do
		r = walk_step(&w, &root);
	while (r == 0);
	free(w.todo);
	if (r < 0)
		return r;

	fd = open_plain(roots->fds[root], w.at, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return fd;
	snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
	return read_file_at(AT_FDCWD, self, ACCOUNTS_MAX, ret, NULL);
}

/* Splits a line at ':' into at most n parts; returns how many there are. */
static size_t split_line(char *line, char *parts[], size_t n)
{
	size_t found = 0;

	while (line && found < n) {
		parts[found++] = line;
		line = strchr(line, ':');
		if (line)
			*line++ = '\0';
	}
	return found;
}

static bool parse_id(const char *s, uint32_t *ret)
{
	int64_t v;

	if (parse_i64(s, &v) < 0 || v < 0 || v > ID_MAX)
		return false;
	*ret = (uint32_t) v;
	return true;
}

static void add_group(struct spec_user *u, uint32_t gid)
{
	for (size_t i = 0; i < u->n_groups; i++) {
		if (u->groups[i] == gid)
			return;
	}
	u->groups = xreallocarray(u->groups, u->n_groups + 1, sizeof *u->groups);
	u->groups[u->n_groups++] = gid;
}

/* Next line of text that is worth looking at, NULL at the end; *text moves on. */
static char *next_line(char **text)
{
	while (*text && **text) {
		char *line = *text, *end = strchr(line, '\n');

		if (end)
			*end = '\0';
		*text = end ? end + 1 : NULL;
		line += strspn(line, " \t");
		if (*line && *line != '#')
			return line;
	}
	return NULL;
}

/* Finds the user in passwd. *ret_name is his name there (into the text), NULL where he is not. */
static void find_user(char *passwd, const char *wanted, uint32_t wanted_uid, bool numeric,
		      struct spec_user *u, char **ret_name)
{
	*ret_name = NULL;
	for (char *line; (line = next_line(&passwd));) {
		char *f[7] = {0};
		uint32_t uid, gid;

		if (split_line(line, f, ARRAY_SIZE(f)) < 4 || !parse_id(f[2], &uid) ||
		    !parse_id(f[3], &gid))
			continue;
		if (numeric ? uid != wanted_uid : strcmp(f[0], wanted) != 0)
			continue;
		u->uid = uid;
		u->gid = gid;
		u->home = xstrdup(f[5] ? f[5] : "");
		*ret_name = f[0];
		return;
	}
}

static bool has_member(char *members, const char *name)
{
	char *save = NULL;

	for (char *m = members ? strtok_r(members, ",", &save) : NULL; m;
	     m = strtok_r(NULL, ",", &save)) {
		if (strcmp(m, name) == 0)
			return true;
	}
	return false;
}

/* Groups that list the user as a member become his supplementary ones. */
static void find_memberships(const char *group_text, const char *name, struct spec_user *u)
{
	autofree char *copy = xstrdup(group_text);
	char *text = copy;

	for (char *line; (line = next_line(&text));) {
		char *f[4] = {0};
		uint32_t gid;

		if (split_line(line, f, ARRAY_SIZE(f)) == 4 && parse_id(f[2], &gid) &&
		    has_member(f[3], name))
			add_group(u, gid);
	}
}

/* By name, or by number where there is one; a number that nobody has is good as it is. */
static bool find_group(const char *group_text, const char *wanted, uint32_t *ret)
{
	autofree char *copy = xstrdup(group_text);
	char *text = copy;

	if (parse_id(wanted, ret))
		return true;
	for (char *line; (line = next_line(&text));) {
		char *f[4] = {0};

		if (split_line(line, f, ARRAY_SIZE(f)) >= 3 && strcmp(f[0], wanted) == 0 &&
		    parse_id(f[2], ret))
			return true;
	}
	return false;
}

/* Absent is empty, as for docker; what cannot be read is told. */
static int read_accounts(const struct roots *roots, const char *path, char **ret, struct err *err)
{
	int r = read_merged(roots, path, ret);

	if (r == -ENOENT || r == -ENOTDIR || r == -EISDIR) {
		*ret = xstrdup("");
		return 0;
	}
	if (r == -EFBIG)
		return err_set(err, ERR_TOO_LARGE, "the image's %s is larger than %d MiB", path,
			       ACCOUNTS_MAX >> 20);
	if (r == -EINVAL)
		return err_set(err, ERR_INVALID, "the image's %s is not a regular file", path);
	if (r < 0)
		return err_sys(err, -r, "the image's %s", path);
	return 0;
}

/* Sets uid, gid, home and memberships of "name-or-uid". group_text is not needed where the group
 * was given. */
static int resolve_user(const char *name, char *passwd, const char *group_text,
			bool want_memberships, struct spec_user *u, struct err *err)
{
	uint32_t uid = 0;
	bool numeric = *name == '\0' || parse_id(name, &uid);
	char *found;
	int64_t any;

	if (!numeric && parse_i64(name, &any) == 0)
		return err_set(err, ERR_INVALID,
			       "unable to find user %s: uids and gids must be in range 0-%d", name,
			       ID_MAX);
	find_user(passwd, name, uid, numeric, u, &found);
	if (!found) {
		if (!numeric)
			return err_set(err, ERR_INVALID,
				       "unable to find user %s: no matching entries in passwd file",
				       name);
		u->uid = uid;
		u->gid = 0;
	} else if (want_memberships) {
		find_memberships(group_text, found, u);
	}
	if (str_empty(u->home)) {
		free(u->home);
		u->home = xstrdup("/");
	}
	return 0;
}

static void spec_user_free_p(struct spec_user *u)
{
	spec_user_free(u);
}

int spec_user_lookup(char *const *dirs, const char *user, char *const *group_add,
		     struct spec_user *ret, struct err *err)
{
	auto_(spec_user_free_p) struct spec_user u = {0};
	auto_(roots_close) struct roots roots = {0};
	autofree char *passwd = NULL, *group = NULL;
	autofree char *name = xstrdup(user ? user : "");
	char *colon = strchr(name, ':');
	const char *wanted_group = colon ? colon + 1 : "";

	if (colon)
		*colon = '\0';
	if (roots_open(dirs, &roots, err) < 0 ||
	    read_accounts(&roots, "/etc/passwd", &passwd, err) < 0 ||
	    read_accounts(&roots, "/etc/group", &group, err) < 0)
		return -1;

	if (resolve_user(name, passwd, group, *wanted_group == '\0', &u, err) < 0)
		return -1;
	if (*wanted_group && !find_group(group, wanted_group, &u.gid))
		return err_set(err, ERR_INVALID,
			       "unable to find group %s: no matching entries in group file",
			       wanted_group);
	for (; group_add && *group_add; group_add++) {
		uint32_t gid;

		if (!find_group(group, *group_add, &gid))
			return err_set(err, ERR_INVALID, "Unable to find group %s", *group_add);
		add_group(&u, gid);
	}
	*ret = u;
	u = (struct spec_user){0};
	return 0;
}

void spec_user_free(struct spec_user *u)
{
	if (!u)
		return;
	free(u->groups);
	free(u->home);
	*u = (struct spec_user){0};
}
