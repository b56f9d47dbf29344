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

/* How bad input i is, by the worst of its faults: black is worse than frozen, which is worse than silent; 0: it has none that
 * matters. lasting: only what has been there for longer than it may be. */
static int badness(const struct failover *f, int i, bool lasting, int64_t now_us)
{
	const struct failover_input *in = &f->input[i];

	for (int k = 0; k < FAILOVER_FAULTS; k++)
		if (in->has[k] && f->fault_us[k] &&
		    (!lasting || now_us - in->since_us[k] >= f->fault_us[k]))
			return FAILOVER_FAULTS - k;
	return 0;
}

/* Has it been looked at for all that matters? */
static bool known(const struct failover *f, int i)
{
	for (int k = 0; k < FAILOVER_FAULTS; k++)
		if (f->fault_us[k] && !f->input[i].looked[k])
			return false;
	return true;
}

/* Another than i can go on as well, and is to be preferred: it is less bad, or stands before i. */
static bool better_than(const struct failover *f, int i, int64_t now_us)
{
	int bad = badness(f, i, false, now_us);

	for (int k = 0; k < INPUTS_MAX; k++) {
		if (k == i || k == f->active || !alive(f, k, now_us))
			continue;
		int other = badness(f, k, false, now_us);
		if (other < bad || (other == bad && k < i))
			return true;
	}
	return false;
}

/* Nothing comes from the active one. What is black waits, in case that is a hole of a moment. */
static bool stands_in(const struct failover *f, int i, int64_t now_us)
{
	bool black = badness(f, i, false, now_us) == FAILOVER_FAULTS - FAULT_BLACK;

	return !(black && f->active >= 0 &&
		 now_us - f->input[f->active].heard_us <= f->loss_us + FAILOVER_BLACK_US) &&
	       !better_than(f, i, now_us);
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
		return stands_in(f, i, now_us);
	int own = badness(f, i, false, now_us), its = badness(f, f->active, true, now_us);
	*why = (enum failover_why)(FAILOVER_FAULTS - its);
	if (own < its)
		return known(f, i) && !better_than(f, i, now_us);
	*why = WHY_RETURN;
	return !own && i < f->active && key && now_us - in->steady_us >= f->return_us;
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
	in->looked[kind] = true;
}

void failover_lost(struct failover *f, int i)
{
	f->input[i].ready = false;
	memset(f->input[i].has, 0, sizeof(f->input[i].has));
	memset(f->input[i].looked, 0, sizeof(f->input[i].looked));
}
