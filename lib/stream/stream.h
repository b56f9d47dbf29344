/* stream: the URLs of gex-url(7) as sources and sinks of media. One grammar for all tools (url.c, pure), a source or
 * sink per scheme in a file named for it (pipe.c, unix.c, file.c, srt.c, udp.c).
 *
 * Input: stream_input is a thread that opens the URL, demuxes it, and posts what it finds to the loop's thread: the
 * tracks, then packets, then the loss of the source; and opens it again, for ever, with back-off. It is what gex-package,
 * gex-restream and gex-record read by. gex-transcode reads bytes instead, in its own demux thread, by stream_source.
 *
 * Output: stream_sink lives on the loop. It is given packets and serves every reader: each has a muxer of its own, so it
 * gets headers and begins at a key frame, and a queue bounded in bytes and time; one that is too slow skips to the next key
 * frame or is cut (fan decides), and never slows another. */
#ifndef GEX_STREAM_H
#define GEX_STREAM_H

#include "base/base.h"
#include "loop/loop.h"
#include "media/media.h"
#include "os/sandbox.h"

enum stream_scheme {
	STREAM_PIPE, /* - */
	STREAM_FILE, /* PATH, file:PATH */
	STREAM_UNIX,
	STREAM_SRT,
	STREAM_UDP,
	STREAM_RTMP, /* rtmp and rtmps */
	STREAM_HTTP, /* http and https */
};

struct stream_url {
	enum stream_scheme scheme;
	bool tls;
	bool listener;	 /* srt without a host, or with mode=listener */
	bool rendezvous; /* srt: both sides call */
	bool last;	 /* srt, rtmp: a second publisher takes over, ?publisher=last */
	char *
	    path; /* file, unix: the path; http, rtmp: the whole URL (its query belongs to the server) */
	char *host; /* "" for none; IPv6 without brackets */
	int port;
	char *format;	/* ?format=, or NULL: by scheme */
	int realtime;	/* file: ?realtime=1 or 0; -1: not said */
	bool loop;	/* file: ?loop=1 */
	bool list;	/* file: it names files, one a line, ?list=1 */
	char *streamid; /* srt */
	char *passphrase_file;
	char *interface;    /* udp: of a multicast group; NULL: by route */
	char *source;	    /* udp: the only sender of a group that is wanted; NULL: any */
	int64_t latency_us; /* srt ?latency=; -1: default */
	char *shown;	    /* for logs and metrics: without stream keys, tokens and passwords */
};
/* Parses text. 0, or -EINVAL with one line in err (MEDIA_ERR bytes), which names the bad part. Pure; fuzzed. */
int stream_url_parse(struct stream_url *u, const char *text, char *err) MUST_USE;
/* The container that is read from it, FFmpeg's name; NULL: probed. */
const char *stream_url_input_format(const struct stream_url *u);
/* The container that is written to it: ?format=, else by the scheme and the ending of a file. */
const char *stream_url_output_format(const struct stream_url *u);
/* 0 or -ENOMEM. */
int stream_url_copy(struct stream_url *dst, const struct stream_url *src) MUST_USE;
void stream_url_finish(struct stream_url *u);
/* Names what reading from it, or writing to it, touches. */
void stream_sandbox_input(const struct stream_url *u, struct os_sandbox *s);
void stream_sandbox_output(const struct stream_url *u, struct os_sandbox *s);

/* ---- source: bytes, for a thread that may block ---- */
struct stream_source;
/* Binds or checks what can be checked at once (a port in use, a missing file); does not wait for a peer. The URL is
 * copied. 0, or a negative errno with one line in err. An http URL has no byte source: -ENOTSUP (media opens it). */
int stream_source_create(struct stream_source **out, const struct stream_url *u,
			 char *err) MUST_USE;
/* Waits for the next connection (srt listener, rtmp: a publisher; unix: the server to be there; file and pipe: at once, and -ENODATA
 * when they have been read to their end and cannot begin again). Blocks. 0, -EINTR after stream_source_cancel, or a negative
 * errno. Bytes then come by stream_source_read until it returns 0 or less; after that call wait again. */
