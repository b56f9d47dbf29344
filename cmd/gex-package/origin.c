#include "origin.h"

#include <errno.h>
#include <stdio.h>

#include "keys.h"
#include "log/log.h"
#include "os/os.h"

#define REAP_US (50 * MS_US)

/* ---- requests ---- */

static bool allows(struct origin *o, const struct http_request *r)
{
	char token[ACCESS_TOKEN_MAX];
	enum access_verdict v =
	    o->access ? access_check(o->access, r, os_utc_us() / SEC_US, token) : ACCESS_OK;

	o->refused_access[v]++;
	return v == ACCESS_OK;
}

struct package *origin_find(const struct origin *o, const char *name, size_t n)
{
	struct package *p, *found = NULL;

	list_for (p, &o->packages, link)
		if (strlen(p->conf->name) == n && !memcmp(p->conf->name, name, n))
			found = p;
	return found;
}

static void redirect(struct package *p, struct http_request *r)
{
	char to[PACKAGE_NAME_MAX + 16 + ACCESS_TOKEN_MAX], token[ACCESS_TOKEN_MAX];

	text_token(p, r, token);
	snprintf(to, sizeof(to), "/%s/%s%s", p->conf->name, *token ? "?token=" : "", token);
	http_reply(r, &(struct http_answer){.status = 302, .location = to, .cache = "no-cache"});
}

/* Of the root when there is one stream only, that. */
static struct package *named_by(const struct origin *o, const char *path, size_t n)
{
	if (!*path && o->packages.next != &o->packages && o->packages.next == o->packages.prev)
		return list_first(&o->packages, struct package, link);
	return origin_find(o, path, n);
}

/* page: it is asked for by a person, who is told in words. */
static void deny(struct origin *o, bool page, struct http_request *r)
{
	struct share_file *f = page ? share_find(&o->share, "denied.html") : NULL;
	struct http_answer a = {.status = 403, .cache = "no-store"};

	if (!f) {
		http_reply(r, &a);
		return;
	}
	a.type = f->type;
	http_reply_page(r, &a, &f->page);
}

static void on_request(void *arg, struct http_request *r)
{
	struct origin *o = arg;
	const char *path = r->path + 1;
	size_t n = strcspn(path, "/");
	struct package *p = named_by(o, path, n);

	r->account = p ? &p->account : NULL;

	if (p ? !package_allows(p, r) : !allows(o, r))
		deny(o, p && (!path[n] || !path[n + 1]), r);
	else if (p && !path[n])
		redirect(p, r);
	else if (p)
		serve(p, path + n + 1, r);
	else if (!*path || !strcmp(path, "streams.json"))
		index_send(o, r, *path);
	else
		http_reply(r, &(struct http_answer){.status = 404, .cache = "max-age=1"});
}

