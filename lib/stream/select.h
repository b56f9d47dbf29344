/* select: some tracks of a stream as a stream of their own. */
#ifndef GEX_STREAM_SELECT_H
#define GEX_STREAM_SELECT_H

#include "media/media.h"

struct stream_select {
	struct media_info *info;   /* the chosen tracks; NULL before stream_select_start */
	int map[MEDIA_TRACKS_MAX]; /* track of the source to track of info, -1: not chosen */
};

/* Chooses the tracks of `from` that are named; of video the largest when no video is named (by height, then rate), of audio
 * all when none is named (at most max_audio, the standard one before others). 0, -ENOMEM, or -ENOENT with a line in err (MEDIA_ERR bytes) that says what
 * there is; then s chooses nothing. */
int stream_select_start(struct stream_select *s, struct media_info *from, char *const *names,
			size_t n, int max_audio, char *err) MUST_USE;
/* p, of which the caller has the only reference, becomes a packet of s->info. False: its track is not chosen. */
bool stream_select_packet(const struct stream_select *s, struct media_packet *p);
void stream_select_finish(struct stream_select *s);

#endif
