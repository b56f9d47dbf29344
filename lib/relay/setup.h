/* What both tools of the accelerator have in common around the tunnel: their [tunnel] keys, the key
 * file, the figures that they export and the status line. */
#ifndef GEX_RELAY_SETUP_H
#define GEX_RELAY_SETUP_H

#include "conf/conf.h"
#include "crypt/crypt.h"
#include "metrics/metrics.h"
#include "tunnel/tunnel.h"

struct relay_setup {
	char *key_file;
	int64_t rate_bps; /* 0: auto */
	int64_t handshake_us, idle_us, resume_us, keepalive_us, flow_idle_us, drain_us;
	int64_t stream_window, tunnel_window, warmup;
	int64_t max_streams, max_flows;
};

/* value: "auto" or a rate; for CONF_FN, into the int64_t that base is. */
int relay_parse_rate(int64_t *out, const char *value, char *err, size_t cap);
/* "auto", "off" or a part of the bytes, "50%"; "auto", "off" or a time. */
int relay_parse_redundancy(struct tunnel_repair *out, const char *value, char *err, size_t cap);
int relay_parse_deadline(struct tunnel_repair *out, const char *value, char *err, size_t cap);
int relay_parse_class(enum tunnel_class *out, const char *value, char *err, size_t cap);

/* The rows of a tool's key table. T: its root struct, M: the struct relay_setup in it, RATE: the
 * tool's parse function for the rate, which finds that member. */
#define RELAY_SETUP_AT(T, M, F) (offsetof(T, M) + offsetof(struct relay_setup, F))
#define RELAY_SETUP_KEYS(T, M, RATE) \
	{"tunnel", "key_file", CONF_STR, RELAY_SETUP_AT(T, M, key_file), NULL, 0, 0, 0, NULL}, \
	    {"tunnel", "rate", CONF_FN, 0, "auto", 0, 0, 0, RATE}, \
	    {"tunnel", "handshake", CONF_DURATION, RELAY_SETUP_AT(T, M, handshake_us), \
	     "4s",     200 * MS_US, 60 * SEC_US,   0, \
	     NULL}, \
	    {"tunnel",	    "resume", CONF_DURATION, RELAY_SETUP_AT(T, M, resume_us), "30s", SEC_US, \
	     3600 * SEC_US, 0,	      NULL}, \
	    {"tunnel",	    "idle", CONF_DURATION, RELAY_SETUP_AT(T, M, idle_us), "15s", SEC_US, \
	     3600 * SEC_US, 0,	    NULL}, \
	    {"tunnel", "keepalive", CONF_DURATION, RELAY_SETUP_AT(T, M, keepalive_us), \
	     "500ms",  50 * MS_US,  60 * SEC_US,   0, \
	     NULL}, \
	    {"tunnel", "flow_idle", CONF_DURATION,  RELAY_SETUP_AT(T, M, flow_idle_us), \
	     "30s",    SEC_US,	    86400 * SEC_US, 0, \
	     NULL}, \
	    {"tunnel",	    "drain", CONF_DURATION, RELAY_SETUP_AT(T, M, drain_us), "5s", 0, \
	     3600 * SEC_US, 0,	     NULL}, \
	    {"tunnel", "stream_window", CONF_SIZE, RELAY_SETUP_AT(T, M, stream_window), \
	     "48M",    16 << 10,	256 << 20, 0, \
	     NULL}, \
	    {"tunnel", "tunnel_window", CONF_SIZE,	  RELAY_SETUP_AT(T, M, tunnel_window), \
	     "64M",    64 << 10,	INT64_C(4) << 30, 0, \
	     NULL}, \
	    {"tunnel", "warmup", CONF_SIZE, RELAY_SETUP_AT(T, M, warmup), "1M", 0, \
	     64 << 20, 0,	 NULL}, \
	    {"tunnel", "max_streams", \
	     CONF_INT, RELAY_SETUP_AT(T, M, max_streams), \
	     "20000",  1, \
	     1000000,  0, \
	     NULL}, \
	{ \
		"tunnel", "max_flows", CONF_INT, RELAY_SETUP_AT(T, M, max_flows), "20000", 1, \
		    1000000, 0, NULL \
	}

void relay_setup_conf(const struct relay_setup *s, struct tunnel_conf *out);

/* Reads the key file. Returns 0, or the sysexits(3) status to end with and one line in err:
 * EX_NOPERM when others can read it (or we cannot), else EX_CONFIG. The ring is to be wiped with
 * crypt_wipe. */
int relay_setup_keys(const struct relay_setup *s, struct crypt_ring *ring, char *err,
		     size_t cap) MUST_USE;

/* The keys of the file as it is now. False, and the ring as
 * it was, when they cannot be read. Logs either way. */
bool relay_setup_reload(const struct relay_setup *s, struct crypt_ring *ring);

struct relay_figures;

/* One exported figure's way back to its row. */
struct relay_figure {
	struct relay_figures *figures;
	const void *row;
};

/* The figures of all tunnels of a process, those that have ended included. */
struct relay_figures {
	struct tunnel_stats ended;			  /* sums of what only grows */
	void (*sum)(void *arg, struct tunnel_stats *out); /* adds the living by relay_figures_add */
	void *arg;
	const char *tool;
	/* Of the status line: what was there a second ago. */
	struct tunnel_stats before;
	int64_t before_us;
	struct relay_figure exported[48];
};

/* Sums what can be summed; of rtt, rate and the like the worst or the first known stays. */
void relay_figures_add(struct tunnel_stats *sum, const struct tunnel_stats *x);
/* A tunnel is about to be destroyed. */
void relay_figures_end(struct relay_figures *f, const struct tunnel *t);
void relay_figures_now(const struct relay_figures *f, struct tunnel_stats *out);
/* Exports them as gex_TOOL_...; f must stay. */
void relay_figures_export(struct relay_figures *f, struct metrics *m);
/* Writes the status line; `state` begins it. For once a second. */
void relay_figures_status(struct relay_figures *f, const char *state, int64_t now_us, char *dst,
			  size_t cap);

#endif
