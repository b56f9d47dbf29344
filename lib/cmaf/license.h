/* What a player's ClearKey asks for (W3C Encrypted Media Extensions, 9.1.3). Pure. */
#ifndef GEX_CMAF_LICENSE_H
#define GEX_CMAF_LICENSE_H

#include "base/base.h"

#define LICENSE_KIDS 128    /* at most in a request */
#define LICENSE_MAX (16384) /* bytes of one */

/* The ids in a license request: a JSON object (RFC 8259) whose member "kids" is an array of base64url strings, of which those of
 * 16 bytes are taken; other members may be anything. How many, at most LICENSE_KIDS; -EINVAL for what is none, -E2BIG. */
int license_read(const char *p, size_t n, uint8_t kid[LICENSE_KIDS][16]) MUST_USE;

#endif
