#include <errno.h>
#include <stdatomic.h>

#include "media/av.h"
#include "os/os.h"

struct media_push {
	AVFormatContext *fc;
	AVPacket *pkt;
	struct media_info *info;
	const _Atomic bool *cancel;
	int64_t timeout_us, until_us;
	struct mav_base base;
	bool header;
};

static int on_interrupt(void *arg)
{
	struct media_push *p = arg;

	return atomic_load(p->cancel) || os_mono_us() > p->until_us;
}

static int failed(struct media_push *p, int averr)
{
	if (atomic_load(p->cancel))
		return -EINTR;
	return os_mono_us() > p->until_us ? -ETIMEDOUT : mav_errno(averr);
}

static int connect_to(struct media_push *p, const char *url)
{
	AVDictionary *o = NULL;

	av_dict_set_int(&o, "rw_timeout", p->timeout_us, 0);
	av_dict_set(&o, "tcp_nodelay", "1", 0);
	if (str_starts(url, "rtmps:"))
		av_dict_set(&o, "tls_verify", "1", 0);
	int rc = avio_open2(&p->fc->pb, url, AVIO_FLAG_WRITE, &p->fc->interrupt_callback, &o);
	av_dict_free(&o);
	return rc;
}

static int write_header(struct media_push *p)
{
	AVDictionary *o = NULL;

	av_dict_set(&o, "flvflags", "no_duration_filesize", 0);
	p->fc->flags |= AVFMT_FLAG_FLUSH_PACKETS;
	p->fc->flush_packets = 1;
	int rc = avformat_write_header(p->fc, &o);
	av_dict_free(&o);
	p->header = rc >= 0;
	return rc;
}

int media_push_open(struct media_push **out, const char *url, struct media_info *info,
		    int64_t timeout_us, const _Atomic bool *cancel, char *err)
{
	struct media_push *p = calloc(1, sizeof(*p));
	char words[MEDIA_ERR];
	int rc = -ENOMEM, averr;

	*err = 0;
	if (!p)
		goto fail;
	p->cancel = cancel;
	p->base.on = true;
	p->timeout_us = timeout_us;
	p->until_us = os_mono_us() + timeout_us;
	p->info = media_info_ref(info);
	p->pkt = av_packet_alloc();
	if (!p->pkt || avformat_alloc_output_context2(&p->fc, NULL, "flv", NULL) < 0)
		goto fail;
	p->fc->interrupt_callback = (AVIOInterruptCB){on_interrupt, p};
	if ((rc = mav_add_streams(p->fc, info, err)))
		goto fail;
	if ((averr = connect_to(p, url)) < 0 || (averr = write_header(p)) < 0) {
		rc = failed(p, averr);
		mav_say(err, "%s",
			rc == -EIO || rc == -EINVAL ? mav_words(averr, words) : strerror(-rc));
		goto fail;
	}
	*out = p;
	return 0;
fail:
	if (!*err)
		mav_say(err, "%s", strerror(-rc));
	media_push_close(p);
	return rc;
}

int media_push_write(struct media_push *p, const struct media_packet *pkt)
{
	if (pkt->track < 0 || pkt->track >= p->info->n)
		return -EINVAL;
	mav_packet_borrow(p->pkt, pkt);
	bool in = mav_set_times(&p->base, p->pkt, pkt, p->info->track[pkt->track].tb,
				p->fc->streams[pkt->track]->time_base);
	p->until_us = os_mono_us() + p->timeout_us;
	int rc = in ? av_write_frame(p->fc, p->pkt) : 0;
	av_packet_unref(p->pkt);
	if (rc >= 0 && p->fc->pb->error < 0)
		rc = p->fc->pb->error;
	return rc < 0 ? failed(p, rc) : 0;
}

void media_push_close(struct media_push *p)
{
	if (!p)
		return;
	if (p->fc) {
		p->until_us = os_mono_us() + MIN(p->timeout_us, SEC_US);
		if (p->header)
			av_write_trailer(p->fc);
		avio_closep(&p->fc->pb);
		avformat_free_context(p->fc);
	}
	av_packet_free(&p->pkt);
	media_info_unref(p->info);
	free(p);
}
