/* Names for containers that were given none: an adjective and a thing of the sea's edge. */
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "engine/internal.h"

static const char *const adjectives[] = {
	"able",	    "amber",  "ample", "brave",	  "bright", "brisk",  "calm",	"civil",
	"clear",    "deep",   "eager", "early",	  "fair",   "firm",   "fleet",	"fond",
	"frank",    "gentle", "glad",  "grand",	  "hardy",  "hushed", "jolly",	"keen",
	"kind",	    "late",   "level", "lively",  "loyal",  "lucid",  "mellow", "merry",
	"mild",	    "modest", "noble", "patient", "placid", "plain",  "prime",	"proud",
	"quick",    "quiet",  "ready", "rugged",  "salty",  "serene", "sharp",	"silent",
	"steady",   "stout",  "sunny", "supple",  "sure",   "swift",  "tidal",	"tidy",
	"tranquil", "trusty", "vivid", "warm",	  "wise",   "witty",  "worthy", "zesty",
};

static const char *const things[] = {
	"anchor",  "barnacle", "bay",	  "beacon",  "bight",	"bollard",  "bosun",	"bowline",
	"breaker", "buoy",     "cape",	  "capstan", "cliff",	"cockle",   "conch",	"coral",
	"cove",	   "crab",     "current", "dory",    "dune",	"eddy",	    "fathom",	"fjord",
	"gale",	   "grapnel",  "gull",	  "halyard", "harbor",	"hawser",   "headland", "heron",
	"holm",	   "inlet",    "jetty",	  "kelp",    "ketch",	"lagoon",   "lantern",	"limpet",
	"lugger",  "marlin",   "mooring", "mussel",  "oyster",	"pebble",   "petrel",	"pier",
	"plover",  "quay",     "reef",	  "rudder",  "sandbar", "schooner", "shoal",	"skerry",
	"sloop",   "spray",    "stay",	  "strand",  "surf",	"tern",	    "tide",	"wharf",
};

int engine_take_name(struct engine *e, const char *wish, struct container *c, char **ret,
		     struct err *err)
{
	unsigned char dice[3];

	if (!str_empty(wish)) {
		if (wish[0] == '/')
			wish++;
		if (check_container_name(wish, err) < 0 ||
		    container_name_index_add(e->store, wish, c, err) < 0)
			return -1;
		*ret = xstrdup(wish);
		return 0;
	}
	/* 4096 pairs, then with a number behind: the first free one ends it. */
	for (unsigned attempt = 0; attempt < 4096; attempt++) {
		autofree char *name = NULL;

		if (getrandom(dice, sizeof dice, 0) != sizeof dice)
			return err_set(err, ERR_SYSTEM, "no random numbers for a name");
		name = attempt < 8
			       ? xasprintf("%s_%s", adjectives[dice[0] % ARRAY_SIZE(adjectives)],
					   things[dice[1] % ARRAY_SIZE(things)])
			       : xasprintf("%s_%s%u", adjectives[dice[0] % ARRAY_SIZE(adjectives)],
					   things[dice[1] % ARRAY_SIZE(things)],
					   dice[2] * 4096u + attempt);
		if (container_name_index_add(e->store, name, c, NULL) == 0) {
			*ret = take(name);
			return 0;
		}
	}
	return err_set(err, ERR_CONFLICT, "no free name was found");
}
