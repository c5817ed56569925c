/* Addresses and subnets, IPv4 and IPv6 alike. Pure functions of values. */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#define IP_TEXT_MAX  INET6_ADDRSTRLEN
#define MAC_LEN	     6
#define MAC_TEXT_MAX sizeof("02:42:ac:11:00:02")

struct ip {
	int family; /* AF_INET, AF_INET6; 0: none */
	uint8_t b[16];
};

struct subnet {
	struct ip ip; /* as it was written: of an interface perhaps, not of the subnet */
	unsigned prefix;
};

/* Bytes of an address: 4 or 16. */
unsigned ip_len(const struct ip *a);
/* 0 or -EINVAL. */
int ip_parse(const char *s, struct ip *ret);
/* ret has IP_TEXT_MAX bytes, and is returned; "" for none. */
char *ip_text(const struct ip *a, char ret[static IP_TEXT_MAX]);
bool ip_eq(const struct ip *a, const struct ip *b);
/* The address `n` behind a; it wraps at the end of all addresses. */
struct ip ip_plus(struct ip a, uint64_t n);

/* "10.0.0.0/8": 0 or -EINVAL. */
int subnet_parse(const char *s, struct subnet *ret);
/* The first address of it, host bits cleared; and the last one. */
struct ip subnet_first(const struct subnet *s);
struct ip subnet_last(const struct subnet *s);
bool subnet_has(const struct subnet *s, const struct ip *a);
bool subnets_overlap(const struct subnet *a, const struct subnet *b);
/* Can a host have this address: not the network's own, nor (IPv4) the broadcast address. */
bool subnet_is_host(const struct subnet *s, const struct ip *a);

/* 0 or -EINVAL. */
int mac_parse(const char *s, uint8_t ret[static MAC_LEN]);
char *mac_text(const uint8_t mac[static MAC_LEN], char ret[static MAC_TEXT_MAX]);
/* Docker's, made of the address: 02:42 and the IPv4 address, so that it is unique in its subnet. */
void mac_of_ip(const struct ip *a, uint8_t ret[static MAC_LEN]);
