/* metrics: counters, gauges and histograms, and their Prometheus text (exposition format 0.0.4). A metric is made
 * once at start-up or when its object (listener, stream, target) appears and goes with it; updates are relaxed
 * atomics, allowed from any thread. Creation, removal and text belong to the loop's thread. Names are
 * gex_TOOL_THING_UNIT, counters end in _total. */
#ifndef GEX_METRICS_H
#define GEX_METRICS_H

#include "base/base.h"

struct metrics;
struct metric;

int metrics_create(struct metrics **out) MUST_USE;
void metrics_destroy(struct metrics *m); /* and all metrics in it */

/* labels: `name="value",…` without braces, as metrics_label makes, or NULL. Same name, other labels: one family; help
 * is taken from the first. NULL without memory, or for a name that Prometheus would refuse; every function below
 * accepts NULL and does nothing. */
struct metric *metrics_counter(struct metrics *m, const char *name, const char *help,
			       const char *labels);
struct metric *metrics_gauge(struct metrics *m, const char *name, const char *help,
			     const char *labels);
/* A gauge whose value is asked for when the text is made. */
struct metric *metrics_gauge_fn(struct metrics *m, const char *name, const char *help,
				const char *labels, double (*fn)(void *arg), void *arg);
/* Like metrics_gauge_fn for a count that another object already keeps. */
struct metric *metrics_counter_fn(struct metrics *m, const char *name, const char *help,
				  const char *labels, double (*fn)(void *arg), void *arg);
/* bounds: upper bounds, ascending; copied. */
struct metric *metrics_histogram(struct metrics *m, const char *name, const char *help,
				 const char *labels, const double *bounds, size_t n);
void metrics_remove(struct metrics *m, struct metric *x);

void metric_add(struct metric *x, int64_t n);
void metric_set(struct metric *x, int64_t v);
void metric_observe(struct metric *x, double v);
int64_t metric_value(
    const struct metric *x); /* counter or gauge; histogram: number of observations */

/* Appends `name="value"` to the text in dst (comma when needed), value escaped. */
void metrics_label(char *dst, size_t cap, const char *name, const char *value);

/* The whole text, malloc'd, *len bytes; NULL without memory. */
char *metrics_text(const struct metrics *m, size_t *len);

#endif
