#include <errno.h>
#include <pthread.h>
#include <stdio.h>

#include "keys_own.h"
#include "log/log.h"
#include "loop/loop.h"
#include "media/fetch.h"
#include "os/os.h"
#include "package.h"

#define FETCH_US (5 * SEC_US)
#define RETRY_US (30 * SEC_US) /* at the latest; the first is after one second */
#define ANSWER_MAX 4096

struct key_fetch {
	struct key_server *s; /* NULL: it is gone */
	struct loop *loop;
	pthread_t thread;
	_Atomic bool cancel;
	int64_t turn;
	char name[PACKAGE_NAME_MAX + 1]; /* of the stream */
	char *url, *authorization;
	ssize_t n; /* of data; negative: it failed, and err says why */
	uint8_t data[ANSWER_MAX];
	char err[MEDIA_ERR];
};

static void fetch_free(struct key_fetch *f)
{
	if (!f)
		return;
	if (f->authorization)
		os_wipe(f->authorization, strlen(f->authorization));
	free(f->authorization);
	free(f->url);
	os_wipe(f->data, sizeof(f->data));
	free(f);
}

static void failed(struct key_server *s, const char *name, const char *why)
{
	static struct log_limit limit;
	int64_t now = loop_now_us(s->loop);

	s->failures++;
	s->retry_us = CLAMP(2 * s->retry_us, SEC_US, RETRY_US);
	s->retry_at_us = now + s->retry_us;
	if (log_allow(&limit, 5, 60 * SEC_US, now))
		log_warn("keys", "%s: the key server: %s", name, why);
}

static void take_answer(struct key_server *server, const struct key_fetch *f)
{
	struct cmaf_secret s = {{0}, {0}};

	if (f->n < 0) {
		failed(server, f->name, f->err);
	} else if (cmaf_secret_answer(f->data, (size_t)f->n, &s)) {
		failed(server, f->name, "its answer is no key");
	} else if (server->got(server->arg, f->turn, &s)) {
		failed(server, f->name, "another key under the same id");
	} else {
		server->retry_us = server->retry_at_us = 0;
		log_info("keys", "%s: a key from the key server", f->name);
	}
	os_wipe(&s, sizeof(s));
}

static void on_fetched(void *arg)
{
	struct key_fetch *f = arg;

	if (f->s) {
		pthread_join(f->thread, NULL);
		f->s->fetch = NULL;
		take_answer(f->s, f);
	}
	fetch_free(f);
}

static void *run(void *arg)
{
	struct key_fetch *f = arg;

	os_thread_name("keys");
	f->n = media_fetch(f->url, f->authorization, &f->cancel, FETCH_US, f->data, sizeof(f->data),
			   f->err);
	if (loop_post(f->loop, on_fetched, f))
		log_debug("keys", "the loop has ended before the key server answered");
	return NULL;
}

static char *copy_of(const char *s)
{
	return str_ndup(s, strlen(s));
}

/* %n is the number of the turn. */
static char *url_of(const char *pattern, int64_t turn)
{
	const char *at = strstr(pattern, "%n");

	return at ? str_format("%.*s%lld%s", (int)(at - pattern), pattern, (long long)turn, at + 2)
		  : copy_of(pattern);
}

static char *authorization_of(const struct package_conf *c)
{
	char text[1024];
	char *copy = NULL;

	if (c->encryption_auth && !os_read_secret(c->encryption_auth, text, sizeof(text)) &&
	    !strpbrk(text, "\r\n"))
		copy = copy_of(text);
	os_wipe(text, sizeof(text));
	return copy;
}

void key_server_ask(struct key_server *s, const struct package_conf *c, int64_t turn)
{
	if (s->fetch || loop_now_us(s->loop) < s->retry_at_us)
		return;
	struct key_fetch *f = calloc(1, sizeof(*f));
	if (!f)
		return;
	f->s = s;
	f->loop = s->loop;
	f->turn = turn;
	str_copy(f->name, sizeof(f->name), c->name);
	f->url = url_of(c->encryption_url, turn);
	f->authorization = authorization_of(c);
	if (c->encryption_auth && !f->authorization)
		failed(s, f->name, "encryption_auth cannot be read");
	else if (!f->url || pthread_create(&f->thread, NULL, run, f))
		failed(s, f->name, "out of memory");
	else
		s->fetch = f;
	if (s->fetch != f)
		fetch_free(f);
}

void key_server_finish(struct key_server *s)
{
	if (!s->fetch)
		return;
	s->fetch->cancel = true; /* its answer is in the mailbox, and frees it */
	s->fetch->s = NULL;
	pthread_join(s->fetch->thread, NULL);
}
