/* What a volume begins with: the tool copies it, here is decided whether there may be anything. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "image/store.h"

enum place { PLACE_NONE, PLACE_THERE, PLACE_LINK };

/* What the layers have at path. What cannot be told is taken for a link. */
static enum place look(struct images *s, char *const *layers, const char *path)
{
	enum place found = PLACE_NONE;

	for (; *layers; layers++) {
		autofree char *at = xasprintf("%s%s", *layers, path);
		struct stat st;

		if (fstatat(s->layers, at, &st, AT_SYMLINK_NOFOLLOW) == 0)
			found = S_ISLNK(st.st_mode) ? PLACE_LINK : PLACE_THERE;
		else if (errno != ENOENT && errno != ENOTDIR)
			found = PLACE_LINK;
		if (found == PLACE_LINK)
			break;
	}
	return found;
}

/* Is nothing there, for sure? A part of the path that is in no layer says so, but a link leads
 * elsewhere. Most volumes that users name are of this kind, and cost no process. */
static bool has_nothing(struct images *s, char *const *layers, const char *path)
{
	autofree char *part = xstrdup(path);

	for (char *end = part + 1;; end++) {
		char was = *end;
		enum place found;

		if (was && was != '/')
			continue;
		*end = '\0';
		found = look(s, layers, part);
		if (found != PLACE_THERE || !was)
			return found == PLACE_NONE;
		*end = was;
	}
}

int images_copy_up(struct images *s, const struct image *im, const char *path, const char *to,
		   bool *ret_copied, struct err *err)
{
	autostrv char **layers = image_lower(s, im);
	autojson json_t *answer = NULL;

	*ret_copied = false;
	if (!layers || has_nothing(s, layers, path))
		return 0;
	if (tool_copy_up(s, to, path, layers, &answer, err) < 0)
		return -1;
	*ret_copied = json_is_true(json_object_get(answer, "Copied"));
	return 0;
}
