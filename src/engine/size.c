/* How much a container has written, and volumes hold. */
#include "base/file.h"
#include "engine/internal.h"

int64_t container_size_rw(struct engine *e, const char *id)
{
	autofree char *upper = xasprintf("%s/" LAYOUT_UPPER, id);

	return tree_size_at(container_store_data_dir(e->store), upper);
}
