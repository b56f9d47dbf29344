#include "metrics/metrics.h"

#include <errno.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>

enum kind { COUNTER, GAUGE, HISTOGRAM };

struct metric {
	struct list link;
	char *name, *help, *labels;
	enum kind kind;
	_Atomic int64_t value; /* histogram: number of observations */
	double (*fn)(void *arg);
	void *arg;
	/* histogram */
	double *bounds;
	_Atomic int64_t
	    *buckets; /* n, not cumulative; those above the last bound are value - sum */
	size_t n;
	_Atomic int64_t sum_micro; /* sum of observations * 1e6: no atomic double in C11 */
};

struct metrics {
	struct list all;
};

int metrics_create(struct metrics **out)
{
	struct metrics *m = malloc(sizeof(*m));

	if (!m)
		return -ENOMEM;
	list_init(&m->all);
	*out = m;
	return 0;
}

static void metric_free(struct metric *x)
{
	list_remove(&x->link);
	free(x->name);
	free(x->help);
	free(x->labels);
	free(x->bounds);
	free(x->buckets);
	free(x);
}

void metrics_destroy(struct metrics *m)
{
	struct metric *x, *tmp;

	if (!m)
		return;
	list_for_safe (x, tmp, &m->all, link)
		metric_free(x);
	free(m);
}

static bool good_name(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_:");

	return n && !s[n] && !(*s >= '0' && *s <= '9');
}

/* One family stays together in the text, in the order of first appearance. */
static struct list *place_for(struct metrics *m, const char *name)
{
	struct metric *x;
	struct list *after = m->all.prev;

	list_for (x, &m->all, link)
		if (!strcmp(x->name, name))
			after = &x->link;
	return after;
}

static struct metric *add(struct metrics *m, enum kind kind, const char *name, const char *help,
			  const char *labels)
{
	struct metric *x = good_name(name) ? calloc(1, sizeof(*x)) : NULL;

	if (!x)
		return NULL;
	list_init(&x->link);
	x->kind = kind;
	x->name = str_ndup(name, strlen(name));
	x->help = str_ndup(help, strlen(help));
	x->labels = labels && *labels ? str_ndup(labels, strlen(labels)) : NULL;
	if (!x->name || !x->help || (labels && *labels && !x->labels)) {
		metric_free(x);
		return NULL;
	}
	list_insert(place_for(m, name), &x->link);
	return x;
}

struct metric *metrics_counter(struct metrics *m, const char *name, const char *help,
			       const char *labels)
{
	return add(m, COUNTER, name, help, labels);
}

struct metric *metrics_gauge(struct metrics *m, const char *name, const char *help,
			     const char *labels)
{
	return add(m, GAUGE, name, help, labels);
}

static struct metric *add_fn(struct metrics *m, enum kind kind, const char *name, const char *help,
			     const char *labels, double (*fn)(void *), void *arg)
{
	struct metric *x = add(m, kind, name, help, labels);

	if (x) {
		x->fn = fn;
		x->arg = arg;
	}
	return x;
}

struct metric *metrics_gauge_fn(struct metrics *m, const char *name, const char *help,
				const char *labels, double (*fn)(void *), void *arg)
{
	return add_fn(m, GAUGE, name, help, labels, fn, arg);
}

struct metric *metrics_counter_fn(struct metrics *m, const char *name, const char *help,
				  const char *labels, double (*fn)(void *), void *arg)
{
	return add_fn(m, COUNTER, name, help, labels, fn, arg);
}

struct metric *metrics_histogram(struct metrics *m, const char *name, const char *help,
				 const char *labels, const double *bounds, size_t n)
{
	struct metric *x = add(m, HISTOGRAM, name, help, labels);

	if (!x)
		return NULL;
	x->bounds = malloc(n * sizeof(*bounds));
	x->buckets = calloc(n, sizeof(*x->buckets));
	if (!x->bounds || !x->buckets) {
		metric_free(x);
		return NULL;
	}
	memcpy(x->bounds, bounds, n * sizeof(*bounds));
	x->n = n;
	return x;
}

