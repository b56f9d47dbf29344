#include "media/failover.h"

const char *const failover_why_name[FAILOVER_WHYS] = {
    [FAULT_BLACK] = "black", [FAULT_FROZEN] = "frozen", [FAULT_SILENT] = "silent",
    [WHY_LOSS] = "loss",     [WHY_RETURN] = "return",
};

const char *const failover_why_text[FAILOVER_WHYS] = {
    [FAULT_BLACK] = "the other is black",   [FAULT_FROZEN] = "the other's picture is frozen",
    [FAULT_SILENT] = "the other is silent", [WHY_LOSS] = "nothing comes from the other",
    [WHY_RETURN] = "it is preferred",
};

void failover_init(struct failover *f, int64_t loss_us, int64_t return_us)
{
	*f = (struct failover){.loss_us = loss_us, .return_us = return_us, .active = -1};
}

static bool alive(const struct failover *f, int i, int64_t now_us)
{
	return f->input[i].ready && now_us - f->input[i].heard_us <= f->loss_us;
}

/* The fault of input i that has lasted too long, or FAILOVER_FAULTS. */
static enum failover_fault fault_of(const struct failover *f, int i, int64_t now_us)
{
	const struct failover_input *in = &f->input[i];
	int k = 0;

	while (k < FAILOVER_FAULTS &&
	       !(in->has[k] && f->fault_us[k] && now_us - in->since_us[k] >= f->fault_us[k]))
		k++;
	return (enum failover_fault)k;
}

bool failover_bad(const struct failover *f, int i, int64_t now_us)
{
	return fault_of(f, i, now_us) != FAILOVER_FAULTS;
}

/* Another than i can go on as well, and is to be preferred: it has no fault where i has one, or stands before i. */
static bool better_than(const struct failover *f, int i, int64_t now_us)
{
	bool bad = failover_bad(f, i, now_us);

	for (int k = 0; k < INPUTS_MAX; k++) {
		if (k == i || k == f->active || !alive(f, k, now_us))
			continue;
		bool worse = failover_bad(f, k, now_us);
		if (worse < bad || (worse == bad && k < i))
			return true;
	}
	return false;
}

/* Does input i take over, and why? */
static bool takes_over(const struct failover *f, int i, bool key, int64_t now_us,
		       enum failover_why *why)
{
	const struct failover_input *in = &f->input[i];

	if (!in->ready)
		return false;
	*why = WHY_LOSS;
	if (f->active < 0 || !alive(f, f->active, now_us))
		return !better_than(f, i, now_us);
	if (failover_bad(f, i, now_us))
		return false;
	*why = (enum failover_why)fault_of(f, f->active, now_us);
	if (*why != (enum failover_why)FAILOVER_FAULTS)
		return !better_than(f, i, now_us);
	*why = WHY_RETURN;
	return i < f->active && key && now_us - in->steady_us >= f->return_us;
}

bool failover_heard(struct failover *f, int i, bool key, int64_t now_us)
{
	struct failover_input *in = &f->input[i];
	enum failover_why why;

	if (!in->ready || now_us - in->heard_us > f->loss_us)
		in->steady_us = now_us;
	in->ready |= key;
	in->heard_us = now_us;
	if (i == f->active)
		return true;
	if (!takes_over(f, i, key, now_us, &why))
		return false;
	if (f->active >= 0) {
		f->changes[why]++;
		f->why = why;
	}
	f->active = i;
	return true;
}

void failover_seen(struct failover *f, int i, enum failover_fault kind, bool on, int64_t now_us)
{
	struct failover_input *in = &f->input[i];

	if (on && !in->has[kind])
		in->since_us[kind] = now_us;
	if (!on && in->has[kind] && f->fault_us[kind])
		in->steady_us = now_us;
	in->has[kind] = on;
}

void failover_lost(struct failover *f, int i)
{
	f->input[i].ready = false;
	memset(f->input[i].has, 0, sizeof(f->input[i].has));
}
