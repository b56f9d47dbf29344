#include <errno.h>
#include <stdio.h>

#include "listen.h"

static int parse_rate(void *base, const char *value, char *err, size_t cap)
{
	struct conf *c = base;

	return relay_parse_rate(&c->tunnel.rate_bps, value, err, cap);
}

/* A list, each time anew: the command line replaces what the file says. */
static int parse_endpoints(void *base, const char *value, char *err, size_t cap)
{
	struct conf *c = base;
	struct net_host host;
	char text[NET_HOST_MAX + 16];
	int r;

	c->endpoints.len = 0;
	while ((r = conf_list_next(&value, text, sizeof(text))) > 0) {
		if (net_host_parse(text, &host) || !host.port || !*host.host) {
			snprintf(err, cap, "endpoint = %s: not HOST:PORT", text);
			return -EINVAL;
		}
		if (vec_push(&c->endpoints, host))
			return -ENOMEM;
	}
	return r;
}

static int parse_listen(void *base, const char *value, char *err, size_t cap)
{
	struct listener_conf *l = base;
	struct net_addr addr;
	int r = net_spec_parse(value, &l->spec, err, cap);

	if (!r && net_host_addr(&l->spec.host, &addr)) {
		snprintf(err, cap,
			 "'%.80s': a listener needs an address by number, or none for all",
			 l->spec.host.host);
		r = -EINVAL;
	}
	l->has_spec = !r;
	return r;
}

static int parse_class(void *base, const char *value, char *err, size_t cap)
{
	struct listener_conf *l = base;

	return relay_parse_class(&l->class, value, err, cap);
}

static int parse_redundancy(void *base, const char *value, char *err, size_t cap)
{
	return relay_parse_redundancy(&((struct listener_conf *)base)->repair, value, err, cap);
}

static int parse_deadline(void *base, const char *value, char *err, size_t cap)
{
	return relay_parse_deadline(&((struct listener_conf *)base)->repair, value, err, cap);
}

static int set_carrier(struct path_conf *p, const char *value, char *err, size_t cap)
{
	static const char *const names[] = {"udp", "tls", "srt"};

	p->has_carrier = true;
	p->automatic = !strcmp(value, "auto");
	p->carrier = CARRIER_UDP;
	if (p->automatic)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (!strcmp(value, names[i])) {
			p->carrier = (enum carrier_kind)i;
			return 0;
		}
	snprintf(err, cap, "carrier = %.40s: not auto, udp, tls or srt", value);
	return -EINVAL;
}

static int parse_carrier(void *base, const char *value, char *err, size_t cap)
{
	return set_carrier(&((struct conf *)base)->path, value, err, cap);
}

static int parse_path_carrier(void *base, const char *value, char *err, size_t cap)
{
	return set_carrier(base, value, err, cap);
}

/* An address, or the name of a network device: which may come and go, so it is not looked for here. */
static int parse_local(void *base, const char *value, char *err, size_t cap)
{
	struct path_conf *p = base;
	size_t n = strlen(value);

	p->bind = (struct net_addr){0};
	memset(p->device, 0, sizeof(p->device));
	if (!net_addr_parse_ip(value, &p->bind))
		return 0;
	if (!n || n >= sizeof(p->device) || strpbrk(value, "/: \t")) {
		snprintf(err, cap, "local = %.40s: not an address by number or a network device",
			 value);
		return -EINVAL;
	}
	memcpy(p->device, value, n);
	return 0;
}

static int parse_path_endpoint(void *base, const char *value, char *err, size_t cap)
{
	struct path_conf *p = base;

	memset(&p->endpoint, 0, sizeof(p->endpoint));
	if (net_host_parse(value, &p->endpoint) || !p->endpoint.port || !*p->endpoint.host) {
		snprintf(err, cap, "endpoint = %.80s: not HOST:PORT", value);
		return -EINVAL;
	}
	p->has_endpoint = true;
	return 0;
}

#define ROOT(f) offsetof(struct conf, f)

