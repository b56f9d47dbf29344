/* The paths of a tunnel: which there are, and which one takes what. */
#include "tunnel/internal.h"
#include <errno.h>

/* ---- the table ---- */

int tn_paths_key(struct tunnel *t, struct tn_path *p)
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

int tn_paths_add(struct tunnel *t, unsigned number, int id, const struct tunnel_addr *addr)
{
	struct tn_path *p = malloc(sizeof(*p));
	int r = 0;

	if (!p)
		return -ENOMEM;
	tn_path_init(p, &t->conf, id, addr, t->now_us);
	p->number = number;
	if (t->keyed)
		r = tn_paths_key(t, p);
	if (r < 0) {
		tn_path_finish(p);
		free(p);
		return r;
	}
	t->path[number] = p;
	return 0;
}

void tn_paths_finish(struct tunnel *t)
{
	struct tn_path *p;

	tn_paths_for(p, t)
	{
		tn_path_finish(p);
		free(p);
	}
	crypt_wipe(t->secret_out, sizeof(t->secret_out));
	crypt_wipe(t->secret_in, sizeof(t->secret_in));
}

/* ---- which one takes what ---- */

struct tn_path *tn_paths_best(const struct tunnel *t)
{
	struct tn_path *p, *best = t->path[0];

	tn_paths_for(p, t)
	{
		if (p->srtt_us < best->srtt_us)
			best = p;
	}
	return best;
}

bool tn_paths_takes(const struct tunnel *t, const struct tn_path *p, int level)
{
	return level == TN_LEVELS - 1 || p == tn_paths_best(t);
}

bool tn_paths_controls(const struct tunnel *t, const struct tn_path *p)
{
	return p == tn_paths_best(t);
}

void tn_paths_ping(struct tunnel *t)
{
	struct tn_path *p;

	tn_paths_for(p, t)
	{
		p->ping = true;
	}
}
