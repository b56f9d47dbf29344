/* What players get: one key, or a license of ClearKey. */
#include <stdio.h>

#include "keys.h"
#include "os/os.h"

void keys_send(const struct cmaf *c, const char *name, struct http_request *r)
{
	const struct cmaf_key *k = cmaf_key_find(c, name);
	struct buf *b = k ? buf_copy(k->key, sizeof(k->key)) : NULL;

	if (!b) {
		http_reply(r, &(struct http_answer){.status = k ? 503 : 404, .cache = "no-store"});
		return;
	}
	http_reply(r, &(struct http_answer){.status = 200,
					    .type = "application/octet-stream",
					    .cache = "no-store",
					    .body = &(struct slice){b, 0, b->len},
					    .n = 1});
	buf_unref(b);
}

void keys_send_license(const struct cmaf *c, struct http_request *r)
{
	char text[CMAF_KEYS * 96 + 64], kid[23], key[23];
	size_t n = (size_t)snprintf(text, sizeof(text), "{\"keys\":[");

	for (int i = 0; i < c->nkeys; i++) {
		cmaf_secret_text(c->key[i]->kid, kid);
		cmaf_secret_text(c->key[i]->key, key);
		n += (size_t)snprintf(text + n, sizeof(text) - n,
				      "%s{\"kty\":\"oct\",\"kid\":\"%s\",\"k\":\"%s\"}",
				      i ? "," : "", kid, key);
	}
	n += (size_t)snprintf(text + n, sizeof(text) - n, "],\"type\":\"temporary\"}");
	struct buf *b = buf_copy(text, n);
	os_wipe(text, sizeof(text));
	os_wipe(key, sizeof(key));
	if (!b) {
		http_reply_status(r, 503);
		return;
	}
	http_reply(r, &(struct http_answer){.status = 200,
					    .type = "application/json",
					    .cache = "no-store",
					    .body = &(struct slice){b, 0, b->len},
					    .n = 1});
	buf_unref(b);
}