static const struct conf_key keys[] = {
    RELAY_SETUP_KEYS(struct conf, tunnel, parse_rate),
    {"tunnel", "endpoint", CONF_FN, 0, NULL, 0, 0, 0, parse_endpoints},
    {"tunnel", "carrier", CONF_FN, 0, "auto", 0, 0, 0, parse_carrier},
    {"tunnel", "udp_after", CONF_DURATION, ROOT(udp_after_us), "2.5s", 100 * MS_US, 60 * SEC_US, 0,
     NULL},
    {"tunnel", "udp_retry", CONF_DURATION, ROOT(udp_retry_us), "30s", SEC_US, 3600 * SEC_US, 0,
     NULL},
    {"tunnel", "standby", CONF_BOOL, ROOT(standby), "yes", 0, 0, 0, NULL},
    {"tunnel", "retry", CONF_DURATION, ROOT(retry_us), "2s", 100 * MS_US, 600 * SEC_US, 0, NULL},
    {"tunnel", "wait", CONF_DURATION, ROOT(wait_us), "5s", 0, 60 * SEC_US, 0, NULL},
    {"tunnel", "max_waiting", CONF_INT, ROOT(max_waiting), "1000", 0, 100000, 0, NULL},
    {"path *", "local", CONF_FN, 0, NULL, 0, 0, CONF_RELOAD, parse_local},
    {"path *", "endpoint", CONF_FN, 0, NULL, 0, 0, CONF_RELOAD, parse_path_endpoint},
    {"path *", "carrier", CONF_FN, 0, NULL, 0, 0, CONF_RELOAD, parse_path_carrier},
    {"listener *", "listen", CONF_FN, 0, NULL, 0, 0, CONF_RELOAD, parse_listen},
    {"listener *", "service", CONF_STR, offsetof(struct listener_conf, service), NULL, 0, 0,
     CONF_RELOAD, NULL},
    {"listener *", "class", CONF_FN, 0, "auto", 0, 0, CONF_RELOAD, parse_class},
    {"listener *", "redundancy", CONF_FN, 0, "auto", 0, 0, CONF_RELOAD, parse_redundancy},
    {"listener *", "deadline", CONF_FN, 0, "auto", 0, 0, CONF_RELOAD, parse_deadline},
};

static void *find_section(void *root, const char *kind, const char *name, char *err, size_t cap);
static void *find_listener(void *root, const char *kind, const char *name, char *err, size_t cap);

static void *find_path(struct conf *c, const char *name, char *err, size_t cap)
{
	struct path_conf *p, fresh;

	vec_for (p, &c->paths)
		if (!strcmp(p->name, name))
			return p;
	memset(&fresh, 0, sizeof(fresh));
	if (!*name || strlen(name) >= sizeof(fresh.name)) {
		snprintf(err, cap, "a name has 1 to %zu bytes", sizeof(fresh.name) - 1);
		return NULL;
	}
	memcpy(fresh.name, name, strlen(name));
	if (c->paths.len == TUNNEL_PATHS) {
		snprintf(err, cap, "more than %d paths", TUNNEL_PATHS);
		return NULL;
	}
	return vec_push(&c->paths, fresh) ? NULL : &c->paths.at[c->paths.len - 1];
}

static void *find_section(void *root, const char *kind, const char *name, char *err, size_t cap)
{
	return !strcmp(kind, "path") ? find_path(root, name, err, cap)
				     : find_listener(root, kind, name, err, cap);
}

static const struct conf_table table = {keys, ARRAY_LEN(keys), find_section};

static void listener_free(struct listener_conf *l)
{
	if (!l)
		return;
	conf_finish(&table, "listener *", l);
	free(l->name);
	free(l);
}

static void *find_listener(void *root, const char *kind, const char *name, char *err, size_t cap)
{
	struct conf *c = root;
	struct listener_conf **at, *l;

	vec_for (at, &c->listeners)
		if (!strcmp((*at)->name, name))
			return *at;
	if (!*name || strlen(name) > TUNNEL_SERVICE_MAX) {
		snprintf(err, cap, "a name has 1 to %d bytes", TUNNEL_SERVICE_MAX);
		return NULL;
	}
	l = calloc(1, sizeof(*l));
	if (!l)
		return NULL;
	l->name = str_ndup(name, strlen(name));
	if (!l->name || conf_defaults(&table, "listener *", l) || vec_push(&c->listeners, l)) {
		listener_free(l);
		return NULL;
	}
	return l;
}

