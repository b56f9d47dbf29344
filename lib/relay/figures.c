#include <stdio.h>

#include "relay/setup.h"

/* Rows of what is exported; an offset into struct tunnel_stats. */
struct row {
	const char *suffix, *help;
	size_t off;
	enum { SUM, SUM_NOW, LAST } kind; /* counter; gauge that adds up; gauge of one tunnel */
	double scale;
	bool is_signed;
};

_Static_assert(sizeof(uint64_t) == sizeof(((struct tunnel_stats *)0)->rtt_us),
	       "fields of one size");
#define AT(f) offsetof(struct tunnel_stats, f)

static const struct row rows[] = {
    {"tunnel_sent_packets_total", "Datagrams sent.", AT(packets_sent), SUM, 1, false},
    {"tunnel_sent_bytes_total", "Bytes of datagrams sent.", AT(bytes_sent), SUM, 1, false},
    {"tunnel_received_packets_total", "Datagrams received.", AT(packets_received), SUM, 1, false},
    {"tunnel_received_bytes_total", "Bytes of datagrams received.", AT(bytes_received), SUM, 1,
     false},
    {"tunnel_lost_packets_total", "Datagrams declared lost.", AT(packets_lost), SUM, 1, false},
    {"tunnel_spurious_packets_total", "Datagrams declared lost that arrived.",
     AT(packets_lost_spurious), SUM, 1, false},
    {"tunnel_resent_bytes_total", "Stream bytes sent again.", AT(bytes_resent), SUM, 1, false},
    {"tunnel_repair_sent_packets_total", "Repair symbols sent.", AT(repair_packets_sent), SUM, 1,
     false},
    {"tunnel_repair_sent_bytes_total", "Bytes of repair symbols sent.", AT(repair_bytes_sent), SUM,
     1, false},
    {"tunnel_wasted_bytes_total", "Stream bytes that arrived more than once.", AT(bytes_wasted),
     SUM, 1, false},
    {"tunnel_padded_bytes_total", "Bytes of datagrams that only measured a path.", AT(bytes_padded),
     SUM, 1, false},
    {"tunnel_repair_received_packets_total", "Repair symbols received.", AT(repair_received), SUM,
     1, false},
    {"tunnel_repair_wasted_packets_total", "Repair symbols received of which nothing was lost.",
     AT(repair_wasted), SUM, 1, false},
    {"tunnel_repair_recovered_packets_total", "Lost datagrams that repair symbols made up for.",
     AT(repair_recovered), SUM, 1, false},
    {"tunnel_stream_sent_bytes_total", "Stream bytes sent, each once.", AT(stream_bytes_sent), SUM,
     1, false},
    {"tunnel_stream_received_bytes_total", "Stream bytes received, each once.",
     AT(stream_bytes_received), SUM, 1, false},
    {"tunnel_probes_total", "Probe timeouts.", AT(probes), SUM, 1, false},
    {"tunnel_flow_dropped_send_total", "Flow datagrams dropped: queue full when sending.",
     AT(flow_drops_send), SUM, 1, false},
    {"tunnel_flow_dropped_receive_total", "Flow datagrams dropped: not read in time.",
     AT(flow_drops_receive), SUM, 1, false},
    {"tunnel_flow_dropped_pieces_total", "Flow datagrams dropped: a piece is missing.",
     AT(flow_drops_pieces), SUM, 1, false},
    {"tunnel_flow_resent_total", "Flow datagrams sent again, because lost.", AT(flow_resent), SUM,
     1, false},
    {"tunnel_flow_dropped_late_total", "Flow datagrams dropped: past their deadline.",
     AT(flow_drops_late), SUM, 1, false},
    {"tunnel_reset_streams_total", "Streams reset.", AT(streams_reset), SUM, 1, false},
    {"tunnel_moved_total", "Changes of a peer's address.", AT(moved), SUM, 1, false},
    {"tunnel_path_deaths_total", "Times a path fell silent.", AT(path_deaths), SUM, 1, false},
    {"tunnel_resumed_total", "Times a tunnel without a path got one back.", AT(resumed), SUM, 1,
     false},
    {"tunnel_paths", "Paths now.", AT(paths), SUM_NOW, 1, false},
    {"tunnel_paths_up", "Paths that serve now.", AT(paths_up), SUM_NOW, 1, false},
    {"tunnel_drop_forged_total", "Datagrams not authentic.", AT(drops[TUNNEL_DROP_FORGED]), SUM, 1,
     false},
    {"tunnel_drop_replayed_total", "Datagrams seen before.", AT(drops[TUNNEL_DROP_REPLAYED]), SUM,
     1, false},
    {"tunnel_drop_protocol_total", "Datagrams that break the protocol.",
     AT(drops[TUNNEL_DROP_PROTOCOL]), SUM, 1, false},
    {"tunnel_drop_full_total", "Datagrams without room for their peer.",
     AT(drops[TUNNEL_DROP_FULL]), SUM, 1, false},
    {"tunnel_drop_closed_total", "Datagrams to a closed tunnel.", AT(drops[TUNNEL_DROP_CLOSED]),
     SUM, 1, false},
    {"tunnel_streams", "Streams open now.", AT(streams), SUM_NOW, 1, false},
    {"tunnel_flows", "Flows open now.", AT(flows), SUM_NOW, 1, false},
    {"tunnel_buffered_send_bytes", "Bytes kept to send.", AT(buffered_send), SUM_NOW, 1, false},
    {"tunnel_buffered_receive_bytes", "Bytes received and not read.", AT(buffered_receive), SUM_NOW,
     1, false},
    {"tunnel_rtt_seconds", "Round trip, the longest of all tunnels.", AT(rtt_us), LAST, 1e-6, true},
    {"tunnel_rtt_min_seconds", "Shortest round trip lately.", AT(rtt_min_us), LAST, 1e-6, true},
    {"tunnel_rate_bits", "Bits a second at which the fastest tunnel paces.", AT(rate_bps), LAST, 1,
     true},
    {"tunnel_delivery_bits", "Bits a second that a peer received.", AT(delivery_bps), LAST, 1,
     true},
};

