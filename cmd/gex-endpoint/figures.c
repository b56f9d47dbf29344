/* What an endpoint exports of its tunnels. */
#include "server.h"

static void sum_figures(void *arg, struct tunnel_stats *out)
{
	struct server *s = arg;
	struct tunnel *t = NULL;

	while ((t = acceptor_next(s->acceptor, t))) {
		struct tunnel_stats x;

		tunnel_stats(t, &x);
		relay_figures_add(out, &x);
	}
}

#define ACCEPTOR_FIGURE(name, field) \
	static double name(void *arg) \
	{ \
		struct server *s = arg; \
		struct acceptor_stats x; \
\
		acceptor_stats(s->acceptor, &x); \
		return (double)x.field; \
	}
ACCEPTOR_FIGURE(read_handshakes, handshakes)
ACCEPTOR_FIGURE(read_wrong_key, wrong_key)
ACCEPTOR_FIGURE(read_timed_out, timed_out)
ACCEPTOR_FIGURE(read_failed, failed)
ACCEPTOR_FIGURE(read_tunnels, tunnels)
ACCEPTOR_FIGURE(read_stray, drops[TUNNEL_DROP_FORGED])

#define CARRIER_FIGURE(name, field) \
	static double name(void *arg) \
	{ \
		struct server *s = arg; \
		struct carrier_stats x; \
\
		carrier_stats(s->carrier, &x); \
		return (double)x.field; \
	}
CARRIER_FIGURE(read_dropped, dropped)
CARRIER_FIGURE(read_tls_opened, tls_opened)
CARRIER_FIGURE(read_tls_refused, tls_refused)

void figures_export(struct server *s, struct metrics *m)
{
	s->figures = (struct relay_figures){.sum = sum_figures, .arg = s, .tool = "endpoint"};
	relay_figures_export(&s->figures, m);
	s->tunnels_total =
	    metrics_counter(m, "gex_endpoint_tunnels_opened_total", "Tunnels taken.", NULL);
	s->unknown_total =
	    metrics_counter(m, "gex_endpoint_unknown_service_total",
			    "Connections and flows for a service that is not here.", NULL);
	metrics_counter_fn(m, "gex_endpoint_tunnel_drop_local_total",
			   "Datagrams of tunnels that found this host's receive buffer full.", NULL,
			   read_dropped, s);
	metrics_gauge_fn(m, "gex_endpoint_tunnels", "Tunnels now.", NULL, read_tunnels, s);
	metrics_counter_fn(m, "gex_endpoint_handshakes_total",
			   "Handshakes begun by proven addresses.", NULL, read_handshakes, s);
	metrics_counter_fn(m, "gex_endpoint_handshake_failures_total", "Handshakes that failed.",
			   "reason=\"key\"", read_wrong_key, s);
	metrics_counter_fn(m, "gex_endpoint_handshake_failures_total", "Handshakes that failed.",
			   "reason=\"timeout\"", read_timed_out, s);
	metrics_counter_fn(m, "gex_endpoint_handshake_failures_total", "Handshakes that failed.",
			   "reason=\"other\"", read_failed, s);
	metrics_counter_fn(m, "gex_endpoint_tls_connections_total",
			   "Connections of the tls carrier by peers with a key.", NULL,
			   read_tls_opened, s);
	metrics_counter_fn(m, "gex_endpoint_tls_refused_total",
			   "Connections of the tls carrier by anybody else, or too many at a time.",
			   NULL, read_tls_refused, s);
	metrics_counter_fn(m, "gex_endpoint_stray_datagrams_total",
			   "Datagrams that belong to no tunnel.", NULL, read_stray, s);
}
