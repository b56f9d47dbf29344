#include "net/net.h"

#include <errno.h>

static unsigned width(const struct net_addr *a)
{
	return a->family == 4 ? 32 : 128;
}

/* Whether the bits from `bits` on are zero: "10.0.0.1/8" is a slip, not a network. */
static bool is_aligned(const struct net_addr *a, unsigned bits)
{
	for (unsigned i = bits; i < width(a); i++)
		if (a->ip[i / 8] & 0x80 >> i % 8)
			return false;
	return true;
}

int net_block_parse(const char *s, struct net_block *out)
{
	char text[NET_ADDR_TEXT];
	const char *slash = strchr(s, '/');
	struct net_block b = {.bits = 0};
	int64_t bits;

	if (!str_copy(text, sizeof(text), s))
		return -EINVAL;
	if (slash)
		text[slash - s] = 0;
	int rc = net_addr_parse_ip(text, &b.addr);
	if (rc || !b.addr.family || b.addr.zone)
		return -EINVAL;
	bits = width(&b.addr);
	if (slash && (slash[1] < '0' || slash[1] > '9' || num_int(slash + 1, &bits)))
		return -EINVAL;
	if (bits > width(&b.addr))
		return -ERANGE;
	b.bits = (uint8_t)bits;
	if (!is_aligned(&b.addr, b.bits))
		return -EINVAL;
	*out = b;
	return 0;
}

bool net_block_has(const struct net_block *b, const struct net_addr *a)
{
	unsigned whole = b->bits / 8, rest = b->bits % 8;

	if (a->family != b->addr.family || memcmp(a->ip, b->addr.ip, whole) != 0)
		return false;
	return !rest || !((a->ip[whole] ^ b->addr.ip[whole]) >> (8 - rest));
}
