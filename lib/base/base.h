/* base: what every module uses and no foreign library gives: container_of, an intrusive list, a growing
 * vector, exact rational rescaling, a byte cursor for reading and writing wire formats, and numbers with
 * units. Pure: no I/O, no clock, no global state.
 *
 * Laws that hold in the whole tree:
 *  - a function that can fail returns 0 (or a count) or a negative errno, and says which in its header;
 *  - init/finish work on a struct the caller owns, create/destroy on a heap object; finish and destroy
 *    accept zeroed memory and NULL;
 *  - times are int64_t microseconds with the suffix _us, sizes are size_t bytes, rates bits per second. */
#ifndef GEX_BASE_H
#define GEX_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h> /* MIN, MAX */

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define CLAMP(x, lo, hi) ((x) < (lo) ? (lo) : (x) > (hi) ? (hi) : (x))
#define SWAP(a, b) \
	do { \
		__typeof__(a) swap_ = a; \
		a = b; \
		b = swap_; \
	} while (0)
#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF(f, a) __attribute__((format(printf, f, a)))

#define MS_US INT64_C(1000)
#define SEC_US INT64_C(1000000)
#define NEVER_US INT64_MAX

/* ---- list: intrusive, doubly linked, circular around its head ---- */

struct list {
	struct list *prev, *next;
};

static inline void list_init(struct list *l)
{
	l->prev = l->next = l;
}

static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}

static inline void list_insert(struct list *after, struct list *e)
{
	e->prev = after;
	e->next = after->next;
	after->next->prev = e;
	after->next = e;
}

static inline void list_append(struct list *head, struct list *e)
{
	list_insert(head->prev, e);
}

/* Takes e out and leaves it an empty list, so that removing twice does no harm. */
static inline void list_remove(struct list *e)
{
	e->prev->next = e->next;
	e->next->prev = e->prev;
	list_init(e);
}

#define list_entry(p, type, member) container_of(p, type, member)
#define list_first(head, type, member) \
	(list_empty(head) ? NULL : container_of((head)->next, type, member))
#define list_last(head, type, member) \
	(list_empty(head) ? NULL : container_of((head)->prev, type, member))
#define list_for(it, head, member) \
	for (it = container_of((head)->next, __typeof__(*it), member); &it->member != (head); \
	     it = container_of(it->member.next, __typeof__(*it), member))
/* The current entry may be removed and freed. */
#define list_for_safe(it, tmp, head, member) \
	for (it = container_of((head)->next, __typeof__(*it), member), \
	    tmp = container_of(it->member.next, __typeof__(*it), member); \
	     &it->member != (head); \
	     it = tmp, tmp = container_of(it->member.next, __typeof__(*it), member))

/* ---- vec: a growing array; declare as VEC(int) v = {0}; ---- */

#define VEC(type) \
	struct { \
		type *at; \
		size_t len, cap; \
	}
/* Appends x. Evaluates to 0 or -ENOMEM (the vector is left as it was). */
#define vec_push(v, x) \
	(vec_reserve_((void **)&(v)->at, &(v)->cap, (v)->len + 1, sizeof(*(v)->at)) \
	     ? -12 \
	     : ((v)->at[(v)->len++] = (x), 0))
#define vec_free(v) (free((v)->at), (v)->at = NULL, (v)->len = (v)->cap = 0)
/* Takes out entry i; keeps the order. */
#define vec_remove(v, i) \
	(memmove(&(v)->at[i], &(v)->at[(i) + 1], ((v)->len - (i)-1) * sizeof(*(v)->at)), (v)->len--)
#define vec_for(p, v) for (p = (v)->at; p && p < (v)->at + (v)->len; p++)
int vec_reserve_(void **at, size_t *cap, size_t want, size_t size);

/* ---- rational time ---- */

struct ratio {
	int64_t num, den; /* den > 0 */
};

/* v * num / den, rounded to nearest (half away from zero), exact in 128 bits. */
int64_t base_scale(int64_t v, int64_t num, int64_t den);
/* A timestamp in units of `from` seconds, in units of `to` seconds. */
int64_t base_rescale(int64_t v, struct ratio from, struct ratio to);
/* Floor division and its remainder for negative numbers too; b > 0. */
int64_t base_floor_div(int64_t a, int64_t b);

/* ---- rd, wr: byte cursors. An access past the end sets `bad` and yields zero, so a parser checks once at
 * its end. Network byte order. ---- */

struct rd {
	const uint8_t *p, *end;
	bool bad;
};

struct wr {
	uint8_t *p, *end, *start;
	bool bad;
};

static inline struct rd rd_of(const void *p, size_t n)
{
	return (struct rd){p, (const uint8_t *)p + n, false};
}

static inline size_t rd_left(const struct rd *r)
{
	return (size_t)(r->end - r->p);
}

const uint8_t *rd_bytes(struct rd *r, size_t n); /* NULL and bad when there are fewer */
uint8_t rd_u8(struct rd *r);
uint16_t rd_u16(struct rd *r);
uint32_t rd_u32(struct rd *r);
uint64_t rd_u64(struct rd *r);
/* Variable-length integer of 1, 2, 4 or 8 bytes: RFC 9000, section 16. */
uint64_t rd_varint(struct rd *r);

static inline struct wr wr_of(void *p, size_t n)
{
	return (struct wr){p, (uint8_t *)p + n, p, false};
}

static inline size_t wr_len(const struct wr *w)
{
	return (size_t)(w->p - w->start);
}

static inline size_t wr_left(const struct wr *w)
{
	return (size_t)(w->end - w->p);
}

void wr_bytes(struct wr *w, const void *p, size_t n);
void wr_u8(struct wr *w, uint8_t v);
void wr_u16(struct wr *w, uint16_t v);
void wr_u32(struct wr *w, uint32_t v);
void wr_u64(struct wr *w, uint64_t v);
void wr_varint(struct wr *w, uint64_t v); /* v < 2^62, else bad */
size_t varint_len(uint64_t v);

/* ---- numbers with units, as people write them in INI files and flags. The whole text must be used up.
 * Return 0, -EINVAL (not such a number) or -ERANGE; *out is written only on success. ---- */

int num_int(const char *s, int64_t *out);
int num_duration(const char *s,
		 int64_t *out_us);	       /* 250us 20ms 1.5s 2m 1h 7d; bare number: seconds */
int num_size(const char *s, int64_t *out);     /* bytes: 4096 64k 16M 1G, powers of 1024 */
int num_rate(const char *s, int64_t *out_bps); /* bit/s: 800k 2.8M 1G, powers of 1000 */
int num_bool(const char *s, bool *out);	       /* yes no on off true false 1 0 */
int num_ratio(const char *s, struct ratio *out); /* 30, 29.97, 30000/1001; > 0 */
/* Lower-case hex digits to n bytes; the text must be exactly 2n digits, white space around it allowed. */
int num_hex(const char *s, uint8_t *out, size_t n);

/* ---- strings ---- */

/* strdup(3) of the first n bytes of s; NULL without memory. */
char *str_ndup(const char *s, size_t n);
/* snprintf into a string of its own; NULL without memory. The caller frees it. */
char *str_format(const char *fmt, ...) PRINTF(1, 2);
bool str_starts(const char *s, const char *prefix);
/* Copies with truncation, always terminated; true when all of it fitted. */
bool str_copy(char *dst, size_t cap, const char *src);

#endif
