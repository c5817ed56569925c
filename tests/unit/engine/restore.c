/* restore, phase 1: what it does not see is not taken for gone. */
#include "test.h"

#include <sys/resource.h>

#include "engine/internal.h"

TEST(containers_that_cannot_be_listed_are_not_taken_for_none)
{
	autofree char *data = xasprintf("%s/list-d", test_dir()),
		      *exec = xasprintf("%s/list-e", test_dir());
	struct rlimit was, none;
	struct engine e = {0};
	struct err err = {0};
	int r;

	assert_int_equal(container_store_open(data, exec, &e.store, NULL), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	none = (struct rlimit){.rlim_cur = 3, .rlim_max = was.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	r = engine_restore_load(&e, &err);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	assert_true(r < 0);
	assert_non_null(strstr(err.text, "Too many open files"));
	assert_null(e.restore);
	container_store_close(e.store);
}
