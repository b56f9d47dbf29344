#include <errno.h>
#include <stdio.h>

#include "keys.h"
#include "os/os.h"
#include "origin.h"

#define OFF(f) offsetof(struct origin_conf, f)

static const struct conf_key keys[] = {
    {"package", "input", CONF_STR, OFF(package.input), NULL, 0, 0, 0, NULL},
    {"package", "name", CONF_STR, OFF(package.name), "live", 0, 0, 0, NULL},
    {"package", "segment", CONF_DURATION, OFF(package.segment_us), "1s", 250 * MS_US, 20 * SEC_US,
     0, NULL},
    {"package", "part", CONF_DURATION, OFF(package.part_us), "200ms", 20 * MS_US, 5 * SEC_US, 0,
     NULL},
    {"package", "chunk", CONF_DURATION, OFF(package.chunk_us), "30ms", 0, 5 * SEC_US, 0, NULL},
    {"package", "window", CONF_DURATION, OFF(package.window_us), "20s", 6 * SEC_US, 3600 * SEC_US,
     0, NULL},
    {"package", "latency", CONF_DURATION, OFF(package.latency_us), "1s", 100 * MS_US, 60 * SEC_US,
     0, NULL},
    {"package", "dvr", CONF_STR, OFF(package.dvr), NULL, 0, 0, 0, NULL},
    {"package", "vod", CONF_STR, OFF(package.vod), NULL, 0, 0, 0, NULL},
    {"package", "dvr_window", CONF_DURATION, OFF(package.dvr_window_us), "4h", 60 * SEC_US,
     90 * 86400 * SEC_US, 0, NULL},
    {"package", "dvr_size", CONF_SIZE, OFF(package.dvr_size), "50G", 1 << 20, INT64_C(1) << 50, 0,
     NULL},
    {"package", "clip", CONF_DURATION, OFF(package.clip_us), "10m", 0, 3600 * SEC_US, 0, NULL},
    {"package", "memory", CONF_SIZE, OFF(package.memory), "512M", 1 << 20, INT64_C(1) << 40, 0,
     NULL},
    {"package", "encryption", CONF_STR, OFF(package.encryption), "none", 0, 0, 0, NULL},
    {"package", "encryption_keys", CONF_STR, OFF(package.encryption_keys), NULL, 0, 0, 0, NULL},
    {"package", "encryption_url", CONF_STR, OFF(package.encryption_url), NULL, 0, 0, 0, NULL},
    {"package", "encryption_auth", CONF_STR, OFF(package.encryption_auth), NULL, 0, 0, 0, NULL},
    {"package", "encryption_rotate", CONF_DURATION, OFF(package.encryption_rotate_us), "0", 0,
     INT64_C(366) * 86400 * SEC_US, 0, NULL},
    {"package", "encryption_uri", CONF_STR, OFF(package.encryption_uri), NULL, 0, 0, 0, NULL},
    {"package", "encryption_formats", CONF_STR, OFF(package.encryption_formats),
     "identity,clearkey", 0, 0, 0, NULL},
    {"process", "sandbox", CONF_BOOL, OFF(sandbox), "yes", 0, 0, 0, NULL},
    {"http", "listen", CONF_STR, OFF(listen), NULL, 0, 0, 0, NULL},
    {"http", "share", CONF_STR, OFF(share), NULL, 0, 0, 0, NULL},
    {"http", "certificate", CONF_STR, OFF(certificate), NULL, 0, 0, 0, NULL},
    {"http", "key", CONF_STR, OFF(key), NULL, 0, 0, 0, NULL},
    {"http", "trusted", CONF_STR, OFF(trusted), NULL, 0, 0, 0, NULL},
    {"http", "forwarded", CONF_STR, OFF(forwarded), "none", 0, 0, 0, NULL},
    {"access", "keys", CONF_STR, OFF(access_keys), NULL, 0, 0, 0, NULL},
    {"access", "allow", CONF_STR, OFF(allow), NULL, 0, 0, 0, NULL},
    {"access", "deny", CONF_STR, OFF(deny), NULL, 0, 0, 0, NULL},
    {"http", "max_connections", CONF_INT, OFF(max_connections), "20000", 1, 1000000, 0, NULL},
    {"http", "max_per_address", CONF_INT, OFF(max_per_address), "4000", 0, 1000000, 0, NULL},
    {"http", "max_streams", CONF_INT, OFF(max_streams), "100", 1, 1000, 0, NULL},
    {"http", "max_requests", CONF_INT, OFF(max_requests), "100000", 1, 10000000, 0, NULL},
    {"http", "head", CONF_DURATION, OFF(head_us), "10s", SEC_US, 600 * SEC_US, 0, NULL},
    {"http", "idle", CONF_DURATION, OFF(idle_us), "60s", SEC_US, 3600 * SEC_US, 0, NULL},
    {"http", "stall", CONF_DURATION, OFF(stall_us), "15s", SEC_US, 600 * SEC_US, 0, NULL},
};

static const struct conf_table table = {.keys = keys, .n = ARRAY_LEN(keys)};

