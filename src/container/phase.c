/* Phases: their names, and which may follow which. */
#include "container/container.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/time.h"

static const struct {
	const char *text;
	const char *docker;
	unsigned next; /* bit set of phases */
} phases[PHASE_COUNT] = {
#define TO(p) (1u << PHASE_##p)
	[PHASE_CREATED] = {"created", "created",
			   TO(STARTING) | TO(REMOVING) | TO(RUNNING) | TO(OVER)},
	[PHASE_STARTING] = {"starting", "created",
			    TO(RUNNING) | TO(OVER) | TO(CREATED) | TO(EXITED) | TO(RESTARTING)},
	[PHASE_RUNNING] = {"running", "running",
			   TO(PAUSED) | TO(STOPPING) | TO(OVER) | TO(RESTARTING) | TO(REMOVING) |
				   TO(CREATED) | TO(EXITED)},
	[PHASE_PAUSED] = {"paused", "paused",
			  TO(RUNNING) | TO(STOPPING) | TO(OVER) | TO(RESTARTING) | TO(REMOVING)},
	[PHASE_STOPPING] = {"stopping", "running",
			    TO(OVER) | TO(RUNNING) | TO(PAUSED) | TO(REMOVING) | TO(RESTARTING) |
				    TO(EXITED)},
	[PHASE_OVER] = {"over", "exited",
			TO(EXITED) | TO(CREATED) | TO(RESTARTING) | TO(REMOVING) | TO(RUNNING)},
	[PHASE_EXITED] = {"exited", "exited",
			  TO(STARTING) | TO(REMOVING) | TO(RUNNING) | TO(OVER) | TO(RESTARTING)},
	[PHASE_RESTARTING] = {"restarting", "restarting",
			      TO(STARTING) | TO(RUNNING) | TO(OVER) | TO(EXITED) | TO(STOPPING) |
				      TO(REMOVING)},
	[PHASE_REMOVING] = {"removing", "removing", TO(OVER) | TO(EXITED)},
	[PHASE_DEAD] = {"dead", "dead", TO(REMOVING)},
#undef TO
};

const char *phase_text(enum phase p)
{
	return phases[p].text;
}

const char *phase_docker_text(enum phase p)
{
	return phases[p].docker;
}

int phase_parse(const char *s, enum phase *ret)
{
	for (unsigned i = 0; s && i < PHASE_COUNT; i++)
		if (!strcmp(s, phases[i].text)) {
			*ret = i;
			return 0;
		}
	return -EINVAL;
}

bool phase_edge_allowed(enum phase from, enum phase to)
{
	return from == to || (phases[from].next & 1u << to);
}

bool container_is_of_old_boot(const struct container *c)
{
	return c->state.run > 0 && !str_eq(c->state.boot_id, boot_id());
}

bool phase_is_alive(enum phase p)
{
	return p == PHASE_RUNNING || p == PHASE_PAUSED || p == PHASE_STOPPING;
}

const char *wanted_text(enum wanted w)
{
	switch (w) {
	case WANTED_CREATED:
		return "created";
	case WANTED_RUNNING:
		return "running";
	case WANTED_STOPPED:
		return "stopped";
	case WANTED_GONE:
		return "gone";
	case WANTED_RESTART:
		return "restart";
	}
	return "unknown";
}

void container_move_locked(struct container_store *s, struct container *c, enum phase to,
			   const char *cause)
{
	enum phase from = c->phase;
	struct err err = {0};

	if (!phase_edge_allowed(from, to)) {
		log_error(
			"container %.12s (%s): refused to move from %s to %s (%s): our own mistake",
			c->id, c->name, phase_text(from), phase_text(to), cause);
		return;
	}
	c->phase = to;
	if (to == PHASE_PAUSED && from != to && c->disk.health)
		c->disk.health->paused_ns = now_ns();
	/* What rests has no exec directory, and with it no phase file, any more. */
	if (to != PHASE_EXITED && to != PHASE_CREATED &&
	    container_save_phase_locked(s, c, &err) < 0 && err.errnum != ENOENT)
		log_warn("container %.12s (%s): %s", c->id, c->name, err.text);
	log_info("container %.12s (%s): %s -> %s (%s)", c->id, c->name, phase_text(from),
		 phase_text(to), cause);
	container_changed_locked(c);
}
