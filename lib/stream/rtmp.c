#include "stream/rtmp.h"

#include <errno.h>
#include <stdio.h>

#include "stream/amf.h"
#include "stream/rtmp_chunk.h"

#define VERSION 3
#define SHAKE 1536
#define NAME_MAX_LEN 512
#define STRANGER_MAX (64 << 10) /* bytes of a message of who has not been taken */
#define PUBLISHER_MAX (8 << 20)
#define OUT_MAX (64 << 10) /* of what a peer makes us say and does not read */
#define WINDOW 2500000
#define REPLY_MAX 1024
#define OWN_CHUNK 4096 /* larger than all that is said here, so each message is one chunk */

/* 5.4, 6.1, 7.1 */
enum {
	SET_CHUNK_SIZE = 1,
	ABORT = 2,
	ACK = 3,
	USER_CONTROL = 4,
	WINDOW_SIZE = 5,
	BANDWIDTH = 6,
	AUDIO = 8,
	VIDEO = 9,
	DATA3 = 15,
	COMMAND3 = 17,
	DATA = 18,
	COMMAND = 20,
	AGGREGATE = 22
};
enum { STREAM_BEGIN = 0, PING = 6, PONG = 7 };
struct bytes {
	uint8_t *p;
	size_t at, len, cap;
};

struct rtmp {
	enum rtmp_state state;
	size_t shaken; /* bytes of the handshake that came */
	struct rtmp_chunks chunks;
	struct bytes out, flv;
	char app[NAME_MAX_LEN + 1], name[2 * NAME_MAX_LEN + 2];
	uint32_t window;
	uint32_t came, acked;
};

/* ---- bytes that wait ---- */

static int append(struct bytes *b, const void *p, size_t n)
{
	if (b->at == b->len)
		b->at = b->len = 0;
	if (b->len + n > b->cap && b->at) {
		memmove(b->p, b->p + b->at, b->len - b->at);
		b->len -= b->at;
		b->at = 0;
	}
	if (vec_reserve_((void **)&b->p, &b->cap, b->len + n, 1))
		return -ENOMEM;
	memcpy(b->p + b->len, p, n);
	b->len += n;
	return 0;
}

/* ---- what is said: one chunk a message ---- */

static int say(struct rtmp *r, uint8_t type, uint32_t stream, const void *p, size_t n)
{
	/* Chunk stream 2 is the protocol's own; the id of a message stream alone is little-endian. */
	uint8_t head[12] = {type < AUDIO ? 2 : 3, 0, 0, 0, 0, (uint8_t)(n >> 8), (uint8_t)n, type,
			    (uint8_t)stream};

	if (r->out.len - r->out.at > OUT_MAX)
		return -EMSGSIZE;
	int rc = append(&r->out, head, sizeof(head));
	return rc ? rc : append(&r->out, p, n);
}

static int say_u32(struct rtmp *r, uint8_t type, uint32_t v)
{
	uint8_t b[4];
	struct wr w = wr_of(b, sizeof(b));

	wr_u32(&w, v);
	return say(r, type, 0, b, sizeof(b));
}

static int say_event(struct rtmp *r, uint16_t event, uint32_t v)
{
	uint8_t b[6];
	struct wr w = wr_of(b, sizeof(b));

	wr_u16(&w, event);
	wr_u32(&w, v);
	return say(r, USER_CONTROL, 0, b, sizeof(b));
}

static int say_command(struct rtmp *r, uint32_t stream, const struct wr *w)
{
	return w->bad ? -EMSGSIZE : say(r, COMMAND, stream, w->start, wr_len(w));
}

static int say_status(struct rtmp *r, const char *level, const char *code, const char *text)
{
	uint8_t b[REPLY_MAX];
	struct wr w = wr_of(b, sizeof(b));

	amf_string(&w, "onStatus");
	amf_number(&w, 0);
	wr_u8(&w, AMF_NULL);
	wr_u8(&w, AMF_OBJECT);
	amf_member(&w, "level", level);
	amf_member(&w, "code", code);
	amf_member(&w, "description", text);
	amf_end(&w);
	return say_command(r, 1, &w);
}

/* The result of a call: a number, or nothing. */
static int say_result(struct rtmp *r, double call, double value)
{
	uint8_t b[64];
	struct wr w = wr_of(b, sizeof(b));

	amf_string(&w, "_result");
	amf_number(&w, call);
	wr_u8(&w, AMF_NULL);
	if (value > 0)
		amf_number(&w, value);
	else
		wr_u8(&w, AMF_UNDEFINED);
	return say_command(r, 0, &w);
}

