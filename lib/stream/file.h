/* Of file.c: lists of files, for the sandbox's side. */
#ifndef GEX_STREAM_FILE_H
#define GEX_STREAM_FILE_H

#include "stream/stream.h"

#define FILE_LIST_MAX 10000

struct file_list {
	VEC(char *) paths; /* as open(2) takes them */
};
/* Reads a list: a path a line, relative to the list's folder; empty lines and those that begin with # do not count. 0, or a
 * negative errno with a reason; the list is to be freed in any case. */
int file_list_read(struct file_list *l, const struct stream_url *u, char *err) MUST_USE;
void file_list_free(struct file_list *l);

#endif
