/* Metrics of the past. */
#include "dvr.h"

static double read_count(void *arg)
{
	return (double)*(int64_t *)arg;
}

static double read_bytes(void *arg)
{
	return (double)((struct dvr *)arg)->archive.bytes;
}

static double read_depth(void *arg)
{
	int64_t from, to;

	return archive_span(&((struct dvr *)arg)->archive, &from, &to) ? (double)(to - from) / 1e6
								       : 0;
}

void dvr_export(struct dvr *d)
{
	static const char *why[DVR_LOSSES] = {"disk", "queue"};
	struct metrics *m = d->metrics;
	int n = 0;
	char labels[160] = "";

	metrics_label(labels, sizeof(labels), "stream", d->name);
	d->m[n++] =
	    metrics_gauge_fn(m, "gex_package_dvr_bytes", "Media on disk.", labels, read_bytes, d);
	d->m[n++] = metrics_gauge_fn(m, "gex_package_dvr_seconds", "How far back the disk goes.",
				     labels, read_depth, d);
	d->m[n++] = metrics_counter_fn(m, "gex_package_dvr_segments_total",
				       "Segments written to disk.", labels, read_count, &d->kept);
	d->m[n++] = metrics_counter_fn(m, "gex_package_dvr_reads_total", "Segments read from disk.",
				       labels, read_count, &d->reads);
	d->m[n++] = metrics_counter_fn(m, "gex_package_dvr_clips_total", "Clips begun.", labels,
				       read_count, &d->clips_made);
	for (int i = 0; i < DVR_LOSSES; i++) {
		char both[200];

		str_copy(both, sizeof(both), labels);
		metrics_label(both, sizeof(both), "reason", why[i]);
		d->m[n++] = metrics_counter_fn(m, "gex_package_dvr_lost_segments_total",
					       "Segments that are not on disk.", both, read_count,
					       &d->lost[i]);
	}
}
