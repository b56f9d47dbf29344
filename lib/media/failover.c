#include "media/failover.h"

void failover_init(struct failover *f, int64_t loss_us, int64_t return_us)
{
	*f = (struct failover){.loss_us = loss_us, .return_us = return_us, .active = -1};
}

static bool alive(const struct failover *f, int i, int64_t now_us)
{
	return f->input[i].ready && now_us - f->input[i].heard_us <= f->loss_us;
}

/* Another, preferred to i, can go on as well. */
static bool better_than(const struct failover *f, int i, int64_t now_us)
{
	for (int k = 0; k < i; k++)
		if (alive(f, k, now_us))
			return true;
	return false;
}

static bool takes_over(const struct failover *f, int i, bool key, int64_t now_us)
{
	const struct failover_input *in = &f->input[i];

	if (!in->ready)
		return false;
	if (f->active < 0 || !alive(f, f->active, now_us))
		return !better_than(f, i, now_us);
	return i < f->active && key && now_us - in->steady_us >= f->return_us;
}

bool failover_heard(struct failover *f, int i, bool key, int64_t now_us)
{
	struct failover_input *in = &f->input[i];

	if (!in->ready || now_us - in->heard_us > f->loss_us)
		in->steady_us = now_us;
	in->ready |= key;
	in->heard_us = now_us;
	if (i == f->active)
		return true;
	if (!takes_over(f, i, key, now_us))
		return false;
	f->changes += f->active >= 0;
	f->active = i;
	return true;
}

void failover_lost(struct failover *f, int i)
{
	f->input[i].ready = false;
}
