#include <errno.h>
#include <stdio.h>

#include "endpoint.h"

static int parse_rate(void *base, const char *value, char *err, size_t cap)
{
	struct conf *c = base;

	return relay_parse_rate(&c->tunnel.rate_bps, value, err, cap);
}

/* A list, each time anew: the command line replaces what the file says. */
#define PARSE_ADDRS(name, key, member) \
	static int name(void *base, const char *value, char *err, size_t cap) \
	{ \
		struct conf *c = base; \
		struct net_addr addr; \
		char text[NET_ADDR_TEXT]; \
		int r; \
\
		c->member.len = 0; \
		while ((r = conf_list_next(&value, text, sizeof(text))) > 0) { \
			if (net_addr_parse(text, &addr)) { \
				snprintf(err, cap, \
					 key " = %s: not HOST:PORT with an address by number", \
					 text); \
				return -EINVAL; \
			} \
			if (vec_push(&c->member, addr)) \
				return -ENOMEM; \
		} \
		return r; \
	}
PARSE_ADDRS(parse_listen, "listen", listen)
PARSE_ADDRS(parse_listen_srt, "listen_srt", listen_srt)

static int parse_carriers(void *base, const char *value, char *err, size_t cap)
{
	struct conf *c = base;
	char text[32];
	int r;

	c->udp = c->tls = false;
	while ((r = conf_list_next(&value, text, sizeof(text))) > 0) {
		if (strcmp(text, "udp") && strcmp(text, "tls")) {
			snprintf(err, cap, "carriers = %s: not udp or tls", text);
			return -EINVAL;
		}
		c->udp = c->udp || !strcmp(text, "udp");
		c->tls = c->tls || !strcmp(text, "tls");
	}
	return r;
}

static int parse_backend(void *base, const char *value, char *err, size_t cap)
{
	struct service_conf *s = base;
	int r = net_spec_parse(value, &s->spec, err, cap);

	if (!r && !s->spec.host.port) {
		snprintf(err, cap, "'%.80s': a backend needs a port", value);
		r = -EINVAL;
	}
	s->has_spec = !r;
	return r;
}

static int parse_redundancy(void *base, const char *value, char *err, size_t cap)
{
	return relay_parse_redundancy(&((struct service_conf *)base)->repair, value, err, cap);
}

static int parse_deadline(void *base, const char *value, char *err, size_t cap)
{
	return relay_parse_deadline(&((struct service_conf *)base)->repair, value, err, cap);
}

#define ROOT(f) offsetof(struct conf, f)

static const struct conf_key keys[] = {
    RELAY_SETUP_KEYS(struct conf, tunnel, parse_rate),
    {"tunnel", "listen", CONF_FN, 0, NULL, 0, 0, 0, parse_listen},
    {"tunnel", "listen_srt", CONF_FN, 0, NULL, 0, 0, 0, parse_listen_srt},
    {"tunnel", "carriers", CONF_FN, 0, "udp, tls", 0, 0, 0, parse_carriers},
    {"tunnel", "max_tunnels", CONF_INT, ROOT(max_tunnels), "1000", 1, 100000, 0, NULL},
    {"tunnel", "connect", CONF_DURATION, ROOT(connect_us), "5s", 100 * MS_US, 120 * SEC_US, 0,
     NULL},
    {"tunnel", "resolve", CONF_DURATION, ROOT(resolve_us), "30s", SEC_US, 86400 * SEC_US, 0, NULL},
    {"service *", "backend", CONF_FN, 0, NULL, 0, 0, CONF_RELOAD, parse_backend},
    {"service *", "redundancy", CONF_FN, 0, "auto", 0, 0, CONF_RELOAD, parse_redundancy},
    {"service *", "deadline", CONF_FN, 0, "auto", 0, 0, CONF_RELOAD, parse_deadline},
};

static void *find_service(void *root, const char *kind, const char *name, char *err, size_t cap)
{
	struct conf *c = root;
	struct service_conf **at, *s;

	vec_for (at, &c->services)
		if (!strcmp((*at)->name, name))
			return *at;
	if (!*name || strlen(name) > TUNNEL_SERVICE_MAX) {
		snprintf(err, cap, "a name has 1 to %d bytes", TUNNEL_SERVICE_MAX);
		return NULL;
	}
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->name = str_ndup(name, strlen(name));
	if (!s->name || vec_push(&c->services, s)) {
		free(s->name);
		free(s);
		return NULL;
	}
	return s;
}

static const struct conf_table table = {keys, ARRAY_LEN(keys), find_service};

/* -b SERVICE=BACKEND */
static int flag_backend(void *root, const char *value, char *err, size_t cap)
{
	const char *eq = strchr(value, '=');
	char name[TUNNEL_SERVICE_MAX + 1];
	struct service_conf *s;

	if (!eq || eq == value || (size_t)(eq - value) >= sizeof(name)) {
		snprintf(err, cap, "-b %.80s: not SERVICE=BACKEND, such as web=tcp:127.0.0.1:80",
			 value);
		return -EINVAL;
	}
	memcpy(name, value, (size_t)(eq - value));
	name[eq - value] = 0;
	s = find_service(root, "service", name, err, cap);
	if (!s)
		return *err ? -EINVAL : -ENOMEM;
	return parse_backend(s, eq + 1, err, cap);
}

static int flag_key(void *root, const char *value, char *err, size_t cap)
{
	return conf_set_str(&((struct conf *)root)->tunnel.key_file, value);
}

static const struct conf_flag flags[] = {
    {'l', "listen", "HOST:PORT[,...]", "take tunnels there", parse_listen},
    {'b', "backend", "SERVICE=BACKEND", "connect this service to that backend (repeatable)",
     flag_backend},
    {'k', "key", "KEYFILE", "the keys that listeners may have", flag_key},
};

const struct conf_cli endpoint_cli = {
    .tool = "gex-endpoint",
    .synopsis = "gex-endpoint -l HOST:PORT[,...] -b SERVICE=BACKEND ... -k KEYFILE | -c FILE",
    .summary = "Takes tunnels from gex-listen and connects what comes through them to backends.",
    .table = &table,
    .flags = flags,
    .nflags = ARRAY_LEN(flags),
};

int conf_check(const void *conf, char *err, size_t cap)
{
	const struct conf *c = conf;
	struct service_conf **s;

	*err = 0;
	if (!c->listen.len && !c->listen_srt.len)
		snprintf(err, cap, "nowhere to listen: give -l HOST:PORT, or listen in [tunnel]");
	else if (c->listen.len && !c->udp && !c->tls)
		snprintf(err, cap, "carriers in [tunnel] names none");
	else if (!c->services.len)
		snprintf(err, cap,
			 "no service: give -b SERVICE=BACKEND, or a [service NAME] section");
	vec_for (s, &c->services)
		if (!*err && !(*s)->has_spec)
			snprintf(err, cap, "[service %s] has no backend", (*s)->name);
	return *err ? -EINVAL : 0;
}

void conf_free(struct conf *c)
{
	struct service_conf **s;

	vec_for (s, &c->services) {
		free((*s)->name);
		free(*s);
	}
	vec_free(&c->services);
	vec_free(&c->listen);
	vec_free(&c->listen_srt);
	conf_finish(&table, NULL, c);
}
