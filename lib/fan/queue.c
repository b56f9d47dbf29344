#include "fan/queue.h"

#include <errno.h>

static size_t cost(const struct fan_item *it)
{
	return it->size + FAN_ITEM_COST;
}

/* Gives the room before head back, when that is most of the array. */
static void compact(struct fan_queue *q)
{
	if (q->head < 64 || q->head < q->v.len / 2)
		return;
	q->v.len -= q->head;
	memmove(q->v.at, q->v.at + q->head, q->v.len * sizeof(*q->v.at));
	q->head = 0;
}

int fan_queue_push(struct fan_queue *q, const struct fan_slot *s)
{
	compact(q);
	if (vec_push(&q->v, *s))
		return -ENOMEM;
	q->ops->ref(s->it.p);
	q->bytes += cost(&s->it);
	return 0;
}

int fan_queue_push_front(struct fan_queue *q, const struct fan_slot *s)
{
	int r = fan_queue_push(q, s);
	size_t n = fan_queue_len(q);

	if (r)
		return r;
	memmove(fan_queue_at(q, 1), fan_queue_at(q, 0), (n - 1) * sizeof(*q->v.at));
	*fan_queue_at(q, 0) = *s;
	return 0;
}

bool fan_queue_pop(struct fan_queue *q, struct fan_item *out)
{
	if (q->head == q->v.len)
		return false;
	*out = q->v.at[q->head++].it;
	q->bytes -= cost(out);
	if (q->head == q->v.len)
		q->head = q->v.len = 0;
	return true;
}

int64_t fan_queue_us(const struct fan_queue *q)
{
	int64_t us;

	if (q->head == q->v.len ||
	    __builtin_sub_overflow(q->v.at[q->v.len - 1].it.us, q->v.at[q->head].it.us, &us))
		return 0;
	return MAX(us, 0);
}

size_t fan_queue_filter(struct fan_queue *q, bool (*keep)(void *arg, const struct fan_slot *s),
			void *arg)
{
	size_t w = 0, n = fan_queue_len(q);

	for (size_t i = 0; i < n; i++) {
		struct fan_slot s = *fan_queue_at(q, i);

		if (keep(arg, &s)) {
			q->v.at[w++] = s;
			continue;
		}
		q->bytes -= cost(&s.it);
		q->ops->unref(s.it.p);
	}
	q->head = 0;
	q->v.len = w;
	return n - w;
}

static bool keep_none(void *arg, const struct fan_slot *s)
{
	return false;
}

size_t fan_queue_clear(struct fan_queue *q)
{
	return fan_queue_filter(q, keep_none, NULL);
}

void fan_queue_finish(struct fan_queue *q)
{
	if (q->ops)
		fan_queue_clear(q);
	vec_free(&q->v);
	q->head = 0;
}
