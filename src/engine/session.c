/*
 * Exec sessions as they are on disk, which is all that is known of them: no daemon has any in
 * memory, so the next one knows as much.
 *
 *	<exec-root>/containers/<id>/execs/<exec id>/	from its creation to its end (wire/layout.h)
 *	<exec-root>/execs/<exec id>			from then on for five minutes, whatever
 *							becomes of its container
 *
 * An exec id begins with half of its container's id, and so leads there. An end is taken up on the
 * container's worker: the file below execs/ is written, the event is published, the directory goes.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "engine/internal.h"

#define SESSION_VERSION 1
#define SESSION_MAX	(4 * 1024 * 1024) /* bytes of a file: a request's body at most */
#define RESULT_MAX	(64 * 1024)
#define KEPT_NS		(5 * 60 * NSEC_PER_SEC)
#define CODE_LOST	255 /* as of a container's run */

static const struct field session_fields[] = {
	FIELD(struct exec_session, "Version", FIELD_INT, version),
	FIELD(struct exec_session, "Id", FIELD_STR, id),
	FIELD(struct exec_session, "Container", FIELD_STR, container),
	FIELD(struct exec_session, "Run", FIELD_INT, run),
	FIELD(struct exec_session, "Created", FIELD_INT, created_ns),
	FIELD_SUB(struct exec_session, "Config", FIELD_OBJECT, config, exec_config_fields,
		  struct exec_config, 0),
	FIELD_F(struct exec_session, "Ended", FIELD_INT, ended_ns, FIELD_OMIT),
	FIELD_F(struct exec_session, "ExitCode", FIELD_OPT_INT, exit_code, FIELD_OMIT),
	FIELD_F(struct exec_session, "Pid", FIELD_INT, pid, FIELD_OMIT),
	FIELD_END,
};

void exec_session_free(struct exec_session *s)
{
	fields_free(session_fields, s);
}

/* Is that the id of a session of this container? */
static bool is_session_of(const char *id, const char *container)
{
	return !strncmp(id, container, EXEC_ID_CONTAINER_LEN) && str_is_hex(id, CONTAINER_ID_LEN);
}

static int open_sessions(struct engine *e, const char *container)
{
	autoclose int exec = container_open_exec(e->store, container);

	return exec < 0 ? exec : open_dir_at(exec, LAYOUT_EXECS);
}

/* Those that are ended. */
static int open_ended(struct engine *e)
{
	autofree char *path = xasprintf("%s/" LAYOUT_EXECS, e->o.exec_root);

	return open_dir_at(AT_FDCWD, path);
}

static char **list(int dir, const char *container)
{
	DIR *d = fdopendir(fcntl(dir, F_DUPFD_CLOEXEC, 0));
	char **ids = NULL;

	if (!d)
		return NULL;
	rewinddir(d);
	for (const struct dirent *entry; (entry = readdir(d));)
		if (!container || is_session_of(entry->d_name, container))
			strv_add(&ids, entry->d_name);
	(void) closedir(d);
	return ids;
}

static int read_session(int dir, const char *file, struct exec_session *ret, struct err *err)
{
	autojson json_t *json = NULL;
	struct exec_session s = {0};

	if (json_read_at(dir, file, SESSION_MAX, &json, err) < 0)
		return -1;
	fields_init(session_fields, &s);
	if (fields_load(session_fields, &s, json, err) < 0 || str_empty(s.id)) {
		fields_free(session_fields, &s);
		return err_set(err, ERR_SYSTEM, "%s is damaged", file);
	}
	*ret = s;
	return 0;
}

/* What the shim has written of its end: 1, or 0 where there is nothing (yet). */
static int read_result(int dir, struct exec_session *s, bool *ret_ran)
{
	autofree char *text = NULL;
	autokv kv = {0};
	size_t len;

	if (read_file_at(dir, EXEC_RESULT, RESULT_MAX, &text, &len) < 0 ||
	    kv_parse(text, len, &kv) < 0 || !kv_get(&kv, "code"))
		return 0;
	s->ended_ns = kv_int(&kv, "end", 0);
	s->exit_code = kv_int(&kv, "code", CODE_LOST);
	s->pid = kv_int(&kv, "pid", 0);
	*ret_ran = !kv_get(&kv, "error");
	return 1;
}

static int64_t read_pid(int dir)
{
	char text[32];
	int64_t pid;

	return read_small_at(dir, LAYOUT_PID, text, sizeof text) == 0 &&
			       parse_i64(text, &pid) == 0 && pid > 0
		       ? pid
		       : 0;
}

