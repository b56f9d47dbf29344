#include "stream/sink.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "log/log.h"
#include "os/os.h"
#include "stream/packet.h"
#include "stream/source.h"

#define OUTLETS_MAX 256

/* A reader's queue holds 4 s or 32 MB; one that has not caught up for 10 s is cut. A reader that joins is given the stream
 * since the last key frame, when that is at most 4 s and 16 MB: the tools behind read the time off each frame, so the burst
 * costs them no latency and saves them a GOP of waiting. */
static const struct fan_limits limits = {
    .bytes = 32 << 20,
    .us = 4 * SEC_US,
    .burst_bytes = 16 << 20,
    .burst_us = 4 * SEC_US,
    .hopeless_us = 10 * SEC_US,
};

static const struct sink_ops *const by_scheme[] = {
    [STREAM_PIPE] = &sink_file, [STREAM_FILE] = &sink_file, [STREAM_UNIX] = &sink_unix,
    [STREAM_SRT] = &sink_srt,	[STREAM_UDP] = &sink_udp,   [STREAM_HTTP] = NULL,
};

/* ---- an outlet's life ---- */

static void stop_container(struct outlet *o)
{
	struct fan_stats st;

	if (o->in) {
		st = fan_reader_stats(o->in);
		o->sink->gone.packets += st.taken;
		o->sink->gone.dropped += st.dropped;
	}
	fan_reader_destroy(o->in);
	o->in = NULL;
	media_mux_destroy(o->mux);
	o->mux = NULL;
	media_info_unref(o->info);
	o->info = NULL;
}

static void close_outlet(struct outlet *o)
{
	struct stream_sink *s = o->sink;

	stop_container(o);
	list_remove(&o->link);
	s->noutlets--;
	s->gone.left++;
	if (!s->closing && s->ops->gone)
		s->ops->gone(s);
	o->ops->close(o);
}

void outlet_free(struct outlet *o)
{
	struct stream_sink *s = o->sink;

	vec_free(&o->out);
	free(o);
	sink_release(s);
}

void outlet_fail(struct outlet *o, int err)
{
	struct stream_sink *s = o->sink;

	if (o->ops->vital && !s->closing && !s->error) {
		s->error = err ? err : -EPIPE;
		loop_timer_in(&s->timer, 0);
	}
	if (o->peer[0])
		log_info(s->url.shown, "%s has gone%s%s", o->peer, err ? ": " : "",
			 err ? strerror(-err) : "");
	close_outlet(o);
}

/* media_write_fn */
static int take_bytes(void *arg, const void *p, size_t n)
{
	struct outlet *o = arg;

	if (vec_reserve_((void **)&o->out.at, &o->out.cap, o->out.len + n, 1))
		return -ENOMEM;
	memcpy(o->out.at + o->out.len, p, n);
	o->out.len += n;
	return 0;
}

static int begin_container(struct outlet *o)
{
	struct stream_sink *s = o->sink;
	char err[MEDIA_ERR];
	int r;

	o->draining = o->ended = false;
	r = media_mux_create(&o->mux, stream_url_output_format(&s->url), s->info, take_bytes, o,
			     err);
	if (r) {
		log_warn(s->url.shown, "%s", err);
		return r;
	}
	o->info = media_info_ref(s->info);
	return fan_reader_create(&o->in, s->fan);
}

int outlet_init(struct outlet *o, struct stream_sink *s, const struct outlet_ops *ops,
		const char *peer)
{
	if (s->noutlets >= OUTLETS_MAX)
		return -EBUSY;
	o->sink = s;
	o->ops = ops;
	if (peer)
		str_copy(o->peer, sizeof(o->peer), peer);
	list_append(&s->outlets, &o->link);
	s->noutlets++;
	sink_hold(s); /* until outlet_free */
	return 0;
}

/* ---- the flow of bytes ---- */

/* Muxes the next packet, or the trailer. False: there is nothing (now). */
static bool fill(struct outlet *o)
{
	struct fan_item it;
	int r;

	o->at = o->out.len = 0;
	if (!o->mux || o->ended)
		return false;
	if (!o->in || !fan_take(o->in, &it)) {
		if (!o->draining)
			return false;
		o->ended = true;
		media_mux_end(o->mux);
		return o->out.len;
	}
	r = media_mux_write(o->mux, it.p);
	media_packet_unref(it.p);
	/* A packet that the container will not take is lost alone. */
	if (r)
		o->sink->gone.dropped++;
	return true;
}

/* The container has ended and is out. True: the outlet goes on with another one. */
static bool next_container(struct outlet *o)
{
	struct stream_sink *s = o->sink;

	if (o->ops->flushed && !o->ops->flushed(o))
		return false;
	stop_container(o);
	if (!o->ops->persistent || s->closing) {
		close_outlet(o);
		return false;
	}
	if (!begin_container(o))
		return true;
	outlet_fail(o, -EINVAL);
	return false;
}

void outlet_ready(struct outlet *o)
{
	if (!o->mux && o->sink->info && !o->sink->closing && begin_container(o)) {
		outlet_fail(o, -EINVAL);
		return;
	}
	for (;;) {
		if (o->at < o->out.len) {
			ssize_t n = o->ops->write(o, o->out.at + o->at, o->out.len - o->at);

			if (n == -EAGAIN)
				return;
			if (n < 0) {
				outlet_fail(o, (int)n);
				return;
			}
			o->at += (size_t)n;
			o->sink->gone.bytes += n;
		} else if (!fill(o) && (!o->ended || !next_container(o))) {
			return;
		}
	}
}

/* Its container shall end after what is queued. */
static void drain(struct outlet *o)
{
	o->draining = true;
	fan_reader_detach(o->in);
	if (o->mux)
		outlet_ready(o);
	else if (o->sink->closing)
		close_outlet(o);
}

