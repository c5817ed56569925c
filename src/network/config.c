/* The tables of what a network is, and copies of it. */
#include "network/private.h"

#include <string.h>

const struct field ipam_pool_fields[] = {
	FIELD_F(struct ipam_pool, "Subnet", FIELD_STR, subnet, FIELD_OMIT),
	FIELD_F(struct ipam_pool, "IPRange", FIELD_STR, ip_range, FIELD_OMIT),
	FIELD_F(struct ipam_pool, "Gateway", FIELD_STR, gateway, FIELD_OMIT),
	FIELD_F(struct ipam_pool, "AuxiliaryAddresses", FIELD_MAP, aux, FIELD_OMIT),
	FIELD_END,
};

const struct field ipam_fields[] = {
	FIELD(struct ipam, "Driver", FIELD_STR, driver),
	FIELD_F(struct ipam, "Options", FIELD_MAP, options, FIELD_NULLABLE),
	FIELD_SUB(struct ipam, "Config", FIELD_OBJECTS, pools, ipam_pool_fields, struct ipam_pool,
		  0),
	FIELD_END,
};

const struct field network_config_fields[] = {
	FIELD(struct network_config, "Name", FIELD_STR, name),
	FIELD(struct network_config, "Id", FIELD_STR, id),
	FIELD(struct network_config, "Created", FIELD_TIME, created_ns),
	FIELD(struct network_config, "Scope", FIELD_STR, scope),
	FIELD(struct network_config, "Driver", FIELD_STR, driver),
	FIELD(struct network_config, "EnableIPv6", FIELD_BOOL, enable_ipv6),
	FIELD_SUB(struct network_config, "IPAM", FIELD_OBJECT, ipam, ipam_fields, struct ipam, 0),
	FIELD(struct network_config, "Internal", FIELD_BOOL, internal),
	FIELD(struct network_config, "Attachable", FIELD_BOOL, attachable),
	FIELD(struct network_config, "Options", FIELD_MAP, options),
	FIELD(struct network_config, "Labels", FIELD_MAP, labels),
	FIELD_KEEP_REST(struct network_config, rest),
	FIELD_END,
};

void network_view_free(struct network_view *v)
{
	fields_free(network_config_fields, &v->config);
	for (size_t i = 0; v->members && i < v->n_members; i++) {
		free(v->members[i].owner);
		free(v->members[i].owner_name);
		fields_free(endpoint_fields, &v->members[i].endpoint);
	}
	free(v->members);
	*v = (struct network_view){0};
}