/* Where its shim was killed its process goes on, a child of ours now; nobody will tell how it ends.
 * That the pid is still its own is likely enough to say "running"; nothing is done to it. */
static bool is_alone(int exec_dir, int64_t pid)
{
	return shim_pulse(exec_dir) == PULSE_NONE && (pid <= 0 || !proc_start_ticks((pid_t) pid));
}

/* How it stands, by the files of its directory. over: its container's run is. */
static void look(int exec_dir, int dir, bool over, struct exec_session *s, bool *ret_ran)
{
	bool begun = exists_at(dir, EXEC_BEGUN);

	*ret_ran = begun;
	if (read_result(dir, s, ret_ran))
		return;
	s->pid = read_pid(dir);
	s->running = begun && !over && !is_alone(exec_dir, s->pid);
	if (s->running || (!begun && !over))
		return;
	/* The shim may have written it, and gone, between our two looks. */
	if (read_result(dir, s, ret_ran))
		return;
	s->ended_ns = now_ns();
	if (begun)
		s->exit_code = CODE_LOST;
}

/* One that has not been taken up: 0 or -ENOENT. */
static int load_present(struct engine *e, const char *id, struct exec_session *ret)
{
	auto_(container_unref_p) struct container *c = NULL;
	autofree char *half = xstrndup(id, EXEC_ID_CONTAINER_LEN);
	autoclose int exec = -1, dir = -1;
	autofree char *path = xasprintf(LAYOUT_EXECS "/%s", id);
	bool over, ran;

	if (container_lookup(e->store, half, &c, NULL) < 0 || !is_session_of(id, c->id))
		return -ENOENT;
	exec = container_open_exec(e->store, c->id);
	dir = exec < 0 ? -1 : open_dir_at(exec, path);
	if (dir < 0 || read_session(dir, EXEC_CONFIG, ret, NULL) < 0)
		return -ENOENT;
	{
		hold(&c->lock);
		over = ret->run != c->state.run || c->state.settled_run >= ret->run;
	}
	look(exec, dir, over, ret, &ran);
	return 0;
}

static int load_ended(struct engine *e, const char *id, struct exec_session *ret)
{
	autoclose int dir = open_ended(e);

	return dir < 0 || read_session(dir, id, ret, NULL) < 0 ? -ENOENT : 0;
}

int session_load(struct engine *e, const char *id, struct exec_session *ret, struct err *err)
{
	struct exec_session now;

	if (str_is_hex(id, CONTAINER_ID_LEN)) {
		int r = load_present(e, id, ret);

		if (r == 0 && ret->ended_ns > 0)
			return 0;
		/* It may have been taken up under our eyes; then that is the truth. */
		if (load_ended(e, id, &now) == 0) {
			if (r == 0)
				exec_session_free(ret);
			*ret = now;
			return 0;
		}
		if (r == 0)
			return 0;
	}
	return err_set(err, ERR_NOT_FOUND, "No such exec instance: %s", id);
}

/* Creation */

