#include <linux/capability.h>

#include "fixture.h"

#define KERNEL(major, minor) ((major) << 16 | (minor))

/* The compiled profile with ' for ", or NULL. */
static char *compiled(const char *text, uint64_t caps, const char *arch, unsigned kernel,
		      struct err *err)
{
	autofree char *quoted = xstrdup(text);
	autojson json_t *profile = NULL;
	struct buf b = {0};

	for (char *c = quoted; *c; c++) {
		if (*c == '\'')
			*c = '"';
	}
	assert_int_equal(seccomp_parse(quoted, &profile, err), 0);
	if (seccomp_compile(profile, caps, arch, kernel, &b, err) < 0)
		return NULL;
	for (size_t i = 0; i < b.len; i++) {
		if (b.text[i] == '"')
			b.text[i] = '\'';
	}
	return buf_take(&b);
}

TEST(conditions_decide_what_is_in)
{
	static const struct {
		const char *rule;
		uint64_t caps;
		const char *arch;
		unsigned kernel;
		bool in;
	} cases[] = {
		{"", 0, "amd64", KERNEL(6, 1), true},
		{",'includes':{},'excludes':{}", 0, "amd64", KERNEL(6, 1), true},
		{",'includes':{'caps':['CAP_SYS_ADMIN']}", 0, "amd64", KERNEL(6, 1), false},
		{",'includes':{'caps':['CAP_SYS_ADMIN']}", CAP_BIT(CAP_SYS_ADMIN), "amd64",
		 KERNEL(6, 1), true},
		{",'includes':{'caps':['CAP_SYS_ADMIN','CAP_BPF']}", CAP_BIT(CAP_SYS_ADMIN),
		 "amd64", KERNEL(6, 1), false},
		{",'includes':{'caps':['CAP_OF_TOMORROW']}", ~UINT64_C(0), "amd64", KERNEL(6, 1),
		 false},
		{",'excludes':{'caps':['CAP_SYS_ADMIN']}", CAP_BIT(CAP_SYS_ADMIN), "amd64",
		 KERNEL(6, 1), false},
		{",'excludes':{'caps':['CAP_SYS_ADMIN']}", 0, "amd64", KERNEL(6, 1), true},
		{",'includes':{'arches':['amd64','x32']}", 0, "amd64", KERNEL(6, 1), true},
		{",'includes':{'arches':['s390']}", 0, "amd64", KERNEL(6, 1), false},
		{",'includes':{'arches':['x86']}", 0, "386", KERNEL(6, 1), true},
		{",'excludes':{'arches':['amd64']}", 0, "amd64", KERNEL(6, 1), false},
		{",'includes':{'minKernel':'4.8'}", 0, "amd64", KERNEL(4, 7), false},
		{",'includes':{'minKernel':'4.8'}", 0, "amd64", KERNEL(4, 10), true},
		{",'excludes':{'minKernel':'4.8'}", 0, "amd64", KERNEL(5, 0), false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autofree char *text =
			xasprintf("{'defaultAction':'SCMP_ACT_ERRNO','syscalls':[{'names':['a'],"
				  "'action':'SCMP_ACT_ALLOW'%s}]}",
				  cases[i].rule);
		autofree char *got =
			compiled(text, cases[i].caps, cases[i].arch, cases[i].kernel, NULL);

		assert_string_equal(
			got, cases[i].in ? "{'defaultAction':'SCMP_ACT_ERRNO','syscalls':["
					   "{'names':['a'],'action':'SCMP_ACT_ALLOW'}]}"
					 : "{'defaultAction':'SCMP_ACT_ERRNO','syscalls':[]}");
	}
}

TEST(profile_is_carried_over_whole)
{
	static const char profile[] =
		"{'defaultAction':'SCMP_ACT_ERRNO','defaultErrnoRet':38,'defaultErrno':'ENOSYS','"
		"archMap':["
		"{'architecture':'SCMP_ARCH_AARCH64','subArchitectures':['SCMP_ARCH_ARM']},"
		"{'architecture':'SCMP_ARCH_X86_64','subArchitectures':['SCMP_ARCH_X86','SCMP_ARCH_"
		"X32']}],"
		"'syscalls':[{'name':'old','action':'SCMP_ACT_LOG','comment':'c','errno':'EPERM','"
		"errnoRet':1,"
		"'args':[{'index':0,'value':4294967295,'valueTwo':0,'op':'SCMP_CMP_EQ'}]}]}";
	struct err err = {0};
	autofree char *got = compiled(profile, 0, "amd64", KERNEL(6, 1), &err);
	autofree char *riscv = compiled(profile, 0, "riscv64", KERNEL(6, 1), &err);

	assert_string_equal(
		got,
		"{'defaultAction':'SCMP_ACT_ERRNO','defaultErrnoRet':38,'architectures':["
		"'SCMP_ARCH_X86_64','SCMP_ARCH_X86','SCMP_ARCH_X32'],'syscalls':[{'names':['old'],"
		"'action':'SCMP_ACT_LOG','errnoRet':1,'args':[{'index':0,'value':4294967295,"
		"'valueTwo':0,'op':'SCMP_CMP_EQ'}]}]}");
	assert_non_null(strstr(riscv, "'architectures':[]"));
}

TEST(wrong_profiles_are_refused_and_empty_ones_are_none)
{
	struct err err = {0};
	autofree char *empty = compiled("{}", 0, "amd64", 0, &err);
	json_t *profile = NULL;

	assert_string_equal(empty, "");
	assert_null(compiled("{'defaultAction':'A','syscalls':[{'name':'a','names':['b']}]}", 0,
			     "amd64", 0, &err));
	assert_string_equal(err.text,
			    "both 'name' and 'names' are specified, in seccomp profile: a");
	assert_null(compiled(
		"{'defaultAction':'A','architectures':['X'],'archMap':[{'architecture':'Y'}]}", 0,
		"amd64", 0, &err));
	assert_true(seccomp_parse("[]", &profile, &err) < 0);
	assert_true(seccomp_parse("", &profile, &err) < 0);
	assert_int_equal(err.kind, ERR_INVALID);
}