int stream_source_wait(struct stream_source *s) MUST_USE;
/* Is a media_reader's read: arg is the stream_source. */
ssize_t stream_source_read(void *source, void *p, size_t n);
/* And its seek, of a regular file; -ESPIPE else. */
int64_t stream_source_seek(void *source, int64_t at);
/* The peer of the current connection, for logs; "" for none. Valid until the next wait. */
const char *stream_source_peer(const struct stream_source *s);
/* From any thread: ends a blocked wait or read, and all later ones, with -EINTR. */
void stream_source_cancel(struct stream_source *s);
void stream_source_destroy(struct stream_source *s);

/* ---- input: packets, posted to the loop ---- */
struct stream_input;
struct stream_input_events {
	/* A source is there (again), with these tracks; take a reference to keep info. */
	void (*opened)(void *arg, struct media_info *info);
	/* The callee owns p. Called in the order read. */
	void (*packet)(void *arg, struct media_packet *p);
	/* The source ended or failed; reason is one line. final: it will not come back (a file or standard input at its end). */
	void (*lost)(void *arg, const char *reason, bool final);
	bool sides; /* packets of data are wanted too (media_demux_sides) */
};
/* Starts the thread. A regular file is read at the pace of its timestamps, unless the URL says realtime=0. At most 8 MB or 10 s of packets wait for the loop; when it is slower than that, the source is
 * back-pressured (pipe, unix, file) or packets are dropped up to the next key frame and counted (srt, udp). 0, or a negative
 * errno with one line in err for what is wrong at once (bad path, port in use). */
int stream_input_create(struct stream_input **out, struct loop *l, const struct stream_url *u,
			const struct stream_input_events *ev, void *arg, char *err) MUST_USE;
/* While paused no events come, and what the header above says of a slow loop happens: for a tool that has no room, and an input
 * that can wait (a file). */
void stream_input_pause(struct stream_input *in, bool pause);
int64_t stream_input_dropped(const struct stream_input *in);
/* As the first half of destroy: no event comes after this, and the thread is asked to end, without waiting for it. It is
 * over when it has. NULL is allowed in both. */
void stream_input_cancel(struct stream_input *in);
bool stream_input_over(const struct stream_input *in);
/* Ends the thread (bounded wait); no event comes after this returns. NULL is allowed. */
void stream_input_destroy(struct stream_input *in);

/* ---- sink: packets, on the loop ---- */
struct stream_sink;
/* unix: listens (mode 0660, an old socket file of a dead process is replaced; -EADDRINUSE when somebody serves there). srt:
 * listener or caller; file, pipe: opened. 0, or a negative errno with one line in err. */
int stream_sink_create(struct stream_sink **out, struct loop *l, const struct stream_url *u,
		       char *err) MUST_USE;
/* The tracks that follow (a reference is taken). Readers are served from here on; a later, different info ends each reader's
 * container and begins another (unix: by closing the connection after what is queued). */
int stream_sink_start(struct stream_sink *s, struct media_info *info) MUST_USE;
/* Offers one packet to all readers; takes its own reference. Never blocks. */
void stream_sink_write(struct stream_sink *s, struct media_packet *p);
struct stream_sink_stats {
	int readers;
	int64_t bytes, packets, dropped;
	int64_t left, cut; /* readers that are gone; of them, those ended for being too slow */
};
struct stream_sink_stats stream_sink_stats(const struct stream_sink *s);
/* Bytes that the slowest reader still has to take: a tool that reads a file waits for this to fall. */
size_t stream_sink_queued(const struct stream_sink *s);
/* pipe, file: called once when standard output is closed or the disk fails; then the tool ends. */
void stream_sink_on_error(struct stream_sink *s, void (*fn)(void *arg, int err), void *arg);
/* Lets what is queued go out (at most wait_us), writes trailers, closes; then calls done(arg), which may be NULL, and frees.
 * No other call after this. */
void stream_sink_close(struct stream_sink *s, int64_t wait_us, void (*done)(void *arg), void *arg);

#endif
