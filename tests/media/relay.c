/* relay IN OUT... [--ready-fd N]: a stream_input fed into stream_sinks; a test aid for lib/stream. Ends at the end of a file
 * or of standard input, when an output fails (status 74), or on SIGTERM; then prints one line a sink on standard error:
 * "sink OUT readers N packets N bytes N dropped N cut N". */
#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "log/log.h"
#include "os/os.h"
#include "stream/stream.h"

#define OUTS 8

struct relay {
	struct loop *loop;
	struct stream_input *in;
	struct stream_sink *out[OUTS];
	const char *name[OUTS];
	int n, open, status;
};

static void on_done(void *arg)
{
	struct relay *r = arg;

	if (--r->open == 0)
		loop_stop(r->loop, r->status);
}

static void end(void *arg)
{
	struct relay *r = arg;

	stream_input_destroy(r->in);
	r->in = NULL;
	for (int i = 0; i < r->n; i++) {
		struct stream_sink_stats s;

		if (!r->out[i])
			continue;
		s = stream_sink_stats(r->out[i]);
		fprintf(stderr,
			"sink %s readers %d packets %lld bytes %lld dropped %lld cut %lld\n",
			r->name[i], s.readers, (long long)s.packets, (long long)s.bytes,
			(long long)s.dropped, (long long)s.cut);
		stream_sink_close(r->out[i], 2 * SEC_US, on_done, r);
		r->out[i] = NULL;
	}
}

static void on_opened(void *arg, struct media_info *info)
{
	struct relay *r = arg;

	for (int i = 0; i < r->n; i++)
		if (r->out[i] && stream_sink_start(r->out[i], info))
			r->status = EX_DATAERR;
	if (r->status)
		end(r);
}

static void on_packet(void *arg, struct media_packet *p)
{
	struct relay *r = arg;

	for (int i = 0; i < r->n; i++)
		if (r->out[i])
			stream_sink_write(r->out[i], p);
	media_packet_unref(p);
}

static void on_lost(void *arg, const char *reason, bool final)
{
	struct relay *r = arg;

	log_info("relay", "lost: %s%s", reason, final ? " (final)" : "");
	if (final)
		end(r);
}

static void on_error(void *arg, int err)
{
	struct relay *r = arg;

	log_error("relay", "output: %s", strerror(-err));
	r->status = EX_IOERR;
	end(r);
}

static int open_out(struct relay *r, const char *text, char *err)
{
	struct stream_url u;
	int e = stream_url_parse(&u, text, err);

	if (e)
		return e;
	e = stream_sink_create(&r->out[r->n], r->loop, &u, err);
	stream_url_finish(&u);
	if (e)
		return e;
	r->name[r->n] = text;
	stream_sink_on_error(r->out[r->n++], on_error, r);
	r->open++;
	return 0;
}

int main(int argc, char **argv)
{
	static const struct stream_input_events ev = {
	    .opened = on_opened, .packet = on_packet, .lost = on_lost};
	struct relay r = {0};
	struct stream_url u = {0};
	char err[MEDIA_ERR] = "usage: relay IN OUT... [--ready-fd N]";
	int ready = -1, status = EX_USAGE;

	log_init("relay", LOG_DEBUG);
	media_setup_log();
	if (argc < 3 || loop_create(&r.loop))
		goto fail;
	for (int i = 2; i < argc; i++) {
		if (!strcmp(argv[i], "--ready-fd") && i + 1 < argc)
			ready = atoi(argv[++i]);
		else if (r.n == OUTS || open_out(&r, argv[i], err))
			goto fail;
	}
	if (stream_url_parse(&u, argv[1], err))
		goto fail;
	u.realtime = u.realtime > 0;
	if (stream_input_create(&r.in, r.loop, &u, &ev, &r, err) || loop_on_quit(r.loop, end, &r))
		goto fail;
	os_ready(ready);
	status = loop_run(r.loop);
	err[0] = 0;
fail:
	if (err[0])
		fprintf(stderr, "relay: %s\n", err);
	stream_input_destroy(r.in);
	for (int i = 0; i < r.n; i++)
		stream_sink_close(r.out[i], 0, NULL, NULL);
	stream_url_finish(&u);
	loop_destroy(r.loop);
	return status;
}