static int say_connected(struct rtmp *r, double call)
{
	uint8_t b[REPLY_MAX], bandwidth[5];
	struct wr w = wr_of(bandwidth, sizeof(bandwidth));
	int rc = say_u32(r, WINDOW_SIZE, WINDOW);

	wr_u32(&w, WINDOW);
	wr_u8(&w, 2); /* dynamic */
	rc = rc ? rc : say(r, BANDWIDTH, 0, bandwidth, sizeof(bandwidth));
	rc = rc ? rc : say_u32(r, SET_CHUNK_SIZE, OWN_CHUNK);
	w = wr_of(b, sizeof(b));
	amf_string(&w, "_result");
	amf_number(&w, call);
	wr_u8(&w, AMF_OBJECT);
	amf_member(&w, "fmsVer", "FMS/3,0,1,123"); /* what encoders look for */
	amf_key(&w, "capabilities");
	amf_number(&w, 31);
	amf_end(&w);
	wr_u8(&w, AMF_OBJECT);
	amf_member(&w, "level", "status");
	amf_member(&w, "code", "NetConnection.Connect.Success");
	amf_member(&w, "description", "Connected.");
	amf_key(&w, "objectEncoding");
	amf_number(&w, 0);
	amf_end(&w);
	return rc ? rc : say_command(r, 0, &w);
}

/* ---- what is heard ---- */

static int on_connect(struct rtmp *r, double call, struct rd *in)
{
	if (rd_u8(in) != AMF_OBJECT)
		return -EPROTO;
	while (!in->bad) {
		char key[32];

		amf_read_text(in, key, sizeof(key));
		if (!*key && rd_left(in) && *in->p == AMF_END)
			break;
		if (!strcmp(key, "app"))
			amf_read_string(in, r->app, sizeof(r->app));
		else
			amf_skip(in);
	}
	return in->bad ? -EPROTO : say_connected(r, call);
}

/* Both without the slashes around them and a query behind. */
static void join_name(struct rtmp *r, const char *key)
{
	size_t app = strcspn(r->app, "?"), n = strcspn(key, "?");

	while (app && r->app[app - 1] == '/')
		app--;
	snprintf(r->name, sizeof(r->name), "%.*s%s%.*s", (int)app, r->app, app ? "/" : "", (int)n,
		 key);
}

static int on_publish(struct rtmp *r, struct rd *in)
{
	char key[NAME_MAX_LEN + 1];

	amf_skip(in);
	amf_read_string(in, key, sizeof(key));
	if (in->bad)
		return -EPROTO;
	if (r->state != RTMP_OPENING)
		return 0;
	join_name(r, key);
	r->state = RTMP_ASKING;
	return 0;
}

static int on_command(struct rtmp *r, struct rd *in)
{
	char what[32];

	amf_read_string(in, what, sizeof(what));
	double call = amf_read_number(in);
	if (in->bad)
		return -EPROTO;
	if (!strcmp(what, "connect"))
		return on_connect(r, call, in);
	if (!strcmp(what, "createStream"))
		return say_result(r, call, 1);
	if (!strcmp(what, "publish"))
		return on_publish(r, in);
	if (!strcmp(what, "play")) {
		r->state = RTMP_ENDED;
		return say_status(r, "error", "NetStream.Play.StreamNotFound",
				  "Nothing is played here.");
	}
	if (!strcmp(what, "deleteStream") || !strcmp(what, "closeStream") ||
	    !strcmp(what, "FCUnpublish"))
		r->state = r->state == RTMP_PUBLISHING ? RTMP_ENDED : r->state;
	/* releaseStream, FCPublish and whatever else somebody may wait for. */
	return call > 0 ? say_result(r, call, 0) : 0;
}

/* ---- FLV ---- */

static int flv_begin(struct rtmp *r)
{
	static const uint8_t head[] = {'F', 'L', 'V', 1, 5, 0, 0, 0, 9, 0, 0, 0, 0};

	return append(&r->flv, head, sizeof(head));
}

static int flv_tag(struct rtmp *r, uint8_t type, uint32_t ms, const uint8_t *p, size_t n)
{
	uint8_t head[11], tail[4];
	struct wr w = wr_of(head, sizeof(head));

	if (r->state != RTMP_PUBLISHING || !n)
		return 0;
	wr_u32(&w, (uint32_t)type << 24 | (uint32_t)n);
	wr_u32(&w, ms << 8 | ms >> 24);
	wr_u16(&w, 0);
	wr_u8(&w, 0);
	int rc = append(&r->flv, head, sizeof(head));
	rc = rc ? rc : append(&r->flv, p, n);
	w = wr_of(tail, sizeof(tail));
	wr_u32(&w, (uint32_t)(n + sizeof(head)));
	return rc ? rc : append(&r->flv, tail, sizeof(tail));
}

/* "@setDataFrame" is for the server; what follows is the stream's. */
static int on_data(struct rtmp *r, const struct rtmp_message *m)
{
	struct rd in = rd_of(m->data, m->size);
	char what[32];

	amf_read_string(&in, what, sizeof(what));
	if (in.bad || strcmp(what, "@setDataFrame"))
		in = rd_of(m->data, m->size);
	return flv_tag(r, DATA, m->time_ms, in.p, rd_left(&in));
}

