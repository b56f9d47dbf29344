/* card: pictures for encoders that are not the processor's. NVENC takes ours as they are; Quick Sync wants its two colours in
 * one plane (NV12), VA-API that, and in the card's own memory. Not for other modules. */
#ifndef GEX_MEDIA_CARD_H
#define GEX_MEDIA_CARD_H

#include <libavutil/hwcontext.h>

#include "media/av.h"

enum card_wants { CARD_NOTHING, CARD_NV12, CARD_MEMORY };

struct card {
	enum card_wants wants;
	AVFrame *nv12, *up; /* of the picture that is encoded */
	AVBufferRef *frames;
};

/* Before the encoder is opened: sets what pictures cc gets, whose size is known. 0, or a negative errno and a reason. */
int card_open(struct card *c, enum card_wants wants, AVCodecContext *cc, char *err) MUST_USE;
/* The picture to encode in place of f: f itself, or one of the card's that is valid until the next call. NULL: it failed. */
AVFrame *card_picture(struct card *c, AVFrame *f);
/* The colours of a 4:2:0 picture side by side; both have the same size. */
void card_interleave(AVFrame *nv12, const AVFrame *f);
void card_close(struct card *c);

#endif
