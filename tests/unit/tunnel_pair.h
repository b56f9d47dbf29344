/* Two ends of a tunnel, 10 ms apart on each path, for tests of what happens to their paths. */
#ifndef GEX_TESTS_TUNNEL_PAIR_H
#define GEX_TESTS_TUNNEL_PAIR_H

#include "tunnel/tunnel.h"
#include "unit.h"

#define ROADS 10

static const struct tunnel_addr addr_s = {1, {200}};
static const struct tunnel_open web = {.service = "web"};

struct pair {
	struct tunnel *c, *s;
	int64_t now_us;
	struct tunnel_addr at[ROADS];		   /* the client's */
	bool cut[ROADS], deaf[ROADS];		   /* all is lost; what goes to the client is */
	size_t to_server[ROADS], to_client[ROADS]; /* bytes */
	struct {
		uint8_t d[TUNNEL_DGRAM_MAX];
		size_t n;
		int path;
		bool up;
		int64_t due_us;
	} way[4096];
	size_t head, n;
	uint8_t last[TUNNEL_DGRAM_MAX]; /* the client's newest datagram */
	size_t last_n;
};

static inline void pair_make(struct pair *p, const struct tunnel_conf *conf)
{
	struct crypt_secrets x = {.suite = CRYPT_AES128GCM, .server_id = 5, .client_id = 6};

	memset(p, 0, sizeof(*p));
	p->now_us = SEC_US;
	for (unsigned i = 0; i < ROADS; i++)
		p->at[i] = (struct tunnel_addr){1, {(uint8_t)(i + 1)}};
	x.to_server[0] = 1;
	assert_int_equal(tunnel_create_keyed(conf, &x, false, 0, &addr_s, p->now_us, &p->c), 0);
	assert_int_equal(tunnel_create_keyed(conf, &x, true, 0, &p->at[0], p->now_us, &p->s), 0);
}

static inline void pair_destroy(struct pair *p)
{
	tunnel_destroy(p->c);
	tunnel_destroy(p->s);
}

static inline void put(struct pair *p, const uint8_t *d, size_t n, int path, bool up)
{
	size_t i = (p->head + p->n++) % ARRAY_LEN(p->way);

	assert_true(p->n < ARRAY_LEN(p->way) && path >= 0 && path < ROADS);
	memcpy(p->way[i].d, d, n);
	p->way[i].n = n;
	p->way[i].path = path;
	p->way[i].up = up;
	p->way[i].due_us = p->now_us + 10 * MS_US;
	if (!up)
		return;
	memcpy(p->last, d, n);
	p->last_n = n;
}

static inline void deliver(struct pair *p)
{
	while (p->n && p->way[p->head].due_us <= p->now_us) {
		size_t i = p->head;
		int k = p->way[i].path;

		p->head = (p->head + 1) % ARRAY_LEN(p->way);
		p->n--;
		if (p->cut[k])
			continue;
		*(p->way[i].up ? &p->to_server[k] : &p->to_client[k]) += p->way[i].n;
		if (p->way[i].up)
			tunnel_input(p->s, p->way[i].d, p->way[i].n, k, &p->at[k], p->now_us);
		else if (!p->deaf[k])
			tunnel_input(p->c, p->way[i].d, p->way[i].n, k, &addr_s, p->now_us);
	}
}

static inline void settle(struct pair *p, int ms)
{
	uint8_t buf[TUNNEL_DGRAM_MAX];
	struct tunnel_addr to;
	size_t n;
	int path;

	for (; ms > 0; ms--, p->now_us += MS_US) {
		deliver(p);
		while ((n = tunnel_output(p->c, buf, sizeof(buf), &path, &to, p->now_us)) > 0)
			put(p, buf, n, path, true);
		while ((n = tunnel_output(p->s, buf, sizeof(buf), &path, &to, p->now_us)) > 0)
			if (memcmp(&to, &p->at[path], sizeof(to)) == 0)
				put(p, buf, n, path, false);
	}
}

static inline struct tunnel_event next(struct tunnel *t)
{
	struct tunnel_event ev;

	while (tunnel_event(t, &ev))
		if (ev.type != TUNNEL_EV_CONNECTED)
			return ev;
	return (struct tunnel_event){.type = (enum tunnel_event_type) - 1};
}

static inline int state(const struct tunnel *t, unsigned number)
{
	struct tunnel_path_stats st;

	return tunnel_path_stats(t, number, &st) ? (int)st.state : -1;
}

#endif
