/* What a server tells about itself, and the server that tells it. */
#include "http/server.h"

#include <errno.h>
#include <stdio.h>

#include "log/log.h"

static double read_count(void *arg)
{
	return (double)*(int64_t *)arg;
}

static double read_conns(void *arg)
{
	return http_server_conns(arg);
}

static void keep(struct http_server *s, struct metric *x)
{
	if (x && vec_push(&s->exported, x))
		metrics_remove(s->metrics, x);
}

static void export_count(struct http_server *s, const char *name, const char *help,
			 const char *label, const char *value, int64_t *count)
{
	char labels[64] = "";

	if (label)
		metrics_label(labels, sizeof(labels), label, value);
	keep(s,
	     metrics_counter_fn(s->metrics, name, help, label ? labels : NULL, read_count, count));
}

void http_server_metrics(struct http_server *s, struct metrics *m, const char *prefix)
{
	static const int statuses[] = {200, 204, 206, 301, 302, 304, 400, 404, 405,
				       408, 413, 414, 416, 431, 500, 501, 503, 505};
	static const char *const reasons[REFUSED_KINDS] = {
	    "connections", "address", "request", "timeout", "slow", "tls", "flood"};
	char name[128], value[16];

	s->metrics = m;
	snprintf(name, sizeof(name), "%s_http_responses_total", prefix);
	for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
		snprintf(value, sizeof(value), "%d", statuses[i]);
		export_count(s, name, "Responses by status.", "status", value,
			     &s->answered[statuses[i]]);
	}
	snprintf(name, sizeof(name), "%s_http_refused_total", prefix);
	for (size_t i = 0; i < REFUSED_KINDS; i++)
		export_count(s, name, "Connections and requests refused or cut, by reason.",
			     "reason", reasons[i], &s->refused[i]);
	snprintf(name, sizeof(name), "%s_http_sent_bytes_total", prefix);
	export_count(s, name, "Bytes sent to clients.", NULL, NULL, &s->sent);
	snprintf(name, sizeof(name), "%s_http_connections", prefix);
	keep(s, metrics_gauge_fn(m, name, "Open connections.", NULL, read_conns, s));
}

static void serve(void *arg, struct http_request *r)
{
	struct metrics *m = arg;
	size_t n = 0;

	if (strcmp(r->path, "/metrics")) {
		http_reply_status(r, 404);
		return;
	}
	char *text = metrics_text(m, &n);
	struct buf *b = text ? buf_copy(text, n) : NULL;
	free(text);
	if (!b) {
		http_reply_status(r, 503);
		return;
	}
	struct slice s = {b, 0, n};
	http_reply(r, &(struct http_answer){.status = 200,
					    .type = "text/plain; version=0.0.4; charset=utf-8",
					    .cache = "no-store",
					    .body = &s,
					    .n = 1});
	buf_unref(b);
}

int http_serve_metrics(struct http_server **out, struct loop *l, struct metrics *m,
		       const char *addr, char *err)
{
	struct http_limits lim = HTTP_LIMITS;

	lim.conns = 64;
	lim.conns_per_addr = 32;
	int rc = http_server_create(out, l, &lim, serve, m);
	if (!rc)
		rc = http_server_listen(*out, addr, err);
	if (rc) {
		http_server_destroy(*out);
		*out = NULL;
		return rc;
	}
	log_info("metrics", "%s/metrics", http_server_listener(*out, 0));
	return 0;
}
