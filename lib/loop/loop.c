#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "log/log.h"
#include "loop/loop_priv.h"
#include "os/os.h"

#define SLOW_US (50 * MS_US)
#define CLOSING_US SEC_US
#define CLOSING_STEP_MS 20

void loop_call(struct loop *l, void (*fn)(void *), void *arg, const char *what)
{
	int64_t start = os_mono_us();

	fn(arg);
	int64_t end = os_mono_us();
	if (end - start > SLOW_US && end - l->slow_warned_us > 10 * SEC_US) {
		l->slow_warned_us = end;
		log_warn("loop", "a %s callback took %lld ms", what,
			 (long long)((end - start) / 1000));
	}
}

/* Runs what was there at the beginning: a call that posts another waits for the next turn. */
static void run_calls(struct loop *l, struct list *from, const char *what)
{
	struct list now;

	if (list_empty(from))
		return;
	now = *from;
	now.next->prev = now.prev->next = &now;
	list_init(from);
	while (!list_empty(&now)) {
		struct loop_call *c = list_first(&now, struct loop_call, link);

		list_remove(&c->link);
		loop_call(l, c->fn, c->arg, what);
		free(c);
	}
}

static void on_defer(uv_idle_t *idle)
{
	struct loop *l = idle->data;

	run_calls(l, &l->deferred, "deferred");
	if (list_empty(&l->deferred))
		uv_idle_stop(idle);
}

static void run_posted(struct loop *l)
{
	struct list got;

	list_init(&got);
	pthread_mutex_lock(&l->lock);
	if (!list_empty(&l->posted)) {
		got = l->posted;
		got.next->prev = got.prev->next = &got;
		list_init(&l->posted);
	}
	pthread_mutex_unlock(&l->lock);
	run_calls(l, &got, "posted");
}

static void on_mail(uv_poll_t *mail, int status, int events)
{
	struct loop *l = mail->data;
	uint64_t posts;

	(void)!read(l->mailfd, &posts, sizeof(posts));
	run_posted(l);
}

static int mail_setup(struct loop *l)
{
	int rc;

	l->mailfd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (l->mailfd < 0)
		return -errno;
	if ((rc = uv_poll_init(&l->uv, &l->mail, l->mailfd)))
		return rc;
	l->mail.data = l;
	return uv_poll_start(&l->mail, UV_READABLE, on_mail);
}

static struct loop_call *call_create(void (*fn)(void *), void *arg)
{
	struct loop_call *c = malloc(sizeof(*c));

	if (c)
		*c = (struct loop_call){.fn = fn, .arg = arg};
	return c;
}

int loop_defer(struct loop *l, void (*fn)(void *), void *arg)
{
	struct loop_call *c = call_create(fn, arg);

	if (!c)
		return -ENOMEM;
	list_append(&l->deferred, &c->link);
	return uv_idle_start(&l->defer_idle, on_defer);
}

int loop_post(struct loop *l, void (*fn)(void *), void *arg)
{
	struct loop_call *c = call_create(fn, arg);

	if (!c)
		return -ENOMEM;
	pthread_mutex_lock(&l->lock);
	bool closed = l->closed, first = list_empty(&l->posted);
	if (!closed)
		list_append(&l->posted, &c->link);
	pthread_mutex_unlock(&l->lock);
	/* Not under the lock, which is what the loop wants as soon as it is woken. */
	if (!closed && first)
		(void)!write(l->mailfd, &(uint64_t){1}, sizeof(uint64_t));
	if (closed)
		free(c);
	return closed ? -ESHUTDOWN : 0;
}

static void on_signal(uv_signal_t *uv, int signo)
{
	struct loop_signal *s = uv->data;

	s->fn(s->arg, signo);
}

static void on_signal_closed(uv_handle_t *h)
{
	free(h->data);
}

int loop_on_signal(struct loop *l, int signo, void (*fn)(void *, int), void *arg)
{
	struct loop_signal *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	*s = (struct loop_signal){.signo = signo, .fn = fn, .arg = arg};
	int rc = uv_signal_init(&l->uv, &s->uv);
	if (rc) {
		free(s);
		return rc;
	}
	s->uv.data = s;
	list_append(&l->signals, &s->link);
	return uv_signal_start(&s->uv, on_signal, signo);
}

