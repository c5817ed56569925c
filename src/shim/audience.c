/* See audience.h. */
#include "shim/audience.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"

#define KEYS_MAX 32

struct attached {
	struct audience *audience;
	struct attached *next;
	struct client *client; /* NULL: gone, to be swept */
	bool wants[3];	       /* by stream: 0 is the process's input, which this one feeds */
	bool in_ended;
	struct follow *past; /* it still reads the log, and hears nothing; NULL: it is live */
	bool stays;	     /* when it has read that */
	unsigned char keys[KEYS_MAX]; /* those that detach */
	size_t n_keys, n_met;	      /* so many have come in a row */
};

/* Walking the list while its members come and go. */

static void sweep(struct audience *a)
{
	if (--a->walking > 0)
		return;
	for (struct attached **p = &a->first; *p;) {
		struct attached *x = *p;

		if (x->client) {
			p = &x->next;
			continue;
		}
		*p = x->next;
		free(x);
	}
	if (!a->first && a->on_empty)
		a->on_empty(a->arg);
}

static bool somebody_is_full(const struct audience *a)
{
	for (const struct attached *x = a->first; x; x = x->next)
		if (x->client && !x->past && client_is_full(x->client))
			return true;
	return false;
}

static void look_for_room(struct audience *a)
{
	if (!a->full || somebody_is_full(a))
		return;
	a->full = false;
	a->on_room(a->arg);
}

static void leave(struct attached *x)
{
	struct audience *a = x->audience;

	a->walking++;
	if (x->past)
		follow_drop(take(x->past));
	x->client = NULL;
	look_for_room(a);
	sweep(a); /* which may be the end of it */
}

/* The input ---------------------------------------- */

/* One who feeds the input sends no more. */
static void end_of_input(struct attached *x)
{
	struct audience *a = x->audience;

	if (!a->in.open || !x->wants[0])
		return;
	x->wants[0] = false;
	if (a->stdin_once && !a->tty)
		input_end(&a->in);
	else if (x->client)
		client_finish(x->client);
}

static void on_gone(void *arg)
{
	struct attached *x = arg;

	x->client = NULL;
	end_of_input(x);
	leave(x);
}

static void on_input_end(void *arg)
{
	struct attached *x = arg;

	x->in_ended = true;
	end_of_input(x);
}

/* Before there is a process to read it, what one has sent goes with him. */
static void on_hangup(void *arg)
{
	struct attached *x = arg;

	if (x->audience->in.open)
		return;
	client_drop(x->client);
	leave(x);
}

static void on_client_room(void *arg)
{
	struct attached *x = arg;

	if (x->past)
		follow_room(x->past);
	else
		look_for_room(x->audience);
}

/* Passes n bytes on, but for the keys; true once all of those have come. */
static bool pass_on(struct attached *x, const char *data, size_t n)
{
	struct input *in = &x->audience->in;
	autobuf text = {0};

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char) data[i];

		if (x->n_met > 0 && c != x->keys[x->n_met]) {
			buf_add(&text, x->keys, x->n_met);
			x->n_met = 0;
		}
		if (c != x->keys[x->n_met])
			buf_addc(&text, data[i]);
		else if (++x->n_met == x->n_keys)
			break;
	}
	if (text.len > 0)
		input_write(in, text.text, text.len);
	return x->n_met == x->n_keys;
}

static size_t on_input(void *arg, const char *data, size_t n)
{
	struct attached *x = arg;
	struct audience *a = x->audience;

	if (!x->wants[0])
		return n;
	if (!input_has_room(&a->in))
		return 0;
	if (!a->tty || x->n_keys == 0) {
		input_write(&a->in, data, n);
	} else if (pass_on(x, data, n)) {
		x->wants[0] = false; /* who leaves so ends nothing */
		a->on_detach(a->detach_arg);
		client_finish(x->client);
	}
	return n;
}

static void on_process_room(void *arg)
{
	struct audience *a = arg;

	a->walking++;
	for (struct attached *x = a->first; x && input_has_room(&a->in); x = x->next)
		if (x->client)
			client_resume(x->client);
	sweep(a);
}

/* The clients ---------------------------------------- */

static const struct client_owner owner = {
	.on_input = on_input,
	.on_input_end = on_input_end,
	.on_hangup = on_hangup,
	.on_room = on_client_room,
	.on_gone = on_gone,
};