/* -l LISTENER=SERVICE: a listener named as the service; a second one for it as the whole text. */
static int flag_listen(void *root, const char *value, char *err, size_t cap)
{
	const char *eq = strrchr(value, '=');
	struct conf *c = root;
	struct listener_conf **at, *l;
	const char *name = eq ? eq + 1 : NULL;
	char spec[NET_SPEC_TEXT], text[NET_SPEC_TEXT];

	if (!eq || !*name || strlen(name) > TUNNEL_SERVICE_MAX ||
	    (size_t)(eq - value) >= sizeof(spec)) {
		snprintf(err, cap, "-l %.80s: not LISTENER=SERVICE, such as tcp::8080=web", value);
		return -EINVAL;
	}
	memcpy(spec, value, (size_t)(eq - value));
	spec[eq - value] = 0;
	vec_for (at, &c->listeners)
		if (!strcmp((*at)->name, eq + 1)) {
			snprintf(text, sizeof(text), "%.30s@%.32s", eq + 1, spec);
			name = text;
		}
	l = find_listener(root, "listener", name, err, cap);
	if (!l)
		return *err ? -EINVAL : -ENOMEM;
	if (conf_set_str(&l->service, eq + 1))
		return -ENOMEM;
	return parse_listen(l, spec, err, cap);
}

static int flag_key(void *root, const char *value, char *err, size_t cap)
{
	return conf_set_str(&((struct conf *)root)->tunnel.key_file, value);
}

static const struct conf_flag flags[] = {
    {'l', "listen", "LISTENER=SERVICE", "listen there for a service of the endpoint (repeatable)",
     flag_listen},
    {'e', "endpoint", "HOST:PORT[,...]",
     "where gex-endpoint is; several: the next when one is dead", parse_endpoints},
    {'k', "key", "KEYFILE", "the key shared with the endpoint", flag_key},
};

const struct conf_cli listen_cli = {
    .tool = "gex-listen",
    .synopsis =
	"gex-listen -l LISTENER=SERVICE ... -e HOST:PORT[,HOST:PORT...] -k KEYFILE | -c FILE",
    .summary = "Takes the connections of users and carries them through a tunnel to gex-endpoint.",
    .table = &table,
    .flags = flags,
    .nflags = ARRAY_LEN(flags),
};

int conf_check(const void *conf, char *err, size_t cap)
{
	const struct conf *c = conf;
	struct listener_conf **l;
	struct path_conf *p;
	struct net_addr at;

	*err = 0;
	if (!c->listeners.len)
		snprintf(err, cap,
			 "no listener: give -l LISTENER=SERVICE, or a [listener NAME] section");
	else if (!c->endpoints.len)
		snprintf(err, cap, "no endpoint: give -e HOST:PORT, or endpoint in [tunnel]");
	vec_for (p, &c->paths)
		if (!*err && p->bind.family && p->has_endpoint &&
		    !net_host_addr(&p->endpoint, &at) && at.family != p->bind.family)
			snprintf(err, cap, "[path %s]: local and endpoint are not of one family",
				 p->name);
	vec_for (l, &c->listeners) {
		if (!*err && !(*l)->has_spec)
			snprintf(err, cap, "[listener %s] has no listen", (*l)->name);
		if (!*err && (*l)->service && strlen((*l)->service) > TUNNEL_SERVICE_MAX)
			snprintf(err, cap,
				 "[listener %s]: the service's name is longer than %d bytes",
				 (*l)->name, TUNNEL_SERVICE_MAX);
	}
	return *err ? -EINVAL : 0;
}

void conf_settle(struct conf *c)
{
	struct path_conf *p;

	vec_for (p, &c->paths)
		if (!p->has_carrier) {
			p->automatic = c->path.automatic;
			p->carrier = c->path.carrier;
		}
}

void conf_free(struct conf *c)
{
	struct listener_conf **l;

	vec_for (l, &c->listeners)
		listener_free(*l);
	vec_free(&c->listeners);
	vec_free(&c->endpoints);
	vec_free(&c->paths);
	conf_finish(&table, NULL, c);
}