static void on_quit(void *arg, int signo)
{
	struct loop *l = arg;

	if (l->quits++) {
		log_info(NULL, "second signal: stopping at once");
		loop_stop(l, EX_OK);
		return;
	}
	log_info(NULL, "%s: stopping", signo == SIGINT ? "interrupted" : "terminated");
	os_notify("STOPPING=1");
	l->drain(l->drain_arg);
}

int loop_on_quit(struct loop *l, void (*drain)(void *), void *arg)
{
	l->drain = drain;
	l->drain_arg = arg;
	int rc = loop_on_signal(l, SIGTERM, on_quit, l);
	return rc ? rc : loop_on_signal(l, SIGINT, on_quit, l);
}

int loop_create(struct loop **out)
{
	struct loop *l = calloc(1, sizeof(*l));
	int rc;

	if (!l)
		return -ENOMEM;
	l->timerfd = l->mailfd = -1;
	list_init(&l->deferred);
	list_init(&l->posted);
	list_init(&l->signals);
	pthread_mutex_init(&l->lock, NULL);
	signal(SIGPIPE, SIG_IGN);
	if ((rc = uv_loop_init(&l->uv)))
		goto fail;
	l->uv.data = l;
	l->defer_idle.data = l;
	if ((rc = uv_idle_init(&l->uv, &l->defer_idle)) || (rc = mail_setup(l)) ||
	    (rc = loop_timer_setup(l))) {
		loop_destroy(l);
		return rc;
	}
	*out = l;
	return 0;
fail:
	free(l);
	return rc;
}

static void close_handle(uv_handle_t *h, void *arg)
{
	struct loop *l = arg;
	struct loop_signal *s;

	if (uv_is_closing(h))
		return;
	if (h->type == UV_SIGNAL) {
		list_for (s, &l->signals, link)
			if ((uv_handle_t *)&s->uv == h) {
				uv_close(h, on_signal_closed);
				return;
			}
	}
	uv_close(h, NULL);
}

static void free_calls(struct list *calls)
{
	struct loop_call *c, *tmp;

	list_for_safe (c, tmp, calls, link)
		free(c);
	list_init(calls);
}

/* Handles close in a moment; what a thread of libuv does for us may take as long as the name servers or the
 * disk like. */
static bool close_all(struct loop *l)
{
	int64_t until = os_mono_us() + CLOSING_US;

	uv_walk(&l->uv, close_handle, l);
	while (uv_run(&l->uv, UV_RUN_NOWAIT) && os_mono_us() < until) {
		struct pollfd ready = {.fd = uv_backend_fd(&l->uv), .events = POLLIN};

		poll(&ready, 1, uv_backend_timeout(&l->uv) ? CLOSING_STEP_MS : 0);
	}
	return !uv_loop_close(&l->uv);
}

bool loop_destroy(struct loop *l)
{
	if (!l)
		return true;
	pthread_mutex_lock(&l->lock);
	l->closed = true;
	pthread_mutex_unlock(&l->lock);
	run_posted(l);
	bool closed = close_all(l);

	free_calls(&l->deferred);
	vec_free(&l->heap);
	if (!closed)
		return false;
	if (l->timerfd >= 0)
		close(l->timerfd);
	if (l->mailfd >= 0)
		close(l->mailfd);
	pthread_mutex_destroy(&l->lock);
	free(l);
	return true;
}

int loop_run(struct loop *l)
{
	while (!l->stopping)
		uv_run(&l->uv, UV_RUN_DEFAULT);
	return l->status;
}

void loop_stop(struct loop *l, int status)
{
	if (!l->stopping)
		l->status = status;
	l->stopping = true;
	uv_stop(&l->uv);
}

bool loop_stopping(const struct loop *l)
{
	return l->stopping;
}

int64_t loop_now_us(const struct loop *l)
{
	return os_mono_us();
}

uv_loop_t *loop_uv(struct loop *l)
{
	return &l->uv;
}
