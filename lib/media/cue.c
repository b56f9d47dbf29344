#include "media/cue.h"

#define TABLE_ID 0xfc
#define LEAST 20 /* bytes of the shortest section: a null command without descriptors */
#define MAP_TABLE_ID 0x02
#define STREAM_TYPE 0x86
#define PTS_MASK ((INT64_C(1) << 33) - 1)

/* ISO/IEC 13818-1, Annex A: 0 over a section with its CRC. */
static uint32_t crc_of(const uint8_t *p, size_t n)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < n; i++) {
		crc ^= (uint32_t)p[i] << 24;
		for (int k = 0; k < 8; k++)
			crc = crc << 1 ^ (crc >> 31 ? 0x04c11db7u : 0);
	}
	return crc;
}

static void put_crc(uint8_t *p, size_t n)
{
	uint32_t crc = crc_of(p, n - 4);

	for (size_t i = 0; i < 4; i++)
		p[n - 4 + i] = (uint8_t)(crc >> (24 - 8 * i));
}

bool cue_valid(const uint8_t *p, size_t n)
{
	return n >= LEAST && n <= CUE_MAX && p[0] == TABLE_ID &&
	       n == 3u + ((p[1] & 15u) << 8 | p[2]) && !crc_of(p, n);
}

void cue_shift(uint8_t *p, size_t n, int64_t ticks)
{
	int64_t v = p[4] & 1;

	for (int i = 5; i < 9; i++)
		v = v << 8 | p[i];
	v = (v + ticks) & PTS_MASK;
	p[4] = (uint8_t)((p[4] & 0xfe) | v >> 32);
	for (int i = 8; i > 4; i--, v >>= 8)
		p[i] = (uint8_t)v;
	put_crc(p, n);
}

size_t cue_packets(uint8_t *out, const uint8_t *p, size_t n, int pid, int *cc)
{
	uint8_t *at = out;

	for (size_t done = 0; done < n; at += CUE_TS) {
		size_t head = done ? 4 : 5, part = MIN(n - done, CUE_TS - head);

		memset(at, 0xff, CUE_TS);
		at[0] = 0x47;
		at[1] = (uint8_t)((done ? 0 : 0x40) | pid >> 8);
		at[2] = (uint8_t)pid;
		at[3] = (uint8_t)(0x10 | (*cc)++ % 16);
		at[4] = 0; /* the section begins at once; else overwritten */
		memcpy(at + head, p + done, part);
		done += part;
	}
	return (size_t)(at - out);
}

/* The entry of pid in the section's list from `at` on, or NULL. */
static uint8_t *entry_of(uint8_t *at, const uint8_t *end, int pid)
{
	while (at + 5 <= end) {
		if (((at[1] & 31) << 8 | at[2]) == pid)
			return at;
		at += 5 + ((at[3] & 15) << 8 | at[4]);
	}
	return NULL;
}

void cue_announce(uint8_t *packet, int map_pid, int pid)
{
	static const uint8_t registration[] = {5, 4, 'C', 'U', 'E', 'I'};
	uint8_t *s = packet + 5, *entry;

	if (packet[0] != 0x47 || !(packet[1] & 0x40) || (packet[3] & 0x30) != 0x10 || packet[4] ||
	    ((packet[1] & 31) << 8 | packet[2]) != map_pid || s[0] != MAP_TABLE_ID)
		return;
	size_t n = 3u + ((s[1] & 15u) << 8 | s[2]), info = (s[10] & 15u) << 8 | s[11];
	if (n < 16 || n + sizeof(registration) > CUE_TS - 5 || 12 + info > n - 4)
		return;
	if (!(entry = entry_of(s + 12 + info, s + n - 4, pid)))
		return;
	entry[0] = STREAM_TYPE;
	/* Of the program, so that the type is not taken for somebody else's. */
	memmove(s + 12 + sizeof(registration), s + 12, n - 12);
	memcpy(s + 12, registration, sizeof(registration));
	n += sizeof(registration);
	info += sizeof(registration);
	s[1] = (uint8_t)((s[1] & 0xf0) | (n - 3) >> 8);
	s[2] = (uint8_t)(n - 3);
	s[10] = (uint8_t)((s[10] & 0xf0) | info >> 8);
	s[11] = (uint8_t)info;
	put_crc(s, n);
}
