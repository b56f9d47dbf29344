/* Pictures as they are meant to be seen: of interlaced ones the missing lines are made, turned ones are turned back. Without
 * delay. Not for other modules. */
#ifndef GEX_MEDIA_UPRIGHT_H
#define GEX_MEDIA_UPRIGHT_H

#include "media/av.h"

/* Of an interlaced picture: one of each frame, one of each field, or it stays as it is. */
enum upright_mode { UPRIGHT_FRAME, UPRIGHT_FIELD, UPRIGHT_OFF };

struct upright {
	enum upright_mode mode;
	AVFrame *before; /* the last interlaced picture */
};

/* In place of f's picture one that is progressive and upright; f is left as it is when nothing has to be done, or its format is
 * a packed one. turn: of the track, clockwise, in quarters; what the frame says comes first. second: empty (NULL but with UPRIGHT_FIELD); with UPRIGHT_FIELD
 * and an interlaced picture it becomes that of the field shown second, its pts the same as f's. 0 or -ENOMEM. */
int upright_run(struct upright *u, AVFrame *f, int turn, AVFrame *second) MUST_USE;
/* Quarters, clockwise, by which a display matrix (FFmpeg's) wants a picture to be turned. */
int upright_turn(const int32_t *matrix);
void upright_finish(struct upright *u);

#endif
