#include "unit.h"

#include "metrics/metrics.h"

static double forty_two(void *arg)
{
	return 42.5;
}

static void text_is_prometheus(void **state)
{
	static const double bounds[] = {0.1, 1};
	char labels[128] = "";
	struct metrics *m;
	size_t len;

	assert_int_equal(metrics_create(&m), 0);
	metrics_label(labels, sizeof(labels), "listener", "a\"b\\c\n");
	struct metric *bytes = metrics_counter(m, "gex_t_bytes_total", "Bytes.", labels);
	struct metric *wait = metrics_histogram(m, "gex_t_wait_seconds", "Wait.", NULL, bounds, 2);
	metrics_gauge_fn(m, "gex_t_level", "Level.", NULL, forty_two, NULL);
	struct metric *other = metrics_counter(m, "gex_t_bytes_total", "Bytes.", "listener=\"x\"");
	assert_null(metrics_counter(m, "0bad", "", NULL));
	metric_add(bytes, 3);
	metric_add(bytes, 4);
	metric_set(NULL, 1);
	metric_observe(wait, 0.05);
	metric_observe(wait, 0.5);
	metric_observe(wait, 5);
	assert_int_equal(metric_value(wait), 3);
	char *text = metrics_text(m, &len);
	assert_string_equal(text, "# HELP gex_t_bytes_total Bytes.\n"
				  "# TYPE gex_t_bytes_total counter\n"
				  "gex_t_bytes_total{listener=\"a\\\"b\\\\c\\n\"} 7\n"
				  "gex_t_bytes_total{listener=\"x\"} 0\n"
				  "# HELP gex_t_wait_seconds Wait.\n"
				  "# TYPE gex_t_wait_seconds histogram\n"
				  "gex_t_wait_seconds_bucket{le=\"0.1\"} 1\n"
				  "gex_t_wait_seconds_bucket{le=\"1\"} 2\n"
				  "gex_t_wait_seconds_bucket{le=\"+Inf\"} 3\n"
				  "gex_t_wait_seconds_sum 5.550000\n"
				  "gex_t_wait_seconds_count 3\n"
				  "# HELP gex_t_level Level.\n"
				  "# TYPE gex_t_level gauge\n"
				  "gex_t_level 42.5\n");
	assert_int_equal(len, strlen(text));
	free(text);
	metrics_remove(m, other);
	text = metrics_text(m, &len);
	assert_null(strstr(text, "\"x\""));
	free(text);
	metrics_destroy(m);
}

static const struct CMUnitTest tests[] = {cmocka_unit_test(text_is_prometheus)};
RUN_TESTS(tests)
