/* Content keys as people and key servers write them. Pure. */
#ifndef GEX_CMAF_SECRET_H
#define GEX_CMAF_SECRET_H

#include "base/base.h"

/* The key's id is public: it is in playlists, in the MPD and in init segments. Wipe the key when done. */
struct cmaf_secret {
	uint8_t kid[16], key[16];
};

/* A key file: KID:KEY a line, 32 hexadecimal digits each, a KID also as a UUID; empty lines and those from `#` on are
 * skipped. Returns how many, at most cap; -EINVAL (a line that is none, or none at all), -EEXIST (the same KID
 * twice), -E2BIG; *line is then the line's number from 1, 0 for the file as a whole, and out is wiped. */
int cmaf_secrets_parse(const char *text, struct cmaf_secret *out, size_t cap, int *line) MUST_USE;

/* A key server's answer: 16 bytes, the key; or JSON whose first members "kid" and "key" (or "k", as in a JSON Web Key
 * Set) are hexadecimal, a UUID, or base64url. A KID that is not told is made of the key, one way, so that whoever gets
 * the same key calls it the same. 0 or -EINVAL. */
int cmaf_secret_answer(const void *data, size_t n, struct cmaf_secret *out) MUST_USE;

/* The id of a key as cmaf_secret_hex writes it, or as a UUID. */
bool cmaf_secret_kid(const char *text, uint8_t kid[16]);
/* 16 bytes of base64url, as cmaf_secret_text writes them. */
bool cmaf_secret_id(const char *s, size_t n, uint8_t kid[16]);
void cmaf_secret_hex(const uint8_t v[16], char out[33]);
/* The IV of cbcs that goes with the key, from its id: the same for all who have it. */
void cmaf_secret_iv(const uint8_t kid[16], uint8_t iv[16]);
/* 16 bytes as base64url (RFC 4648, section 5), as JSON Web Keys have them. */
void cmaf_secret_text(const uint8_t v[16], char out[23]);

#endif
