/* What the configuration says of encryption, and the key file. */
#include <errno.h>
#include <stdio.h>

#include "dvr.h"
#include "keys_own.h"
#include "os/os.h"
#include "package.h"

#define FILE_MAX 32768

enum cmaf_scheme keys_scheme(const struct package_conf *c)
{
	const char *s = c->encryption;

	return !s || !strcmp(s, "none") ? CMAF_CLEAR : !strcmp(s, "cbcs") ? CMAF_CBCS : CMAF_AES128;
}

/* 0 for a word that is none. */
static unsigned read_formats(const char *list)
{
	unsigned formats = 0;
	char word[16];
	int rc;

	while ((rc = conf_list_next(&list, word, sizeof(word))) > 0) {
		if (!strcmp(word, "identity"))
			formats |= CMAF_IDENTITY;
		else if (!strcmp(word, "clearkey"))
			formats |= CMAF_CLEARKEY;
		else
			return 0;
	}
	return rc ? 0 : formats;
}

static unsigned formats_of(const struct package_conf *c)
{
	return read_formats(c->encryption_formats ? c->encryption_formats : "");
}

struct cmaf_key_places keys_places(const struct package *p, const struct package_conf *c)
{
	return (struct cmaf_key_places){
	    .uri = c->encryption_uri ? c->encryption_uri : "../key/",
	    .license = c->encryption_uri ? NULL : p->license,
	    .formats = formats_of(c),
	};
}

int keys_read_file(const char *path, struct cmaf_secret out[KEYS_FILE], char *err, size_t cap)
{
	char text[FILE_MAX];
	int line, rc = os_read_secret(path, text, sizeof(text));

	if (rc) {
		snprintf(err, cap, "%.128s: %s", path,
			 rc == -EPERM ? "others can read it: chmod 600" : strerror(-rc));
		return rc;
	}
	rc = cmaf_secrets_parse(text, out, KEYS_FILE, &line);
	os_wipe(text, sizeof(text));
	if (rc == -EEXIST)
		snprintf(err, cap, "%.128s:%d: the same key id twice", path, line);
	else if (rc == -E2BIG)
		snprintf(err, cap, "%.128s: more than %d keys", path, KEYS_FILE);
	else if (rc < 0 && line)
		snprintf(err, cap, "%.128s:%d: no KID:KEY of 32 hexadecimal digits each", path,
			 line);
	else if (rc < 0)
		snprintf(err, cap, "%.128s: no key in it", path);
	return rc;
}

static int check_file(const struct package_conf *c, char *err, size_t cap)
{
	struct cmaf_secret *s = calloc(KEYS_FILE, sizeof(*s));
	int n = s ? keys_read_file(c->encryption_keys, s, err, cap) : -ENOMEM;

	if (s)
		os_wipe(s, KEYS_FILE * sizeof(*s));
	free(s);
	if (n == 1 && c->encryption_rotate_us) {
		snprintf(err, cap, "%.128s: one key, so none to change to by encryption_rotate",
			 c->encryption_keys);
		return -EINVAL;
	}
	return n < 0 ? n : 0;
}

static bool is_http(const char *url)
{
	return str_starts(url, "http://") || str_starts(url, "https://");
}

/* A quotation mark or a line's end would end the address in a playlist. */
static bool is_address(const char *s)
{
	for (; *s; s++)
		if (*s <= ' ' || *s == '"' || *s == 0x7f)
			return false;
	return true;
}

static int refuse(char *err, size_t cap, const char *why)
{
	snprintf(err, cap, "%s", why);
	return -EINVAL;
}

int keys_conf_check(const struct package_conf *c, char *err, size_t cap)
{
	const char *s = c->encryption ? c->encryption : "none";

	if (strcmp(s, "none") && strcmp(s, "cbcs") && strcmp(s, "aes-128"))
		return refuse(err, cap, "encryption: none, cbcs or aes-128");
	if (keys_scheme(c) == CMAF_CLEAR)
		return 0;
	if (c->vod && *c->vod)
		return refuse(err, cap, "encryption: not together with vod");
	if (!c->encryption_keys == !c->encryption_url)
		return refuse(err, cap, "encryption wants encryption_keys or encryption_url");
	if (c->encryption_url && (!is_http(c->encryption_url) || !is_address(c->encryption_url)))
		return refuse(err, cap, "encryption_url: http:// or https://");
	if (c->encryption_uri && !is_address(c->encryption_uri))
		return refuse(err, cap, "encryption_uri: no address");
	if (!formats_of(c))
		return refuse(err, cap, "encryption_formats: identity, clearkey or both");
	if (c->encryption_rotate_us &&
	    c->encryption_rotate_us < (2 * c->window_us + 2 * KEYS_LEAD_US) / (KEYS_KEPT / 2))
		return refuse(err, cap, "encryption_rotate: too short for so long a window");
	if (c->encryption_rotate_us && c->dvr && *c->dvr &&
	    c->dvr_window_us / c->encryption_rotate_us > DVR_KEYS - KEYS_KEPT)
		return refuse(err, cap, "encryption_rotate: too short for so long a dvr_window");
	return c->encryption_keys ? check_file(c, err, cap) : 0;
}