static uint64_t *field(struct tunnel_stats *s, const struct row *r)
{
	return (uint64_t *)((char *)s + r->off);
}

static double value_of(const struct tunnel_stats *s, const struct row *r)
{
	const void *at = (const char *)s + r->off;

	return (r->is_signed ? (double)*(const int64_t *)at : (double)*(const uint64_t *)at) *
	       r->scale;
}

void relay_figures_add(struct tunnel_stats *sum, const struct tunnel_stats *x)
{
	struct tunnel_stats copy = *x;

	for (const struct row *r = rows; r < rows + ARRAY_LEN(rows); r++) {
		uint64_t *to = field(sum, r), from = *field(&copy, r);

		*to = r->kind == LAST ? MAX(*to, from) : *to + from;
	}
	sum->flow_sent += x->flow_sent;
	sum->flow_received += x->flow_received;
}

void relay_figures_end(struct relay_figures *f, const struct tunnel *t)
{
	struct tunnel_stats s;

	tunnel_stats(t, &s);
	for (const struct row *r = rows; r < rows + ARRAY_LEN(rows); r++)
		if (r->kind == SUM)
			*field(&f->ended, r) += *field(&s, r);
}

void relay_figures_now(const struct relay_figures *f, struct tunnel_stats *out)
{
	*out = f->ended;
	f->sum(f->arg, out);
}

static double read_figure(void *arg)
{
	const struct relay_figure *x = arg;
	struct tunnel_stats now;

	relay_figures_now(x->figures, &now);
	return value_of(&now, x->row);
}

_Static_assert(ARRAY_LEN(rows) <= ARRAY_LEN(((struct relay_figures *)0)->exported),
	       "room for all rows");

void relay_figures_export(struct relay_figures *f, struct metrics *m)
{
	char name[96];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct relay_figure *x = &f->exported[i];

		*x = (struct relay_figure){f, &rows[i]};
		snprintf(name, sizeof(name), "gex_%s_%s", f->tool, rows[i].suffix);
		if (rows[i].kind == SUM)
			metrics_counter_fn(m, name, rows[i].help, NULL, read_figure, x);
		else
			metrics_gauge_fn(m, name, rows[i].help, NULL, read_figure, x);
	}
}

void relay_figures_status(struct relay_figures *f, const char *state, int64_t now_us, char *dst,
			  size_t cap)
{
	struct tunnel_stats now;
	double s = (double)MAX(now_us - f->before_us, 1) / 1e6;

	relay_figures_now(f, &now);
	const struct tunnel_stats *b = &f->before;
	double out = (double)(now.stream_bytes_sent - b->stream_bytes_sent) * 8e-6 / s;
	double in = (double)(now.stream_bytes_received - b->stream_bytes_received) * 8e-6 / s;
	double sent = (double)(now.packets_sent - b->packets_sent);
	double lost = (double)(now.packets_lost - b->packets_lost);

	snprintf(
	    dst, cap,
	    "%s  streams %llu  flows %llu  up %.1f  down %.1f Mbit/s  rtt %.1f ms  lost %.1f %%",
	    state, (unsigned long long)now.streams, (unsigned long long)now.flows, out, in,
	    (double)now.rtt_us / 1e3, sent > 0 ? MIN(100 * lost / sent, 100) : 0);
	f->before = now;
	f->before_us = now_us;
}
