/* The paths of a tunnel: which there are. */
#include "tunnel/internal.h"
#include <errno.h>

static int key(struct tunnel *t, struct tn_path *p)
{
	uint8_t *out = t->secret_out[p->number], *in = t->secret_in[p->number];
	int r;

	if (t->keyed_paths & 1u << p->number)
		return -EALREADY; /* the same numbers under the same key would give it all away */
	t->keyed_paths |= 1u << p->number;
	r = tn_keys_init(&p->out, t->suite, out, t->now_us);
	if (r == 0)
		r = tn_keys_init(&p->in, t->suite, in, t->now_us);
	crypt_wipe(out, CRYPT_SECRET_LEN);
	crypt_wipe(in, CRYPT_SECRET_LEN);
	return r;
}

int tn_paths_key(struct tunnel *t)
{
	struct tn_path *p;
	int r = 0;

	tn_paths_for (p, t) {
		r = key(t, p);
		if (r < 0)
			break;
	}
	return r;
}

bool tn_where_same(const struct tn_where *a, const struct tn_where *b)
{
	return a->id == b->id && memcmp(&a->addr, &b->addr, sizeof(a->addr)) == 0;
}

bool tn_reliable(const struct tn_path *p)
{
	return p->at.addr.len & TUNNEL_ADDR_RELIABLE;
}

int tn_paths_add(struct tunnel *t, unsigned number, const struct tn_where *at)
{
	struct tn_path *p = t->path[number];
	int r = 0;

	if (p) {
		tn_path_begin(p, &t->conf, at, t->now_us);
		return 0;
	}
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->number = number;
	p->ev.kind = TN_PATH;
	list_init(&p->ev.link);
	if (t->keyed)
		r = key(t, p);
	if (r < 0) {
		tn_path_finish(p);
		free(p);
		return r;
	}
	tn_path_begin(p, &t->conf, at, t->now_us);
	t->path[number] = p;
	return 0;
}

void tn_paths_finish(struct tunnel *t)
{
	for (unsigned i = 0; i < TN_PATHS; i++) {
		if (t->path[i])
			tn_path_finish(t->path[i]);
		free(t->path[i]);
	}
	crypt_wipe(t->secret_out, sizeof(t->secret_out));
	crypt_wipe(t->secret_in, sizeof(t->secret_in));
}

struct tn_path *tn_paths_first(struct tunnel *t, unsigned number, const struct tn_where *from)
{
	if (tn_paths_add(t, number, from) < 0)
		return NULL;
	t->path[number]->state = TN_PATH_GONE;
	return t->path[number];
}

/* What it had on its way goes over the others; numbers and keys stay. */
void tn_path_retire(struct tunnel *t, struct tn_path *p)
{
	if (p->state == TN_PATH_GONE)
		return;
	tn_sent_give(t, p);
	tn_trial_end(p);
	t->n_up -= p->state == TN_PATH_UP;
	if (p->state == TN_PATH_UP && t->n_up == 0)
		t->resuming_us = t->now_us;
	p->state = TN_PATH_GONE;
	p->ping = p->respond = p->relay_ack = false;
	tn_event(t, &p->ev, TUNNEL_EV_PATH);
	tn_schedule(t);
}

void tn_paths_take_gone(struct tunnel *t, uint64_t number)
{
	if (t->server && t->path[number])
		tn_path_retire(t, t->path[number]);
}

/* ---- the application's calls ---- */

int tunnel_path_add(struct tunnel *t, int path, const struct tunnel_addr *to)
{
	struct tn_where at = {path, *to};
	struct tn_path *p;
	int r, number = -ENOSPC;

	if (t->server)
		return -EINVAL;
	if (t->state > TUNNEL_OPEN)
		return -ESHUTDOWN;
	tn_paths_for (p, t) {
		if (tn_where_same(&p->at, &at))
			return -EEXIST;
	}
	/* One that was never used first: of the others late datagrams may still come. */
	for (int i = TN_PATHS - 1; i >= 0; i--)
		if (t->path[i] && t->path[i]->state == TN_PATH_GONE)
			number = i;
	for (int i = TN_PATHS - 1; i >= 0; i--)
		if (!t->path[i])
			number = i;
	if (number < 0)
		return number;
	r = tn_paths_add(t, (unsigned)number, &at);
	if (r < 0)
		return r;
	t->path[number]->proven = true; /* the address is the application's word */
	t->gone_wanted &= (uint8_t) ~(1u << number);
	tn_touch(t);
	return number;
}

int tunnel_path_remove(struct tunnel *t, unsigned number)
{
	if (t->server || !t->keyed)
		return -EINVAL;
	if (number >= TN_PATHS || !t->path[number] || t->path[number]->state == TN_PATH_GONE)
		return -ENOENT;
	tn_path_retire(t, t->path[number]);
	t->gone_wanted |= (uint8_t)(1u << number);
	tn_touch(t);
	return 0;
}
