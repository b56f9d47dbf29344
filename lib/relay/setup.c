#include "relay/setup.h"

#include <errno.h>
#include <stdio.h>

#include "log/log.h"
#include "os/os.h"

#define KEY_FILE_MAX 32768
_Static_assert(CRYPT_RING_MAX == 64, "as the message says");

int relay_parse_rate(int64_t *out, const char *value, char *err, size_t cap)
{
	int64_t v = 0;

	if (strcmp(value, "auto") &&
	    (num_rate(value, &v) || v < 64000 || v > INT64_C(100000000000))) {
		snprintf(err, cap, "rate = %.40s: not auto or a rate from 64k to 100G", value);
		return -EINVAL;
	}
	*out = v;
	return 0;
}

int relay_parse_class(enum tunnel_class *out, const char *value, char *err, size_t cap)
{
	static const char *const names[] = {
	    [TUNNEL_AUTO] = "auto", [TUNNEL_GAME] = "game", [TUNNEL_INTERACTIVE] = "interactive",
	    [TUNNEL_LIVE] = "live", [TUNNEL_BULK] = "bulk",
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (!strcmp(value, names[i])) {
			*out = (enum tunnel_class)i;
			return 0;
		}
	snprintf(err, cap, "class = %.40s: not auto, game, interactive, live or bulk", value);
	return -EINVAL;
}

int relay_parse_redundancy(struct tunnel_repair *out, const char *value, char *err, size_t cap)
{
	char number[8] = "";
	size_t n = strlen(value);
	int64_t v = 0;

	out->percent = strcmp(value, "off") ? 0 : -1;
	if (!strcmp(value, "auto") || out->percent < 0)
		return 0;
	if (n > 1 && n < sizeof(number) && value[n - 1] == '%')
		memcpy(number, value, n - 1);
	if (num_int(number, &v) || v < 1 || v > 400) {
		snprintf(err, cap, "redundancy = %.40s: not auto, off or 1%% to 400%%", value);
		return -EINVAL;
	}
	out->percent = (int)v;
	return 0;
}

int relay_parse_deadline(struct tunnel_repair *out, const char *value, char *err, size_t cap)
{
	int64_t v = 0;

	out->deadline_us = strcmp(value, "off") ? 0 : -1;
	if (!strcmp(value, "auto") || out->deadline_us < 0)
		return 0;
	if (num_duration(value, &v) || v < MS_US || v > 60 * SEC_US) {
		snprintf(err, cap, "deadline = %.40s: not auto, off or a time from 1ms to 60s",
			 value);
		return -EINVAL;
	}
	out->deadline_us = v;
	return 0;
}

void relay_setup_conf(const struct relay_setup *s, struct tunnel_conf *out)
{
	tunnel_conf_default(out);
	out->handshake_us = s->handshake_us;
	out->idle_us = s->idle_us;
	out->resume_us = s->resume_us;
	out->keepalive_us = s->keepalive_us;
	out->flow_idle_us = s->flow_idle_us;
	out->rate_bps = s->rate_bps;
	out->stream_window = out->stream_buffer = (size_t)s->stream_window;
	out->tunnel_window = out->tunnel_buffer = (size_t)s->tunnel_window;
	out->warm_bytes = (size_t)s->warmup;
	out->streams_max = (unsigned)s->max_streams;
	out->flows_max = (unsigned)s->max_flows;
}

/* The same status whether the file or its content is wrong: somebody has to change the
 * configuration. */
static int bad_file(const char *path, int r, char *err, size_t cap)
{
	if (r == -EPERM)
		snprintf(err, cap, "%s: others can read this key file; chmod 600 it", path);
	else if (r == -EINVAL)
		snprintf(err, cap, "%s: the key file is empty", path);
	else
		snprintf(err, cap, "%s: cannot read the key file: %s", path, strerror(-r));
	return r == -EPERM || r == -EACCES ? EX_NOPERM : EX_CONFIG;
}

static const char *bad_line(int r)
{
	if (r == -E2BIG)
		return "more than 64 keys";
	if (r == -EEXIST)
		return "a key or a name that a line above has already";
	return "not a key: [NAME] 64 hex digits (openssl rand -hex 32) [SERVICE...]";
}

int relay_setup_keys(const struct relay_setup *s, struct crypt_ring *ring, char *err, size_t cap)
{
	char text[KEY_FILE_MAX];
	int line = 0;

	if (!s->key_file || !*s->key_file) {
		snprintf(err, cap, "no key file: give -k KEYFILE, or key_file in [tunnel]");
		return EX_USAGE;
	}
	int r = os_read_secret(s->key_file, text, sizeof(text));

	if (r)
		return bad_file(s->key_file, r, err, cap);
	r = crypt_ring_parse(ring, text, strlen(text), &line);
	crypt_wipe(text, sizeof(text));
	if (!r)
		return 0;
	if (!line)
		snprintf(err, cap, "%s: no key in the file", s->key_file);
	else
		snprintf(err, cap, "%s:%d: %s", s->key_file, line, bad_line(r));
	return EX_CONFIG;
}

bool relay_setup_reload(const struct relay_setup *s, struct crypt_ring *ring)
{
	struct crypt_ring fresh;
	char err[CONF_ERR];

	if (relay_setup_keys(s, &fresh, err, sizeof(err))) {
		log_error(NULL, "%s; the keys stay as they were", err);
		return false;
	}
	*ring = fresh;
	crypt_wipe(&fresh, sizeof(fresh));
	log_info(NULL, "key file read again");
	return true;
}
