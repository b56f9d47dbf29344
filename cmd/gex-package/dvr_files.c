#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "dvr.h"
#include "log/log.h"
#include "os/os.h"

#define SYNC_US (5 * SEC_US)
#define INDEX_MAX (64 << 20)
#define LOOK_AT \
	16 /* segments at the end of a track that may not have reached the disk before a crash */

const char *dvr_files_ending(const char *track)
{
	return strcmp(track, CMAF_PICTURES) != 0 ? ".mp4" : ".mjpeg";
}

void dvr_files_path(const struct dvr *d, const char *track, int64_t id, const char *ending,
		    char out[DVR_PATH])
{
	snprintf(out, DVR_PATH, "%.*s/%s/%" PRId64 "%s", DVR_PATH - 64, d->dir, track, id, ending);
}

/* ---- writing ---- */

static int write_all(int fd, struct iovec *v, size_t n)
{
	while (n) {
		ssize_t w = writev(fd, v, (int)MIN(n, IOV_MAX));

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return -errno;
		for (; n && (size_t)w >= v->iov_len; v++, n--)
			w -= (ssize_t)v->iov_len;
		if (n) {
			v->iov_base = (char *)v->iov_base + w;
			v->iov_len -= (size_t)w;
		}
	}
	return 0;
}

static int write_one(int fd, const void *p, size_t n)
{
	struct iovec v = {(void *)(uintptr_t)p, n};

	return write_all(fd, &v, 1);
}

void dvr_files_close(struct dvr_out *o)
{
	if (o->data >= 0)
		close(o->data);
	if (o->index >= 0)
		close(o->index);
	o->data = o->index = -1;
	o->id = INT64_MIN;
}

static void sync_both(struct dvr_out *o)
{
	o->synced_us = os_mono_us();
	/* The bytes before the record of them. */
	if (!fdatasync(o->data))
		(void)!fdatasync(o->index);
}

/* Never over what is there: a file that failed once is not gone on with. */
static int create(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);

	return fd < 0 ? -errno : fd;
}

static int open_file(struct dvr_write *w)
{
	struct dvr_out *o = &w->slot->out;
	char data[DVR_PATH], index[DVR_PATH];
	uint8_t head[ARCHIVE_HEAD];
	int rc;

	if (o->data >= 0)
		sync_both(o);
	dvr_files_close(o);
	dvr_files_path(w->d, w->about.name, w->id, dvr_files_ending(w->about.name), data);
	dvr_files_path(w->d, w->about.name, w->id, ".idx", index);
	*strrchr(data, '/') = 0;
	rc = os_make_dirs(data);
	if (rc)
		return rc;
	data[strlen(data)] = '/';
	o->index = create(index);
	if (o->index < 0)
		return o->index;
	o->data = create(data);
	if (o->data < 0) {
		rc = o->data;
		goto fail;
	}
	archive_put_head(&w->about, w->id, head);
	rc = write_one(o->data, w->init->data, w->init->len);
	if (!rc)
		rc = write_one(o->index, head, sizeof(head));
	if (rc)
		goto fail;
	o->id = w->id;
	o->size = w->init->len;
	o->index_size = sizeof(head);
	sync_both(o);
	return 0;
fail:
	dvr_files_close(o);
	unlink(data);
	unlink(index);
	return rc;
}

static int append(struct dvr_write *w)
{
	struct dvr_out *o = &w->slot->out;
	uint8_t record[ARCHIVE_RECORD];
	struct iovec *v = calloc(MAX(w->chunk.len, 1), sizeof(*v));
	int rc = v ? 0 : -ENOMEM;

	for (size_t i = 0; v && i < w->chunk.len; i++)
		v[i] = (struct iovec){w->chunk.at[i]->data, w->chunk.at[i]->len};
	if (!rc)
		rc = write_all(o->data, v, w->chunk.len);
	free(v);
	w->e.offset = o->size;
	archive_put_record(&w->e, record);
	if (!rc)
		rc = write_one(o->index, record, sizeof(record));
	if (!rc) {
		o->size += w->e.size;
		o->index_size += sizeof(record);
		return 0;
	}
	/* Back to what is whole. */
	if (ftruncate(o->data, (off_t)o->size) || ftruncate(o->index, (off_t)o->index_size) ||
	    lseek(o->data, (off_t)o->size, SEEK_SET) < 0 ||
	    lseek(o->index, (off_t)o->index_size, SEEK_SET) < 0)
		dvr_files_close(o);
	return rc;
}

