#include "cmaf/emsg.h"

#include <errno.h>

#define LENGTH_UNKNOWN UINT32_MAX

const char *emsg_scheme(enum emsg_kind kind)
{
	static const char *const scheme[EMSG_KINDS] = {
	    [EMSG_SCTE35] = "urn:scte:scte35:2013:bin",
	    [EMSG_ID3] = "https://aomedia.org/emsg/ID3",
	};

	return scheme[kind];
}

uint32_t emsg_hash(uint32_t h, const void *p, size_t n)
{
	const uint8_t *b = p;

	h = h ? h : 2166136261u; /* FNV-1a */
	for (size_t i = 0; i < n; i++)
		h = (h ^ b[i]) * 16777619u;
	return h;
}

int emsgs_add(struct emsgs *e, struct emsg m, const uint8_t *p, size_t n)
{
	struct emsg *at = &e->at[e->n % EMSG_MAX];

	if (n > EMSG_SIZE_MAX)
		return -EMSGSIZE;
	m.data = buf_copy(p, n);
	if (!m.data)
		return -ENOMEM;
	buf_unref(at->data);
	*at = m;
	e->n++;
	return 0;
}

void emsgs_finish(struct emsgs *e)
{
	for (size_t i = 0; i < EMSG_MAX; i++)
		buf_unref(e->at[i].data);
	*e = (struct emsgs){0};
}

static size_t begin(const char *scheme, const char *value, int64_t scale, int64_t us,
		    uint32_t length, uint32_t id, struct boxes *b)
{
	size_t at = box_begin_full(b, "emsg", 1, 0);

	box_u32(b, (uint32_t)scale);
	box_u64(b, (uint64_t)base_scale(MAX(us, 0), scale, SEC_US));
	box_u32(b, length);
	box_u32(b, id);
	box_bytes(b, scheme, strlen(scheme) + 1);
	box_bytes(b, value, strlen(value) + 1);
	return at;
}

static void put(const struct emsg *m, int64_t scale, struct boxes *b)
{
	int64_t length =
	    m->length_us < 0 ? LENGTH_UNKNOWN : base_scale(m->length_us, scale, SEC_US);
	size_t at = begin(emsg_scheme(m->kind), "", scale, m->us,
			  (uint32_t)MIN(length, LENGTH_UNKNOWN), m->id, b);

	box_bytes(b, m->data->data, m->data->len);
	box_end(b, at);
}

void emsg_put_expired(int64_t scale, int64_t us, uint32_t id, const char *published,
		      struct boxes *b)
{
	/* dash.js takes a length that is not known for none, and the message for one of the past. */
	size_t at = begin(EMSG_VALIDITY, "1", scale, us, LENGTH_UNKNOWN - 1, id, b);

	box_bytes(b, published, strlen(published) + 1);
	box_end(b, at);
}

void emsgs_put(const struct emsgs *e, int64_t scale, int64_t since_us, int64_t *told,
	       struct boxes *b)
{
	for (int64_t i = MAX(0, e->n - EMSG_MAX); i < e->n; i++) {
		const struct emsg *m = &e->at[i % EMSG_MAX];

		if (i >= *told || m->us >= since_us)
			put(m, scale, b);
	}
	*told = e->n;
}
