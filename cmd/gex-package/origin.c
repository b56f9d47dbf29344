#include "origin.h"

#include <errno.h>
#include <stdio.h>

#include "keys.h"
#include "log/log.h"
#include "os/os.h"

/* ---- requests ---- */

static bool may_have(struct origin *o, const struct http_request *r)
{
	char token[ACCESS_TOKEN_MAX];
	enum access_verdict v =
	    o->access ? access_check(o->access, r, os_utc_us() / SEC_US, token) : ACCESS_OK;

	o->refused_access[v]++;
	return v == ACCESS_OK;
}

/* The stream whose name begins the path; *rest: what follows it, from its slash on. */
static struct package *find(const struct origin *o, const char *path, const char **rest)
{
	size_t n = strcspn(path, "/");
	struct package *p;

	*rest = path + n;
	list_for (p, &o->packages, link)
		if (strlen(p->conf->name) == n && !memcmp(p->conf->name, path, n))
			return p;
	return NULL;
}

static void redirect(struct package *p, struct http_request *r)
{
	char to[128 + ACCESS_TOKEN_MAX], token[ACCESS_TOKEN_MAX];

	text_token(p, r, token);
	snprintf(to, sizeof(to), "/%s/%s%s", p->conf->name, *token ? "?token=" : "", token);
	http_reply(r, &(struct http_answer){.status = 302, .location = to, .cache = "no-cache"});
}

static void on_request(void *arg, struct http_request *r)
{
	struct origin *o = arg;
	const char *path = r->path + 1, *rest;
	struct package *p = find(o, path, &rest);

	if (!*path)
		p = list_first(&o->packages, struct package, link);
	if (!may_have(o, r))
		http_reply(r, &(struct http_answer){.status = 403, .cache = "no-store"});
	else if (p && !*rest)
		redirect(p, r);
	else if (p)
		serve(p, rest + 1, r);
	else
		http_reply(r, &(struct http_answer){.status = 404, .cache = "max-age=1"});
}

/* ---- listening ---- */

static struct http_limits limits_of(const struct origin_conf *c)
{
	struct http_limits lim = HTTP_LIMITS;

	lim.conns = (int)c->max_connections;
	lim.conns_per_addr = (int)c->max_per_address;
	lim.streams = (int)c->max_streams;
	lim.requests = (int)c->max_requests;
	lim.head_us = c->head_us;
	lim.idle_us = c->idle_us;
	lim.stall_us = c->stall_us;
	return lim;
}

static int listen_http(struct origin *o, char *err)
{
	const struct origin_conf *c = o->conf;
	struct http_limits lim = limits_of(c);
	const char *list = c->listen, *at;
	char addr[256];
	int rc = http_server_create(&o->server, o->loop, &lim, on_request, o);

	if (!rc)
		rc = http_server_trust(o->server, c->trusted, c->forwarded, err);
	if (!rc && c->certificate)
		rc = http_server_certificate(o->server, c->certificate, c->key, err);
	while (!rc && conf_list_next(&list, addr, sizeof(addr)) > 0)
		rc = http_server_listen(o->server, addr, err);
	for (size_t i = 0; !rc && (at = http_server_listener(o->server, i)); i++)
		log_info(NULL, "serving %s%s%s/", at, str_starts(at, "unix:") ? " /" : "/",
			 c->package.name);
	return rc;
}

/* ---- making and ending ---- */

static double read_count(void *arg)
{
	return (double)*(int64_t *)arg;
}

static void export_origin(struct origin *o)
{
	for (int i = ACCESS_ADDRESS; i < ACCESS_VERDICTS; i++) {
		char labels[64] = "";

		metrics_label(labels, sizeof(labels), "reason", access_names[i]);
		metrics_counter_fn(o->metrics, "gex_package_access_refused_total",
				   "Requests answered by 403, by reason.", labels, read_count,
				   &o->refused_access[i]);
	}
	http_server_metrics(o->server, o->metrics, "gex_package");
}

static int add_package(struct origin *o, const struct package_conf *c, char *err)
{
	struct package *p;
	int rc = package_create(&p, c, o, err);

	if (!rc)
		list_append(&o->packages, &p->link);
	return rc;
}

