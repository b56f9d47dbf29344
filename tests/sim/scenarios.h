/* The scenarios of sim_tunnel.c, by topic. */
#ifndef SIM_SCENARIOS_H
#define SIM_SCENARIOS_H

#include "scenarios_rate.h"
#include "scenarios_streams.h"
#include "scenarios_flows.h"
#include "scenarios_life.h"
#include "scenarios_crowd.h"
#include "scenarios_repair.h"
#include "scenarios_paths.h"
#include "scenarios_chaos.h"
#include "scenarios_lines.h"

static const struct scenario scenarios[] = {
    SCENARIOS_LINES,
    {"bulk", "20 MB at 50 Mbit/s, 100 ms, 1 %", main_set, bulk_check, 60 * SEC_US, 40},
    {"fast", "200 MB at 500 Mbit/s, 50 ms, no loss", fast_set, fast_check, 60 * SEC_US, 200},
    {"heavy", "10 MB at 20 Mbit/s, 200 ms, 10 %", heavy_set, heavy_check, 60 * SEC_US, 40},
    {"burst", "20 MB at 50 Mbit/s, 150 ms, 3 % in bursts", burst_set, burst_check, 60 * SEC_US, 40},
    {"queue", "100 Mbit/s, 50 ms, 200 ms of queue", queue_set, queue_check, 60 * SEC_US, 200},
    {"back", "a download beside another's uploads", back_set, back_check, 60 * SEC_US, 200},
    {"steps", "50, 10, 50 Mbit/s", main_set, steps_check, 60 * SEC_US, 200},
    {"fixed", "15 Mbit/s by hand, 5 % lost", fixed_set, fixed_check, 60 * SEC_US, 20},
    {"request", "1 KB fetches on the main line", main_set, request_check, 20 * SEC_US, 4},
    {"mixed", "60 streams on a bad line", mixed_set, mixed_check, 300 * SEC_US, 10},
    {"stopped", "a reader that stops", main_set, stopped_check, 120 * SEC_US, 100},
    {"flow", "30 Hz echo, jitter, reordering, doubles", flow_set, flow_check, 30 * SEC_US, 8},
    {"play", "30 Hz echo beside a bulk transfer", main_set, play_check, 60 * SEC_US, 100},
    {"outage", "4 s without a line, a new address", main_set, outage_check, 60 * SEC_US, 40},
    {"mtu", "a path that takes less, and still less", main_set, mtu_check, 60 * SEC_US, 50},
    {"dead", "a line that dies one way", main_set, dead_check, 60 * SEC_US, 20},
    {"restart", "another server in its place", main_set, restart_check, 60 * SEC_US, 20},
    {"wrong", "the wrong key", wrong_set, wrong_check, 60 * SEC_US, 2},
    {"shake", "handshakes at 20 % loss", shake_set, shake_check, 60 * SEC_US, 2},
    {"crowd", "four tunnels on one line", crowd_set, crowd_check, 60 * SEC_US, 40},
    {"udp-1", "30 Hz UDP echo, 100 ms, 1 %", line_1_set, udp_check, 60 * SEC_US, 100},
    {"udp-2", "30 Hz UDP echo, 200 ms, 5 %", line_2_set, udp_check, 60 * SEC_US, 50},
    {"udp-3", "30 Hz UDP echo, 150 ms, 3 % in bursts", line_3_set, udp_check, 60 * SEC_US, 50},
    {"tcp-1", "30 Hz TCP echo, 100 ms, 1 %", line_1_set, tcp_check, 60 * SEC_US, 100},
    {"tcp-2", "30 Hz TCP echo, 200 ms, 5 %", line_2_set, tcp_check, 60 * SEC_US, 100},
    {"tcp-3", "30 Hz TCP echo, 150 ms, 3 % in bursts", line_3_set, tcp_check, 60 * SEC_US, 100},
    {"beside_1", "30 Hz echo beside a download, 100 ms, 1 %", line_1_set, beside_1_check,
     60 * SEC_US, 100},
    {"beside_2", "30 Hz echo beside an upload, 200 ms, 5 %", line_2_set, beside_2_check,
     60 * SEC_US, 100},
    {"beside_3", "30 Hz echo beside an upload, 150 ms, 3 % in bursts", line_3_set, beside_3_check,
     60 * SEC_US, 100},
    {"fetch", "100 KB and 1 MB at 100 Mbit/s, 100 ms, 1 %", line_1_set, fetch_check, 60 * SEC_US,
     100},
    {"chaos", "all that can be bad, at once", chaos_set, chaos_check, 300 * SEC_US, 10},
    {"switch", "one of two paths dies and comes back", two_set, switch_check, 60 * SEC_US, 40},
    {"shaky", "two bad lines that live", shaky_set, shaky_check, 90 * SEC_US, 20},
    {"gone", "no path for 10 s", gone_set, gone_check, 60 * SEC_US, 40},
    {"given_up", "no path for 40 s", gone_set, given_up_check, 60 * SEC_US, 20},
    {"roam", "a new address in a transfer", main_set, roam_check, 60 * SEC_US, 40},
    {"forged", "a forged address", main_set, forged_check, 60 * SEC_US, 40},
    {"twins", "a game on two paths, one of them bad", two_set, twins_check, 30 * SEC_US, 20},
    {"stripe", "40 and 20 Mbit/s, 40 and 160 ms, as one", two_set, stripe_check, 60 * SEC_US, 200},
    {"standby", "echoes beside a transfer, 200 ms, 5 %, tls stands by", standby_set, standby_check,
     60 * SEC_US, 67},
    {"spare", "30 Hz UDP echo, tls stands by", spare_set, spare_check, 60 * SEC_US, 40},
    {"lone", "a line that loses 15 %, and one with bursts", lone_set, lone_check, 60 * SEC_US, 40},
    {"pairs", "any two lines as one", pairs_set, pairs_check, 90 * SEC_US, 200},
};

#endif
