/* What an input that is off the air for a fault of its picture looks like: its key frames are decoded, one at a time, on its
 * own thread, so that it is known when it is good again. An input without such a fault costs nothing here. */
#include "media/pipeline.h"

static void close_idle(struct input *in)
{
	avcodec_free_context(&in->idle_dec);
	media_info_unref(in->idle_info);
	in->idle_info = NULL;
}

static bool open_idle(struct input *in, const struct work *w)
{
	char err[MEDIA_ERR];

	if (in->idle_dec && in->idle_info == w->info)
		return true;
	if (!in->idle_dec) {
		in->idle_watch.black_us = in->e->conf.black_us;
		in->idle_watch.frozen_us = in->e->conf.frozen_us;
		watch_begin(&in->idle_watch);
	}
	close_idle(in);
	in->idle_dec = engine_decoder(&w->info->track[w->track], err);
	in->idle_info = media_info_ref(w->info);
	return in->idle_dec;
}

void idle_look(struct input *in, const struct work *w, bool key)
{
	if (!(in->faults & WATCH_FAULTS)) {
		if (in->idle_info)
			close_idle(in);
		return;
	}
	if (!key || w->info->track[w->track].kind != MEDIA_VIDEO || !open_idle(in, w))
		return;
	AVPacket *pkt = av_packet_alloc();
	AVFrame *f = av_frame_alloc();
	if (pkt && f) {
		mav_packet_borrow(pkt, w->packet);
		/* One by one: no picture waits for the next. */
		if (!avcodec_send_packet(in->idle_dec, pkt) &&
		    !avcodec_send_packet(in->idle_dec, NULL) &&
		    !avcodec_receive_frame(in->idle_dec, f))
			engine_faults(in->e, in->index, WATCH_FAULTS,
				      watch_look(&in->idle_watch, f, w->out_us, in->faults));
		avcodec_flush_buffers(in->idle_dec);
		av_packet_unref(pkt);
	}
	av_packet_free(&pkt);
	av_frame_free(&f);
}

void idle_end(struct input *in)
{
	close_idle(in);
}