/* Those that nobody has started within the time that an ended one is kept. */
static void drop_forgotten(int dir, char *const *ids)
{
	for (; ids && *ids; ids++) {
		autofree char *mark = xasprintf("%s/" EXEC_BEGUN, *ids);
		struct stat st;

		if (fstatat(dir, *ids, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    now_ns() - st.st_mtim.tv_sec * NSEC_PER_SEC > KEPT_NS && !exists_at(dir, mark))
			(void) remove_tree_atomically_at(dir, *ids);
	}
}

static int make_room(int dir, const char *container, struct err *err)
{
	autostrv char **ids = list(dir, container);

	if (strv_len(ids) < SESSIONS_MAX)
		return 0;
	drop_forgotten(dir, ids);
	strv_free(take(ids));
	ids = list(dir, container);
	return strv_len(ids) < SESSIONS_MAX
		       ? 0
		       : err_set(err, ERR_CONFLICT,
				 "container %s has %d exec sessions already: no more at once",
				 container, SESSIONS_MAX);
}

int session_create(struct engine *e, const char *container, int64_t run,
		   const struct exec_config *config, char *ret_id, struct err *err)
{
	autoclose int exec = open_exec_dir(e, container, err), dir = -1, own = -1;
	struct exec_session s = {
		.version = SESSION_VERSION,
		.id = ret_id,
		.container = (char *) container,
		.run = run,
		.created_ns = now_ns(),
		.config = *config,
		.exit_code = FIELD_UNSET,
	};
	autojson json_t *json = NULL;

	memcpy(ret_id, container, EXEC_ID_CONTAINER_LEN);
	random_hex(ret_id + EXEC_ID_CONTAINER_LEN, CONTAINER_ID_LEN - EXEC_ID_CONTAINER_LEN);
	if (exec < 0)
		return -1;
	if (mkdirat(exec, LAYOUT_EXECS, 0700) < 0 && errno != EEXIST)
		return err_sys(err, errno, "make " LAYOUT_EXECS);
	dir = open_dir_at(exec, LAYOUT_EXECS);
	if (dir < 0)
		return err_sys(err, -dir, "open " LAYOUT_EXECS);
	if (make_room(dir, container, err) < 0)
		return -1;
	json = fields_save(session_fields, &s);
	if (mkdirat(dir, ret_id, 0700) < 0)
		return err_sys(err, errno, "make the exec session's directory");
	own = open_dir_at(dir, ret_id);
	if (own >= 0 && json_save_at(own, EXEC_CONFIG, json, SAVE_ATOMIC, err) == 0)
		return 0;
	if (own < 0)
		(void) err_sys(err, -own, "open the exec session's directory");
	(void) remove_tree_at(dir, ret_id);
	return -1;
}

int session_save_process(struct engine *e, const struct exec_session *s, const char *text,
			 struct err *err)
{
	autoclose int dir = open_sessions(e, s->container);
	autofree char *path = xasprintf("%s/" EXEC_PROCESS, s->id);

	if (dir < 0)
		return err_sys(err, -dir, "open " LAYOUT_EXECS);
	return save_file_at(dir, path, text, strlen(text), SAVE_ATOMIC, err);
}

char **sessions_of(struct engine *e, const char *container)
{
	autoclose int dir = open_sessions(e, container);
	autostrv char **all = dir < 0 ? NULL : list(dir, container);
	char **ids = NULL;

	for (char **id = all; id && *id; id++) {
		autofree char *result = xasprintf("%s/" EXEC_RESULT, *id);

		if (!exists_at(dir, result))
			strv_add(&ids, *id);
	}
	return ids;
}

/* The end */

/* Made in its own directory, so that what a death leaves of it goes with that. */
static int save_ended(struct engine *e, int own, const struct exec_session *s, struct err *err)
{
	autofree char *path = xasprintf("%s/" LAYOUT_EXECS, e->o.exec_root);
	autojson json_t *json = fields_save(session_fields, s);
	autoclose int dir = -1;
	int r = mkdir_p(path, 0700);

	dir = r < 0 ? r : open_dir_at(AT_FDCWD, path);
	if (dir < 0)
		return err_sys(err, -dir, "open %s", path);
	if (json_save_at(own, EXEC_ENDED, json, SAVE_ATOMIC, err) < 0)
		return -1;
	return renameat(own, EXEC_ENDED, dir, s->id) < 0
		       ? err_sys(err, errno, "keep it in %s", path)
		       : 0;
}

static void tell_end(struct engine *e, struct container *c, const struct exec_session *s)
{
	char code[24];

	snprintf(code, sizeof code, "%lld", (long long) s->exit_code);
	notify(e, c, s->ended_ns, "exec_die", "execID", s->id, "exitCode", code, NULL);
}

/* Of the session in dir/id. over: its container's run is, whatever the session says. */
static void take_up(struct engine *e, struct container *c, int exec_dir, int dir, const char *id,
		    int64_t run, bool over)
{
	autoclose int own = open_dir_at(dir, id);
	struct exec_session s = {0};
	struct err err = {0};
	bool detached, ran;

	if (own < 0)
		return;
	if (read_session(own, EXEC_CONFIG, &s, &err) < 0) {
		/* Half made, or being made. */
		if (over)
			(void) remove_tree_atomically_at(dir, id);
		return;
	}
	detached = exists_at(own, EXEC_DETACHED);
	look(exec_dir, own, over || s.run != run, &s, &ran);
	if (detached) {
		int64_t now = now_ns();

		/* We may be late; but it was before its end. */
		notify(e, c, s.ended_ns > 0 && s.ended_ns < now ? s.ended_ns : now, "exec_detach",
		       "execID", id, NULL);
		(void) unlinkat(own, EXEC_DETACHED, 0);
	}
	if (s.ended_ns > 0) {
		if (save_ended(e, own, &s, &err) < 0)
			log_warn("exec session %s: its exit code is known for as long as its "
				 "container's run lasts: %s",
				 id, err.text);
		if (ran)
			tell_end(e, c, &s);
		(void) remove_tree_atomically_at(dir, id);
		sessions_arm_sweep(e);
	}
	exec_session_free(&s);
}

/* Has the shim written something for us? There may be many that only wait, or run. */
static bool has_news(int dir, const char *id)
{
	autofree char *result = xasprintf("%s/" EXEC_RESULT, id);
	autofree char *detached = xasprintf("%s/" EXEC_DETACHED, id);

	return exists_at(dir, result) || exists_at(dir, detached);
}

void sessions_take_up(struct engine *e, struct container *c, bool over)
{
	autoclose int exec = container_open_exec(e->store, c->id);
	autoclose int dir = exec < 0 ? -1 : open_dir_at(exec, LAYOUT_EXECS);
	autostrv char **ids = dir < 0 ? NULL : list(dir, c->id);
	int64_t run;
	bool all;

	if (!ids)
		return;
	{
		hold(&c->lock);
		run = c->state.run;
		over |= c->state.settled_run >= run;
		all = over || c->shim_gone || c->sessions_run != run;
		c->sessions_run = run;
	}
	for (char **id = ids; *id; id++)
		if ((all || has_news(dir, *id)) && (over || !exec_start_is_untold(e, *id)))
			take_up(e, c, exec, dir, *id, run, over);
}

/* Its half-written files, and whether that leaves anything. */
static void tidy(int dir, const char *id)
{
	static const char *const names[] = {EXEC_CONFIG, EXEC_PROCESS, EXEC_ENDED};
	autoclose int own = open_dir_at(dir, id);

	for (size_t i = 0; own >= 0 && i < ARRAY_SIZE(names); i++)
		save_tidy_at(own, names[i]);
	if (own >= 0 && !exists_at(own, EXEC_CONFIG))
		(void) remove_tree_at(dir, id);
}

void sessions_tidy(struct engine *e, struct container *c)
{
	autoclose int dir = open_sessions(e, c->id);
	autostrv char **all = dir < 0 ? NULL : list(dir, NULL);

	for (char **id = all; id && *id; id++)
		if (is_session_of(*id, c->id))
			tidy(dir, *id);
		else if (str_has_prefix(*id, ".gone-"))
			(void) remove_tree_at(dir, *id);
}

/* Sweeping */

/* Removes those whose time is up; says when the next one's is, 0: there is none. */
static int64_t sweep(struct engine *e)
{
	autoclose int dir = open_ended(e);
	autostrv char **ids = dir < 0 ? NULL : list(dir, NULL);
	int64_t now = now_ns(), next = 0;

	for (char **id = ids; id && *id; id++) {
		struct stat st;
		int64_t due;

		if ((*id)[0] == '.' || fstatat(dir, *id, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		due = st.st_mtim.tv_sec * NSEC_PER_SEC + st.st_mtim.tv_nsec + KEPT_NS;
		if (due <= now)
			(void) unlinkat(dir, *id, 0);
		else if (next == 0 || due < next)
			next = due;
	}
	return next;
}

static void arm_locked(struct engine *e, int64_t delay_ns);

static void do_sweep(void *arg)
{
	struct engine *e = arg;
	int64_t next;

	/* First, so that one which ends from here on, and may not be seen, sets the timer itself. */
	{
		hold(&e->sweep_lock);
		supervisor_unwatch(e->supervisor, take(e->session_sweep));
	}
	next = sweep(e);

	hold(&e->sweep_lock);
	if (next == 0)
		return;
	supervisor_unwatch(e->supervisor, take(e->session_sweep));
	/* Not for each of them: it may as well be some seconds later. */
	arm_locked(e, next - now_ns() + 10 * NSEC_PER_SEC);
}

static void on_sweep(void *arg, int fd)
{
	struct engine *e = arg;

	(void) fd;
	(void) engine_submit(e, &e->session_sweep, do_sweep, e);
}

static void arm_locked(struct engine *e, int64_t delay_ns)
{
	struct err err = {0};

	if (e->session_sweep)
		return;
	if (supervisor_timer(e->supervisor, monotonic_ns() + delay_ns, on_sweep, e,
			     &e->session_sweep, &err) < 0)
		log_warn("ended exec sessions are not swept: %s", err.text);
}

void sessions_arm_sweep(struct engine *e)
{
	hold(&e->sweep_lock);

	arm_locked(e, KEPT_NS);
}

void sessions_begin(struct engine *e)
{
	workers_submit(e->workers, &e->session_sweep, do_sweep, e);
}
