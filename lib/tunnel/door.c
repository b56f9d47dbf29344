#include "tunnel/door.h"
#include "crypt/crypt.h"
#include "tunnel/tunnel.h"

#define HOST_GAP_US (20 * MS_US) /* between two handshakes of one host, on average */
#define HOST_BURST 32
#define LOST_GAP_US 500 /* between two answers that a connection is unknown */
#define LOST_BURST 256

void tn_door_init(struct tn_door *d)
{
	*d = (struct tn_door){0};
	crypt_random(&d->seed, sizeof(d->seed));
}

static uint64_t mix(uint64_t h, const void *data, size_t n)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * UINT64_C(0x9e3779b97f4a7c15) ^ h >> 29;
	return h;
}

uint64_t tn_door_hash(const struct tn_door *d, int path, const struct tunnel_addr *from)
{
	return mix(d->seed ^ (uint64_t)path, from, sizeof(*from));
}

uint32_t tn_door_host(const struct tunnel_addr *from)
{
	uint32_t host;

	memcpy(&host, from->bytes + TUNNEL_ADDR_HOST, sizeof(host));
	return host;
}

static bool conforms(int64_t *until_us, int64_t gap_us, int64_t burst, int64_t now_us)
{
	int64_t from_us = MAX(*until_us, now_us);

	if (from_us - now_us > (burst - 1) * gap_us)
		return false;
	*until_us = from_us + gap_us;
	return true;
}

bool tn_door_handshake(struct tn_door *d, const struct tunnel_addr *from, int64_t now_us)
{
	bool may = false;

	for (uint64_t row = 0; row < TN_DOOR_ROWS; row++) {
		uint64_t h = mix(d->seed + row, from->bytes + TUNNEL_ADDR_HOST, 4);

		may |= conforms(&d->host_us[row][(h >> 32) % TN_DOOR_HOSTS], HOST_GAP_US,
				HOST_BURST, now_us);
	}
	return may;
}

bool tn_door_lost(struct tn_door *d, int64_t now_us)
{
	return conforms(&d->lost_us, LOST_GAP_US, LOST_BURST, now_us);
}
