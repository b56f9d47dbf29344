#include "unit.h"

#include <errno.h>

#include "stream/stream.h"

static const struct good {
	const char *text;
	enum stream_scheme scheme;
	const char *path, *host;
	int port;
	bool listener, tls;
	const char *shown;
} goods[] = {
    {"-", STREAM_PIPE, NULL, "", 0, false, false, "-"},
    {"-?format=mpegts", STREAM_PIPE, NULL, "", 0, false, false, "-"},
    {"a.ts", STREAM_FILE, "a.ts", "", 0, false, false, "a.ts"},
    {"/x/a b.ts?realtime=1&loop=yes", STREAM_FILE, "/x/a b.ts", "", 0, false, false, "/x/a b.ts"},
    {"file:-", STREAM_FILE, "-", "", 0, false, false, "-"},
    {"file:a:b", STREAM_FILE, "a:b", "", 0, false, false, "a:b"},
    {"./a:b", STREAM_FILE, "./a:b", "", 0, false, false, "./a:b"},
    {"100%.ts", STREAM_FILE, "100%.ts", "", 0, false, false, "100%.ts"},
    {"unix:/run/gex/live.sock", STREAM_UNIX, "/run/gex/live.sock", "", 0, false, false,
     "unix:/run/gex/live.sock"},
    {"UNIX:a?format=nut", STREAM_UNIX, "a", "", 0, false, false, "unix:a"},
    {"srt://:9000", STREAM_SRT, NULL, "", 9000, true, false, "srt://:9000"},
    {"srt://:9000/?latency=200ms", STREAM_SRT, NULL, "", 9000, true, false, "srt://:9000"},
    {"srt://a.example:65535?streamid=KEY", STREAM_SRT, NULL, "a.example", 65535, false, false,
     "srt://a.example:65535"},
    {"srt://[::1]:1", STREAM_SRT, NULL, "::1", 1, false, false, "srt://[::1]:1"},
    {"srt://127.0.0.1:9000?mode=listener", STREAM_SRT, NULL, "127.0.0.1", 9000, true, false,
     "srt://127.0.0.1:9000"},
    {"udp://239.1.2.3:5000?interface=lo", STREAM_UDP, NULL, "239.1.2.3", 5000, false, false,
     "udp://239.1.2.3:5000"},
    {"udp://@:5000", STREAM_UDP, NULL, "", 5000, false, false, "udp://:5000"},
    {"rtmp://h/live/KEY", STREAM_RTMP, "rtmp://h/live/KEY", "h", 1935, false, false,
     "rtmp://h:1935/live/***"},
    {"rtmps://h:444/a/b/KEY?t=KEY", STREAM_RTMP, "rtmps://h:444/a/b/KEY?t=KEY", "h", 444, false,
     true, "rtmps://h:444/a/b/***?***"},
    {"rtmp://h/live/KEY/", STREAM_RTMP, "rtmp://h/live/KEY/", "h", 1935, false, false,
     "rtmp://h:1935/live/***"},
    {"rtmp://h/KEY", STREAM_RTMP, "rtmp://h/KEY", "h", 1935, false, false, "rtmp://h:1935/***"},
    {"rtmp://:1935", STREAM_RTMP, "rtmp://:1935", "", 1935, false, false, "rtmp://:1935"},
    {"http://u:KEY@h/a.m3u8?token=KEY", STREAM_HTTP, "http://u:KEY@h/a.m3u8?token=KEY", "h", 80,
     false, false, "http://h:80/a.m3u8?***"},
    {"https://h?KEY", STREAM_HTTP, "https://h?KEY", "h", 443, false, true, "https://h:443?***"},
};

static void same(const char *a, const char *b)
{
	if (!a || !b)
		assert_ptr_equal(a, b);
	else
		assert_string_equal(a, b);
}

static void check(const struct stream_url *u, const struct good *g)
{
	assert_int_equal(u->scheme, g->scheme);
	same(u->path, g->path);
	same(u->host, g->host);
	assert_int_equal(u->port, g->port);
	assert_int_equal(u->listener, g->listener);
	assert_int_equal(u->tls, g->tls);
	same(u->shown, g->shown);
	assert_null(strstr(u->shown, "KEY"));
}

