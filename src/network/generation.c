/*
 * Has anybody changed the firewall since we did? nftables counts the transactions of a network
 * namespace, whoever makes them. Behind each of ours the count is noted in the exec root, with a
 * digest of what the table should hold then. A daemon that finds the same count, and whose own
 * memory comes to the same digest, knows without nft that all of it is right.
 *
 * Whoever dies between transaction and note, leaves a count that is another; and one that somebody
 * else has moved on meanwhile is not noted at all.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/proc.h"
#include "network/private.h"

#define NOTE	 "firewall"
#define NOTE_MAX 256

static int64_t read_answer(struct mnl_socket *s)
{
	_Alignas(struct nlmsghdr) char answer[1024];
	const struct nlmsghdr *h = (const struct nlmsghdr *) answer;
	const struct nlattr *a;
	ssize_t n = recv(mnl_socket_get_fd(s), answer, sizeof answer, MSG_DONTWAIT);

	if (n < 0)
		return -errno;
	if (!mnl_nlmsg_ok(h, (int) n) ||
	    h->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWGEN))
		return -EPROTO;
	mnl_attr_for_each(a, h, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(a) == NFTA_GEN_ID && mnl_attr_validate(a, MNL_TYPE_U32) == 0)
			return ntohl(mnl_attr_get_u32(a));
	}
	return -EPROTO;
}

int64_t generation_now(struct networks *ns)
{
	_Alignas(struct nlmsghdr) char bytes[MNL_NLMSG_HDRLEN + sizeof(struct nfgenmsg)] = "";
	struct mnl_socket *s = netfilter_socket(ns);
	struct nlmsghdr *h = mnl_nlmsg_put_header(bytes);

	h->nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN;
	h->nlmsg_flags = NLM_F_REQUEST;
	(void) mnl_nlmsg_put_extra_header(h, sizeof(struct nfgenmsg));
	if (!s || mnl_socket_sendto(s, h, h->nlmsg_len) < 0)
		return -errno;
	return read_answer(s);
}

/* The count is of this boot and of this namespace. */
static int describe(int64_t generation, uint64_t digest, char ret[static NOTE_MAX])
{
	struct stat st;

	if (stat("/proc/self/ns/net", &st) < 0)
		return -errno;
	return snprintf(ret, NOTE_MAX, "%s %ju %" PRId64 " %016" PRIx64 "\n", boot_id(),
			(uintmax_t) st.st_ino, generation, digest);
}

void generation_note(struct networks *ns, int64_t before, uint64_t digest)
{
	autoclose int root = ns->o.exec_root ? open_dir_at(AT_FDCWD, ns->o.exec_root) : -1;
	char note[NOTE_MAX];
	int len;

	if (root < 0)
		return;
	len = before >= 0 && generation_now(ns) == before + 1 ? describe(before + 1, digest, note)
							      : -1;
	if (len < 0 || save_file_at(root, NOTE, note, (size_t) len, SAVE_ATOMIC, NULL) < 0)
		(void) unlinkat(root, NOTE, 0);
}

bool generation_is_noted(struct networks *ns, uint64_t digest)
{
	autofree char *path = ns->o.exec_root ? xasprintf("%s/" NOTE, ns->o.exec_root) : NULL;
	char noted[NOTE_MAX], now[NOTE_MAX];
	int64_t generation = path ? generation_now(ns) : -1;
	int len;

	if (generation < 0 || read_small_at(AT_FDCWD, path, noted, sizeof noted) < 0)
		return false;
	len = describe(generation, digest, now);
	return len > 0 && strncmp(noted, now, (size_t) len - 1) == 0;
}
