/* Thumbnails: their playlist, and each of them, from memory or disk. */
#include <stdio.h>

#include "cmaf/picture.h"
#include "dvr.h"
#include "package.h"

#define FOREVER "public, max-age=86400, immutable"
#define BRIEFLY "public, max-age=0, s-maxage=1"

static void refuse(struct http_request *r, int status)
{
	http_reply(r, &(struct http_answer){.status = status,
					    .cache = status == 404 ? "max-age=1" : "no-store",
					    .retry_after_s = status == 503 ? 1 : 0});
}

void thumbs_keep(struct package *p)
{
	if (p->dvr)
		dvr_picture(p->dvr, p->cmaf->pictures);
}

static void send_picture(const struct picture *k, struct http_request *r)
{
	struct slice s = {k->jpeg, 0, k->jpeg->len};

	http_reply(r,
		   &(struct http_answer){
		       .status = 200, .type = "image/jpeg", .cache = FOREVER, .body = &s, .n = 1});
}

/* "N.jpg" */
static bool parse_name(const char *s, int64_t *number)
{
	long long n;
	int used = 0;

	if (*s < '0' || *s > '9' || sscanf(s, "%18lld%n", &n, &used) != 1)
		return false;
	*number = n;
	return !strcmp(s + used, ".jpg");
}

static void playlist(struct package *p, const struct pictures *all, struct http_request *r)
{
	if (!all)
		refuse(r, p->cmaf ? 404 : 503);
	else if (!pictures_last(all))
		refuse(r, 503);
	else
		text_send(p, r, &p->pictures, TEXT_PICTURES, NULL, BRIEFLY);
}

void thumbs_serve(struct package *p, const char *file, struct http_request *r)
{
	const struct pictures *all = p->cmaf ? p->cmaf->pictures : NULL;
	const struct picture *k;
	int64_t number;

	if (!strcmp(file, "index.m3u8"))
		playlist(p, all, r);
	else if (!parse_name(file, &number))
		refuse(r, 404);
	else if (all && (k = pictures_find(all, number)))
		send_picture(k, r);
	else if (!p->dvr || !dvr_get_segment(p->dvr, CMAF_PICTURES, number, r))
		refuse(r, 404);
}
