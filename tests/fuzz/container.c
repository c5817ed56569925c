/*
 * Fuzz target: the loader. Parts: config.json, state.json, phase.json (in which @BOOT@ stands for
 * this boot's id), runs.jsonl; a missing or empty part is a missing file.
 */
#include "fuzz.h"

#include "container/container.h"
#include "wire/runs.h"

#define ID   "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define BOOT "@BOOT@"

struct place {
	struct container_store *store;
	int data, exec;
};

static struct place *the_place(void)
{
	static struct place p;
	autofree char *data = NULL, *exec = NULL;

	if (p.store)
		return &p;
	data = xasprintf("%s/data", fuzz_dir());
	exec = xasprintf("%s/exec", fuzz_dir());
	must(container_store_open(data, exec, &p.store, NULL) == 0);
	must(mkdirat(container_store_data_dir(p.store), ID, 0700) == 0);
	must(mkdirat(container_store_exec_dir(p.store), ID, 0700) == 0);
	p.data = container_open_data(p.store, ID);
	p.exec = container_open_exec(p.store, ID);
	return &p;
}

static void put(int dir, const char *name, const char *text, size_t len)
{
	const char *mark = memmem(text, len, BOOT, sizeof BOOT - 1);
	autobuf b = {0};

	(void) unlinkat(dir, name, 0);
	if (len == 0)
		return;
	if (mark) {
		buf_add(&b, text, (size_t) (mark - text));
		buf_adds(&b, boot_id());
		len -= (size_t) (mark - text) + sizeof BOOT - 1;
		text = mark + sizeof BOOT - 1;
	}
	buf_add(&b, text, len);
	fuzz_write(dir, name, b.text, b.len);
}

/* What the reader of our own text takes it reads as jansson and the table do. */
static void check_own(const struct field *fields, size_t size, const char *data, size_t len)
{
	autofree char *text = xstrndup(data, len);
	autofree char *own = xcalloc(1, size), *any = xcalloc(1, size);
	autojson json_t *json = NULL;

	fields_init(fields, own);
	fields_init(fields, any);
	if (strlen(text) == len && fields_load_own(fields, own, text, len)) {
		json = json_loadb(text, len, 0, NULL);
		must(json);
		must(fields_load(fields, any, json, NULL) == 0);
	}
	must(fields_equal(fields, own, any));
	fields_free(fields, own);
	fields_free(fields, any);
}

/* A record is what the shim's own writer would have written. */
static void check_record(void *arg, const struct run_record *r)
{
	autobuf line = {0};

	(void) arg;
	must(r->event > RUN_NONE && r->event <= RUN_GAVE_UP && r->run >= 0);
	must(memchr(r->text, '\0', sizeof r->text));
	must(r->code >= 0 && r->code <= 255);
	run_record_format(&line, r);
	must(line.text[line.len - 1] == '\n');
}

/* What was loaded can be saved, and says the same when it is loaded again. */
static void check_saves(struct place *p, struct container *c)
{
	auto_(container_unref_p) struct container *again = NULL;

	must(container_save_config(p->store, c->config, NULL) == 0);
	must(container_save_state_locked(p->store, c, NULL) == 0);
	must(container_load(p->store, ID, true, &again, NULL) == 0);
	must(again->config);
	must(fields_equal(container_config_fields, c->config, again->config));
	must(again->phase != PHASE_DEAD);
	must(fields_equal(container_state_fields, &c->state, &again->state));
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n)
{
	static const struct {
		const struct field *fields;
		size_t size;
	} tables[] = {
		{container_config_fields, sizeof(struct container_config)},
		{container_state_fields, sizeof(struct container_state)},
		{container_phase_fields, sizeof(struct container_phase)},
	};
	static const char *const names[] = {LAYOUT_CONFIG, LAYOUT_STATE, LAYOUT_PHASE, LAYOUT_RUNS};
	auto_(container_unref_p) struct container *c = NULL;
	const char *rest = (const char *) data;
	struct place *p = the_place();
	unsigned damaged = 0;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *text = "";
		size_t len = 0;

		(void) fuzz_part(&rest, &n, &text, &len);
		put(i == 2 ? p->exec : p->data, names[i], text, len);
		if (i < ARRAY_SIZE(tables))
			check_own(tables[i].fields, tables[i].size, text, len);
	}
	if (container_load(p->store, ID, true, &c, NULL) < 0)
		return 0;
	must(c->phase < PHASE_COUNT);
	must((c->phase == PHASE_DEAD) == (c->problem != NULL));
	must(c->phase != PHASE_DEAD || c->handled);
	must(c->phase == PHASE_DEAD || (c->config && c->name));
	(void) runs_read(p->data, check_record, NULL, &damaged, NULL);
	if (c->phase != PHASE_DEAD)
		check_saves(p, c);
	return 0;
}
