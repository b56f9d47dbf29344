/* The next tunnel: which address, path, carrier and key are tried, and after which pause. */
#include <errno.h>

#include "link.h"
#include "os/os.h"

#define RETRY_SOON 16 /* rounds before the pauses grow: a restart is over by then */
#define RETIRED_MAX 8

void attempt_in(struct links *ls, int64_t delay_us)
{
	if (!ls->drain.closing && !ls->attempt && !ls->retry.slot)
		loop_timer_in(&ls->retry, delay_us);
}

/* After failure number n in a row: short at first, then doubling, capped, and spread so that listeners
 * do not come back in step. */
static int64_t pause_us(int64_t cap_us, unsigned n, uint32_t random)
{
	unsigned doublings = n > RETRY_SOON ? MIN(n - RETRY_SOON, 16u) : 0;
	int64_t p = MIN(RETRY_FIRST_US << doublings, cap_us);

	return p / 2 + (int64_t)((uint64_t)(p / 2) * random >> 32);
}

/* With carrier = auto what served last comes first. */
void attempt_first(struct links *ls)
{
	const struct route *r = route_nth(ls, ls->route);

	ls->kind = r ? r->conf.carrier : CARRIER_UDP;
	if (r && r->conf.automatic && r->told)
		ls->kind = CARRIER_TLS;
	ls->second = ls->refused_udp = false;
}

/* Udp does not work there: tls? True when the other one is tried next. */
static bool try_second(struct links *ls, const char *where, const char *why)
{
	const struct route *r = route_nth(ls, ls->route);

	if (!r || !r->conf.automatic || ls->second || ls->drain.closing)
		return false;
	log_debug("tunnel", "%s: over %s %s", where, carrier_kind_name(ls->kind), why);
	str_copy(ls->first_why, sizeof(ls->first_why), why);
	ls->kind = ls->kind == CARRIER_UDP ? CARRIER_TLS : CARRIER_UDP;
	ls->second = true;
	attempt_in(ls, 0);
	return true;
}

/* True when there is something else to try at once: the next path, address, endpoint. */
static bool go_on(struct links *ls)
{
	ls->route = (ls->route + 1) % MAX(ls->nroutes, 1);
	attempt_first(ls);
	if (ls->route)
		return true;
	ls->addr++;
	if (ls->addr < ls->naddrs && !ls->drain.closing)
		return true;
	ls->addr = 0;
	ls->endpoint = (ls->endpoint + 1) % ls->nnames;
	return ls->endpoint;
}

/* An attempt came to nothing: the next one, and after a round of all of them a pause. */
void attempt_failed(struct links *ls, const char *where, const char *why, enum log_level level)
{
	const char *first = ls->kind == CARRIER_UDP ? "tls" : "udp";
	bool both = ls->second && *where && strcmp(why, ls->first_why) != 0;
	uint32_t random;

	if (level != LOG_ERROR && try_second(ls, where, why))
		return;
	metric_add(ls->failures_total, 1);
	if (!log_allow(&ls->limit, 3, 60 * SEC_US, loop_now_us(ls->loop)))
		;
	else if (both)
		log_write(level, "tunnel", "%s: over %s %s, over %s %s", where, first,
			  ls->first_why, carrier_kind_name(ls->kind), why);
	else
		log_write(level, "tunnel", "%s%s%s", where, *where ? ": " : "", why);
	if (go_on(ls)) {
		attempt_in(ls, 0);
		return;
	}
	os_random(&random, sizeof(random));
	attempt_in(ls, pause_us(ls->conf.conf->retry_us, ls->failures++, random));
}

/* The next key of the file at once; when all of them were refused, it is a failure. */
void attempt_refused(struct links *ls, const char *where)
{
	char why[sizeof(((struct link *)0)->where) + 32];
	size_t n = ls->conf.ring->n;

	ls->key = (ls->key + 1) % n;
	if (++ls->refused % n) {
		log_info("tunnel", "key refused by %s; the next one of the file is tried", where);
		attempt_in(ls, 0);
		return;
	}
	snprintf(why, sizeof(why), "key refused by %s", where);
	attempt_failed(ls, "", why, LOG_ERROR);
}

static const char *name_where(const struct links *ls, char *dst, size_t cap)
{
	return net_host_format(&ls->conf.conf->endpoints.at[ls->endpoint], dst, cap);
}

static void on_resolved(void *arg, int err)
{
	struct links *ls = arg;
	char where[NET_HOST_MAX + 16], why[160];

	ls->resolving = false;
	if (!err) {
		attempt_now(ls);
		return;
	}
	ls->naddrs = 0;
	snprintf(why, sizeof(why), "cannot resolve: %s", resolve_error(ls->name[ls->endpoint]));
	attempt_failed(ls, name_where(ls, where, sizeof(where)), why, LOG_WARN);
}

void attempt_now(struct links *ls)
{
	const struct net_host *host = &ls->conf.conf->endpoints.at[ls->endpoint];
	char where[sizeof(((struct link *)0)->where)], text[NET_ADDR_TEXT];
	const struct net_addr *addrs;
	struct net_addr addr, peer;
	struct route *via = route_nth(ls, ls->route);

	if (ls->drain.closing || ls->attempt || ls->resolving || ls->n >= RETIRED_MAX)
		return;
	addrs = resolve_addrs(ls->name[ls->endpoint], &ls->naddrs);
	if (!ls->naddrs) {
		ls->resolving = true;
		resolve_wait(ls->name[ls->endpoint], &ls->wait);
		return;
	}
	addr = addrs[MIN(ls->addr, ls->naddrs - 1)];
	addr.port = host->port;
	name_where(ls, where, sizeof(where));
	if (!route_addr(via, &addr, &peer)) {
		attempt_failed(ls, where, "the address of a path is not known yet", LOG_WARN);
		return;
	}
	net_addr_format(&addr, text, sizeof(text));
	if (strcmp(where, text)) {
		size_t n = strlen(where);

		snprintf(where + n, sizeof(where) - n, " (%s)", text);
	}
	int r = link_create(ls, via, &addr, &peer, where);

	if (r)
		attempt_failed(ls, where, strerror(-r), LOG_WARN);
}

static void on_retry(void *arg)
{
	attempt_now(arg);
}

void attempt_init(struct links *ls)
{
	ls->wait = (struct resolve_wait){.fn = on_resolved, .arg = ls};
	loop_timer_init(ls->loop, &ls->retry, on_retry, ls);
}