static void check_cut(struct outlet *o)
{
	if (!o->in || !fan_reader_cut(o->in))
		return;
	o->sink->gone.cut++;
	log_warn(o->sink->url.shown, "%s is cut: too slow for %d s",
		 o->peer[0] ? o->peer : "the reader", (int)(limits.hopeless_us / SEC_US));
	outlet_fail(o, o->ops->vital ? -ETIMEDOUT : 0);
}

/* ---- the sink ---- */

/* A failure is told, or the time to drain is over. */
static void on_timer(void *arg)
{
	struct stream_sink *s = arg;
	struct outlet *o, *tmp;

	if (!s->closing) {
		if (s->on_error)
			s->on_error(s->on_error_arg, s->error);
		return;
	}
	sink_hold(s); /* it must outlive the loop */
	list_for_safe (o, tmp, &s->outlets, link)
		close_outlet(o);
	sink_release(s);
}

int stream_sink_create(struct stream_sink **out, struct loop *l, const struct stream_url *u,
		       char *err)
{
	struct stream_sink *s;
	int r;

	*out = NULL;
	if (!by_scheme[u->scheme])
		return stream_fail(err, -ENOTSUP, "%s cannot be an output here", u->shown);
	s = calloc(1, sizeof(*s));
	if (!s)
		return stream_fail(err, -ENOMEM, "out of memory");
	s->loop = l;
	s->held = 1;
	list_init(&s->outlets);
	loop_timer_init(l, &s->timer, on_timer, s);
	r = stream_url_copy(&s->url, u);
	if (!r)
		r = fan_create(&s->fan, &limits, &stream_packet_ops);
	if (r) {
		stream_fail(err, r, "out of memory");
		goto fail;
	}
	r = by_scheme[u->scheme]->open(s, err);
	if (r)
		goto fail;
	s->ops = by_scheme[u->scheme];
	*out = s;
	return 0;
fail:
	fan_destroy(s->fan);
	stream_url_finish(&s->url);
	free(s);
	return r;
}

static int discard(void *arg, const void *p, size_t n)
{
	return 0;
}

/* Can the container carry the tracks? */
static int try_tracks(struct stream_sink *s, struct media_info *info)
{
	struct media_mux *m = NULL;
	char err[MEDIA_ERR] = "";
	int r = media_mux_create(&m, stream_url_output_format(&s->url), info, discard, NULL, err);

	if (r)
		log_error(s->url.shown, "%s", err);
	media_mux_destroy(m);
	return r;
}

int stream_sink_start(struct stream_sink *s, struct media_info *info)
{
	struct outlet *o, *tmp;
	int r = try_tracks(s, info);

	if (r)
		return r;
	media_info_unref(s->info);
	s->info = media_info_ref(info);
	fan_start(s->fan, stream_video_mask(info));
	list_for_safe (o, tmp, &s->outlets, link) {
		if (o->mux)
			drain(o);
		else
			outlet_ready(o);
	}
	return 0;
}

void stream_sink_write(struct stream_sink *s, struct media_packet *p)
{
	struct outlet *o, *tmp;
	struct fan_item it;

	if (!s->info || s->closing)
		return;
	it = stream_packet_item(s->info, p);
	fan_push(s->fan, &it, loop_now_us(s->loop));
	list_for_safe (o, tmp, &s->outlets, link) {
		/* What is muxed waits for the transport to say that it is ready. */
		if (o->at == o->out.len && o->mux)
			outlet_ready(o);
	}
	list_for_safe (o, tmp, &s->outlets, link)
		check_cut(o);
}

struct stream_sink_stats stream_sink_stats(const struct stream_sink *s)
{
	struct stream_sink_stats st = s->gone;
	const struct outlet *o;

	st.readers = s->noutlets;
	list_for (o, &s->outlets, link) {
		struct fan_stats f = o->in ? fan_reader_stats(o->in) : (struct fan_stats){0};

		st.packets += f.taken;
		st.dropped += f.dropped;
	}
	return st;
}

size_t stream_sink_queued(const struct stream_sink *s)
{
	const struct outlet *o;
	size_t most = 0;

	list_for (o, &s->outlets, link) {
		size_t n = o->out.len - o->at;

		if (o->in)
			n += fan_reader_stats(o->in).bytes;
		most = MAX(most, n);
	}
	return most;
}

void stream_sink_on_error(struct stream_sink *s, void (*fn)(void *arg, int err), void *arg)
{
	s->on_error = fn;
	s->on_error_arg = arg;
}

void sink_hold(struct stream_sink *s)
{
	s->held++;
}

void sink_release(struct stream_sink *s)
{
	if (--s->held)
		return;
	loop_timer_stop(&s->timer);
	if (s->done)
		s->done(s->done_arg);
	fan_destroy(s->fan);
	media_info_unref(s->info);
	stream_url_finish(&s->url);
	free(s);
}

static void release_later(void *arg)
{
	sink_release(arg);
}

void stream_sink_close(struct stream_sink *s, int64_t wait_us, void (*done)(void *arg), void *arg)
{
	struct outlet *o, *tmp;

	if (!s)
		return;
	s->closing = true;
	s->done = done;
	s->done_arg = arg;
	loop_timer_stop(&s->timer);
	list_for_safe (o, tmp, &s->outlets, link)
		drain(o);
	s->ops->shut(s);
	if (wait_us > 0 && !list_empty(&s->outlets))
		loop_timer_in(&s->timer, wait_us);
	else
		list_for_safe (o, tmp, &s->outlets, link)
			close_outlet(o);
	/* done is never called inside this call. */
	if (!done || loop_defer(s->loop, release_later, s))
		sink_release(s);
}
