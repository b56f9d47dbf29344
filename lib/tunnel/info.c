/* What a tunnel tells about itself. */
#include "tunnel/internal.h"

enum tunnel_state tunnel_state(const struct tunnel *t)
{
	return t->state;
}

int tunnel_reason(const struct tunnel *t, uint32_t *code, const char **text)
{
	if (code)
		*code = t->close_code;
	if (text)
		*text = t->close_text;
	return t->reason;
}

const char *tunnel_key_name(const struct tunnel *t)
{
	return t->key_name;
}

bool tunnel_peer_addr(const struct tunnel *t, int path, struct tunnel_addr *out)
{
	const struct tn_path *p;

	tn_paths_for(p, t)
	{
		if (p->id != path)
			continue;
		*out = p->addr;
		return true;
	}
	return false;
}

void tunnel_set_user(struct tunnel *t, void *user)
{
	t->user = user;
}

void *tunnel_user(const struct tunnel *t)
{
	return t->user;
}

void tunnel_stats(const struct tunnel *t, struct tunnel_stats *out)
{
	const struct tn_path *p = tn_paths_best(t);
	bool measured = p->min_rtt_us != NEVER_US;

	*out = t->stats;
	out->rtt_us = measured ? p->srtt_us : 0;
	out->rtt_min_us = measured ? p->min_rtt_us : 0;
	out->rtt_var_us = measured ? p->rttvar_us : 0;
	out->rate_bps = (int64_t)p->rate.ops->pacing(&p->rate) * 8;
	out->delivery_bps = (int64_t)p->rate.m.goodput * 8;
	out->cwnd = p->rate.ops->cwnd(&p->rate);
	out->in_flight = p->in_flight;
	out->dgram_size = p->dgram;
	out->streams = t->n_local + t->n_peer;
	out->flows = t->n_flows_local + t->n_flows_peer;
	out->buffered_send = t->buffered_out;
	out->buffered_receive = t->data_high - t->data_read;
}