int dvr_files_write(struct disk_job *j)
{
	struct dvr_write *w = container_of(j, struct dvr_write, job);
	struct dvr_out *o = &w->slot->out;
	int rc = o->id == w->id ? 0 : open_file(w);

	if (!rc)
		rc = append(w);
	if (!rc && os_mono_us() - o->synced_us > SYNC_US)
		sync_both(o);
	return rc;
}

/* ---- reading ---- */

static int read_fd(int fd, uint64_t offset, void *out, size_t n)
{
	char *p = out;

	while (n) {
		ssize_t r = pread(fd, p, n, (off_t)offset);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return r ? -errno : -EIO;
		p += r;
		n -= (size_t)r;
		offset += (uint64_t)r;
	}
	return 0;
}

int dvr_files_read(const char *path, uint64_t offset, void *out, size_t n)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	int rc = read_fd(fd, offset, out, n);
	close(fd);
	return rc;
}

/* ---- finding them again ---- */

/* By AES-128 its boxes cannot be seen: the last block is then no block of zeros, which is what never came to disk reads as. */
static bool is_sealed(int fd, const struct archive_entry *e)
{
	static const uint8_t nothing[16];
	uint8_t last[16];

	return e->size % 16 == 0 && !read_fd(fd, e->offset + e->size - 16, last, sizeof(last)) &&
	       memcmp(last, nothing, sizeof(last)) != 0;
}

/* From the first marker of a JPEG to its last. */
static bool is_picture(int fd, const struct archive_entry *e)
{
	uint8_t begin[2], end[2];

	return e->size > 4 && !read_fd(fd, e->offset, begin, 2) &&
	       !read_fd(fd, e->offset + e->size - 2, end, 2) && begin[0] == 0xff &&
	       begin[1] == 0xd8 && end[0] == 0xff && end[1] == 0xd9;
}

/* A segment is a run of moof and mdat, to its last byte. */
static bool is_whole(int fd, const struct archive_file *f, const struct archive_entry *e)
{
	uint64_t at = e->offset, end = e->offset + e->size;
	uint8_t h[8];

	if (!strcmp(f->about.codec, PICTURE_CODEC))
		return is_picture(fd, e);
	if (f->about.scheme == CMAF_AES128)
		return is_sealed(fd, e);
	while (at + sizeof(h) <= end) {
		struct rd r = rd_of(h, 4);

		if (read_fd(fd, at, h, sizeof(h)) ||
		    (memcmp(h + 4, "moof", 4) != 0 && memcmp(h + 4, "mdat", 4) != 0 &&
		     memcmp(h + 4, "prft", 4) != 0 && memcmp(h + 4, "emsg", 4) != 0 &&
		     memcmp(h + 4, "styp", 4) != 0))
			return false;
		uint32_t n = rd_u32(&r);
		if (n < sizeof(h))
			return false;
		at += n;
	}
	return at == end;
}

/* After a crash of the machine the newest records may speak of bytes that never came. */
static void check_end(struct dvr *d, struct archive_file *f, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t from = f->e.len > LOOK_AT ? f->e.len - LOOK_AT : 0;

	for (size_t i = from; i < f->e.len; i++) {
		const struct archive_entry *e = &f->e.at[i];

		if (fd >= 0 && (e->gap || is_whole(fd, f, e)))
			continue;
		log_warn("dvr", "%s: %zu segments at its end are damaged", path, f->e.len - i);
		f->e.len = i;
	}
	if (fd >= 0)
		close(fd);
}

static int read_whole(const char *path, uint8_t **out, size_t *n)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC), rc;

	*out = NULL;
	if (fd < 0)
		return -errno;
	rc = fstat(fd, &st) ? -errno : st.st_size > INDEX_MAX ? -EFBIG : 0;
	if (!rc) {
		*n = (size_t)st.st_size;
		*out = malloc(*n + 1);
		rc = *out ? read_fd(fd, 0, *out, *n) : -ENOMEM;
	}
	close(fd);
	return rc;
}