/* Tags of FLV in one message (7.1.6); the times of the first and of the message are the same. */
static int on_aggregate(struct rtmp *r, const struct rtmp_message *m)
{
	struct rd in = rd_of(m->data, m->size);
	uint32_t first = 0;
	int rc = 0;

	for (bool begun = false; !rc && rd_left(&in); begun = true) {
		uint32_t head = rd_u32(&in), time = rd_u32(&in);

		time = time >> 8 | time << 24;
		rd_bytes(&in, 3);
		const uint8_t *p = rd_bytes(&in, head & 0xffffff);
		rd_u32(&in);
		if (in.bad)
			return -EPROTO;
		first = begun ? first : time;
		uint8_t type = (uint8_t)(head >> 24);
		if (type == AUDIO || type == VIDEO)
			rc = flv_tag(r, type, m->time_ms + time - first, p, head & 0xffffff);
	}
	return rc;
}

/* ---- a connection ---- */

static int on_control(struct rtmp *r, const struct rtmp_message *m)
{
	struct rd in = rd_of(m->data, m->size);

	if (m->type == WINDOW_SIZE) {
		uint32_t v = rd_u32(&in);

		r->window = in.bad ? r->window : CLAMP(v, STRANGER_MAX, 1u << 30);
	} else if (rd_u16(&in) == PING) {
		uint32_t v = rd_u32(&in);

		return in.bad ? 0 : say_event(r, PONG, v);
	}
	return 0;
}

static int on_message(void *arg, const struct rtmp_message *m)
{
	struct rtmp *r = arg;
	struct rd in = rd_of(m->data, m->size);

	switch (m->type) {
	case SET_CHUNK_SIZE:
	case ABORT:
		return rtmp_chunks_control(&r->chunks, m);
	case USER_CONTROL:
	case WINDOW_SIZE:
		return on_control(r, m);
	case AUDIO:
	case VIDEO:
		return flv_tag(r, m->type, m->time_ms, m->data, m->size);
	case DATA3:
	case COMMAND3:
		/* A zero, then AMF0 as before. */
		if (rd_u8(&in) || m->type == DATA3)
			return 0;
		return on_command(r, &in);
	case DATA:
		return on_data(r, m);
	case COMMAND:
		return on_command(r, &in);
	case AGGREGATE:
		return on_aggregate(r, m);
	default:
		return 0;
	}
}

/* C0 and C1 are answered by S0, S1 and S2, which is C1 again (5.2); C2 is not looked at. Returns how much of p it was. */
static size_t shake(struct rtmp *r, const uint8_t *p, size_t n, int *rc)
{
	static const uint8_t s0s1[1 + SHAKE] = {VERSION};
	size_t take = 0;

	*rc = 0;
	if (!r->shaken) {
		*rc = *p == VERSION ? append(&r->out, s0s1, sizeof(s0s1)) : -EPROTO;
		take = 1;
	} else {
		size_t end = r->shaken < 1 + SHAKE ? 1 + SHAKE : 1 + 2 * SHAKE;

		take = MIN(end - r->shaken, n);
		if (end == 1 + SHAKE)
			*rc = append(&r->out, p, take);
	}
	r->shaken += take;
	return take;
}

int rtmp_input(struct rtmp *r, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;
	int rc = 0;

	r->came += (uint32_t)n;
	while (n && r->shaken < 1 + 2 * SHAKE && !rc) {
		size_t took = shake(r, p, n, &rc);

		p += took;
		n -= took;
	}
	rc = rc || !n ? rc : rtmp_chunks_input(&r->chunks, p, n, on_message, r);
	if (!rc && r->came - r->acked >= r->window) {
		r->acked = r->came;
		rc = say_u32(r, ACK, r->came);
	}
	return rc;
}

int rtmp_answer(struct rtmp *r, const char *why)
{
	int rc;

	if (why) {
		r->state = RTMP_ENDED;
		return say_status(r, "error", "NetStream.Publish.BadName", why);
	}
	r->state = RTMP_PUBLISHING;
	r->chunks.most = PUBLISHER_MAX;
	rc = flv_begin(r);
	rc = rc ? rc : say_event(r, STREAM_BEGIN, 1);
	return rc ? rc : say_status(r, "status", "NetStream.Publish.Start", "It is published.");
}

enum rtmp_state rtmp_state(const struct rtmp *r)
{
	return r->state;
}

const char *rtmp_name(const struct rtmp *r)
{
	return r->name;
}

const uint8_t *rtmp_out(const struct rtmp *r, size_t *n)
{
	*n = r->out.len - r->out.at;
	return *n ? r->out.p + r->out.at : NULL;
}

void rtmp_sent(struct rtmp *r, size_t n)
{
	r->out.at += n;
}

size_t rtmp_read(struct rtmp *r, void *p, size_t n)
{
	n = MIN(n, r->flv.len - r->flv.at);
	if (n)
		memcpy(p, r->flv.p + r->flv.at, n);
	r->flv.at += n;
	return n;
}

int rtmp_create(struct rtmp **out)
{
	struct rtmp *r = calloc(1, sizeof(*r));

	*out = r;
	if (!r)
		return -ENOMEM;
	r->window = WINDOW;
	rtmp_chunks_init(&r->chunks, STRANGER_MAX);
	return 0;
}

void rtmp_destroy(struct rtmp *r)
{
	if (!r)
		return;
	rtmp_chunks_finish(&r->chunks);
	free(r->out.p);
	free(r->flv.p);
	free(r);
}
