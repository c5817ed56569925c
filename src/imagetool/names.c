/* Names out of an archive; see names.h. */
#include "imagetool/names.h"

#include <errno.h>
#include <string.h>

int clean_path(const char *name, char *ret, size_t size)
{
	size_t len = 0;

	while (*name) {
		size_t n = strcspn(name, "/");

		if (n == 0 || (n == 1 && name[0] == '.')) {
			/* nothing */
		} else if (n == 2 && name[0] == '.' && name[1] == '.') {
			if (len == 0)
				return -EXDEV;
			while (len > 0 && ret[--len] != '/')
				;
		} else {
			if (len + 1 + n + 1 > size)
				return -ENAMETOOLONG;
			if (len > 0)
				ret[len++] = '/';
			memcpy(ret + len, name, n);
			len += n;
		}
		name += n;
		name += *name == '/';
	}
	ret[len] = '\0';
	return 0;
}

const char *printable(const char *name, char ret[static PRINTABLE_MAX])
{
	size_t n = 0;

	for (; *name && n < 200; name++, n++)
		ret[n] = (unsigned char) *name < ' ' || *name == 0x7f ? '?' : *name;
	strcpy(ret + n, *name ? "..." : "");
	return ret;
}