int origin_create(struct origin **out, const struct origin_conf *conf, struct loop *l,
		  struct metrics *m, void (*ended)(void *arg, int status), void *arg, char *err)
{
	struct origin *o = calloc(1, sizeof(*o));
	int rc;

	*out = NULL;
	if (!o)
		return -ENOMEM;
	o->conf = conf;
	o->loop = l;
	o->metrics = m;
	o->ended = ended;
	o->ended_arg = arg;
	list_init(&o->packages);
	if ((rc = origin_access(conf, &o->access, err)) || (rc = listen_http(o, err)) ||
	    (rc = add_package(o, &conf->package, err)))
		goto fail;
	share_load(&o->share, conf->share);
	export_origin(o);
	*out = o;
	return 0;
fail:
	origin_destroy(o);
	return rc;
}

#define WRITE_BYTES ((size_t)64 << 20) /* what may wait for a slow disk */
#define WRITE_JOBS 4096
#define READ_THREADS 4
#define READ_JOBS 1024

int origin_disks(struct origin *o, struct disk **write, struct disk **read)
{
	int rc = 0;

	if (!o->write)
		rc = disk_create(&o->write, o->loop, "dvr-write", 1, WRITE_BYTES, WRITE_JOBS);
	if (!rc && !o->read)
		rc = disk_create(&o->read, o->loop, "dvr-read", READ_THREADS, SIZE_MAX / 2,
				 READ_JOBS);
	*write = o->write;
	*read = o->read;
	return rc;
}

void origin_ended(struct origin *o, struct package *p, int status)
{
	o->ended(o->ended_arg, status);
}

void origin_destroy(struct origin *o)
{
	struct package *p, *next;

	if (!o)
		return;
	list_for_safe (p, next, &o->packages, link)
		package_destroy(p);
	http_server_destroy(o->server);
	/* What is on its way to disk gets there. */
	disk_destroy(o->write, true);
	disk_destroy(o->read, false);
	share_finish(&o->share);
	access_destroy(o->access);
	free(o);
}

void origin_drain(struct origin *o)
{
	struct package *p;

	list_for (p, &o->packages, link)
		package_drain(p);
	http_server_drain(o->server);
}

/* ---- while it runs ---- */

static void swap(char **a, char **b)
{
	char *t = *a;

	*a = *b;
	*b = t;
}

int origin_reload(struct origin *o, struct origin_conf *conf, struct origin_conf *fresh, char *err)
{
	struct access *access = NULL;
	struct package *p;
	int rc = origin_access(fresh, &access, err);

	list_for (p, &o->packages, link)
		rc = rc ? rc : keys_reload(p->keys, err);
	if (!rc && fresh->certificate)
		rc = http_server_certificate(o->server, fresh->certificate, fresh->key, err);
	if (!rc)
		rc = http_server_trust(o->server, fresh->trusted, fresh->forwarded, err);
	if (rc) {
		access_destroy(access);
		return rc;
	}
	access_destroy(o->access);
	o->access = access;
	swap(&conf->access_keys, &fresh->access_keys);
	swap(&conf->allow, &fresh->allow);
	swap(&conf->deny, &fresh->deny);
	struct http_limits lim = limits_of(fresh);
	http_server_set_limits(o->server, &lim);
	swap(&conf->trusted, &fresh->trusted);
	swap(&conf->forwarded, &fresh->forwarded);
	swap(&conf->certificate, &fresh->certificate);
	swap(&conf->key, &fresh->key);
	return 0;
}

void origin_status(struct origin *o, char *line, size_t cap)
{
	char state[48] = "no stream";
	int64_t sent = http_server_sent(o->server), now = loop_now_us(o->loop);
	double rate =
	    o->status_us ? (double)(sent - o->status_sent) * 8 / ((double)(now - o->status_us)) : 0;
	struct package *p;
	int viewers = 0, held = 0;

	list_for (p, &o->packages, link) {
		package_state(p, state, sizeof(state));
		viewers += viewers_count(&p->viewers, now);
		held += p->held;
	}
	snprintf(line, cap, "%s | %d viewers, %d held, %.1f Mbit/s out", state, viewers, held,
		 rate);
	o->status_us = now;
	o->status_sent = sent;
}
