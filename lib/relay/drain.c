#include "relay/drain.h"

#include <sysexits.h>

#include "log/log.h"

#define LOOK_US (20 * MS_US)
#define LOOK_CLOSING_US (5 * MS_US)
#define GOODBYE_US (500 * MS_US)

static void say_goodbye(struct relay_drain *d)
{
	d->closing = true;
	d->until_us = loop_now_us(d->loop) + GOODBYE_US;
	d->ops->goodbye(d->arg);
	loop_timer_in(&d->timer, LOOK_CLOSING_US);
}

static void on_look(void *arg)
{
	struct relay_drain *d = arg;
	bool late = loop_now_us(d->loop) >= d->until_us;

	if (!late && (d->closing ? d->ops->tunnels : d->ops->busy)(d->arg))
		loop_timer_in(&d->timer, d->closing ? LOOK_CLOSING_US : LOOK_US);
	else if (d->closing)
		loop_stop(d->loop, EX_OK);
	else
		say_goodbye(d);
}

void relay_drain_init(struct relay_drain *d, struct loop *l, const struct relay_drain_ops *ops,
		      void *arg)
{
	*d = (struct relay_drain){.ops = ops, .arg = arg, .loop = l};
	loop_timer_init(l, &d->timer, on_look, d);
}

void relay_drain_finish(struct relay_drain *d)
{
	loop_timer_stop(&d->timer);
}

void relay_drain_begin(struct relay_drain *d, int64_t drain_us)
{
	size_t busy = d->ops->busy(d->arg);

	d->until_us = loop_now_us(d->loop) + drain_us;
	if (busy)
		log_info(NULL, "%zu connections have %.1f s to end", busy, (double)drain_us / 1e6);
	on_look(d);
}

bool relay_draining(const struct relay_drain *d)
{
	return d->until_us;
}