static int set_input(void *root, const char *value, char *err, size_t cap)
{
	return conf_set_str(&((struct origin_conf *)root)->package.input, value);
}

static int set_listen(void *root, const char *value, char *err, size_t cap)
{
	struct origin_conf *c = root;
	char *both = c->by_flag ? str_format("%s,%s", c->listen, value) : NULL;

	c->by_flag = true; /* the first -l takes the place of what the file says */
	if (!both)
		return conf_set_str(&c->listen, value);
	free(c->listen);
	c->listen = both;
	return 0;
}

static int set_name(void *root, const char *value, char *err, size_t cap)
{
	return conf_set_str(&((struct origin_conf *)root)->package.name, value);
}

static int set_share(void *root, const char *value, char *err, size_t cap)
{
	return conf_set_str(&((struct origin_conf *)root)->share, value);
}

static const struct conf_flag flags[] = {
    {'i', "input", "URL", "the live source (gex-url(7))", set_input},
    {'l', "listen", "http[s]://HOST:PORT | unix:PATH", "where to serve; may be repeated",
     set_listen},
    {'n', "name", "NAME", "serve at /NAME/ (live)", set_name},
    {0, "share", "DIR", "where the player page's files are", set_share},
};

const struct conf_cli origin_cli = {
    .tool = "gex-package",
    .synopsis = "gex-package -i URL -l http[s]://HOST:PORT ... [-n NAME] | -c FILE",
    .summary = "Cuts a live source into CMAF and serves it as LL-HLS, LL-DASH and plain HLS.",
    .table = &table,
    .flags = flags,
    .nflags = ARRAY_LEN(flags),
};

static int check_listen(const struct origin_conf *c, char *err, size_t cap)
{
	const char *list = c->listen;
	char addr[256], why[HTTP_ERR] = "";
	bool tls, any_tls = false;
	int rc, n = 0;

	while ((rc = conf_list_next(&list, addr, sizeof(addr))) > 0) {
		rc = http_addr_check(addr, &tls, why);
		if (rc)
			break;
		any_tls |= tls;
		n++;
	}
	if (rc) {
		snprintf(err, cap, "%s", *why ? why : "listen: an address that is too long");
	} else if (!n) {
		snprintf(err, cap, "nowhere to serve: -l http://HOST:PORT, or listen in [http]");
		rc = -EINVAL;
	} else if (any_tls && (!c->certificate || !c->key)) {
		snprintf(err, cap, "https needs certificate and key in [http]");
		rc = -EINVAL;
	} else if (c->certificate && c->key) {
		rc = http_certificate_check(c->certificate, c->key, why);
		snprintf(err, cap, "%s", why);
	}
	return rc;
}

#define KEYS_MAX 16384

int origin_access(const struct origin_conf *c, struct access **out, char *err)
{
	char text[KEYS_MAX], why[HTTP_ERR] = "";
	int rc = 0;

	*out = NULL;
	if (!c->access_keys && !c->allow && !c->deny)
		return 0;
	if (c->access_keys) {
		rc = os_read_secret(c->access_keys, text, sizeof(text));
		if (rc) {
			snprintf(err, HTTP_ERR, "%.128s: %s", c->access_keys,
				 rc == -EPERM ? "others can read it: chmod 600" : strerror(-rc));
			return rc;
		}
	}
	rc = access_create(out, c->access_keys ? text : NULL, c->allow, c->deny, why);
	if (rc)
		snprintf(err, HTTP_ERR, "access: %.200s", why);
	os_wipe(text, sizeof(text));
	return rc;
}

int package_conf_check(const struct package_conf *c, char *err, size_t cap)
{
	char why[MEDIA_ERR] = "";
	const char *n = c->name;
	struct stream_url url;

	if (!c->input || !*c->input) {
		snprintf(err, cap, "no input: -i URL, or input in [package]");
		return -EINVAL;
	}
	if (!*n || strspn(n, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") !=
		       strlen(n)) {
		snprintf(err, cap, "name '%.64s': letters, digits, - and _ only", n);
		return -EINVAL;
	}
	int rc = stream_url_parse(&url, c->input, why);
	stream_url_finish(&url);
	if (rc) {
		snprintf(err, cap, "%s", why);
		return rc;
	}
	if (c->part_us > c->segment_us || c->chunk_us > c->part_us) {
		snprintf(err, cap,
			 "chunk must be no longer than part, and part no longer than segment");
		return -EINVAL;
	}
	return keys_conf_check(c, err, cap);
}

int origin_conf_check(const struct origin_conf *c, char *err, size_t cap)
{
	char why[HTTP_ERR] = "";
	struct access *access = NULL;
	int rc = package_conf_check(&c->package, err, cap);

	if (!rc)
		rc = check_listen(c, err, cap);
	if (rc)
		return rc;
	rc = http_trust_check(c->trusted, c->forwarded, why);
	if (!rc)
		rc = origin_access(c, &access, why);
	access_destroy(access);
	if (rc)
		snprintf(err, cap, "%s", why);
	return rc;
}
