/* overlay: pictures and texts drawn on what is encoded: a station's mark, a clock. Drawn on each rung after it was scaled, so that
 * edges are sharp at any size and only the pixels under the overlay cost anything; drawn into the scaled picture itself, and taken
 * out of it again when it has been encoded, so that a picture that is repeated can bear another time. Not for other modules. */
#ifndef GEX_MEDIA_OVERLAY_H
#define GEX_MEDIA_OVERLAY_H

#include "media/av.h"

#define OVERLAYS_MAX 8
#define OVERLAY_FONT "/usr/share/fonts/truetype/dejavu/DejaVuSans-Bold.ttf"

enum overlay_at {
	OVERLAY_TOP_LEFT,
	OVERLAY_TOP,
	OVERLAY_TOP_RIGHT,
	OVERLAY_CENTRE,
	OVERLAY_BOTTOM_LEFT,
	OVERLAY_BOTTOM,
	OVERLAY_BOTTOM_RIGHT,
	OVERLAY_PLACES
};
extern const char *const overlay_place_name[OVERLAY_PLACES];

struct overlay_conf {
	const char *file; /* of a picture, or NULL */
	const char *text; /* else: strftime(3), and %N for the milliseconds */
	const char *font; /* NULL: OVERLAY_FONT */
	bool local;	  /* the time of this machine's zone instead of UTC */
	enum overlay_at at;
	int size, margin; /* per cent of the height of the picture */
	int opacity;	  /* per cent */
};

/* What was read of the files; the same for all rungs. */
struct overlays;
/* conf is copied but for its strings, which must outlive *out. 0, or a negative errno with one line in err. */
int overlays_create(struct overlays **out, const struct overlay_conf *conf, int n,
		    char *err) MUST_USE;
void overlays_destroy(struct overlays *o);

/* One rung's. */
struct overlay;
/* space: of the pictures, whose colours are those of BT.601 or, else, BT.709. */
int overlay_create(struct overlay **out, const struct overlays *set, int width, int height,
		   enum AVColorSpace space, char *err) MUST_USE;
/* On f (YUV420P, of that size) with the time utc_us. */
void overlay_draw(struct overlay *o, AVFrame *f, int64_t utc_us);
/* Takes what was drawn last out of f again. */
void overlay_undraw(struct overlay *o, AVFrame *f);
void overlay_destroy(struct overlay *o);

#endif
