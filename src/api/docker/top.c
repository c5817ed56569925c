/* The processes of a container. */
#include "api/docker/docker.h"

int container_top(struct call *c, struct err *err)
{
	struct top top = {0};
	autoout o = {0};

	if (engine_top(c->e, c->name, http_query(c->rq, "ps_args"), &top, err) < 0)
		return -1;
	out_object(&o, NULL);
	out_strv(&o, "Titles", top.titles);
	out_array(&o, "Processes");
	for (size_t i = 0; i < top.n_lines; i++)
		out_strv(&o, NULL, top.lines[i]);
	out_array_end(&o);
	out_end(&o);
	top_free(&top);
	answer_json(c, 200, &o);
	return 0;
}