static void test_good(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(goods); i++) {
		struct stream_url u, copy;
		char err[MEDIA_ERR];
		int r = stream_url_parse(&u, goods[i].text, err);

		if (r)
			fail_msg("%s: %s", goods[i].text, err);
		check(&u, &goods[i]);
		assert_int_equal(stream_url_copy(&copy, &u), 0);
		stream_url_finish(&u);
		check(&copy, &goods[i]);
		stream_url_finish(&copy);
		stream_url_finish(&copy);
	}
}

static const struct {
	const char *text, *says;
} bads[] = {
    {"", "empty"},
    {"file:", "path is missing"},
    {"unix:", "path is missing"},
    {"unix:?format=nut", "path is missing"},
    {"ftp://h/x", "unknown scheme 'ftp:'"},
    {"srt:h:1", "unknown scheme 'srt:'"},
    {"a.ts?speed=2", "unknown parameter 'speed'"},
    {"a.ts?", "unknown parameter ''"},
    {"a.ts?realtime", "'realtime' has no value"},
    {"a.ts?realtime=2", "realtime=2"},
    {"a.ts?realtime=1&realtime=1", "twice"},
    {"a.ts?realtime=1&", "unknown parameter ''"},
    {"unix:a?realtime=1", "unknown parameter 'realtime'"},
    {"-?format=avi", "format 'avi'"},
    {"srt://h", "port is missing"},
    {"srt://", "port is missing"},
    {"srt://h:", "not between"},
    {"srt://h:0", "not between"},
    {"srt://h:65536", "not between"},
    {"srt://h:99999999999999", "bad port"},
    {"srt://h:12x", "bad port '12x'"},
    {"srt://[::1:9000", "bad IPv6"},
    {"srt://[]:9000", "bad IPv6"},
    {"srt://[::1]x:9000", "bad host"},
    {"srt://h h:9000", "bad host name"},
    {"srt://u@h:9000", "'@'"},
    {"srt://h:9000/live/KEY", "path after the port"},
    {"srt://h:9000?latency=120", "needs a unit"},
    {"srt://h:9000?latency=-1s", "latency=-1s"},
    {"srt://h:9000?latency=2m", "latency=2m"},
    {"srt://h:9000?streamid=", "streamid"},
    {"srt://h:9000?streamid=%zz", "percent"},
    {"srt://h:9000?streamid=a%0", "percent"},
    {"srt://h:9000?streamid=a%00b", "percent"},
    {"srt://h:9000?passphrase=KEYKEYKEYKEY", "passphrase_file"},
    {"srt://h:9000?mode=both", "mode=both"},
    {"srt://:9000?mode=caller", "needs a host"},
    {"srt://:9000?mode=rendezvous", "needs a host"},
    {"srt://:9000?publisher=second", "neither first nor last"},
    {"udp://h:9000?source=", "source is empty"},
    {"a.txt?list=yes please", "neither 1 nor 0"},
    {"udp://h", "port is missing"},
    {"rtmp://h:x/live/KEY", "bad port"},
    {"rtmp://h/live/KE Y", "no spaces"},
    {"http:///a", "host is missing"},
};

static void test_bad(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(bads); i++) {
		struct stream_url u;
		char err[MEDIA_ERR] = "";

		if (stream_url_parse(&u, bads[i].text, err) != -EINVAL)
			fail_msg("%s: taken", bads[i].text);
		if (!strstr(err, bads[i].says) || strstr(err, "KEY") || strchr(err, '\n'))
			fail_msg("%s: says '%s'", bads[i].text, err);
		stream_url_finish(&u);
	}
}

static void test_parameters(void **state)
{
	struct stream_url u;
	char err[MEDIA_ERR];

	assert_int_equal(
	    stream_url_parse(&u, "srt://h:1?streamid=%23!::r=a%26b&latency=1.5s&passphrase_file=/k",
			     err),
	    0);
	assert_string_equal(u.streamid, "#!::r=a&b");
	assert_int_equal(u.latency_us, 1500000);
	assert_string_equal(u.passphrase_file, "/k");
	stream_url_finish(&u);
	assert_int_equal(stream_url_parse(&u, "srt://h:1", err), 0);
	assert_int_equal(u.latency_us, -1);
	stream_url_finish(&u);
	assert_int_equal(stream_url_parse(&u, "a?realtime=1&loop=0&format=mpegts", err), 0);
	assert_int_equal(u.realtime, 1);
	assert_false(u.loop);
	assert_string_equal(u.format, "mpegts");
	stream_url_finish(&u);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_good),
    cmocka_unit_test(test_bad),
    cmocka_unit_test(test_parameters),
};

RUN_TESTS(tests)
