/* keys: which key a stream is encrypted by, and from when. Time is cut into turns, as long as encryption_rotate, counted
 * from 1970; each has a key, got well ahead: from the lines of a file, round about, or from a key server. So two packagers
 * of one stream agree, and so does one that is started again. A key that does not come leaves the last one in force;
 * without the first nothing is packaged. */
#ifndef GEX_PACKAGE_KEYS_H
#define GEX_PACKAGE_KEYS_H

#include "cmaf/cmaf.h"
#include "cmaf/secret.h"
#include "http/http.h"

struct loop;
struct package;
struct package_conf;
struct keys;

/* Whether what c says of encryption can be; reads the key file. 0, or a negative errno with one line in err. */
int keys_conf_check(const struct package_conf *c, char *err, size_t cap);
enum cmaf_scheme keys_scheme(const struct package_conf *c);
/* Where players get keys: texts of c and of the stream. */
struct cmaf_key_places keys_places(const struct package *p, const struct package_conf *c);

/* *out is NULL for a stream in clear. conf outlives it. */
int keys_create(struct keys **out, const struct package_conf *conf, struct loop *l,
		char *err) MUST_USE;
/* Waits for a request to the key server that is under way, which it cancels. NULL is allowed. */
void keys_destroy(struct keys *k);
/* conf, which says the same of encryption, takes the place of the one before. NULL is allowed. */
void keys_take(struct keys *k, const struct package_conf *conf);
/* Reads the file again. Without rotation a new first line takes over at the next segment. On failure nothing changes and
 * err has one line. */
int keys_reload(struct keys *k, char *err) MUST_USE;
/* Several times a second, and when a presentation has been made: sees to it that c has the keys of now and of the near
 * future. c NULL: there is none. k NULL is allowed. */
void keys_tick(struct keys *k, struct cmaf *c);
/* The presentation goes. NULL is allowed. */
void keys_forget(struct keys *k);

/* For metrics: 1 while the key of this turn is not there; requests to the key server that failed. */
bool keys_late(const struct keys *k);
int64_t keys_failures(const struct keys *k);

/* keys_serve.c: answers a path below /NAME/ that is about keys: "key/" and a key's id, the key as 16 bytes; "license", a license
 * of ClearKey (W3C EME, 9.1.4), by POST with those that a request of it names (9.1.3), else with all that segments have or will
 * have, in memory and on disk. False: it is another path, or players get keys elsewhere. */
bool keys_serve(struct package *p, const char *path, struct http_request *r);
/* How long the body of a POST to the path may be; 0: none is taken there. */
size_t keys_body_max(const struct package *p, const char *path);

#endif
