#include <linux/magic.h>

#include "runtime/private.h"
#include "test.h"

#define V1                                                                                      \
	"31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"                                     \
	"32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime shared:3 - cgroup cgroup rw,cpu,cpuacct\n" \
	"35 31 0:32 / /mnt/my\\040groups/memory rw - cgroup cgroup rw,memory\n"
#define HYBRID V1 "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
#define V2     "41 31 0:38 / /sys/fs/cgroup rw master:2 shared:7 - cgroup2 cgroup2 rw,nsdelegate\n"

static enum cgroup_mode mode_of(const char *mountinfo)
{
	autofree char *text = xstrdup(mountinfo);
	struct cgroup_hosts *h = cgroup_hosts_parse(text);
	enum cgroup_mode mode = cgroup_hosts_mode(h);

	cgroup_hosts_free(h);
	return mode;
}

TEST(mode_is_what_is_mounted)
{
	assert_int_equal(mode_of(""), CGROUP_NONE);
	assert_int_equal(mode_of("1 1 0:1 / / rw - ext4 /dev/cgroup rw,cpu\n"), CGROUP_NONE);
	assert_int_equal(mode_of(V1), CGROUP_V1);
	assert_int_equal(mode_of(HYBRID), CGROUP_HYBRID);
	assert_int_equal(mode_of(V2), CGROUP_V2);
	assert_int_equal(mode_of("garbage\n - \n1 2 3\n1 - cgroup\n"), CGROUP_NONE);
}

TEST(a_hidden_mount_is_not_there)
{
	assert_int_equal(mode_of(HYBRID "50 41 0:40 / /sys/fs/cgroup/unified rw - tmpfs none rw\n"),
			 CGROUP_V1);
}

TEST(mount_points_are_unescaped_and_controllers_found)
{
	char text[] = HYBRID;
	struct cgroup_hosts *h = cgroup_hosts_parse(text);

	assert_int_equal(h->n, 3);
	assert_string_equal(h->mounts[0].path, "/sys/fs/cgroup/cpu");
	assert_true(strv_contains(h->mounts[0].options, "cpuacct"));
	assert_string_equal(h->mounts[1].path, "/mnt/my groups/memory");
	assert_true(h->mounts[2].v2);
	cgroup_hosts_free(h);
}

TEST(crun_is_told_to_work_or_not_without_running_it)
{
	static const struct {
		struct crun_view view;
		bool works;
	} cases[] = {
		{{.root_magic = 0}, false},
		{{.root_magic = CGROUP2_SUPER_MAGIC}, true},
		{{.root_magic = EXT4_SUPER_MAGIC}, false},
		{{.root_magic = TMPFS_MAGIC}, true},
		{{TMPFS_MAGIC, TMPFS_MAGIC, true}, true},
		{{TMPFS_MAGIC, CGROUP2_SUPER_MAGIC, false}, true},
		{{TMPFS_MAGIC, CGROUP2_SUPER_MAGIC, true}, false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(crun_refusal(&cases[i].view) == NULL, cases[i].works);
}

TEST(only_cgroups_below_the_root_may_be_touched)
{
	static const char *const bad[] = {"", "/", "//", "holdfast", "/a/../..", "/..", "/../x"};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_true(cgroup_remove(bad[i]) < 0);
		assert_true(cgroup_populated(bad[i]) < 0);
	}
	assert_int_equal(cgroup_remove("/holdfast-test/never-made"), 0);
	assert_int_equal(cgroup_populated("/holdfast-test/never-made"), 0);
	cgroup_remove_empty("/holdfast-test/never-made");
}
