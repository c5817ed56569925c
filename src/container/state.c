/*
 * The field tables of state.json and phase.json, and their loading and saving. A file that cannot
 * be read makes its container dead with the file named; nothing is deleted, and nothing is guessed
 * in its place.
 */
#include "container/container.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "base/thread.h"

#define STATE_FILE_MAX (4 << 20)
#define OWN_FILE_MAX   16384 /* larger ones are read with more ado */

static const struct field health_result_fields[] = {
	FIELD(struct health_result, "Start", FIELD_TIME, start_ns),
	FIELD(struct health_result, "End", FIELD_TIME, end_ns),
	FIELD(struct health_result, "ExitCode", FIELD_INT, exit_code),
	FIELD(struct health_result, "Output", FIELD_STR, output),
	FIELD_END,
};

#define HEALTH_VIEW_FIELDS                                                                  \
	FIELD(struct container_health, "Status", FIELD_STR, status),                        \
		FIELD(struct container_health, "FailingStreak", FIELD_INT, failing_streak), \
		FIELD_SUB(struct container_health, "Log", FIELD_OBJECTS, log,               \
			  health_result_fields, struct health_result, 0)

const struct field container_health_view_fields[] = {HEALTH_VIEW_FIELDS, FIELD_END};

const struct field container_health_fields[] = {
	HEALTH_VIEW_FIELDS,
	FIELD_F(struct container_health, "Due", FIELD_TIME, due_ns, FIELD_OMIT),
	FIELD_F(struct container_health, "Probe", FIELD_STR, probe, FIELD_OMIT),
	FIELD_F(struct container_health, "Taken", FIELD_STR, taken, FIELD_OMIT),
	FIELD_F(struct container_health, "PausedAt", FIELD_TIME, paused_ns, FIELD_OMIT),
	FIELD_END,
};

const struct field container_state_fields[] = {
	FIELD(struct container_state, "Version", FIELD_INT, version),
	FIELD(struct container_state, "Wanted", FIELD_INT, wanted),
	FIELD(struct container_state, "Run", FIELD_INT, run),
	FIELD(struct container_state, "SettledRun", FIELD_INT, settled_run),
	FIELD(struct container_state, "StartedAt", FIELD_TIME, started_ns),
	FIELD(struct container_state, "FinishedAt", FIELD_TIME, finished_ns),
	FIELD(struct container_state, "ExitCode", FIELD_INT, exit_code),
	FIELD_F(struct container_state, "ExitSignal", FIELD_INT, exit_signal, FIELD_OMIT),
	FIELD_F(struct container_state, "OOMKilled", FIELD_BOOL, oom_killed, FIELD_OMIT),
	FIELD_F(struct container_state, "Error", FIELD_STR, error, FIELD_OMIT),
	FIELD_F(struct container_state, "RestartCount", FIELD_INT, restart_count, FIELD_OMIT),
	FIELD_F(struct container_state, "RestartDue", FIELD_TIME, restart_due_ns, FIELD_OMIT),
	FIELD_F(struct container_state, "RestartDelay", FIELD_INT, restart_delay_ns, FIELD_OMIT),
	FIELD_F(struct container_state, "BootId", FIELD_STR, boot_id, FIELD_OMIT),
	FIELD_F(struct container_state, "Cleanup", FIELD_STR, cleanup, FIELD_OMIT),
	FIELD_F(struct container_state, "CleanupTries", FIELD_INT, cleanup_tries, FIELD_OMIT),
	FIELD_SUB(struct container_state, "Ports", FIELD_OBJECTS, ports, port_mapping_fields,
		  struct port_mapping, FIELD_OMIT),
	FIELD_SUB(struct container_state, "Health", FIELD_OPT_OBJECT, health,
		  container_health_fields, struct container_health, FIELD_OMIT),
	FIELD_F(struct container_state, "RemoveVolumes", FIELD_BOOL, remove_volumes, FIELD_OMIT),
	FIELD_KEEP_REST(struct container_state, rest),
	FIELD_END,
};

