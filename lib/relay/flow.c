/* What the flows of both sides share. */
#include <errno.h>

#include "relay/priv.h"

void flow_start(struct relay_flow *f, struct relay_link *k, struct tunnel_flow *t,
		struct relay_meter *m, const struct flow_ops *ops)
{
	f->owner = k;
	f->flow = t;
	f->meter = m;
	f->ops = ops;
	tunnel_flow_set_user(t, f);
	list_append(&k->flows, &f->link);
	k->nflows++;
	metric_add(m->open, 1);
	metric_add(m->total, 1);
}

void flow_end(struct relay_flow *f)
{
	list_remove(&f->link);
	f->owner->nflows--;
	metric_add(f->meter->open, -1);
	tunnel_flow_set_user(f->flow, NULL);
	tunnel_flow_release(f->flow);
	carrier_kick(f->owner->carrier);
	f->ops->end(f);
}

void flow_send(struct relay_flow *f, const void *data, size_t n)
{
	if (tunnel_flow_send(f->flow, data, n)) {
		metric_add(f->meter->dropped, 1);
		return;
	}
	metric_add(f->meter->datagrams_in, 1);
	metric_add(f->meter->bytes_in, (int64_t)n);
	carrier_kick(f->owner->carrier);
}

void flow_event(struct relay_flow *f, const struct tunnel_event *ev)
{
	struct relay *r = f->owner->relay;
	ssize_t n;

	while (!f->waiting && (n = tunnel_flow_recv(f->flow, r->scratch, SCRATCH_SIZE)) >= 0)
		f->ops->deliver(f, r->scratch, (size_t)n);
	if (ev->type == TUNNEL_EV_FLOW_CLOSED)
		flow_end(f);
}
