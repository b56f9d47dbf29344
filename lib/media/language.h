/* language: the names of languages. A track says ISO 639-2/T, three letters, as MPEG-TS and MP4 do; playlists and MPDs want the
 * shortest tag of BCP 47, which is ISO 639-1 where a language has one (RFC 5646, 2.2.1). Pure. */
#ifndef GEX_MEDIA_LANGUAGE_H
#define GEX_MEDIA_LANGUAGE_H

#include "base/base.h"

/* "ko", "ko-KR", "KOR", "fre" (ISO 639-2/B): out becomes "kor", "fra". False for what is no language ("und", "", "x"); then out is
 * empty. */
bool language_code(char out[4], const char *text);
/* "kor": "ko"; what has no shorter name as it is. */
void language_tag(char out[4], const char *code);

#endif