const struct field container_phase_fields[] = {
	FIELD(struct container_phase, "Version", FIELD_INT, version),
	FIELD(struct container_phase, "BootId", FIELD_STR, boot_id),
	FIELD(struct container_phase, "Phase", FIELD_STR, phase),
	FIELD(struct container_phase, "Run", FIELD_INT, run),
	FIELD(struct container_phase, "Pid", FIELD_INT, pid),
	FIELD(struct container_phase, "PidTicks", FIELD_INT, pid_ticks),
	FIELD(struct container_phase, "ShimPid", FIELD_INT, shim_pid),
	FIELD(struct container_phase, "ShimTicks", FIELD_INT, shim_ticks),
	FIELD_F(struct container_phase, "Verb", FIELD_STR, verb, FIELD_OMIT),
	FIELD_F(struct container_phase, "Deadline", FIELD_TIME, deadline_ns, FIELD_OMIT),
	FIELD_F(struct container_phase, "Signal", FIELD_INT, signal, FIELD_OMIT),
	FIELD_F(struct container_phase, "StartedAt", FIELD_TIME, started_ns, FIELD_OMIT),
	FIELD_F(struct container_phase, "ToldRun", FIELD_INT, told_run, FIELD_OMIT),
	FIELD_SUB(struct container_phase, "Endpoints", FIELD_OBJECTS, endpoints, endpoint_fields,
		  struct endpoint, FIELD_OMIT),
	FIELD_F(struct container_phase, "Updating", FIELD_BOOL, updating, FIELD_OMIT),
	FIELD_SUB(struct container_phase, "Health", FIELD_OPT_OBJECT, health,
		  container_health_fields, struct container_health, FIELD_OMIT),
	FIELD_KEEP_REST(struct container_phase, rest),
	FIELD_END,
};

struct container_health *container_health_copy(const struct container_health *h)
{
	struct container_health *copy = h ? xnew(struct container_health) : NULL;

	if (h)
		fields_copy(container_health_fields, copy, h);
	return copy;
}

void container_health_free(struct container_health *h)
{
	if (h)
		fields_free(container_health_fields, h);
	free(h);
}

int container_save_config(struct container_store *s, const struct container_config *config,
			  struct err *err)
{
	/* Most of the hundred fields are unset in most containers, and a restore reads them all. */
	autojson json_t *json = fields_save_told(container_config_fields, config, sizeof *config);
	autoclose int dir = container_open_data(s, config->id);

	if (dir < 0)
		return err_sys(err, -dir, "open directory of container %s", config->id);
	return json_save_at(dir, LAYOUT_CONFIG, json, SAVE_DURABLE, err);
}

int container_replace_config(struct container_store *s, const struct container_config *was,
			     const struct container_config *now, struct err *err)
{
	struct err again = {0};

	if (container_save_config(s, now, err) == 0)
		return 0;
	/* It may be in place though not surely on disk. */
	if (container_save_config(s, was, &again) < 0)
		log_warn("container %.12s: its former configuration may not be in force after a "
			 "restart: %s",
			 was->id, again.text);
	return -1;
}

int container_save_state_locked(struct container_store *s, struct container *c, struct err *err)
{
	autojson json_t *json = NULL;
	autoclose int dir = container_open_data(s, c->id);

	if (dir < 0)
		return err_sys(err, -dir, "open directory of container %s", c->id);
	c->state.version = CONTAINER_FORMAT;
	json = fields_save(container_state_fields, &c->state);
	return json_save_at(dir, LAYOUT_STATE, json, SAVE_DURABLE, err);
}

int container_save_phase_locked(struct container_store *s, struct container *c, struct err *err)
{
	autojson json_t *json = NULL;
	autoclose int dir = container_open_exec(s, c->id);

	if (dir < 0)
		return err_sys(err, -dir, "open exec directory of container %s", c->id);
	c->disk.version = CONTAINER_FORMAT;
	if (!str_eq(c->disk.boot_id, boot_id())) {
		free(c->disk.boot_id);
		c->disk.boot_id = xstrdup(boot_id());
	}
	free(c->disk.phase);
	c->disk.phase = xstrdup(phase_text(c->phase));
	c->disk.run = c->state.run;
	json = fields_save(container_phase_fields, &c->disk);
	return json_save_at(dir, LAYOUT_PHASE, json, SAVE_ATOMIC, err);
}

/* Where one file of a container is: by path, for a directory that is opened has to be closed. */
struct place {
	int top;	/* the directory of all containers */
	const char *id; /* its directory's name */
	char path[CONTAINER_ID_LEN + 1 + NAME_MAX + 1];
};

static const char *at(struct place *p, const char *name)
{
	snprintf(p->path, sizeof p->path, "%s/%s", p->id, name);
	return p->path;
}

/* Nearly every file is as we wrote it: three system calls and one pass over its bytes. */
static bool load_own(const char *text, size_t len, const struct field *fields, void *obj)
{
	static const char begin[] = "{\"Version\":1,";

	_Static_assert(CONTAINER_FORMAT == 1, "the beginning above");
	return len > strlen(begin) && !memcmp(text, begin, strlen(begin)) &&
	       fields_load_own(fields, obj, text, len);
}