static size_t body_max(void *arg, const struct http_request *r)
{
	const char *path = r->path + 1;
	size_t n = strcspn(path, "/");
	const struct package *p = path[n] ? origin_find(arg, path, n) : NULL;

	return p ? keys_body_max(p, path + n + 1) : 0;
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

/* Of one stream its own address, of several that of their list. */
static void tell_place(const struct origin *o, const char *at)
{
	const char *slash = str_starts(at, "unix:") ? " /" : "/";

	if (o->conf->streams.len == 1)
		log_info(NULL, "serving %s%s%s/", at, slash, o->conf->streams.at[0]->name);
	else
		log_info(NULL, "serving %zu streams at %s%s", o->conf->streams.len, at, slash);
}

static int listen_http(struct origin *o, char *err)
{
	const struct origin_conf *c = o->conf;
	struct http_limits lim = limits_of(c);
	const char *list = c->listen, *at;
	char addr[256];
	int rc = http_server_create(&o->server, o->loop, &lim, on_request, o);

	if (!rc)
		http_server_bodies(o->server, body_max);
	if (!rc)
		rc = http_server_trust(o->server, c->trusted, c->forwarded, err);
	if (!rc && c->certificate)
		rc = http_server_certificate(o->server, c->certificate, c->key, err);
	while (!rc && conf_list_next(&list, addr, sizeof(addr)) > 0)
		rc = http_server_listen(o->server, addr, err);
	for (size_t i = 0; !rc && (at = http_server_listener(o->server, i)); i++)
		tell_place(o, at);
	if (!rc && http_server_unused(o->server) > 0)
		log_warn(NULL,
			 "%d sockets that were passed have the address of no 'listen': who "
			 "connects there waits in vain",
			 http_server_unused(o->server));
	return rc;
}

/* ---- inputs that are done with ---- */

static void on_reap(void *arg)
{
	struct origin *o = arg;

	for (size_t i = o->retired.len; i-- > 0;) {
		if (!stream_input_over(o->retired.at[i]))
			continue;
		stream_input_destroy(o->retired.at[i]);
		vec_remove(&o->retired, i);
	}
	if (o->retired.len)
		loop_timer_in(&o->reap, REAP_US);
}

void origin_retire(struct origin *o, struct stream_input *in)
{
	if (!in)
		return;
	stream_input_cancel(in);
	if (vec_push(&o->retired, in))
		stream_input_destroy(in);
	else
		loop_timer_in(&o->reap, REAP_US);
}

void origin_reap(struct origin *o)
{
	struct stream_input **at;

	vec_for (at, &o->retired)
		stream_input_destroy(*at);
	vec_free(&o->retired);
	loop_timer_stop(&o->reap);
}

/* ---- making and ending ---- */

static double read_count(void *arg)
{
	return (double)*(int64_t *)arg;
}

static double read_streams(void *arg)
{
	const struct origin *o = arg;
	struct package *p;
	int n = 0;

	list_for (p, &o->packages, link)
		n += !p->leaving;
	return n;
}

static void export_origin(struct origin *o)
{
	metrics_gauge_fn(o->metrics, "gex_package_streams", "Streams of the configuration.", NULL,
			 read_streams, o);
	for (int i = ACCESS_ADDRESS; i < ACCESS_VERDICTS; i++) {
		char labels[64] = "";

		metrics_label(labels, sizeof(labels), "reason", access_names[i]);
		metrics_counter_fn(o->metrics, "gex_package_access_refused_total",
				   "Requests answered by 403, by reason.", labels, read_count,
				   &o->refused_access[i]);
	}
	http_server_metrics(o->server, o->metrics, "gex_package");
}

void origin_add(struct origin *o, struct package *p)
{
	list_append(&o->packages, &p->link);
	export_package(p);
}

static int make_package(struct origin *o, struct package_conf **conf, char *err)
{
	struct access *access;
	struct package *p = NULL;
	int rc = package_access(*conf, &access, err);

	if (!rc)
		rc = package_create(&p, *conf, access, o, err);
	if (rc) {
		access_destroy(access);
		return rc;
	}
	*conf = NULL;
	origin_add(o, p);
	return 0;
}

int origin_create(struct origin **out, struct origin_conf *conf, struct loop *l, struct metrics *m,
		  void (*ended)(void *arg, int status), void *arg, char *err)
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
	loop_timer_init(l, &o->reap, on_reap, o);
	rc = package_access(&conf->package, &o->access, err);
	if (!rc)
		rc = listen_http(o, err);
	for (size_t i = 0; !rc && i < conf->streams.len; i++)
		rc = make_package(o, &conf->streams.at[i], err);
	if (rc)
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
	struct package *other;
	int worst = 0;

	if (p->leaving) {
		log_info(p->conf->name, "has left");
		package_destroy(p);
		return;
	}
	package_stop(p, status);
	list_for (other, &o->packages, link) {
		if (!other->over)
			return;
		worst = worst ? worst : other->status;
	}
	o->ended(o->ended_arg, worst);
}

void origin_destroy(struct origin *o)
{
	struct package *p, *next;

	if (!o)
		return;
	list_for (p, &o->packages, link) /* all at once, before each is waited for */
		stream_input_cancel(p->input);
	list_for_safe (p, next, &o->packages, link)
		package_destroy(p);
	origin_reap(o);
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

void origin_set_limits(struct origin *o, const struct origin_conf *c)
{
	struct http_limits lim = limits_of(c);

	http_server_set_limits(o->server, &lim);
}

static void describe(const struct origin *o, char *out, size_t cap)
{
	struct package *p;
	int n = 0, live = 0;

	list_for (p, &o->packages, link) {
		package_status(p, out, cap);
		live += !strcmp(package_state(p), "live");
		n++;
	}
	if (n != 1)
		snprintf(out, cap, "%d of %d streams live", live, n);
}

void origin_status(struct origin *o, char *line, size_t cap)
{
	char state[48];
	int64_t sent = http_server_sent(o->server), now = loop_now_us(o->loop);
	double rate =
	    o->status_us ? (double)(sent - o->status_sent) * 8 / ((double)(now - o->status_us)) : 0;
	struct package *p;
	int viewers = 0, held = 0;

	describe(o, state, sizeof(state));
	list_for (p, &o->packages, link) {
		viewers += viewers_count(&p->viewers, now);
		held += p->held;
	}
	snprintf(line, cap, "%s | %d viewers, %d held, %.1f Mbit/s out", state, viewers, held,
		 rate);
	o->status_us = now;
	o->status_sent = sent;
}
