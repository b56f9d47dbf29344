#include "cmaf/protect.h"

#include <errno.h>

/* ---- keys ---- */

struct cmaf_key *key_ref(struct cmaf_key *k)
{
	if (k)
		k->refs++;
	return k;
}

void key_unref(struct cmaf_key *k)
{
	if (!k || --k->refs)
		return;
	crypt_cbc_destroy(k->cbc);
	crypt_wipe(k, sizeof(*k));
	free(k);
}

static int64_t last_begun(const struct cmaf *c)
{
	int64_t last = INT64_MIN;

	for (int i = 0; i < c->n; i++) {
		const struct cmaf_segment *s = cmaf_last(c->track[i]);

		last = s ? MAX(last, s->number) : last;
	}
	return last;
}

static struct cmaf_key *key_create(const uint8_t kid[16], const uint8_t key[16],
				   const uint8_t iv[16])
{
	struct cmaf_key *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	k->refs = 1;
	memcpy(k->kid, kid, sizeof(k->kid));
	memcpy(k->key, key, sizeof(k->key));
	memcpy(k->iv, iv, sizeof(k->iv));
	if (crypt_cbc_create(k->key, &k->cbc)) {
		key_unref(k);
		return NULL;
	}
	return k;
}

int cmaf_key(struct cmaf *c, const uint8_t kid[16], const uint8_t key[16], const uint8_t iv[16],
	     int64_t from)
{
	int64_t last = last_begun(c);

	if (c->conf.scheme == CMAF_CLEAR)
		return -EINVAL;
	if ((from <= last && last > INT64_MIN) || (c->nkeys && from <= c->key[c->nkeys - 1]->from))
		return -EBUSY;
	if (c->nkeys == CMAF_KEYS)
		return -ENOSPC;
	struct cmaf_key *k = key_create(kid, key, iv);
	if (!k)
		return -ENOMEM;
	k->from = from;
	c->key[c->nkeys++] = k;
	c->keyed_us = last > INT64_MIN ? cmaf_grid_us(&c->grid, last) : 0;
	c->version++;
	return 0;
}

struct cmaf_key *key_of(const struct cmaf *c, int64_t number)
{
	for (int i = c->nkeys; i-- > 0;)
		if (c->key[i]->from <= number)
			return c->key[i];
	return NULL;
}

void key_forget(struct cmaf *c, int64_t number)
{
	int n = 0;

	while (n + 1 < c->nkeys && c->key[n + 1]->from <= number)
		key_unref(c->key[n++]);
	c->nkeys -= n;
	memmove(c->key, c->key + n, (size_t)c->nkeys * sizeof(*c->key));
}

const struct cmaf_key *cmaf_key_find(const struct cmaf *c, const uint8_t kid[16])
{
	for (int i = 0; i < c->nkeys; i++)
		if (!memcmp(c->key[i]->kid, kid, 16))
			return c->key[i];
	return NULL;
}

/* ---- samples, by cbcs ---- */

/* The chain begins anew with each subsample (ISO/IEC 23001-7, 9.5.1). */
static int protect_slices(const struct cmaf_key *k, const struct subsample *sub, size_t n,
			  uint8_t *data)
{
	int rc = 0;

	for (size_t i = 0; i < n && !rc; i++) {
		data += sub[i].clear;
		rc = crypt_cbc_pattern(k->cbc, k->iv, CBCS_SKIP, data, sub[i].encrypted);
		data += sub[i].encrypted;
	}
	return rc;
}

int protect_samples(const struct cmaf_key *k, bool video, const struct sample *s, size_t n,
		    const struct subsamples *subs, uint8_t *data)
{
	const struct subsample *sub = subs->at;
	int rc = 0;

	for (size_t i = 0; i < n && !rc; i++) {
		rc = video ? protect_slices(k, sub, s[i].nsubs, data)
			   : crypt_cbc_pattern(k->cbc, k->iv, 0, data, s[i].size);
		sub += video ? s[i].nsubs : 0;
		data += s[i].size;
	}
	return rc;
}

/* ---- files, by AES-128 ---- */

static size_t fill(const struct cmaf_key *k, int64_t number, struct buf *const *chunk, size_t n,
		   uint8_t *out)
{
	uint8_t *p = out, iv[16] = {0};
	struct wr w = wr_of(iv + 8, 8);

	wr_u64(&w, (uint64_t)number);
	ssize_t len = crypt_cbc_begin(k->cbc, iv);
	for (size_t i = 0; i < n && len >= 0; i++) {
		len = crypt_cbc_add(k->cbc, chunk[i]->data, chunk[i]->len, p);
		p += MAX(len, 0);
	}
	if (len >= 0)
		len = crypt_cbc_end(k->cbc, p);
	return len < 0 ? 0 : (size_t)(p + len - out);
}

struct buf *protect_file(const struct cmaf_key *k, int64_t number, struct buf *const *chunk,
			 size_t n)
{
	size_t size = 0;

	for (size_t i = 0; i < n; i++)
		size += chunk[i]->len;
	struct buf *b = buf_create(crypt_cbc_size(size));
	if (b && fill(k, number, chunk, n, b->data) != b->len) {
		buf_unref(b);
		return NULL;
	}
	return b;
}
