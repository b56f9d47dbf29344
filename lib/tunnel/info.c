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

	tn_paths_for (p, t) {
		if (p->at.id != path)
			continue;
		*out = p->at.addr;
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

/* Of the best path what cannot be summed up, of all that are up what can. */
void tunnel_stats(const struct tunnel *t, struct tunnel_stats *out)
{
	struct tunnel_path_stats s;

	*out = t->stats;
	for (unsigned i = 0; i < TN_PATHS; i++) {
		if (!tunnel_path_stats(t, i, &s))
			continue;
		out->paths++;
		out->paths_up += s.state == TUNNEL_PATH_UP;
		if (s.best) {
			out->rtt_us = s.rtt_us;
			out->rtt_min_us = s.rtt_min_us;
			out->rtt_var_us = s.rtt_var_us;
			out->dgram_size = s.dgram_size;
		}
		out->in_flight += s.in_flight;
		if (s.state != TUNNEL_PATH_UP && !s.best)
			continue;
		out->rate_bps += s.rate_bps;
		out->delivery_bps += s.delivery_bps;
		out->cwnd += s.cwnd;
	}
	out->resuming = t->state == TUNNEL_OPEN && t->resuming_us != NEVER_US;
	out->heard_us = t->heard_us;
	out->disowned = t->lost_end_us != NEVER_US;
	out->streams = t->n_local + t->n_peer;
	out->flows = t->n_flows_local + t->n_flows_peer;
	out->buffered_send = t->buffered_out;
	out->buffered_receive = t->data_high - t->data_read;
}

bool tunnel_path_stats(const struct tunnel *t, unsigned number, struct tunnel_path_stats *out)
{
	static const enum tunnel_path_state state[] = {
	    [TN_PATH_NEW] = TUNNEL_PATH_NEW,
	    [TN_PATH_UP] = TUNNEL_PATH_UP,
	    [TN_PATH_DOWN] = TUNNEL_PATH_DOWN,
	};
	const struct tn_path *p = number < TN_PATHS ? t->path[number] : NULL;
	bool measured;

	if (!p || p->state == TN_PATH_GONE)
		return false;
	measured = p->min_rtt_us != NEVER_US;
	*out = (struct tunnel_path_stats){
	    .state = state[p->state],
	    .best = p == t->best,
	    .path = p->at.id,
	    .peer = p->at.addr,
	    .rtt_us = measured ? p->srtt_us : 0,
	    .rtt_min_us = measured ? p->min_rtt_us : 0,
	    .rtt_var_us = measured ? p->rttvar_us : 0,
	    .loss_ppm = tn_reliable(p) ? -1 : tn_loss_told_ppm(&p->loss),
	    .rate_bps = (int64_t)p->rate.ops->pacing(&p->rate) * 8,
	    .delivery_bps = (int64_t)p->rate.m.goodput * 8,
	    .cwnd = p->rate.ops->cwnd(&p->rate),
	    .in_flight = p->in_flight,
	    .dgram_size = p->dgram,
	    .packets_sent = p->n.packets_sent,
	    .bytes_sent = p->n.bytes_sent,
	    .packets_received = p->n.packets_received,
	    .bytes_received = p->n.bytes_received,
	    .packets_lost = p->n.packets_lost,
	    .deaths = p->n.deaths,
	    .moved = p->n.moved,
	};
	return true;
}
