#include "media/pace.h"

#include <math.h>

int64_t pace_wait(struct pace *p, int64_t us, int64_t now_us, int ppm)
{
	if (!p->begun) {
		*p = (struct pace){p->late_us, p->ahead_us, true, us, now_us, ppm};
		return 0;
	}
	int64_t due_us = p->mono_us + us - p->us - base_scale(us - p->us, p->ppm, (int64_t)SEC_US);
	int64_t wait_us = due_us - now_us;
	if (wait_us > p->ahead_us || wait_us < -p->late_us) {
		p->us = us;
		p->mono_us = now_us;
		return 0;
	}
	if (ppm != p->ppm) {
		p->us = us;
		p->mono_us = due_us;
		p->ppm = ppm;
	}
	return MAX(wait_us, 0);
}

/* Its last part, n bytes, is that of the URL. */
static bool is_same(const char *url, const char *line, size_t n)
{
	size_t path = 0, len = strlen(url);

	for (size_t i = 0; i < n && line[i] != '?'; i++)
		if (line[i] == '/')
			path = i + 1;
	n -= path;
	return n && len > n && url[len - n - 1] == '/' && !memcmp(url + len - n, line + path, n);
}

static bool was_opened(char *const *opened, int n, const char *line, size_t len)
{
	for (int i = 0; i < n; i++)
		if (opened[i] && is_same(opened[i], line, len))
			return true;
	return false;
}

bool pace_left(const char *playlist, char *const *opened, int n, int64_t *left_us,
	       int64_t *segment_us)
{
	int64_t last_us = 0;
	bool any = false;

	*left_us = *segment_us = 0;
	for (const char *p = playlist, *end; *p; p = *end ? end + 1 : end) {
		end = p + strcspn(p, "\n");
		size_t len = (size_t)(end - p);
		len -= len && p[len - 1] == '\r';
		if (str_starts(p, "#EXT-X-ENDLIST"))
			return false;
		if (str_starts(p, "#EXTINF:")) {
			double s = strtod(p + 8, NULL);

			last_us = s > 0 && s < 3600 ? llrint(s * (double)SEC_US) : 0;
		}
		if (!len || *p == '#')
			continue;
		any |= last_us > 0;
		*left_us += last_us;
		*segment_us = MAX(*segment_us, last_us);
		last_us = 0;
		if (was_opened(opened, n, p, len))
			*left_us = 0;
	}
	return any;
}

void pace_deep(struct pace_depth *d, int64_t left_us, int64_t segment_us)
{
	if (!d->known)
		d->usual_us = left_us;
	d->known = true;
	int64_t off = left_us - d->usual_us;
	d->ppm = llabs(off) * 2 <= segment_us ? 0 : off > 0 ? PACE_PPM : -PACE_PPM;
}
