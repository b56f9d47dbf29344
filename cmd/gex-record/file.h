/* file: one recording file that is complete after every fragment. Blocks on the disk. */
#ifndef GEX_RECORD_FILE_H
#define GEX_RECORD_FILE_H

#include "media/media.h"

struct file {
	int fd; /* -1: none */
	struct media_mux *mux;
	struct media_info *info;
	VEC(uint8_t) bytes; /* of the fragment that is being made */
	int64_t size;	    /* on the disk, whole fragments */
	char path[4096];
};

/* Makes DIR/2026-11-22T15-04-05Z.mp4 for the instant utc_us ("-2" and so on when there is one) and writes its header. 0, or a
 * negative errno with a line in err (MEDIA_ERR bytes). f must be closed. */
int file_open(struct file *f, const char *dir, int64_t utc_us, struct media_info *info,
	      char *err) MUST_USE;
/* Adds to the fragment; -EINVAL when the container does not take the packet, which is then left out. */
int file_add(struct file *f, const struct media_packet *p) MUST_USE;
/* Writes the fragment and waits until the disk has it. On failure the file is cut back to the fragments that are whole. */
int file_sync(struct file *f) MUST_USE;
void file_close(struct file *f);

#endif
