/* An address that takes no more for now, because what carries datagrams there has its own queue:
 * nothing is built for it until it does, so that what is urgent then goes first. */
#include "tunnel/internal.h"

static bool is_at(const struct tn_path *p, int path, const struct tunnel_addr *to)
{
	return p->id == path && memcmp(&p->addr, to, sizeof(*to)) == 0;
}

void tunnel_hold(struct tunnel *t, int path, const struct tunnel_addr *to, bool hold)
{
	struct tn_path *p;

	tn_paths_for(p, t)
	{
		if (!is_at(p, path, to) || p->held == hold)
			continue;
		p->held = hold;
		if (!hold)
			tn_touch(t);
	}
}

bool tn_held(const struct tunnel *t)
{
	const struct tn_path *p;

	tn_paths_for(p, t)
	{
		if (!p->held)
			return false;
	}
	return true;
}
