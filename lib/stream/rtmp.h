/* rtmp: one connection of an RTMP publisher, as the server sees it: handshake, commands, and its sound and pictures as FLV.
 * Pure: bytes in, bytes out. Who may publish its owner says. "Adobe's Real Time Messaging Protocol" 1.0; FLV is "Video File Format
 * Specification" 10, annex E. */
#ifndef GEX_STREAM_RTMP_H
#define GEX_STREAM_RTMP_H

#include "base/base.h"

enum rtmp_state {
	RTMP_OPENING,
	RTMP_ASKING,	 /* may I publish? */
	RTMP_PUBLISHING, /* it has been taken */
	RTMP_ENDED,	 /* it has said so, or was refused: send what is there and close */
};

struct rtmp;

int rtmp_create(struct rtmp **out) MUST_USE;
void rtmp_destroy(struct rtmp *r);
/* Bytes from the peer. 0; -EPROTO, -EMSGSIZE, -ENOMEM: close it. */
int rtmp_input(struct rtmp *r, const void *p, size_t n) MUST_USE;
enum rtmp_state rtmp_state(const struct rtmp *r);
/* What it wants to publish to, "APP/KEY" without a query; from RTMP_ASKING on. */
const char *rtmp_name(const struct rtmp *r);
/* In RTMP_ASKING: why is NULL, and it may; or it is refused for that. 0 or -ENOMEM. */
int rtmp_answer(struct rtmp *r, const char *why) MUST_USE;
/* What is to be sent to the peer; at most n bytes, and how many there are. */
const uint8_t *rtmp_out(const struct rtmp *r, size_t *n);
void rtmp_sent(struct rtmp *r, size_t n);
/* FLV, of a publisher that has been taken; how many bytes. */
size_t rtmp_read(struct rtmp *r, void *p, size_t n);

#endif
