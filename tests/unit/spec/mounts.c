#include "fixture.h"

TEST(paths_are_cleaned_as_go_does)
{
	static const char *const cases[][2] = {
		{"/", "/"},
		{"//", "/"},
		{"/a/", "/a"},
		{"/a//b", "/a/b"},
		{"/a/./b", "/a/b"},
		{"/a/../b", "/b"},
		{"/../..", "/"},
		{"/..", "/"},
		{"", "."},
		{"a/..", "."},
		{"a/../..", ".."},
		{"../a", "../a"},
		{"../../a/..", "../.."},
		{"/a/b/../../../c", "/c"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autofree char *clean = path_clean(cases[i][0]);

		assert_string_equal(clean, cases[i][1]);
	}
}

/* Mounts in a line: type,source,destination,rw|ro,propagation,mode[,create][,flat]; ... */
static char *mounts_of(const char *host, struct err *err)
{
	autofree char *text = xasprintf("{'HostConfig':%s}", host);
	autorequest r = request(text);
	struct objects mounts = {0};
	autobuf out = {0};

	if (spec_mounts(&r.config, &r.host, NULL, 0, &mounts, err) < 0)
		return xstrdup("");
	for (size_t i = 0; i < mounts.n; i++) {
		struct mount_point *m = objects_at(&mounts, struct mount_point, i);

		buf_addf(&out, "%s%s,%s,%s,%s,%s,%s%s%s", i ? "; " : "", m->type, m->source,
			 m->destination, m->rw ? "rw" : "ro", m->propagation, m->mode,
			 m->create_source ? ",create" : "", m->non_recursive ? ",flat" : "");
		fields_free(mount_point_fields, m);
	}
	free(mounts.items);
	return buf_take(&out);
}

TEST(mounts_are_resolved)
{
	static const char *const cases[][2] = {
		{"{}", ""},
		{"{'Binds':['/a:/b']}", "bind,/a,/b,rw,rprivate,,create"},
		{"{'Binds':['/a/:/b/../c/:ro,z,rslave']}",
		 "bind,/a,/c,ro,rslave,ro,z,rslave,create"},
		{"{'Binds':['/x:/d/e/f','/y:/a','/z:/d']}",
		 "bind,/y,/a,rw,rprivate,,create; bind,/z,/d,rw,rprivate,,create; "
		 "bind,/x,/d/e/f,rw,rprivate,,create"},
		{"{'Mounts':[{'Type':'bind','Source':'/tmp','Target':'/t','ReadOnly':true}]}",
		 "bind,/tmp,/t,ro,rprivate,"},
		{"{'Mounts':[{'Type':'bind','Source':'/tmp','Target':'/t',"
		 "'BindOptions':{'Propagation':'rshared','NonRecursive':true}}]}",
		 "bind,/tmp,/t,rw,rshared,,flat"},
		{"{'Mounts':[{'Type':'bind','Source':'/no/such','Target':'/t',"
		 "'BindOptions':{'CreateMountpoint':true}}]}",
		 "bind,/no/such,/t,rw,rprivate,,create"},
		{"{'Mounts':[{'Type':'tmpfs','Target':'/"
		 "t','TmpfsOptions':{'SizeBytes':1048576,'Mode':448}}]}",
		 "tmpfs,,/t,rw,,mode=700,size=1m"},
		{"{'Mounts':[{'Type':'tmpfs','Target':'/"
		 "t','ReadOnly':true,'TmpfsOptions':{'SizeBytes':1000}}]}",
		 "tmpfs,,/t,ro,,ro,size=1000"},
		{"{'Tmpfs':{'/run':'ro,size=64k'}}", "tmpfs,,/run,ro,,ro,size=64k"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err err = {0};
		autofree char *got = mounts_of(cases[i][0], &err);

		assert_string_equal(err.text, "");
		assert_string_equal(got, cases[i][1]);
	}
}

#define BIND_CONFIG "invalid mount config for type \"bind\": "

TEST(wrong_mounts_are_refused_in_docker_words)
{
	static const struct {
		const char *host, *error;
	} cases[] = {
		{"{'Binds':['']}", "invalid volume specification: ''"},
		{"{'Binds':['/a']}", "invalid volume specification: '/a'"},
		{"{'Binds':['/a:rw']}", "invalid volume specification: '/a:rw'"},
		{"{'Binds':[':/a']}", "invalid volume specification: ':/a'"},
		{"{'Binds':['/a:/b:rw:x']}", "invalid volume specification: '/a:/b:rw:x'"},
		{"{'Binds':['/a:/b:']}", "invalid mode: "},
		{"{'Binds':['/a:/b:rx']}", "invalid mode: rx"},
		{"{'Binds':['/a:/b:ro,rw']}", "invalid mode: ro,rw"},
		{"{'Binds':['/a:/b:z,Z']}", "invalid mode: z,Z"},
		{"{'Binds':['/a:/b:shared,slave']}", "invalid mode: shared,slave"},
		{"{'Binds':['/a:/']}", "invalid volume specification: '/a:/': " BIND_CONFIG
				       "invalid specification: destination can't be '/'"},
		{"{'Binds':['/a:/b/..']}", "invalid volume specification: '/a:/b/..': " BIND_CONFIG
					   "invalid specification: destination can't be '/'"},
		{"{'Binds':['/a:b']}", "invalid volume specification: '/a:b': " BIND_CONFIG
				       "invalid mount path: 'b' mount path must be absolute"},
		{"{'Binds':['/a:/b:nocopy']}",
		 "invalid volume specification: '/a:/b:nocopy': " BIND_CONFIG
		 "field VolumeOptions must not be specified"},
		{"{'Binds':['/a:/b','/c:/b/']}", "Duplicate mount point: /b"},
		{"{'Binds':['/a:/b'],'Tmpfs':{'/b':''}}", "Duplicate mount point: /b"},
		{"{'Mounts':[{'Type':'bind','Source':'/no/such','Target':'/t'}]}",
		 BIND_CONFIG "bind source path does not exist: /no/such"},
		{"{'Mounts':[{'Type':'bind','Source':'','Target':'/t'}]}",
		 BIND_CONFIG "field Source must not be empty"},
		{"{'Mounts':[{'Type':'bind','Source':'/tmp','Target':''}]}",
		 BIND_CONFIG "field Target must not be empty"},
		{"{'Mounts':[{'Type':'bind','Source':'/tmp','Target':'/"
		 "t','BindOptions':{'Propagation':'up'}}]}",
		 BIND_CONFIG "invalid propagation mode: up"},
		{"{'Mounts':[{'Type':'tmpfs','Source':'/a','Target':'/t'}]}",
		 "invalid mount config for type \"tmpfs\": field Source must not be specified"},
		{"{'Mounts':[{'Type':'npipe','Target':'/t'}]}",
		 "invalid mount config for type \"npipe\": mount type unknown"},
		{"{'Tmpfs':{'run':''}}", "invalid mount path: 'run' mount path must be absolute"},
		{"{'Tmpfs':{'/':''}}", "invalid specification: destination can't be '/'"},
		{"{'Tmpfs':{'/a':'bogus'}}", "invalid tmpfs option \"bogus\""},
		{"{'Tmpfs':{'/a':'size='}}", "invalid tmpfs option \"size=\""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err err = {0};
		autofree char *got = mounts_of(cases[i].host, &err);

		assert_string_equal(got, "");
		assert_string_equal(err.text, cases[i].error);
		assert_int_equal(err.kind, ERR_INVALID);
	}
}

/* Volumes in a line: name or "-", driver, destination, rw|ro, mode[,anonymous][,nocopy]; ... */
static char *volumes_line(const struct objects *mounts)
{
	autobuf out = {0};

	for (size_t i = 0; i < mounts->n; i++) {
		const struct mount_point *m = objects_at(mounts, struct mount_point, i);

		buf_addf(&out, "%s%s,%s,%s,%s,%s%s%s", i ? "; " : "", m->name ? m->name : "-",
			 m->driver ? m->driver : m->type, m->destination, m->rw ? "rw" : "ro",
			 m->mode, m->anonymous ? ",anonymous" : "", m->no_copy ? ",nocopy" : "");
	}
	return buf_take(&out);
}

static void free_all(struct objects *mounts)
{
	for (size_t i = 0; i < mounts->n; i++)
		fields_free(mount_point_fields, objects_at(mounts, struct mount_point, i));
	free(mounts->items);
}

TEST(volumes_are_resolved)
{
	static const char *const cases[][2] = {
		{"{'HostConfig':{'Binds':['data:/b']}}", "data,local,/b,rw,z"},
		{"{'HostConfig':{'Binds':['data:/b:ro,nocopy']}}",
		 "data,local,/b,ro,ro,nocopy,nocopy"},
		{"{'HostConfig':{'Binds':['data:/b'],'VolumeDriver':'nfs'}}", "data,nfs,/b,rw,z"},
		{"{'Volumes':{'/a':{},'/b/':{}}}",
		 "-,local,/a,rw,,anonymous; -,local,/b,rw,,anonymous"},
		/* What is mounted there by request comes before what the image declares. */
		{"{'Volumes':{'/b':{},'/t':{}},'HostConfig':{'Binds':['x1:/b'],'Tmpfs':{'/t':''}}}",
		 "x1,local,/b,rw,z; -,tmpfs,/t,rw,"},
		{"{'HostConfig':{'Mounts':[{'Type':'volume','Source':'v1','Target':'/t',"
		 "'ReadOnly':true,'VolumeOptions':{'NoCopy':true,'DriverConfig':{'Name':'d'}}}]}}",
		 "v1,d,/t,ro,z,nocopy"},
		{"{'HostConfig':{'Mounts':[{'Target':'/t'}]}}", "-,local,/t,rw,z,anonymous"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autorequest r = request(cases[i][0]);
		autofree char *got = NULL;
		struct objects mounts = {0};

		assert_int_equal(spec_mounts(&r.config, &r.host, NULL, 0, &mounts, NULL), 0);
		got = volumes_line(&mounts);
		assert_string_equal(got, cases[i][1]);
		free_all(&mounts);
	}
}

TEST(what_makes_no_sense_of_a_volume_is_refused)
{
#define VOLUME_CONFIG "invalid mount config for type \"volume\": "
	static const char *const cases[][2] = {
		{"{'Binds':['v1:/b:rshared']}",
		 "invalid volume specification: 'v1:/b:rshared': " VOLUME_CONFIG
		 "field BindOptions must not be specified"},
		{"{'Binds':['v1:/b','v2:/b']}", "Duplicate mount point: /b"},
		{"{'Mounts':[{'Target':'/t','ReadOnly':true}]}",
		 VOLUME_CONFIG "must not set ReadOnly mode when using anonymous volumes"},
		{"{'Mounts':[{'Target':'/t','BindOptions':{'NonRecursive':true}}]}",
		 VOLUME_CONFIG "field BindOptions must not be specified"},
		{"{'Mounts':[{'Target':'/t','TmpfsOptions':{'SizeBytes':1}}]}",
		 VOLUME_CONFIG "field TmpfsOptions must not be specified"},
		{"{'Mounts':[{'Source':'v1'}]}", VOLUME_CONFIG "field Target must not be empty"},
		{"{'Mounts':[{'Source':'v1','Target':'/t','VolumeOptions':{'Subpath':'x'}}]}",
		 VOLUME_CONFIG "VolumeOptions.Subpath needs API version 1.45, which is not ours"},
		{"{'Mounts':[{'Type':'tmpfs','Target':'/t','VolumeOptions':{'NoCopy':true}}]}",
		 "invalid mount config for type \"tmpfs\": field VolumeOptions must not be "
		 "specified"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err err = {0};
		autofree char *got = mounts_of(cases[i][0], &err);

		assert_string_equal(got, "");
		assert_string_equal(err.text, cases[i][1]);
		assert_int_equal(err.kind, ERR_INVALID);
	}
}

TEST(mounts_of_other_containers_are_taken_over)
{
	autorequest a = request("{'HostConfig':{'Binds':['v1:/a','/host:/h:ro','v2:/x'],"
				"'Tmpfs':{'/t':''}}}");
	autorequest b = request("{'Volumes':{'/a':{}},'HostConfig':{'Binds':['mine:/x']}}");
	struct objects theirs = {0}, mounts = {0};
	struct spec_volumes_from from = {.mounts = &theirs, .read_only = true};
	autofree char *got = NULL;

	assert_int_equal(spec_mounts(&a.config, &a.host, NULL, 0, &theirs, NULL), 0);
	assert_int_equal(spec_mounts(&b.config, &b.host, &from, 1, &mounts, NULL), 0);
	got = volumes_line(&mounts);
	assert_string_equal(got, "v1,local,/a,ro,z,nocopy; -,bind,/h,ro,ro,nocopy; "
				 "mine,local,/x,rw,z");
	free_all(&theirs);
	free_all(&mounts);
}

TEST(volumes_from_is_taken_apart)
{
	static const struct {
		const char *text, *container;
		bool read_only;
	} good[] = {{"c", "c", false}, {"c:ro", "c", true}, {"c:rw,z", "c", false}};
	static const char *const bad[][2] = {
		{"", "malformed volumes-from specification: "},
		{":ro", "malformed volumes-from specification: :ro"},
		{"c:", "invalid mode: "},
		{"c:what", "invalid mode: what"},
		{"c:rshared", "invalid mode: rshared"},
	};
	struct err err;
	bool read_only;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		autofree char *container = NULL;

		assert_int_equal(spec_volumes_from(good[i].text, &container, &read_only, NULL), 0);
		assert_string_equal(container, good[i].container);
		assert_int_equal(read_only, good[i].read_only);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		autofree char *container = NULL;

		assert_true(spec_volumes_from(bad[i][0], &container, &read_only, &err) < 0);
		assert_string_equal(err.text, bad[i][1]);
	}
}

TEST(last_of_contradicting_tmpfs_options_wins)
{
	static const char *const cases[][2] = {
		{"", "noexec,nosuid,nodev,rprivate"},
		{"exec", "nosuid,nodev,rprivate,exec"},
		{"exec,noexec,size=1k,size=2k", "nosuid,nodev,rprivate,noexec,size=2k"},
		{"mode=1777,uid=5,rw", "noexec,nosuid,nodev,rprivate,mode=1777,uid=5,rw"},
		{"shared", "noexec,nosuid,nodev,shared"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autostrv char **merged = NULL;
		autofree char *text = NULL;

		assert_int_equal(tmpfs_options(cases[i][0], &merged, NULL), 0);
		text = strv_join(merged, ",");
		assert_string_equal(text, cases[i][1]);
	}
}