void metrics_remove(struct metrics *m, struct metric *x)
{
	if (x)
		metric_free(x);
}

void metric_add(struct metric *x, int64_t n)
{
	if (x)
		atomic_fetch_add_explicit(&x->value, n, memory_order_relaxed);
}

void metric_set(struct metric *x, int64_t v)
{
	if (x)
		atomic_store_explicit(&x->value, v, memory_order_relaxed);
}

int64_t metric_value(const struct metric *x)
{
	return x ? atomic_load_explicit(&x->value, memory_order_relaxed) : 0;
}

void metric_observe(struct metric *x, double v)
{
	if (!x || !isfinite(v))
		return;
	for (size_t i = 0; i < x->n; i++) {
		if (v <= x->bounds[i]) {
			atomic_fetch_add_explicit(&x->buckets[i], 1, memory_order_relaxed);
			break;
		}
	}
	atomic_fetch_add_explicit(&x->sum_micro, llround(v * 1e6), memory_order_relaxed);
	atomic_fetch_add_explicit(&x->value, 1, memory_order_relaxed);
}

/* Escapes as the exposition format asks: backslash, quote, newline. */
void metrics_label(char *dst, size_t cap, const char *name, const char *value)
{
	size_t n = strlen(dst);
	int w = snprintf(dst + n, cap - n, "%s%s=\"", n ? "," : "", name);

	n = MIN(n + (size_t)MAX(w, 0), cap - 1);
	for (; *value && n + 4 < cap; value++) {
		if (*value == '\\' || *value == '"' || *value == '\n')
			dst[n++] = '\\';
		dst[n++] = *value == '\n' ? 'n' : *value;
	}
	if (n + 1 < cap) {
		dst[n++] = '"';
		dst[n] = 0;
	}
}

static void put_number(FILE *f, double v)
{
	if (isnan(v))
		fputs("NaN\n", f); /* not known */
	else if (v == floor(v) && fabs(v) < 1e15)
		fprintf(f, "%.0f\n", v);
	else
		fprintf(f, "%.9g\n", v);
}

static void put_histogram(FILE *f, const struct metric *x)
{
	const char *l = x->labels ? x->labels : "", *sep = x->labels ? "," : "";
	const char *open = x->labels ? "{" : "", *close = x->labels ? "}" : "";
	int64_t sum = 0, total = atomic_load(&x->value);

	for (size_t i = 0; i < x->n; i++) {
		sum += atomic_load(&x->buckets[i]);
		fprintf(f, "%s_bucket{%s%sle=\"%g\"} %lld\n", x->name, l, sep, x->bounds[i],
			(long long)sum);
	}
	total = MAX(total, sum); /* an observation may be half way through */
	fprintf(f, "%s_bucket{%s%sle=\"+Inf\"} %lld\n", x->name, l, sep, (long long)total);
	fprintf(f, "%s_sum%s%s%s %.6f\n", x->name, open, l, close,
		(double)atomic_load(&x->sum_micro) / 1e6);
	fprintf(f, "%s_count%s%s%s %lld\n", x->name, open, l, close, (long long)total);
}

static void put_metric(FILE *f, const struct metric *x)
{
	if (x->kind == HISTOGRAM) {
		put_histogram(f, x);
		return;
	}
	fprintf(f, "%s%s%s%s ", x->name, x->labels ? "{" : "", x->labels ? x->labels : "",
		x->labels ? "}" : "");
	put_number(f, x->fn ? x->fn(x->arg) : (double)metric_value(x));
}

char *metrics_text(const struct metrics *m, size_t *len)
{
	static const char *const types[] = {"counter", "gauge", "histogram"};
	const struct metric *x, *last = NULL;
	char *text = NULL;
	FILE *f = open_memstream(&text, len);

	if (!f)
		return NULL;
	list_for (x, &m->all, link) {
		if (!last || strcmp(last->name, x->name))
			fprintf(f, "# HELP %s %s\n# TYPE %s %s\n", x->name, x->help, x->name,
				types[x->kind]);
		put_metric(f, x);
		last = x;
	}
	if (fclose(f)) {
		free(text);
		return NULL;
	}
	return text;
}
