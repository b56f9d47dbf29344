/* An address that takes no more for now, because what carries datagrams there has its own queue:
 * nothing is built for it until it does, so that what is urgent then goes first. */
#include "tunnel/internal.h"

bool tn_held(const struct tn_path *p)
{
	return p->held.addr.len && tn_where_same(&p->held, &p->at);
}

void tunnel_hold(struct tunnel *t, int path, const struct tunnel_addr *to, bool hold)
{
	const struct tn_where at = {path, *to};
	struct tn_path *p;

	tn_paths_for (p, t) {
		if (!tn_where_same(&p->at, &at) || tn_held(p) == hold)
			continue;
		p->held = hold ? at : (struct tn_where){0};
		if (!hold)
			tn_touch(t);
	}
}
