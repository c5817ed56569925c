/* See stay.h. */
#include "shim/stay.h"

#include "base/time.h"

/* Who made it has a start or a client at hand; a slow disk may come before it. */
#define BIRTH_NS (60 * NSEC_PER_SEC)
#define IDLE_NS	 (10 * NSEC_PER_SEC)

static void on_timer(void *arg)
{
	struct stay *s = arg;

	if (s->clients->n == 0)
		s->end(s->arg);
}

static void on_last_gone(void *arg)
{
	struct stay *s = arg;

	if (s->lingers)
		loop_stop(s->loop);
	else if (s->idle)
		loop_timer(s->loop, &s->timer, s->leaves ? 0 : IDLE_NS);
}

void stay_init(struct stay *s, struct loop *loop, struct clients *clients, void (*end)(void *arg),
	       void *arg)
{
	*s = (struct stay){.loop = loop,
			   .clients = clients,
			   .end = end,
			   .arg = arg,
			   .timer = {.fn = on_timer, .arg = s}};
	clients->on_empty = on_last_gone;
	clients->arg = s;
}

void stay_idle(struct stay *s)
{
	s->idle = true;
	s->leaves = false;
	loop_timer(s->loop, &s->timer, BIRTH_NS);
}

void stay_asked(struct stay *s)
{
	if (!s->idle)
		return;
	s->leaves = false;
	loop_timer(s->loop, &s->timer, IDLE_NS);
}

void stay_leave(struct stay *s)
{
	s->leaves = true;
}

void stay_busy(struct stay *s)
{
	s->idle = false;
	loop_timer_cancel(s->loop, &s->timer);
}

void stay_linger(struct stay *s)
{
	stay_busy(s);
	s->lingers = true;
	if (s->clients->n == 0)
		return;
	s->loop->stop = false;
	loop_run(s->loop);
}
