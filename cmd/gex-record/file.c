#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define NAMES_MAX 100

static int take_bytes(void *arg, const void *p, size_t n)
{
	struct file *f = arg;

	if (vec_reserve_((void **)&f->bytes.at, &f->bytes.cap, f->bytes.len + n, 1))
		return -ENOMEM;
	memcpy(f->bytes.at + f->bytes.len, p, n);
	f->bytes.len += n;
	return 0;
}

static int make_name(struct file *f, const char *dir, int64_t utc_us, int k)
{
	time_t t = (time_t)base_floor_div(utc_us, SEC_US);
	char stamp[40], more[8] = "";
	struct tm tm;

	if (!gmtime_r(&t, &tm) || !strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H-%M-%SZ", &tm))
		return -EOVERFLOW;
	if (k > 1)
		snprintf(more, sizeof(more), "-%d", k);
	if ((size_t)snprintf(f->path, sizeof(f->path), "%s/%s%s.mp4", dir, stamp, more) >=
	    sizeof(f->path))
		return -ENAMETOOLONG;
	return 0;
}

/* The name itself must survive a crash of the machine. */
static void sync_dir(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return;
	fsync(fd);
	close(fd);
}

static int create(struct file *f, const char *dir, int64_t utc_us)
{
	for (int k = 1; k <= NAMES_MAX; k++) {
		int r = make_name(f, dir, utc_us, k);

		if (r)
			return r;
		f->fd = open(f->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
		if (f->fd >= 0)
			return 0;
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

int file_open(struct file *f, const char *dir, int64_t utc_us, struct media_info *info, char *err)
{
	int r = create(f, dir, utc_us);

	*err = 0;
	if (r)
		goto fail;
	sync_dir(dir);
	f->size = 0;
	f->bytes.len = 0;
	r = media_mux_create(&f->mux, "mp4", info, take_bytes, f, err);
	if (r)
		goto fail;
	media_mux_gather(f->mux);
	f->info = media_info_ref(info);
	r = file_sync(f);
	if (!r)
		return 0;
fail:
	if (!*err)
		snprintf(err, MEDIA_ERR, "%.160s: %s", *f->path ? f->path : dir, strerror(-r));
	file_close(f);
	return r;
}

int file_add(struct file *f, const struct media_packet *p)
{
	return media_mux_write(f->mux, p);
}

static int write_all(int fd, const uint8_t *p, size_t n)
{
	while (n) {
		ssize_t w = write(fd, p, n);

		if (w < 0 && errno != EINTR)
			return -errno;
		if (w > 0) {
			p += w;
			n -= (size_t)w;
		}
	}
	return 0;
}

int file_sync(struct file *f)
{
	/* The header has been made by media_mux_create. */
	int r = f->size ? media_mux_fragment(f->mux) : 0;

	if (!r)
		r = write_all(f->fd, f->bytes.at, f->bytes.len);
	if (!r && fdatasync(f->fd) && errno != EINVAL)
		r = -errno;
	if (!r)
		f->size += (int64_t)f->bytes.len;
	/* A torn fragment does no harm to players; still it need not stay. */
	else if (ftruncate(f->fd, f->size))
		lseek(f->fd, f->size, SEEK_SET);
	f->bytes.len = 0;
	return r;
}

void file_close(struct file *f)
{
	if (f->fd >= 0)
		close(f->fd);
	if (f->fd >= 0 && !f->size)
		unlink(f->path);
	f->fd = -1;
	media_mux_destroy(f->mux);
	f->mux = NULL;
	media_info_unref(f->info);
	f->info = NULL;
	vec_free(&f->bytes);
}
