/* The report that each restore leaves: what was found, decided and why, and the time of each phase.
 */
#include "engine/restore.h"

#include <fcntl.h>

#include "base/file.h"

#define REPORT_FILE	"restore-report.json"
#define AWAIT_REPORT_NS (10 * NSEC_PER_SEC)

static json_t *list_json(char *const *v)
{
	json_t *a = json_array();

	for (; v && *v; v++)
		json_array_append_new(a, json_string(*v));
	return a;
}

static json_t *handled_json(const struct handled *h)
{
	hold(&h->c->lock);
	bool dead = h->c->phase == PHASE_DEAD;
	const char *problem = h->c->problem ?: "";
	autofree char *why = dead || !*problem ? xstrdup(dead ? problem : h->f.why)
					       : xasprintf("%s; %s", h->f.why, problem);

	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "Id", h->c->id, "Name",
			 h->c->name ?: "", "Written", dead ? "" : phase_text(h->f.written), "Seen",
			 dead ? "" : seen_text(h->f.seen), "Verdict",
			 dead ? "dead" : verdict_text(h->f.verdict), "Why", why, "Now",
			 phase_text(h->c->phase));
}

static double ms_between(int64_t from_ns, int64_t to_ns)
{
	return (double) (to_ns - from_ns) / NSEC_PER_MSEC;
}

static json_t *times_json(const struct restore *r, int64_t ended_ns)
{
	return json_pack("{s:f, s:f, s:f, s:f}", "Load", ms_between(r->begun_ns, r->loaded_ns),
			 "Open", ms_between(r->loaded_ns, r->opened_ns), "Handle",
			 ms_between(r->opened_ns, r->handled_ns), "Sweep",
			 ms_between(r->handled_ns, ended_ns));
}

static json_t *report_json(struct restore *r, int64_t ended_ns)
{
	char begun[RFC3339_MAX];
	json_t *containers = json_array();

	for (size_t i = 0; i < r->n_items; i++)
		json_array_append_new(containers, handled_json(&r->items[i]));
	return json_pack("{s:i, s:s, s:s, s:I, s:o, s:o, s:o, s:o}", "Version", 1, "Time",
			 rfc3339_format(r->begun_ns, begun), "BootId", boot_id(), "Resting",
			 (json_int_t) r->resting, "Containers", containers, "Swept",
			 list_json(r->swept), "Left", list_json(r->left), "Milliseconds",
			 times_json(r, ended_ns));
}

static void count_verdicts(const struct restore *r, struct buf *b)
{
	static const enum verdict all[] = {
		VERDICT_ADOPT,
		VERDICT_ADOPT_WARN,
		VERDICT_ADOPT_ORPHAN,
		VERDICT_SETTLE,
		VERDICT_SETTLE_LOST,
		VERDICT_SETTLE_REST,
		VERDICT_UNDO_START,
		VERDICT_RESUME_STOP,
		VERDICT_REST,
		VERDICT_ASK_AGAIN,
		VERDICT_BY_POLICY,
		VERDICT_SHIM_RESTARTS,
		VERDICT_STOP_THEN_REMOVE,
		VERDICT_FINISH_REMOVAL,
	};

	for (size_t v = 0; v < ARRAY_SIZE(all); v++) {
		size_t n = 0;

		for (size_t i = 0; i < r->n_items; i++)
			n += r->items[i].f.verdict == all[v];
		if (n > 0)
			buf_addf(b, ", %zu %s", n, verdict_text(all[v]));
	}
}

void restore_write_report(struct restore *r)
{
	int64_t ended = now_ns();
	autojson json_t *json = report_json(r, ended);
	autoclose int dir = open_dir_at(AT_FDCWD, r->e->o.exec_root);
	autobuf line = {0};
	struct err err = {0};

	count_verdicts(r, &line);
	log_info("restored %zu containers in %.1f ms (%.1f load, %.1f open, %.1f handle, %.1f "
		 "sweep): %zu resting%s; swept %zu, left %zu",
		 r->n_items + r->resting, ms_between(r->begun_ns, ended),
		 ms_between(r->begun_ns, r->loaded_ns), ms_between(r->loaded_ns, r->opened_ns),
		 ms_between(r->opened_ns, r->handled_ns), ms_between(r->handled_ns, ended),
		 r->resting, line.text ?: "", strv_len(r->swept), strv_len(r->left));
	if (dir < 0 || json_save_at(dir, REPORT_FILE, json, SAVE_ATOMIC, &err) < 0)
		log_warn("restore report: %s", err.text);
	hold(&r->e->report_lock);
	free(r->e->report);
	r->e->report = json_text(json);
	pthread_cond_broadcast(&r->e->report_made);
}

/* Bounded: a container that hangs must not keep others from being told of. */
static void await_report_locked(struct engine *e)
{
	struct timespec deadline = deadline_in(AWAIT_REPORT_NS);

	while (!e->report && !engine_ending(e))
		if (pthread_cond_clockwait(&e->report_made, &e->report_lock, CLOCK_MONOTONIC,
					   &deadline) != 0)
			return;
}

void engine_await_restore(struct engine *e)
{
	hold(&e->report_lock);

	await_report_locked(e);
}

char *engine_restore_report(struct engine *e)
{
	hold(&e->report_lock);

	await_report_locked(e);

	return xstrdup(e->report);
}
