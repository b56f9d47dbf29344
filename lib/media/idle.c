/* What an input that is not on the air looks and sounds like, so that it is known before it is put there: of its picture the key
 * frames are decoded, one at a time, of its sound all of the default rendition, on its own thread. For nobody who asks, by
 * failover or alerts, it costs nothing. */
#include "media/pipeline.h"
#include "media/silence.h"

static bool wanted(const struct engine *e, enum failover_fault kind)
{
	return e->conf.fault_us[kind] || e->conf.alert_us[kind];
}

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
	if (!in->idle_dec)
		watch_begin(&in->idle_watch), in->idle_known = false;
	close_idle(in);
	in->idle_dec = engine_decoder(&w->info->track[w->track], err);
	in->idle_info = media_info_ref(w->info);
	return in->idle_dec;
}

static void tell(struct input *in, unsigned has)
{
	/* The first picture after the change has none before it to stand still by. */
	bool known = in->idle_known || has;

	in->idle_known = true;
	engine_fault(in->e, in->index, FAULT_BLACK, has >> FAULT_BLACK & 1);
	if (known)
		engine_fault(in->e, in->index, FAULT_FROZEN, has >> FAULT_FROZEN & 1);
}

static void close_ear(struct input *in)
{
	avcodec_free_context(&in->idle_ear);
	media_info_unref(in->idle_ear_info);
	in->idle_ear_info = NULL;
}

static void listen_to(struct input *in, AVPacket *pkt, AVFrame *f, const struct work *w)
{
	char err[MEDIA_ERR];

	if (in->idle_ear_info != w->info) {
		close_ear(in);
		in->idle_ear = engine_decoder(&w->info->track[w->track], err);
		in->idle_ear_info = media_info_ref(w->info);
	}
	mav_packet_borrow(pkt, w->packet);
	if (in->idle_ear && !avcodec_send_packet(in->idle_ear, pkt))
		while (!avcodec_receive_frame(in->idle_ear, f))
			engine_fault(in->e, in->index, FAULT_SILENT,
				     silence_in(f, in->e->conf.silence_db));
	av_packet_unref(pkt);
}

static void hear(struct input *in, const struct work *w)
{
	if (!wanted(in->e, FAULT_SILENT) || !in->e->sound[w->voice].standard)
		return;
	AVPacket *pkt = av_packet_alloc();
	AVFrame *f = av_frame_alloc();
	if (pkt && f)
		listen_to(in, pkt, f, w);
	av_packet_free(&pkt);
	av_frame_free(&f);
}

void idle_look(struct input *in, const struct work *w, bool key)
{
	if (w->voice >= 0) {
		hear(in, w);
		return;
	}
	if (!key || !(wanted(in->e, FAULT_BLACK) || wanted(in->e, FAULT_FROZEN)) ||
	    !open_idle(in, w))
		return;
	AVPacket *pkt = av_packet_alloc();
	AVFrame *f = av_frame_alloc();
	unsigned has;
	if (pkt && f) {
		mav_packet_borrow(pkt, w->packet);
		/* One by one: no picture waits for the next. */
		if (!avcodec_send_packet(in->idle_dec, pkt) &&
		    !avcodec_send_packet(in->idle_dec, NULL) &&
		    !avcodec_receive_frame(in->idle_dec, f) &&
		    watch_look(&in->idle_watch, f, w->out_us, &has))
			tell(in, has);
		avcodec_flush_buffers(in->idle_dec);
		av_packet_unref(pkt);
	}
	av_packet_free(&pkt);
	av_frame_free(&f);
}

void idle_end(struct input *in)
{
	close_ear(in);
	close_idle(in);
}
