#include <linux/capability.h>

#include "fixture.h"

#define ALL	((UINT64_C(1) << 41) - 1)
#define DEFAULT UINT64_C(0xa80425fb)
#define NO(cap) (ALL & ~CAP_BIT(cap))

TEST(capabilities_are_resolved_as_docker_does)
{
	static const struct {
		const char *host;
		uint64_t lent, want, missing;
		const char *error;
	} cases[] = {
		{"{}", ALL, DEFAULT, 0, NULL},
		{"{'CapAdd':['NET_ADMIN']}", ALL, DEFAULT | CAP_BIT(CAP_NET_ADMIN), 0, NULL},
		{"{'CapAdd':['cap_net_admin']}", ALL, DEFAULT | CAP_BIT(CAP_NET_ADMIN), 0, NULL},
		{"{'CapDrop':['CHOWN']}", ALL, DEFAULT & ~CAP_BIT(CAP_CHOWN), 0, NULL},
		{"{'CapDrop':['ALL']}", ALL, 0, 0, NULL},
		{"{'CapDrop':['all'],'CapAdd':['CHOWN']}", ALL, CAP_BIT(CAP_CHOWN), 0, NULL},
		{"{'CapAdd':['ALL'],'CapDrop':['SYS_ADMIN']}", ALL, NO(CAP_SYS_ADMIN), 0, NULL},
		{"{'CapAdd':['ALL']}", NO(CAP_BPF), NO(CAP_BPF), 0, NULL},
		{"{'Privileged':true,'CapDrop':['ALL']}", NO(CAP_BPF), NO(CAP_BPF), 0, NULL},
		/* a default that the host lacks is left out, a wish is refused */
		{"{}", NO(CAP_MKNOD), DEFAULT & ~CAP_BIT(CAP_MKNOD), CAP_BIT(CAP_MKNOD), NULL},
		{"{'CapAdd':['BPF']}", NO(CAP_BPF), 0, 0,
		 "capability not supported by your kernel or not available in the current "
		 "environment: "
		 "\"CAP_BPF\""},
		{"{'CapAdd':['FLY']}", ALL, 0, 0, "unknown capability: \"FLY\""},
		{"{'CapDrop':['CAP_FLY']}", ALL, 0, 0, "unknown capability: \"CAP_FLY\""},
		{"{'CapDrop':['']}", ALL, 0, 0, "unknown capability: \"\""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autofree char *text = xasprintf("{'HostConfig':%s}", cases[i].host);
		autorequest r = request(text);
		uint64_t caps = 0, missing = 0;
		struct err err = {0};
		int ok = caps_resolve(&r.host, cases[i].lent, &caps, &missing, &err);

		assert_string_equal(err.text, cases[i].error ? cases[i].error : "");
		assert_int_equal(ok == 0, !cases[i].error);
		assert_int_equal(caps, cases[i].want);
		assert_int_equal(missing, cases[i].missing);
	}
}
