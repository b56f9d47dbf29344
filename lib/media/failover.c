#include "media/failover.h"

const char *const media_fault_name[MEDIA_FAULTS] = {"black", "frozen", "silence"};

void failover_init(struct failover *f, int64_t loss_us, int64_t return_us)
{
	*f = (struct failover){.loss_us = loss_us, .return_us = return_us, .active = -1};
}

static bool alive(const struct failover *f, int i, int64_t now_us)
{
	return f->input[i].ready && now_us - f->input[i].heard_us <= f->loss_us;
}

/* Another can go on as well, and has no fault while i has one, or else is preferred. */
static bool better_than(const struct failover *f, int i, int64_t now_us)
{
	for (int k = 0; k < INPUTS_MAX; k++) {
		bool good = !f->input[k].faults, as_good = !f->input[i].faults;

		if (k != i && alive(f, k, now_us) && (good == as_good ? k < i : good))
			return true;
	}
	return false;
}

static bool takes_over(const struct failover *f, int i, bool key, int64_t now_us)
{
	const struct failover_input *in = &f->input[i];

	if (!in->ready)
		return false;
	if (f->active < 0 || !alive(f, f->active, now_us))
		return !better_than(f, i, now_us);
	if (in->faults)
		return false;
	if (f->input[f->active].faults)
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

void failover_fault(struct failover *f, int i, unsigned faults, int64_t now_us)
{
	struct failover_input *in = &f->input[i];

	if (in->faults && !faults)
		in->steady_us = now_us;
	in->faults = faults;
}
