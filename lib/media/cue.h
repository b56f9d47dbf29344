/* cue: splice information sections (SCTE 35), which tell where advertisements begin and end; and their way into MPEG-TS, which
 * FFmpeg's muxer does not know: as sections in packets of their own, announced in the program map. Pure. */
#ifndef GEX_MEDIA_CUE_H
#define GEX_MEDIA_CUE_H

#include "base/base.h"

#define CUE_MAX 4096 /* bytes of a section, at most 4093 + 3 */
#define CUE_TS 188

/* Is it a whole splice_info_section with the right CRC? */
bool cue_valid(const uint8_t *p, size_t n);
/* All its times are of a clock that now counts so many ticks of 90 kHz more: pts_adjustment (9.6 of SCTE 35) takes them in,
 * which stands in the clear also where the rest is encrypted. Of a valid section. */
void cue_shift(uint8_t *p, size_t n, int64_t ticks);

/* Writes a section as packets of MPEG-TS at out (CUE_MAX / 184 + 2 packets have room); cc: the counter of this pid, goes on.
 * Returns the bytes. */
size_t cue_packets(uint8_t *out, const uint8_t *p, size_t n, int pid, int *cc);
#define CUE_PACKETS_MAX ((CUE_MAX / (CUE_TS - 4) + 2) * CUE_TS)
/* When the packet is a program map (of map_pid) that lists pid, it says afterwards that this is SCTE 35. */
void cue_announce(uint8_t *packet, int map_pid, int pid);

#endif
