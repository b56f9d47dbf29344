#include "media/fetch.h"

#include <errno.h>

#include "media/av.h"
#include "os/os.h"

struct patience {
	const _Atomic bool *cancel;
	int64_t until_us;
};

static int give_up(void *arg)
{
	const struct patience *p = arg;

	return *p->cancel || os_mono_us() > p->until_us;
}

static int set_options(AVDictionary **o, const char *url, const char *authorization,
		       int64_t timeout_us)
{
	char *header = NULL;
	int rc = 0;

	rc |= av_dict_set(o, "protocol_whitelist",
			  str_starts(url, "https:") ? "https,tls,tcp" : "http,tcp", 0);
	rc |= av_dict_set(o, "max_redirects", "0", 0);
	rc |= av_dict_set(o, "tls_verify", "1", 0);
	rc |= av_dict_set_int(o, "rw_timeout", timeout_us, 0);
	rc |= av_dict_set(o, "user_agent", "G-Express/" GEX_VERSION, 0);
	if (authorization) {
		header = str_format("Authorization: %s\r\n", authorization);
		rc |= header ? av_dict_set(o, "headers", header, 0) : -1;
		if (header)
			os_wipe(header, strlen(header));
		free(header);
	}
	return rc < 0 ? -ENOMEM : 0;
}

/* One byte more than cap is asked for, to know of an answer that is too long. */
static ssize_t read_all(AVIOContext *in, uint8_t *out, size_t cap)
{
	uint8_t more;
	size_t n = 0;
	int rc;

	while (n < cap) {
		rc = avio_read(in, out + n, (int)(cap - n));
		if (rc == AVERROR_EOF || !rc)
			return (ssize_t)n;
		if (rc < 0)
			return rc;
		n += (size_t)rc;
	}
	return avio_read(in, &more, 1) > 0 ? -EFBIG : (ssize_t)n;
}

ssize_t media_fetch(const char *url, const char *authorization, const _Atomic bool *cancel,
		    int64_t timeout_us, void *out, size_t cap, char *err)
{
	struct patience p = {cancel, os_mono_us() + timeout_us};
	AVIOInterruptCB cb = {give_up, &p};
	AVIOContext *in = NULL;
	AVDictionary *o = NULL;
	char words[MEDIA_ERR];
	ssize_t n = set_options(&o, url, authorization, timeout_us);

	if (!n) {
		n = avio_open2(&in, url, AVIO_FLAG_READ, &cb, &o);
		if (n >= 0)
			n = read_all(in, out, cap);
		avio_closep(&in);
	}
	av_dict_free(&o);
	if (n >= 0)
		return n;
	if (*cancel)
		n = -ECANCELED;
	else if (os_mono_us() > p.until_us)
		n = -ETIMEDOUT;
	if (n == -EFBIG)
		mav_say(err, "the answer is too long");
	else if (n == -ETIMEDOUT)
		mav_say(err, "no answer in %lld s", (long long)(timeout_us / SEC_US));
	else
		mav_say(err, "%s", mav_words((int)n, words));
	return n == -ECANCELED || n == -ETIMEDOUT || n == -EFBIG ? n : mav_errno((int)n);
}
