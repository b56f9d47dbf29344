/* The handshake of a tunnel: its steps, what is said again, and when it has failed. What it says is crypt's affair. */
#include "tunnel/internal.h"
#include <errno.h>

#define GAP_US (250 * MS_US)
#define GAP_SERVER_US (300 * MS_US)
#define WRONG_AFTER_US (2 * SEC_US)

void tn_shake_begin(struct tunnel *t, struct crypt_shake *shake)
{
	t->shake = shake;
	t->shake_gap_us = t->server ? GAP_SERVER_US : GAP_US;
	t->shake_us = t->now_us + t->shake_gap_us;
	t->shake_end_us = t->now_us + t->conf.handshake_us;
}

void tn_shake_end(struct tunnel *t)
{
	crypt_shake_destroy(t->shake);
	t->shake = NULL;
}

void tn_shake_step(struct tunnel *t, int status)
{
	struct crypt_secrets secrets;
	int r;

	if (t->state != TUNNEL_HANDSHAKE)
		return;
	if (status == 1) {
		r = crypt_shake_export(t->shake, &secrets);
		if (r == 0)
			r = tn_key(t, &secrets);
		crypt_wipe(&secrets, sizeof(secrets));
		status = r < 0 ? r : 1;
	}
	if (t->server)
		str_copy(t->key_name, sizeof(t->key_name), crypt_shake_key_name(t->shake));
	if (status < 0) {
		tn_closed(t, status);
		if (t->acceptor)
			tn_acceptor_failed(t, status);
		return;
	}
	if (status == 0)
		return;
	if (t->acceptor) {
		tn_acceptor_connected(t);
	} else if (!t->server) {
		tn_shake_end(t);
	}
	tn_touch(t);
}

/* A peer that answers, but not to the last flight, and for long: it cannot read it. */
static bool is_wrong(const struct tunnel *t)
{
	if (t->server)
		return crypt_shake_key_name(t->shake)[0] != '\0';
	return crypt_shake_answered(t->shake) && t->now_us - t->answered_us > WRONG_AFTER_US;
}

void tn_shake_timers(struct tunnel *t)
{
	if (t->state == TUNNEL_HANDSHAKE && t->now_us >= t->shake_end_us) {
		tn_closed(t, is_wrong(t) ? -EACCES : -ETIMEDOUT);
		if (t->acceptor)
			tn_acceptor_failed(t, t->reason);
		return;
	}
	if (t->state <= TUNNEL_OPEN && t->now_us >= t->shake_us) {
		crypt_shake_resend(t->shake);
		t->shake_gap_us = MIN(t->shake_gap_us * 3 / 2, SEC_US);
		t->shake_us = t->now_us + t->shake_gap_us;
	}
}

int tn_shake_input(struct tunnel *t, const void *dgram, size_t n)
{
	if (!t->shake)
		return -EBADMSG;
	tn_shake_step(t, crypt_shake_input(t->shake, dgram, n));
	if (!t->shake)
		return 0;
	if (crypt_shake_pending(t->shake)) {
		t->shake_gap_us = GAP_US; /* a step forward */
		t->answered_us = t->now_us;
	} else if (!t->server) {
		crypt_shake_resend(t->shake); /* the server repeats itself: our answer was lost */
	}
	t->shake_us = t->now_us + t->shake_gap_us;
	return 0;
}

int64_t tn_shake_wake(const struct tunnel *t)
{
	if (!t->shake || t->state > TUNNEL_OPEN)
		return NEVER_US;
	return MIN(t->shake_us, t->state == TUNNEL_HANDSHAKE ? t->shake_end_us : NEVER_US);
}
