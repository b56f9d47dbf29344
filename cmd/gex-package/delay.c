/* How late things are, as histograms for Prometheus and, of the newest ones, as latency.json. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cmaf/picture.h"
#include "dvr.h"
#include "os/os.h"
#include "package.h"

static const double bounds[] = {0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5,
				0.75, 1,    1.5,  2,   3,    5,	  10};

void delay_add(struct delay *d, int64_t us)
{
	d->us[d->n++ % DELAY_KEPT] = (int32_t)CLAMP(us, INT32_MIN, INT32_MAX);
	metric_observe(d->histogram, (double)us / 1e6);
}

struct metric *delay_export(struct delay *d, struct metrics *m, const char *name, const char *help,
			    const char *labels)
{
	*d = (struct delay){
	    .histogram = metrics_histogram(m, name, help, labels, bounds, ARRAY_LEN(bounds))};
	return d->histogram;
}

static int by_size(const void *a, const void *b)
{
	int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;

	return (x > y) - (x < y);
}

/* "name": {...} of what is kept, in seconds; null when there is nothing. */
static void put_delay(const char *name, const struct delay *d, FILE *f)
{
	int32_t us[DELAY_KEPT];
	size_t n = MIN(d->n, DELAY_KEPT);

	fprintf(f, "\"%s\": ", name);
	if (!n) {
		fputs("null", f);
		return;
	}
	memcpy(us, d->us, n * sizeof(us[0]));
	qsort(us, n, sizeof(us[0]), by_size);
	fprintf(f, "{\"p50\": %.3f, \"p95\": %.3f, \"max\": %.3f, \"of\": %zu}", us[n / 2] / 1e6,
		us[n * 95 / 100] / 1e6, us[n - 1] / 1e6, n);
}

static void put_renditions(struct package *p, int64_t now, FILE *f)
{
	for (int i = 0; p->cmaf && i < p->cmaf->n; i++) {
		const struct rendition *r = &p->rendition[i];
		const struct cmaf_track *t = p->cmaf->track[i];

		/* Names of renditions are letters, digits and what needs no escape. */
		fprintf(f, "%s\n    {\"name\": \"%s\", \"viewers\": %d,\n     ", i ? "," : "",
			t->name, viewers_of(&p->viewers, t, now));
		put_delay("source", &r->source, f);
		fputs(",\n     ", f);
		put_delay("part", &r->part, f);
		fputs(",\n     ", f);
		put_delay("sent", &r->sent, f);
		fputc('}', f);
	}
}

/* How far one can seek back, and by which pictures. */
static void put_past(struct package *p, FILE *f)
{
	const struct pictures *k = p->cmaf ? p->cmaf->pictures : NULL;
	int64_t from, to;

	fputs("  \"dvr\": ", f);
	if (p->dvr && archive_span(&p->dvr->archive, &from, &to))
		fprintf(f, "{\"from\": %.3f, \"to\": %.3f}",
			(double)MAX(from, os_utc_us() - p->dvr->window_us) / 1e6, (double)to / 1e6);
	else
		fputs("null", f);
	fputs(",\n  \"thumbnails\": ", f);
	if (k && pictures_last(k))
		fprintf(f, "{\"every\": %.3f, \"width\": %d, \"height\": %d}",
			(double)k->every_us / 1e6, k->width, k->height);
	else
		fputs("null", f);
	fputs(",\n", f);
}

static void put_all(struct package *p, int64_t now, FILE *f)
{
	fprintf(
	    f,
	    "{\n  \"name\": \"%s\",\n  \"state\": \"%s\",\n  \"time\": %.3f,\n  \"utc\": %s,\n  "
	    "\"viewers\": %d,\n  \"held\": %d,\n  \"part_target\": %.3f,\n",
	    p->conf->name, package_state(p), (double)os_utc_us() / 1e6,
	    p->info && p->info->utc ? "true" : "false", viewers_count(&p->viewers, now), p->held,
	    p->cmaf ? (double)p->cmaf->part_target_us / 1e6 : 0.0);
	put_past(p, f);
	fprintf(f, "  \"sent_bytes\": %lld,\n  \"refused\": %lld,\n  \"failed\": %lld,\n",
		(long long)p->account.bytes, (long long)p->account.answers[4],
		(long long)p->account.answers[5]);
	fputs("  \"hold\": {", f);
	put_delay("playlist", &p->hold[HOLD_PLAYLIST], f);
	fputs(",\n    ", f);
	put_delay("part", &p->hold[HOLD_PART], f);
	fputs(",\n    ", f);
	put_delay("segment", &p->hold[HOLD_SEGMENT], f);
	fputs("},\n  \"renditions\": [", f);
	put_renditions(p, now, f);
	fputs("]\n}\n", f);
}

static struct buf *render(struct package *p, int64_t now)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	if (!f)
		return NULL;
	put_all(p, now, f);
	return buf_close(f, &text, &n);
}

void delay_send(struct package *p, struct http_request *r)
{
	int64_t now = loop_now_us(p->loop);

	if (!p->delays.body[HTTP_IDENTITY] || now - p->delays_us >= SEC_US) {
		struct buf *b = render(p, now);

		if (!b) {
			http_reply_status(r, 503);
			return;
		}
		http_page_set(&p->delays, b);
		buf_unref(b);
		p->delays_us = now;
	}
	http_reply_page(
	    r,
	    &(struct http_answer){.status = 200, .type = "application/json", .cache = "max-age=1"},
	    &p->delays);
}