static int load_file(struct dvr *d, const char *track, int64_t id)
{
	char data[DVR_PATH], index[DVR_PATH];
	struct stat st;
	uint8_t *bytes = NULL;
	size_t n = 0;
	int rc;

	dvr_files_path(d, track, id, dvr_files_ending(track), data);
	dvr_files_path(d, track, id, ".idx", index);
	rc = stat(data, &st) ? -errno : read_whole(index, &bytes, &n);
	if (!rc)
		rc = archive_read(&d->archive, bytes, n, (uint64_t)st.st_size);
	free(bytes);
	struct archive_track *t = rc > 0 ? archive_find(&d->archive, track) : NULL;
	if (t)
		check_end(d, archive_newest(t), data);
	if (rc == -ENOMEM || rc > 0)
		return MIN(rc, 0);
	if (rc == -EEXIST) {
		log_warn("dvr", "%s: begins within another file: left out", data);
		return 0;
	}
	if (rc == 0 && (t = archive_find(&d->archive, track)))
		archive_drop(&d->archive, t, archive_newest(t));
	log_warn("dvr", "%s: %s: taken away", data,
		 rc ? "its index cannot be read" : "nothing in it is whole");
	unlink(data);
	unlink(index);
	return 0;
}

static int by_number(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* "123.mp4", "123.mjpeg", "123.idx"; other files are none of ours. */
static bool parse_name(const char *s, int64_t *id)
{
	int used = 0;
	long long v;

	if (*s < '0' || *s > '9' || sscanf(s, "%18lld%n", &v, &used) != 1)
		return false;
	*id = v;
	return !strcmp(s + used, ".mp4") || !strcmp(s + used, ".mjpeg") ||
	       !strcmp(s + used, ".idx");
}

static int load_track(struct dvr *d, const char *track)
{
	char path[DVR_PATH];
	VEC(int64_t) ids = {0};
	struct dirent *e;
	int64_t id;
	int rc = 0;

	snprintf(path, sizeof(path), "%.*s/%s", DVR_PATH - 40, d->dir, track);
	DIR *dir = opendir(path);
	if (!dir)
		return 0; /* a file of somebody's */
	while (!rc && (e = readdir(dir)))
		if (parse_name(e->d_name, &id))
			rc = vec_push(&ids, id);
	closedir(dir);
	if (ids.len)
		qsort(ids.at, ids.len, sizeof(*ids.at), by_number);
	for (size_t i = 0; !rc && i < ids.len; i++)
		if (!i || ids.at[i] != ids.at[i - 1])
			rc = load_file(d, track, ids.at[i]);
	vec_free(&ids);
	return rc;
}

int dvr_files_load(struct dvr *d, char *err)
{
	DIR *dir = opendir(d->dir);
	struct dirent *e;
	int rc = dir ? 0 : -errno;

	while (!rc && (e = readdir(dir)))
		if (*e->d_name != '.' && strlen(e->d_name) < sizeof(d->slot[0].name))
			rc = load_track(d, e->d_name);
	if (dir)
		closedir(dir);
	if (rc)
		snprintf(err, DVR_ERR, "%.160s: %s", d->dir, strerror(-rc));
	return rc;
}

int dvr_files_lock(struct dvr *d, char *err)
{
	char path[DVR_PATH + 8];
	int rc = os_make_dirs(d->dir);

	snprintf(path, sizeof(path), "%s/.lock", d->dir);
	d->lock = rc ? rc : open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (!rc && d->lock < 0)
		rc = -errno;
	if (rc)
		snprintf(err, DVR_ERR, "%.160s: %s", d->dir, strerror(-rc));
	else if (flock(d->lock, LOCK_EX | LOCK_NB))
		rc = -EADDRINUSE;
	if (rc == -EADDRINUSE)
		snprintf(err, DVR_ERR, "%.160s: another process writes there", d->dir);
	return rc;
}
