/* Which mount covers a path, and whether it is shared: mountinfo of proc(5). */
#include "test.h"

#include "engine/internal.h"

static const char systemd_host[] = "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
				   "25 22 0:21 / /run rw,nosuid shared:5 - tmpfs tmpfs rw\n"
				   "80 25 0:21 /holdfast /run/holdfast rw,nosuid - tmpfs tmpfs rw\n"
				   "90 22 8:2 / /data rw master:3 - ext4 /dev/sdb rw\n";

TEST(the_innermost_mount_counts)
{
	assert_true(mountinfo_is_shared(systemd_host, "/var/lib/x"));
	assert_true(mountinfo_is_shared(systemd_host, "/run/other"));
	assert_false(mountinfo_is_shared(systemd_host, "/run/holdfast"));
	assert_false(mountinfo_is_shared(systemd_host, "/run/holdfast/containers"));
	assert_true(mountinfo_is_shared(systemd_host, "/run/holdfastest"));
	assert_false(mountinfo_is_shared(systemd_host, "/data/x"));
}

TEST(a_later_mount_on_the_same_point_counts)
{
	const char *twice = "1 0 8:1 / / rw shared:1 - ext4 a rw\n2 1 8:1 / / rw - ext4 a rw\n";

	assert_false(mountinfo_is_shared(twice, "/x"));
}

TEST(nonsense_is_not_shared)
{
	assert_false(mountinfo_is_shared("", "/x"));
	assert_false(mountinfo_is_shared("1 2 3\n\n", "/x"));
}
