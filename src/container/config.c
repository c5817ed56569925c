/* config.json: what was asked for at create. */
#include "container/container.h"

const struct field container_config_fields[] = {
	FIELD(struct container_config, "Version", FIELD_INT, version),
	FIELD(struct container_config, "Id", FIELD_STR, id),
	FIELD(struct container_config, "Name", FIELD_STR, name),
	FIELD(struct container_config, "Created", FIELD_TIME, created_ns),
	FIELD(struct container_config, "ImageId", FIELD_STR, image_id),
	FIELD(struct container_config, "Runtime", FIELD_STR, runtime),
	FIELD_SUB(struct container_config, "Config", FIELD_OBJECT, config, config_fields,
		  struct config, 0),
	FIELD_SUB(struct container_config, "HostConfig", FIELD_OBJECT, host, host_config_fields,
		  struct host_config, 0),
	FIELD_SUB(struct container_config, "Mounts", FIELD_OBJECTS, mounts, mount_point_fields,
		  struct mount_point, FIELD_OMIT),
	FIELD_SUB(struct container_config, "Networks", FIELD_OBJECTS, networks, network_wish_fields,
		  struct network_wish, FIELD_OMIT),
	FIELD_F(struct container_config, "Warnings", FIELD_STRV, warnings, FIELD_OMIT),
	FIELD_KEEP_REST(struct container_config, rest),
	FIELD_END,
};

struct container_config *container_config_new(void)
{
	struct container_config *c = xnew(struct container_config);

	fields_init(container_config_fields, c);
	c->version = CONTAINER_FORMAT;
	c->refs = 1;
	return c;
}

struct container_config *container_config_copy(const struct container_config *c)
{
	struct container_config *copy = xnew(struct container_config);

	fields_copy(container_config_fields, copy, c);
	copy->refs = 1;
	return copy;
}

struct container_config *container_config_ref(struct container_config *c)
{
	if (c)
		__atomic_add_fetch(&c->refs, 1, __ATOMIC_RELAXED);
	return c;
}

void container_config_unref(struct container_config *c)
{
	if (!c || __atomic_sub_fetch(&c->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	fields_free(container_config_fields, c);
	free(c);
}