/* Any JSON, from any file; says what is wrong with what is none. */
static int load_any(struct place *p, const char *name, const struct field *fields, void *obj,
		    struct err *err)
{
	autoclose int dir = open_dir_at(p->top, p->id);
	autojson json_t *json = NULL;
	int64_t version;

	if (dir < 0)
		return err_sys(err, -dir, "open directory of container %s", p->id);
	if (json_read_at(dir, name, STATE_FILE_MAX, &json, err) < 0)
		return -1;
	version = json_int(json, "Version", -1);
	if (version != CONTAINER_FORMAT)
		return err_set(err, ERR_SYSTEM,
			       "%s: format version %lld is not known to this holdfastd", name,
			       (long long) version);
	return fields_load(fields, obj, json, err) < 0 ? err_wrap(err, "%s", name) : 1;
}

/* Reads one file into obj, which is as fields_init() leaves it: 1 read, 0 not there, < 0 with err
 * naming file and fault. */
static int load_fields(struct place *p, const char *name, const struct field *fields, void *obj,
		       struct err *err)
{
	char text[OWN_FILE_MAX + 1];
	ssize_t n = read_once_at(p->top, at(p, name), text, OWN_FILE_MAX);

	/* A link that leads nowhere is there all the same. */
	if (n == -ENOENT && !exists_at(p->top, p->path))
		return 0;
	if (n > 0 && n < OWN_FILE_MAX) {
		text[n] = '\0';
		if (load_own(text, (size_t) n, fields, obj))
			return 1;
	}
	return load_any(p, name, fields, obj, err);
}

static void set_dead(struct container *c, const char *text)
{
	c->phase = PHASE_DEAD;
	if (!c->problem)
		c->problem = xstrdup(text);
}

/* 1 loaded, 0 there is none, < 0 the container is dead. */
static int load_config(struct place *p, struct container *c)
{
	auto_(container_config_unref_p) struct container_config *config = container_config_new();
	struct err err = {0};
	int r;

	r = load_fields(p, LAYOUT_CONFIG, container_config_fields, config, &err);
	if (r > 0 && !str_eq(config->id, c->id))
		r = err_set(&err, ERR_SYSTEM, LAYOUT_CONFIG ": it is of container %s", config->id);
	if (r > 0 && str_empty(config->name))
		r = err_set(&err, ERR_SYSTEM, LAYOUT_CONFIG ": it has no name");
	if (r < 0) {
		set_dead(c, err.text);
		return -1;
	}
	if (r > 0) {
		c->config = take(config);
		c->name = xstrdup(c->config->name);
		c->created_ns = c->config->created_ns;
	}
	return r;
}

/* Says what the container was last doing, from phase.json of this boot or else from state.json
 * alone. */
static enum phase written_phase(const struct container *c, bool have_phase)
{
	const struct container_state *st = &c->state;
	enum phase phase;

	if (st->wanted == WANTED_GONE)
		return PHASE_REMOVING;
	if (have_phase && str_eq(c->disk.boot_id, boot_id()) &&
	    phase_parse(c->disk.phase, &phase) == 0)
		/* The end is saved before the phase. A run that the shim began in place is in the
		 * phase only. */
		return phase_is_alive(phase) && c->disk.run <= st->settled_run &&
				       st->run <= st->settled_run
			       ? PHASE_OVER
			       : phase;
	/* Begun in another boot, or so short ago that the phase was not written: the record of runs
	 * will say whether it came to run. */
	if (st->run > st->settled_run)
		return PHASE_STARTING;
	if (st->restart_due_ns)
		return PHASE_RESTARTING;
	if (st->cleanup)
		return PHASE_OVER;
	return st->started_ns ? PHASE_EXITED : PHASE_CREATED;
}

struct container *container_load_config_only(struct container_store *s, const char *dir_name,
					     const char *id)
{
	struct place p = {.top = container_store_data_dir(s), .id = dir_name};
	struct container *c = container_new(id);

	(void) load_config(&p, c);
	return c;
}

