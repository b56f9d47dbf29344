#include <errno.h>

#include "os/os.h"
#include "relay/priv.h"

int relay_create(struct relay **out, struct loop *l)
{
	struct relay *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->loop = l;
	os_random(&r->hash_key, sizeof(r->hash_key));
	r->batch = udp_batch_create();
	if (!r->batch) {
		free(r);
		return -ENOMEM;
	}
	*out = r;
	return 0;
}

void relay_destroy(struct relay *r)
{
	if (!r)
		return;
	udp_batch_destroy(r->batch);
	free(r);
}

void relay_meter_init(struct relay_meter *m, struct metrics *metrics, const char *tool,
		      const char *label, const char *name)
{
	const struct {
		struct metric **at;
		const char *suffix, *help;
		bool gauge;
	} rows[] = {
	    {&m->open, "open", "Connections and flows open now.", true},
	    {&m->total, "opened_total", "Connections and flows opened.", false},
	    {&m->failed, "failed_total", "Connections and flows that got no tunnel or no backend.",
	     false},
	    {&m->bytes_in, "in_bytes_total", "Bytes from sockets into the tunnel.", false},
	    {&m->bytes_out, "out_bytes_total", "Bytes from the tunnel into sockets.", false},
	    {&m->datagrams_in, "in_datagrams_total", "UDP datagrams into the tunnel.", false},
	    {&m->datagrams_out, "out_datagrams_total", "UDP datagrams from the tunnel.", false},
	    {&m->dropped, "dropped_datagrams_total",
	     "UDP datagrams dropped: no tunnel, or a full queue.", false},
	};
	char labels[160] = "", full[96];

	*m = (struct relay_meter){0};
	metrics_label(labels, sizeof(labels), label, name);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		snprintf(full, sizeof(full), "gex_%s_%s", tool, rows[i].suffix);
		*rows[i].at = rows[i].gauge ? metrics_gauge(metrics, full, rows[i].help, labels)
					    : metrics_counter(metrics, full, rows[i].help, labels);
	}
}

/* ---- links ---- */

void relay_link_init(struct relay_link *k, struct relay *r, struct tunnel *t, struct carrier *c)
{
	*k = (struct relay_link){.relay = r, .tunnel = t, .carrier = c};
	list_init(&k->conns);
	list_init(&k->flows);
}

void relay_link_finish(struct relay_link *k)
{
	if (!k->relay)
		return;
	while (!list_empty(&k->conns))
		conn_abort(list_first(&k->conns, struct relay_conn, link), TUNNEL_RST_CANCEL);
	while (!list_empty(&k->flows))
		flow_end(list_first(&k->flows, struct relay_flow, link));
}

bool relay_event(const struct tunnel_event *ev)
{
	switch (ev->type) {
	case TUNNEL_EV_STREAM_READABLE:
	case TUNNEL_EV_STREAM_WRITABLE:
	case TUNNEL_EV_STREAM_RESET:
		if (tunnel_stream_user(ev->stream))
			conn_event(tunnel_stream_user(ev->stream), ev);
		return true;
	case TUNNEL_EV_FLOW_READABLE:
	case TUNNEL_EV_FLOW_CLOSED:
		if (tunnel_flow_user(ev->flow))
			flow_event(tunnel_flow_user(ev->flow), ev);
		return true;
	default:
		return false;
	}
}

/* ---- datagrams out ---- */

void relay_flush(struct relay *r)
{
	unsigned sent = 0;

	while (sent < r->ntx) {
		int n = udp_send(r->tx_sock, r->tx + sent, r->ntx - sent);

		if (n > 0) {
			metric_add(r->tx_meter->datagrams_out, n);
			sent += (unsigned)n;
			continue;
		}
		/* A full buffer of the kernel: UDP may be lost, and waiting would only make it
		 * late. */
		metric_add(r->tx_meter->dropped, n == -EAGAIN ? r->ntx - sent : 1);
		sent = n == -EAGAIN ? r->ntx : sent + 1;
	}
	r->ntx = 0;
	r->tx_used = 0;
	r->tx_sock = NULL;
}

void relay_tx(struct relay *r, struct udp_socket *u, struct relay_meter *m,
	      const struct net_addr *peer, const struct net_addr *local, const void *data, size_t n)
{
	if (r->ntx && (r->tx_sock != u || r->ntx == UDP_BATCH || TX_SIZE - r->tx_used < n))
		relay_flush(r);
	r->tx_sock = u;
	r->tx_meter = m;
	memcpy(r->tx_mem + r->tx_used, data, n);
	r->tx[r->ntx++] = (struct udp_message){*peer, *local, r->tx_mem + r->tx_used, n, 0};
	r->tx_used += n;
	metric_add(m->bytes_out, (int64_t)n);
}

void relay_tx_forget(struct relay *r, struct udp_socket *u)
{
	if (r->tx_sock == u)
		relay_flush(r);
}
