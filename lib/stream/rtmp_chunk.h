/* rtmp_chunk: RTMP's chunks as messages ("Adobe's Real Time Messaging Protocol", 5.3). Pure, of the side that listens. What
 * a peer can make us hold is bounded: by the size of a message, the number of chunk streams, and all of them together. */
#ifndef GEX_STREAM_RTMP_CHUNK_H
#define GEX_STREAM_RTMP_CHUNK_H

#include "base/base.h"

#define RTMP_CHUNK_STREAMS 16

struct rtmp_message {
	uint8_t type;
	uint32_t time_ms;
	const uint8_t *data; /* the chunks' */
	size_t size;
};

struct rtmp_chunk_stream {
	uint32_t id; /* 0: free */
	uint32_t time_ms, delta_ms;
	uint8_t type;
	bool extended; /* its time did not fit into 24 bits */
	size_t length;
	uint8_t *data;
	size_t have, cap;
};

struct rtmp_chunks {
	size_t size; /* of the peer's chunks */
	size_t most; /* bytes of a message, and of all that are begun; the owner's to change */
	uint8_t head[18];
	size_t head_len;
	struct rtmp_chunk_stream *now; /* whose chunk is being read; NULL: a header */
	size_t left;		       /* of that chunk */
	size_t held;
	struct rtmp_chunk_stream stream[RTMP_CHUNK_STREAMS];
};

typedef int rtmp_message_fn(void *arg, const struct rtmp_message *m);

void rtmp_chunks_init(struct rtmp_chunks *c, size_t most);
void rtmp_chunks_finish(struct rtmp_chunks *c);
/* Reads n bytes, on(arg) for each message that is whole. 0; -EPROTO, -EMSGSIZE, -ENOMEM, or what on() returned: it is over. */
int rtmp_chunks_input(struct rtmp_chunks *c, const uint8_t *p, size_t n, rtmp_message_fn *on,
		      void *arg) MUST_USE;
/* A Set Chunk Size or Abort of the peer's. 0 or -EPROTO. */
int rtmp_chunks_control(struct rtmp_chunks *c, const struct rtmp_message *m) MUST_USE;

#endif
