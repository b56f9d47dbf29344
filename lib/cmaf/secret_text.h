/* Inside cmaf: what playlists and MPDs say of a key. */
#ifndef GEX_CMAF_SECRET_TEXT_H
#define GEX_CMAF_SECRET_TEXT_H

#include "cmaf/cmaf.h"

/* EXT-X-KEY (RFC 8216bis, 4.4.4.4), one for each format. iv: of cbcs; with AES-128 it is the segment's number. */
void secret_put_hls(enum cmaf_scheme scheme, const uint8_t kid[16], const uint8_t iv[16],
		    const struct cmaf_key_places *places, FILE *f);
/* What an adaptation set says of its key: ContentProtection of cbcs (ISO/IEC 23001-7, 11.2) and, with a license, where
 * ClearKey gets it (DASH-IF IOP, 7.6.2.4). The MPD has the namespaces. */
#define SECRET_XMLNS " xmlns:cenc=\"urn:mpeg:cenc:2013\" xmlns:dashif=\"https://dashif.org/CPS\""
void secret_put_mpd(const uint8_t kid[16], const char *license, FILE *f);

#endif
