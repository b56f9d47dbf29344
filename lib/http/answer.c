#include "http/answer.h"

#include <stdio.h>
#include <time.h>

const char *answer_reason(int status)
{
	static const struct {
		int status;
		const char *text;
	} known[] = {{200, "OK"},
		     {204, "No Content"},
		     {206, "Partial Content"},
		     {301, "Moved Permanently"},
		     {302, "Found"},
		     {304, "Not Modified"},
		     {400, "Bad Request"},
		     {403, "Forbidden"},
		     {404, "Not Found"},
		     {405, "Method Not Allowed"},
		     {408, "Request Timeout"},
		     {411, "Length Required"},
		     {412, "Precondition Failed"},
		     {413, "Content Too Large"},
		     {414, "URI Too Long"},
		     {416, "Range Not Satisfiable"},
		     {421, "Misdirected Request"},
		     {431, "Request Header Fields Too Large"},
		     {500, "Internal Server Error"},
		     {501, "Not Implemented"},
		     {503, "Service Unavailable"},
		     {505, "HTTP Version Not Supported"}};

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (known[i].status == status)
			return known[i].text;
	return "Unknown";
}

void answer_date(int64_t utc_s, char out[40])
{
	time_t t = (time_t)utc_s;
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(out, 40, "%a, %d %b %Y %H:%M:%S GMT", &tm);
}

static const char *date_now(void)
{
	static time_t at;
	static char text[40];
	time_t t = time(NULL);

	if (t != at)
		answer_date(at = t, text);
	return text;
}

static void add(struct answer *ans, const char *name, const char *value)
{
	if (!value || ans->n == ANSWER_FIELDS)
		return;
	ans->field[ans->n].name = name;
	ans->field[ans->n++].value = value;
}

void answer_fill(struct answer *ans, const struct http_answer *a, int64_t length, const char *range)
{
	ans->n = 0;
	add(ans, "Date", date_now());
	add(ans, "Content-Type", a->type);
	add(ans, "Cache-Control", a->cache);
	add(ans, "ETag", a->etag);
	if (a->modified_s) {
		answer_date(a->modified_s, ans->modified);
		add(ans, "Last-Modified", ans->modified);
	}
	add(ans, "Location", a->location);
	add(ans, "Set-Cookie", a->cookie);
	add(ans, "Content-Encoding", a->encoding);
	add(ans, "Vary", a->vary ? "Accept-Encoding" : NULL);
	add(ans, "Content-Range", range);
	if (a->retry_after_s) {
		snprintf(ans->retry, sizeof(ans->retry), "%d", a->retry_after_s);
		add(ans, "Retry-After", ans->retry);
	}
	add(ans, "Allow", a->status == 405 ? "GET, HEAD, OPTIONS" : NULL);
	if (length >= 0) {
		snprintf(ans->length, sizeof(ans->length), "%lld", (long long)length);
		add(ans, "Content-Length", ans->length);
		add(ans, "Accept-Ranges", a->status == 200 || range ? "bytes" : NULL);
	}
	add(ans, "Access-Control-Allow-Origin", "*");
	add(ans, "Access-Control-Expose-Headers",
	    "Content-Length, Content-Range, Date, Age, ETag, Retry-After");
	add(ans, "Timing-Allow-Origin", "*");
	add(ans, "X-Content-Type-Options", "nosniff");
}

void answer_fill_options(struct answer *ans, bool posts)
{
	const char *methods = posts ? "GET, HEAD, POST, OPTIONS" : "GET, HEAD, OPTIONS";

	answer_fill(ans, &(struct http_answer){.status = 204}, -2, NULL);
	add(ans, "Allow", methods);
	add(ans, "Access-Control-Allow-Methods", methods);
	add(ans, "Access-Control-Allow-Headers",
	    "Authorization, Content-Type, If-Modified-Since, If-None-Match, If-Range, Range");
	add(ans, "Access-Control-Max-Age", "86400");
}
