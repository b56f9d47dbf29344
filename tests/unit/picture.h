/* Pictures for unit tests of media. */
#ifndef GEX_TESTS_PICTURE_H
#define GEX_TESTS_PICTURE_H

#include <libavutil/frame.h>

/* All bytes of it are `fill`. */
static inline AVFrame *picture_filled(int format, int w, int h, int fill)
{
	AVFrame *f = av_frame_alloc();

	assert_non_null(f);
	f->format = format;
	f->width = w;
	f->height = h;
	assert_int_equal(av_frame_get_buffer(f, 0), 0);
	for (int p = 0; p < 4 && f->buf[p]; p++)
		memset(f->buf[p]->data, fill, f->buf[p]->size);
	return f;
}

#endif
