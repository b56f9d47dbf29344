/* Of sink.c, for the transports under it (sink_unix.c, sink_file.c, sink_srt.c, sink_udp.c). All on the loop's thread.
 *
 * A sink has outlets: one for each reader of a unix socket or caller of an SRT listener, one for a pipe, a file or a UDP
 * address. The sink gives an outlet bytes; the outlet's transport takes what it can without blocking. */
#ifndef GEX_STREAM_SINK_H
#define GEX_STREAM_SINK_H

#include "fan/fan.h"
#include "loop/uv.h"
#include "stream/stream.h"

struct outlet;

struct outlet_ops {
	/* Takes up to n bytes; returns how many, or -EAGAIN after having arranged that outlet_ready is called (later, never
	 * inside this call), or another negative errno: the outlet has failed. */
	ssize_t (*write)(struct outlet *o, const void *p, size_t n);
	/* All bytes taken: are they gone too? False: outlet_ready will be called. NULL: always. */
	bool (*flushed)(struct outlet *o);
	/* Ends the transport and in the end, possibly inside this call, calls outlet_free. */
	void (*close)(struct outlet *o);
	/* When the tracks change the same outlet goes on with a new container; else it is closed. */
	bool persistent;
	/* A failure of it is the failure of the sink (on_error). */
	bool vital;
};

struct outlet {
	struct list link;
	struct stream_sink *sink;
	const struct outlet_ops *ops;
	struct fan_reader *in; /* NULL: no tracks yet, or cut */
	struct media_mux *mux;
	struct media_info *info;
	VEC(uint8_t) out; /* muxed, from `at` on not yet taken */
	size_t at;
	bool draining; /* its container ends after what is queued */
	bool ended;    /* … and has been ended */
	char peer[80];
};

struct sink_ops {
	int (*open)(struct stream_sink *s, char *err);
	/* Takes no new readers any more; frees s->priv. Handles that are still closing hold the sink by sink_hold. */
	void (*shut)(struct stream_sink *s);
	/* An outlet has gone while the sink lives on. May be NULL. */
	void (*gone)(struct stream_sink *s);
};

extern const struct sink_ops sink_unix, sink_file, sink_srt, sink_udp;

struct stream_sink {
	struct loop *loop;
	struct stream_url url;
	const struct sink_ops *ops;
	void *priv;
	struct fan *fan;
	struct media_info *info;
	struct list outlets;
	int noutlets;
	int held;
	bool closing;
	struct loop_timer timer; /* open: a failure to report; closing: the limit */
	void (*on_error)(void *arg, int err);
	void *on_error_arg;
	int error;
	void (*done)(void *arg);
	void *done_arg;
	struct stream_sink_stats gone; /* of outlets that are no more */
};

/* Puts a fresh outlet (zeroed, its ops set by the caller) into service; peer for logs may be NULL. -EBUSY: there are too
 * many. On failure the caller keeps it. */
int outlet_init(struct outlet *o, struct stream_sink *s, const struct outlet_ops *ops,
		const char *peer) MUST_USE;
/* Begins to write; may close o. Call once its transport is able to. */
void outlet_ready(struct outlet *o);
/* The peer has gone (err 0) or the transport failed. */
void outlet_fail(struct outlet *o, int err);
/* The last call of a transport about o, which it has allocated with malloc as the first member of its own. */
void outlet_free(struct outlet *o);
/* A handle of the transport that outlives shut(). */
void sink_hold(struct stream_sink *s);
void sink_release(struct stream_sink *s);

#endif
