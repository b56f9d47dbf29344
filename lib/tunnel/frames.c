/* The inner layer: the frames of one packet, in the order in which they stand. */
#include "tunnel/internal.h"
#include <errno.h>

#define TIME_MAX UINT64_C(10000000)

/* ---- what a stream or flow is opened for: class, port offset, name, family, addresses ---- */

static size_t addr_len(uint8_t family)
{
	return family == 4 ? 4 : family == 6 ? 16 : 0;
}

size_t tn_open_len(const struct tunnel_open *o)
{
	size_t a = addr_len(o->origin.family);

	return 1 + 2 + 1 + strlen(o->service) + 1 + (a ? 2 * a + 4 : 0);
}

void tn_put_open(struct wr *w, const struct tunnel_open *o)
{
	size_t a = addr_len(o->origin.family), n = strlen(o->service);

	wr_u8(w, (uint8_t)o->class);
	wr_u16(w, o->offset);
	wr_u8(w, (uint8_t)n);
	wr_bytes(w, o->service, n);
	wr_u8(w, a ? o->origin.family : 0);
	if (!a)
		return;
	wr_bytes(w, o->origin.src, a);
	wr_bytes(w, o->origin.dst, a);
	wr_u16(w, o->origin.src_port);
	wr_u16(w, o->origin.dst_port);
}

static void get_bytes(struct rd *r, void *out, size_t n)
{
	const uint8_t *p = rd_bytes(r, n);

	if (p && n)
		memcpy(out, p, n);
}

bool tn_get_open(struct rd *r, struct tunnel_open *o)
{
	uint8_t class, n;
	size_t a;

	memset(o, 0, sizeof(*o));
	class = rd_u8(r);
	o->offset = rd_u16(r);
	n = rd_u8(r);
	if (n > TUNNEL_SERVICE_MAX || class > TUNNEL_BULK)
		return false;
	o->class = class;
	get_bytes(r, o->service, n);
	if (strlen(o->service) != n)
		return false;
	o->origin.family = rd_u8(r);
	a = addr_len(o->origin.family);
	if (!a)
		return !r->bad && o->origin.family == 0;
	get_bytes(r, o->origin.src, a);
	get_bytes(r, o->origin.dst, a);
	o->origin.src_port = rd_u16(r);
	o->origin.dst_port = rd_u16(r);
	return !r->bad;
}

/* ---- frames ---- */

static int malformed(struct tunnel *t)
{
	return tn_broken(t, "malformed frame");
}

static int take_ack(struct tunnel *t, struct tn_path *p, unsigned type, struct rd *r)
{
	struct tn_span range[TN_ACK_RANGES];
	struct tn_ack_time time = {.timed = type == TN_F_ACK_TIMED};
	uint64_t path = type == TN_F_ACK ? rd_varint(r) : p->number;
	uint64_t clock = time.timed ? rd_varint(r) : 0;
	uint64_t largest = rd_varint(r), delay = rd_varint(r);
	uint64_t more = rd_varint(r), len = rd_varint(r);

	if (r->bad || path >= TN_PATHS || !t->path[path] || more >= TN_ACK_RANGES || len > largest)
		return malformed(t);
	range[0] = (struct tn_span){largest - len, largest + 1};
	for (size_t i = 1; i <= more; i++) {
		uint64_t gap = rd_varint(r), lo = range[i - 1].lo;

		len = rd_varint(r);
		if (r->bad || gap >= lo || gap + 1 >= lo || len > lo - gap - 2)
			return malformed(t);
		range[i].hi = lo - gap - 1;
		range[i].lo = range[i].hi - 1 - len;
	}
	time.delay_us = (int64_t)MIN(delay, TIME_MAX) * TN_ACK_UNIT_US;
	time.same_way = p == t->path[path];
	time.clock = clock % (1 << TN_CLOCK_BITS);
	return tn_acked(t, t->path[path], range, more + 1, &time);
}

