/* What comes from a package's source: its tracks, its media on the clock of UTC, its loss. */
#include "origin.h"

#include <errno.h>
#include <stdlib.h>
#include <sysexits.h>

#include "log/log.h"
#include "os/os.h"

static void on_opened(void *arg, struct media_info *info)
{
	struct package *p = arg;

	/* In the middle of a connection: its time may well go on. */
	bool goes_on = p->cmaf && p->mapped && !p->lost_us && !info->utc && !p->info->utc;

	media_info_unref(p->info);
	p->info = media_info_ref(info);
	p->goes_on = goes_on;
	p->mapped = info->utc;
	p->offset_us = goes_on ? p->offset_us : 0;
	p->keys_seen = goes_on;
	p->refused = false;
	p->was_open = true;
	p->last_media_us = loop_now_us(p->loop);
	log_info(p->conf->name, "%d tracks, times %s", info->n,
		 info->utc ? "in UTC" : "of their own");
	if (p->cmaf && cmaf_resume(p->cmaf, info)) {
		log_info(p->conf->name, "the tracks are others than before: players begin anew");
		presentation_drop(p);
		p->restarts++;
	}
}

static bool has_video(const struct media_info *info)
{
	for (int i = 0; i < info->n; i++)
		if (info->track[i].kind == MEDIA_VIDEO)
			return true;
	return false;
}

/* Within a frame or two of a segment's beginning, and of now, which it has been from the beginning. */
static bool is_on_grid(const struct package *p, int64_t us)
{
	const struct cmaf_grid *g = &p->cmaf->grid;
	int64_t off = us - cmaf_grid_us(g, cmaf_grid_number(g, SEC_US, us + SEC_US / 20));

	return llabs(off) < SEC_US / 20 && llabs(us - os_utc_us()) < SEC_US / 4;
}

/* A stream that is not in UTC: its second key frame is now (an encoder that has just begun leaves
 * frames out, so the first says little of where the others will be); on a grid that is already
 * laid, at the line of it nearest to now that is still free. */
static bool map_time(struct package *p, const struct media_packet *pkt)
{
	const struct media_track *m = &p->info->track[pkt->track];
	int64_t utc = os_utc_us(), at = utc;

	if (has_video(p->info) && (m->kind != MEDIA_VIDEO || !pkt->key))
		return false;
	if (m->kind == MEDIA_VIDEO && !p->keys_seen++)
		return false;
	if (p->cmaf && p->goes_on && is_on_grid(p, media_packet_us(p->info, pkt) + p->offset_us)) {
		p->mapped = true;
		return true;
	}
	if (p->cmaf) {
		int64_t n = cmaf_grid_number(&p->cmaf->grid, SEC_US, utc), next;
		int part;

		if (cmaf_grid_us(&p->cmaf->grid, n + 1) - utc <
		    utc - cmaf_grid_us(&p->cmaf->grid, n))
			n++;
		for (int i = 0; i < p->cmaf->n; i++) {
			const struct cmaf_segment *s = cmaf_last(p->cmaf->track[i]);

			cmaf_next(p->cmaf->track[i], &next, &part);
			if (s)
				n = MAX(n, s->complete ? next : next + 1);
		}
		at = cmaf_grid_us(&p->cmaf->grid, n);
	}
	p->offset_us = at - media_packet_us(p->info, pkt);
	p->mapped = true;
	if (!p->cmaf)
		presentation_make(p, at);
	return p->cmaf;
}

/* The source's own time jumped (a file from its beginning, an encoder restarted behind a relay). */
static bool has_jumped(const struct package *p, const struct media_packet *pkt)
{
	int64_t at = media_packet_us(p->info, pkt) + p->offset_us;

	return llabs(at - os_utc_us()) > 10 * SEC_US;
}

/* The source is back when its media can be packaged, which may be later than they come. */
static void put(struct package *p, struct media_packet *pkt)
{
	const struct cmaf_track *t = p->cmaf->track[pkt->track];
	int64_t before = t->frames;

	if (cmaf_packet(p->cmaf, pkt, p->offset_us))
		log_error(p->conf->name, "out of memory: a frame is lost");
	if (t->frames == before)
		return;
	p->last_media_us = loop_now_us(p->loop);
	p->lost_us = 0;
	p->away = false;
}

static void take(struct package *p, struct media_packet *pkt)
{
	if (p->refused)
		return;
	if (!p->info->utc && p->mapped && has_jumped(p, pkt)) {
		log_info(p->conf->name, "its time has jumped");
		p->mapped = false;
	}
	if (!p->mapped && !map_time(p, pkt))
		return;
	if (!p->cmaf)
		presentation_make(p, 0);
	if (p->cmaf && p->info->utc && pkt->track < p->cmaf->n)
		delay_add(&p->rendition[pkt->track].source,
			  os_utc_us() - media_packet_us(p->info, pkt));
	if (p->cmaf)
		put(p, pkt);
}

/* Cues, ID3 and thumbnails; before there are media they belong to none. */
static void take_beside(struct package *p, const struct media_packet *pkt)
{
	int rc = p->cmaf && p->mapped
		     ? cmaf_beside(p->cmaf, &p->info->track[pkt->track], pkt, p->offset_us)
		     : -EAGAIN;

	if (p->info->track[pkt->track].codec == MEDIA_JPEG) {
		p->pictures_n[rc != 0]++;
		if (!rc)
			thumbs_keep(p);
		return;
	}
	p->beside_n[rc != 0]++;
	if (rc == -EINVAL || rc == -EMSGSIZE)
		log_debug(p->conf->name, "a packet of %s cannot be used",
			  p->info->track[pkt->track].name);
}

static void on_packet(void *arg, struct media_packet *pkt)
{
	struct package *p = arg;

	if (p->info && pkt->track >= p->info->n && pkt->track < p->info->n + p->info->sides) {
		take_beside(p, pkt);
		media_packet_unref(pkt);
		return;
	}
	if (p->info && pkt->track >= 0 && pkt->track < p->info->n)
		take(p, pkt);
	media_packet_unref(pkt);
}

static void on_lost(void *arg, const char *reason, bool final)
{
	struct package *p = arg;

	p->lost_us = loop_now_us(p->loop);
	if (!final) {
		log_warn(p->conf->name, "%s", reason);
	} else if (!p->was_open || !p->cmaf) {
		log_error(p->conf->name, "%s", reason);
		origin_ended(p->origin, p, EX_DATAERR);
	} else {
		log_info(p->conf->name, "%s: players may finish", reason);
		presentation_end(p);
	}
}

int source_open(struct package *p, const struct package_conf *c, struct stream_input **out,
		char *err)
{
	static const struct stream_input_events ev = {
	    .opened = on_opened, .packet = on_packet, .lost = on_lost, .sides = true};
	struct stream_url url;
	int rc = stream_url_parse(&url, c->input, err);

	*out = NULL;
	if (rc)
		return rc;
	rc = stream_input_create(out, p->loop, &url, &ev, p, err);
	stream_url_finish(&url);
	return rc;
}
