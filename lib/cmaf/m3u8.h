/* Inside cmaf: lines of playlists (RFC 8216bis) that hls.c and archive_hls.c have in common. */
#ifndef GEX_CMAF_M3U8_H
#define GEX_CMAF_M3U8_H

#include "cmaf/cmaf.h"

/* The first lines. target_s: of a media playlist; 0: a multivariant one. */
void m3u8_begin(int version, int target_s, FILE *f);
/* Where its list begins: the number of its first segment, and of discontinuities before that. */
void m3u8_sequence(int64_t number, int64_t discontinuities, FILE *f);
/* us as ISO 8601 with milliseconds. */
void m3u8_date(int64_t us, FILE *f);
/* EXT-X-PROGRAM-DATE-TIME. */
void m3u8_put_date(int64_t us, FILE *f);

/* EXT-X-MEDIA of a text, whose playlist is at NAME/PLAYLIST and a query, and of captions in the pictures. */
void m3u8_put_text(const struct cmaf_caption *k, const char *name, const char *playlist,
		   const char *query, FILE *f);
void m3u8_put_captions(const struct cmaf_caption *k, FILE *f);
/* What a variant says of them. NONE ends a player's search for captions in the pictures (4.4.6.2): said where they are text, or
 * nobody's business. Where they are to be found there but it is not known which, players look themselves. */
enum m3u8_captions { M3U8_NONE, M3U8_UNKNOWN, M3U8_TOLD };
void m3u8_put_groups(enum m3u8_captions captions, bool texts, FILE *f);

#endif
