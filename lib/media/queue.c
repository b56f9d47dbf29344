#include "media/queue.h"

#include <errno.h>
#include <time.h>

void cond_init(pthread_cond_t *c)
{
	pthread_condattr_t a;

	pthread_condattr_init(&a);
	pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
	pthread_cond_init(c, &a);
	pthread_condattr_destroy(&a);
}

void cond_wait_until(pthread_cond_t *c, pthread_mutex_t *lock, int64_t until_us)
{
	struct timespec at = {until_us / SEC_US, until_us % SEC_US * 1000};

	if (until_us == NEVER_US)
		pthread_cond_wait(c, lock);
	else
		pthread_cond_timedwait(c, lock, &at);
}

int queue_init(struct queue *q, size_t cap)
{
	q->item = calloc(cap, sizeof(*q->item));
	if (!q->item)
		return -ENOMEM;
	q->cap = cap;
	pthread_mutex_init(&q->lock, NULL);
	cond_init(&q->more);
	cond_init(&q->room);
	q->made = true;
	return 0;
}

void queue_finish(struct queue *q)
{
	if (!q->made)
		return;
	pthread_cond_destroy(&q->room);
	pthread_cond_destroy(&q->more);
	pthread_mutex_destroy(&q->lock);
	free(q->item);
	*q = (struct queue){0};
}

static void append(struct queue *q, void *x)
{
	q->item[(q->head + q->len++) % q->cap] = x;
	pthread_cond_signal(&q->more);
}

bool queue_push(struct queue *q, void *x)
{
	pthread_mutex_lock(&q->lock);
	while (q->len == q->cap && !q->closed)
		pthread_cond_wait(&q->room, &q->lock);
	bool taken = !q->closed;
	if (taken)
		append(q, x);
	pthread_mutex_unlock(&q->lock);
	return taken;
}

static void *at(const struct queue *q, size_t i)
{
	return q->item[(q->head + i) % q->cap];
}

static bool is_full(const struct queue *q, const void *x, const struct queue_door *door)
{
	size_t n = 0;

	if (q->len == q->cap)
		return true;
	for (size_t i = 0; i < q->len && door->counts(x); i++)
		n += door->counts(at(q, i));
	return n >= door->limit;
}

static void *evict(struct queue *q, const struct queue_door *door)
{
	for (size_t i = 0; i < q->len; i++) {
		void *x = at(q, i);

		if (!door->counts(x) || !door->may_go(x))
			continue;
		for (; i + 1 < q->len; i++)
			q->item[(q->head + i) % q->cap] = at(q, i + 1);
		q->len--;
		return x;
	}
	return NULL;
}

void *queue_offer(struct queue *q, void *x, const struct queue_door *door)
{
	void *gone = NULL;

	pthread_mutex_lock(&q->lock);
	if (q->closed)
		gone = x;
	else if (is_full(q, x, door) && !(gone = evict(q, door)) &&
		 (q->len == q->cap || door->may_go(x)))
		gone = x;
	if (gone != x)
		append(q, x);
	pthread_mutex_unlock(&q->lock);
	return gone;
}

void *queue_pop(struct queue *q, int64_t until_us, bool *ended)
{
	struct timespec at = {until_us / SEC_US, until_us % SEC_US * 1000};
	void *x = NULL;
	int rc = 0;

	pthread_mutex_lock(&q->lock);
	while (!q->len && !q->closed && rc != ETIMEDOUT) {
		if (until_us == NEVER_US)
			pthread_cond_wait(&q->more, &q->lock);
		else
			rc = pthread_cond_timedwait(&q->more, &q->lock, &at);
	}
	*ended = !q->len && q->closed;
	if (q->len) {
		x = q->item[q->head];
		q->head = (q->head + 1) % q->cap;
		q->len--;
		pthread_cond_signal(&q->room);
	}
	pthread_mutex_unlock(&q->lock);
	return x;
}

void queue_close(struct queue *q)
{
	if (!q->made)
		return;
	pthread_mutex_lock(&q->lock);
	q->closed = true;
	pthread_cond_broadcast(&q->more);
	pthread_cond_broadcast(&q->room);
	pthread_mutex_unlock(&q->lock);
}

size_t queue_len(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	size_t n = q->len;
	pthread_mutex_unlock(&q->lock);
	return n;
}

int64_t queue_first(struct queue *q, int64_t (*of)(const void *x))
{
	pthread_mutex_lock(&q->lock);
	int64_t v = q->len ? of(q->item[q->head]) : NEVER_US;
	pthread_mutex_unlock(&q->lock);
	return v;
}

bool queue_is_over(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	bool over = q->closed && !q->len;
	pthread_mutex_unlock(&q->lock);
	return over;
}