static int take_stream(struct tunnel *t, unsigned type, struct rd *r)
{
	struct tn_stream_frame f = {.id = rd_varint(r), .off = rd_varint(r)};
	uint64_t len = rd_varint(r);

	f.fin = type & TN_F_STREAM_FIN;
	f.has_open = type & TN_F_STREAM_OPEN;
	if (f.has_open && !tn_get_open(r, &f.open))
		return malformed(t);
	if (r->bad || len > rd_left(r))
		return malformed(t);
	f.len = len;
	f.data = rd_bytes(r, f.len);
	return tn_stream_take(t, &f);
}

static int take_flow(struct tunnel *t, unsigned type, struct rd *r)
{
	struct tn_flow_frame f = {.id = rd_varint(r), .seq = rd_varint(r)};
	uint64_t len;

	f.has_open = type & TN_F_FLOW_OPEN;
	f.piece = type & TN_F_FLOW_PIECE;
	if (f.has_open && !tn_get_open(r, &f.open))
		return malformed(t);
	if (f.piece) {
		f.off = rd_varint(r);
		f.total = rd_varint(r);
	}
	len = type & TN_F_REST ? rd_left(r) : rd_varint(r);
	if (r->bad || len > rd_left(r))
		return malformed(t);
	f.len = len;
	f.data = rd_bytes(r, f.len);
	if (f.piece &&
	    (f.total > TUNNEL_FLOW_DGRAM_MAX || f.off > f.total || len > f.total - f.off))
		return malformed(t);
	tn_flow_take(t, &f);
	return 0;
}

static int take_reset(struct tunnel *t, struct rd *r)
{
	uint64_t id = rd_varint(r), code = rd_varint(r), final = rd_varint(r);

	return r->bad ? malformed(t) : tn_stream_take_reset(t, id, code, final);
}

static int take_max(struct tunnel *t, unsigned type, struct rd *r)
{
	uint64_t id = type == TN_F_MAX_STREAM ? rd_varint(r) : 0, max = rd_varint(r);

	if (r->bad)
		return malformed(t);
	if (type == TN_F_MAX_STREAM)
		return tn_stream_take_max(t, id, max);
	if (max > t->data_peer_max) {
		bool was_dry = t->data_sent >= t->data_peer_max;

		t->data_peer_max = max;
		if (was_dry)
			tn_streams_check(t);
	}
	return 0;
}

static int take_close(struct tunnel *t, struct rd *r)
{
	uint64_t code = rd_varint(r), len = rd_varint(r);
	const uint8_t *p = rd_bytes(r, len > TUNNEL_REASON_MAX ? SIZE_MAX : (size_t)len);

	if (r->bad || !p)
		return malformed(t);
	t->close_code = (uint32_t)code;
	memcpy(t->close_text, p, len);
	t->close_text[len] = '\0';
	tn_closed(t, -ECONNRESET);
	return 0;
}

/* Which sum of which packets: index, length of the map in bytes, map. */
static void take_map(struct rd *r, struct tn_symbol *y)
{
	uint8_t n;

	y->index = rd_u8(r);
	n = rd_u8(r);
	if (n > 8 || y->index >= TN_RS_ROWS)
		r->bad = true;
	for (unsigned i = 0; i < n && !r->bad; i++)
		y->map |= (uint64_t)rd_u8(r) << 8 * i << 1;
	r->bad = r->bad || y->map == 1;
}

static int take_repair(struct tunnel *t, struct tn_path *p, unsigned type, struct rd *r)
{
	bool other = type & TN_F_REPAIR_PATH;
	uint64_t path = other ? rd_varint(r) : p->number, number = rd_varint(r), len;
	struct tn_symbol y = {.map = 1};

	if (!other && (number == 0 || number > p->taking))
		return malformed(t);
	y.first = other ? number : p->taking - number;
	if (type & TN_F_REPAIR_BLOCK)
		take_map(r, &y);
	len = type & TN_F_REST ? rd_left(r) : rd_varint(r);
	if (r->bad || len == 0 || len > rd_left(r) || path >= TN_PATHS || !t->path[path])
		return malformed(t);
	if (t->mending)
		return tn_broken(t, "a repair of a repair");
	y.path = (uint8_t)path;
	y.len = (uint16_t)len;
	return tn_repair_input(t, t->path[path], &y, rd_bytes(r, len));
}