/* The record of runs is made empty, by create. What is no file may hide anything. */
static bool has_run(struct place *p, struct err *err)
{
	struct stat st;

	if (fstatat(p->top, at(p, LAYOUT_RUNS), &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	if (!S_ISREG(st.st_mode))
		err_set(err, ERR_SYSTEM, LAYOUT_RUNS ": is not a file");
	else if (st.st_size > 0)
		err_set(err, ERR_SYSTEM, LAYOUT_STATE ": missing, though the container has run");
	else
		return false;
	return true;
}

/* After a reboot its restart policy has a word. */
static bool awaits_policy(const struct container *c)
{
	const char *policy = c->config->host.restart.name;

	return c->phase == PHASE_EXITED && !str_empty(policy) && strcmp(policy, "no") != 0 &&
	       container_is_of_old_boot(c);
}

static int verb_to_resume(const struct container *c)
{
	if (c->state.wanted == WANTED_RESTART || str_eq(c->disk.verb, "restart"))
		return RESUME_RESTART;
	return str_eq(c->disk.verb, "kill") ? RESUME_KILL : RESUME_NOTHING;
}

/* Nothing is to be done for it: not even the removal of what was to go at its end. */
static bool is_at_rest(const struct container *c)
{
	return c->phase == PHASE_CREATED ||
	       (c->phase == PHASE_EXITED && !c->config->host.auto_remove);
}

static void load_state_and_phase(struct container_store *s, struct container *c, bool has_exec)
{
	struct place data = {.top = container_store_data_dir(s), .id = c->id};
	struct place exec = {.top = container_store_exec_dir(s), .id = c->id};
	struct err err = {0};
	int r, p = 0;

	r = load_fields(&data, LAYOUT_STATE, container_state_fields, &c->state, &err);
	if (r < 0 || (r == 0 && has_run(&data, &err))) {
		set_dead(c, err.text);
		return;
	}
	if (has_exec) {
		p = load_fields(&exec, LAYOUT_PHASE, container_phase_fields, &c->disk, &err);
		if (p < 0) { /* volatile: the shim and its record tell the same */
			log_warn("container %.12s: %s; asking its shim instead", c->id, err.text);
			fields_free(container_phase_fields, &c->disk);
			fields_init(container_phase_fields, &c->disk);
		}
	}
	c->phase = written_phase(c, p > 0);
	if (p > 0 && c->disk.started_ns && c->disk.run == c->state.run)
		c->state.started_ns = c->disk.started_ns;
	if (c->phase != PHASE_REMOVING)
		c->resume = verb_to_resume(c);
	c->handled = !has_exec && !c->resume && is_at_rest(c) && !awaits_policy(c);
}

/* Its files say nothing, but its process may live: its places in networks stay its own. */
static void load_endpoints_of_dead(struct container_store *s, struct container *c)
{
	struct place exec = {.top = container_store_exec_dir(s), .id = c->id};
	struct container_phase phase;

	fields_init(container_phase_fields, &phase);
	if (load_fields(&exec, LAYOUT_PHASE, container_phase_fields, &phase, NULL) > 0) {
		c->disk.endpoints = phase.endpoints;
		phase.endpoints = (struct objects){0};
	}
	fields_free(container_phase_fields, &phase);
}

int container_load(struct container_store *s, const char *id, bool has_exec, struct container **ret,
		   struct err *err)
{
	auto_(container_unref_p) struct container *c = container_new(id);
	struct place data = {.top = container_store_data_dir(s), .id = id};
	autoclose int dir = -1;
	struct err why = {0};
	int r = load_config(&data, c);

	if (r <= 0)
		dir = container_open_data(s, id);
	if (dir == -ENOENT || dir == -ENOTDIR)
		return err_sys(err, -dir, "open directory of container %s", id);
	/* Whether it was created to its end is not known. */
	if (r == 0 && dir < 0) {
		r = err_sys(&why, -dir, "open its directory");
		set_dead(c, why.text);
	}
	if (r == 0 && !exists_at(dir, LAYOUT_STATE) && !has_run(&data, NULL))
		return err_set(err, ERR_NOT_FOUND, "%s was not created to its end", id);
	if (r == 0)
		set_dead(c, LAYOUT_CONFIG ": missing");
	if (c->phase != PHASE_DEAD)
		load_state_and_phase(s, c, has_exec);
	if (c->phase == PHASE_DEAD) {
		c->handled = true;
		if (has_exec)
			load_endpoints_of_dead(s, c);
	}
	*ret = take(c);
	return 0;
}

static void tidy(struct place *p, const char *name)
{
	char tmp[NAME_MAX];

	snprintf(tmp, sizeof tmp, ".%s.new", name);
	(void) unlinkat(p->top, at(p, tmp), 0);
}

bool container_tidy(struct container_store *s, struct container *c, bool claimed)
{
	struct place data = {.top = container_store_data_dir(s), .id = c->id};
	struct place exec = {.top = container_store_exec_dir(s), .id = c->id};

	hold(&c->lock);
	/* Who has it claimed may be saving. */
	if (c->claimed && !claimed)
		return false;
	if (c->gone)
		return true;
	tidy(&data, LAYOUT_CONFIG);
	tidy(&data, LAYOUT_STATE);
	if (c->phase != PHASE_CREATED && c->phase != PHASE_EXITED)
		tidy(&exec, LAYOUT_PHASE);
	return true;
}