static int parse_keys(const char *text, struct attached *x)
{
	for (; text && *text; text += 2) {
		int high = hex_digit(text[0]), low = high < 0 ? -1 : hex_digit(text[1]);

		if (low < 0 || x->n_keys == KEYS_MAX)
			return -1;
		x->keys[x->n_keys++] = (unsigned char) (high << 4 | low);
	}
	return 0;
}

/* It has read the log to its end, of which the last line may be unfinished: what is heard next goes
 * on from there. */
static void on_past_read(void *arg)
{
	struct attached *x = arg;

	x->past = NULL;
	follows_send_rest(x->audience->past, x->client, x->wants);
	client_expect_fast(x->client);
	if (!x->stays)
		client_finish(x->client);
}

static void read_past(struct attached *x)
{
	struct follows *fs = x->audience->past;
	const struct follow_order order = {
		.want = {[LOG_STDOUT] = x->wants[1], [LOG_STDERR] = x->wants[2]},
		.past_only = true,
	};
	struct logread log;

	(void) logread_open(&log, fs->dir, -1, 0);
	x->past = follow_begin(fs, &order, log, x->client, on_past_read, x);
}

static void begin(struct attached *x)
{
	struct audience *a = x->audience;

	a->walking++;
	client_begin(x->client);
	if (x->client && !x->stays && !x->past)
		client_finish(x->client);
	sweep(a);
}

int audience_attach(struct audience *a, struct clients *cs, const struct message *m,
		    struct err *err)
{
	static const char *const names[] = {"stdin", "stdout", "stderr"};
	autofree struct attached *new = xnew(struct attached);
	bool logs = kv_int(m->kv, "logs", 0) != 0;
	struct attached *x = new;

	x->audience = a;
	x->stays = kv_int(m->kv, "stream", 1) != 0;
	if (parse_keys(kv_get(m->kv, "detach-keys"), x) < 0)
		return err_set(err, ERR_INVALID, "detach-keys make no sense");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		x->wants[i] = kv_int(m->kv, names[i], 0) != 0;
	if (logs && (!a->past || !a->past->log))
		return err_set(err, ERR_INVALID, "no log is kept");
	if (client_take(cs, m, &owner, x, &x->client, err) < 0)
		return -1;
	x->wants[0] &= !a->in.open || a->has_input;
	x->next = a->first;
	a->first = take(new);
	if (logs)
		read_past(x);
	begin(x);
	return 0;
}

/* A run ---------------------------------------- */

static void nobody_cares(void *arg)
{
}

void audience_init(struct audience *a, struct loop *loop, void (*on_room)(void *arg), void *arg)
{
	*a = (struct audience){.loop = loop, .on_room = on_room, .arg = arg};
	audience_tell(a, nobody_cares, NULL);
	input_init(&a->in, loop, on_process_room, a);
}

void audience_tell(struct audience *a, void (*on_detach)(void *arg), void *arg)
{
	a->on_detach = on_detach;
	a->detach_arg = arg;
}

void audience_open(struct audience *a, int in, bool tty, bool stdin_once)
{
	a->tty = tty;
	a->stdin_once = stdin_once;
	a->has_input = in >= 0;
	a->walking++;
	/* Where there is no input, its end means nothing. */
	for (struct attached *x = a->first; x; x = x->next)
		x->wants[0] &= a->has_input;
	input_open(&a->in, in);
	for (struct attached *x = a->first; x; x = x->next)
		if (x->in_ended)
			end_of_input(x);
	sweep(a);
}

void audience_hear(struct audience *a, unsigned stream, const char *data, size_t n)
{
	for (struct attached *x = a->first; x; x = x->next)
		if (x->client && x->wants[stream] && !x->past)
			client_send(x->client, stream, data, n);
	a->full = somebody_is_full(a);
}

bool audience_is_empty(const struct audience *a)
{
	return !a->first;
}

bool audience_is_full(const struct audience *a)
{
	return a->full;
}

void audience_end(struct audience *a)
{
	input_close(&a->in);
	a->walking++;
	for (struct attached *x = a->first; x; x = x->next) {
		x->stays = false;
		x->wants[0] = false; /* who still reads the log does not feed the next run */
		if (x->client && !x->past)
			client_finish(x->client);
	}
	sweep(a);
}