static int take_token(struct tunnel *t, struct tn_path *p, const struct tn_where *from,
		      unsigned type, struct rd *r)
{
	uint64_t token = rd_u64(r);

	if (r->bad)
		return malformed(t);
	if (type == TN_F_CHALLENGE)
		tn_trial_take_challenge(t, p, token);
	else
		tn_trial_take_response(t, p, token, from);
	return 0;
}

static int take_gone(struct tunnel *t, struct rd *r)
{
	uint64_t number = rd_varint(r);

	if (r->bad || number >= TN_PATHS)
		return malformed(t);
	tn_paths_take_gone(t, number);
	return 0;
}

static int take_note(struct tunnel *t, unsigned type, struct rd *r)
{
	uint64_t id = rd_varint(r);

	if (r->bad)
		return malformed(t);
	tn_flow_take_note(t, (uint8_t)type, id);
	return 0;
}

static int take(struct tunnel *t, struct tn_path *p, const struct tn_where *from, unsigned type,
		struct rd *r)
{
	switch (type) {
	case TN_F_PADDING:
		while (rd_left(r) > 0 && *r->p == TN_F_PADDING)
			r->p++;
		return 0;
	case TN_F_PING:
	case TN_F_KEEP:
		return 0;
	case TN_F_ACK:
	case TN_F_ACK_HERE:
	case TN_F_ACK_TIMED:
		return take_ack(t, p, type, r);
	case TN_F_LOSS:
		return tn_loss_take(t, r) < 0 ? malformed(t) : 0;
	case TN_F_MAX_DATA:
	case TN_F_MAX_STREAM:
		return take_max(t, type, r);
	case TN_F_RESET:
		return take_reset(t, r);
	case TN_F_CLOSE:
		return take_close(t, r);
	case TN_F_CHALLENGE:
	case TN_F_RESPONSE:
		return take_token(t, p, from, type, r);
	case TN_F_PATH_GONE:
		return take_gone(t, r);
	case TN_F_FLOW_CLOSE:
	case TN_F_FLOW_GONE:
		return take_note(t, type, r);
	default:
		if (type >= TN_F_STREAM && type <= TN_F_STREAM + 3)
			return take_stream(t, type, r);
		if (type >= TN_F_FLOW && type <= TN_F_FLOW + 7)
			return take_flow(t, type, r);
		if (type >> 3 == TN_F_REPAIR >> 3)
			return take_repair(t, p, type, r);
		return tn_broken(t, "unknown frame");
	}
}

static enum tn_wants wants_of(unsigned type)
{
	if (type >> 3 == TN_F_FLOW >> 3)
		return TN_WANTS_LAZY;
	if (type == TN_F_ACK || type == TN_F_ACK_HERE || type == TN_F_ACK_TIMED ||
	    type == TN_F_PADDING || type == TN_F_CLOSE || type == TN_F_LOSS || type == TN_F_KEEP ||
	    type >> 3 == TN_F_REPAIR >> 3)
		return TN_WANTS_NO_ACK;
	return TN_WANTS_SOON;
}

static bool is_data(unsigned type)
{
	return type >> 2 == TN_F_STREAM >> 2 || type >> 3 == TN_F_FLOW >> 3;
}

int tn_frames_take(struct tunnel *t, struct tn_path *p, const struct tn_where *from,
		   const void *data, size_t n, enum tn_wants *wants)
{
	const uint8_t *keep = NULL, *end = (const uint8_t *)data + n;
	struct rd r = rd_of(data, n);
	unsigned frames = 0;
	int e = 0;

	*wants = TN_WANTS_NO_ACK;
	while (rd_left(&r) > 0 && e == 0 && t->state < TUNNEL_CLOSING) {
		unsigned type = rd_u8(&r);

		*wants = MAX(*wants, wants_of(type));
		if (type == TN_F_KEEP)
			keep = r.p;
		else if (type >> 3 == TN_F_REPAIR >> 3 && end > r.p)
			end = r.p - 1;
		/* Each can cost a place among thousands of holes. */
		if (is_data(type) && ++frames > TN_DATA_FRAMES)
			return tn_broken(t, "a packet in too many pieces");
		e = take(t, p, from, type, &r);
	}
	if (e == 0 && keep && keep < end && !t->mending)
		e = tn_mend_keep(t, p, p->taking, keep, (size_t)(end - keep));
	return e;
}
