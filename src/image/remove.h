/* What removing an image comes to: docker's rules as a pure function, so that the test is a table.
 */
#pragma once

#include "image/image.h"

struct remove_facts {
	bool by_name; /* the reference is a name, not an id */
	bool force;
	size_t names;	     /* the image has now */
	bool has_children;   /* other images say it is their parent */
	const char *used_by; /* short id of a container, "" none */
	bool running;	     /* that container runs */
};

enum remove_action {
	REMOVE_REFUSE,	  /* err says why */
	REMOVE_UNTAG,	  /* only the name that was given */
	REMOVE_UNTAG_ALL, /* every name, but the image stays for its container */
	REMOVE_DELETE,	  /* names and image */
};

/* ref: as the user gave it; id: the image's short one, for messages. */
enum remove_action remove_decide(const struct remove_facts *f, const char *ref, const char *id,
				 struct err *err);
