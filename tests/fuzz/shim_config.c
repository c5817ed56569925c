/* Fuzz target: shim.conf. What is read can be written, and reads the same again. */
#include "fuzz.h"

#include "wire/layout.h"
#include "wire/shim_config.h"

static int dir_fd(void)
{
	static int fd = -1;

	if (fd < 0)
		fd = open_dir_at(AT_FDCWD, fuzz_dir());
	return fd;
}

static char *text_of(const struct shim_config *c)
{
	autobuf b = {0};

	shim_config_format(&b, c);
	return buf_take(&b);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n)
{
	struct shim_config c = {0}, again = {0};
	autofree char *text = NULL, *text_again = NULL;
	struct err err = {0};

	fuzz_write(dir_fd(), LAYOUT_SHIM_CONF, data, n);
	if (shim_config_read(dir_fd(), &c, &err) < 0) {
		must(strstr(err.text, LAYOUT_SHIM_CONF));
		must(!c.id);
		return 0;
	}
	must(c.id && c.runtime && c.runtime_root && c.log_max_files >= 1);
	text = text_of(&c);
	/* Escapes and numbers in full make it longer: that may be too long for a file. */
	fuzz_write(dir_fd(), LAYOUT_SHIM_CONF, text, strlen(text));
	if (strlen(text) <= 60 * 1024) {
		must(shim_config_read(dir_fd(), &again, &err) == 0);
		text_again = text_of(&again);
		must(str_eq(text, text_again));
	}
	shim_config_free(&c);
	shim_config_free(&again);
	return 0;
}
