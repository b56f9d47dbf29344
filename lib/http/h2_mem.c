#include "http/h2_mem.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/base.h"

#define BIG ((size_t)8192)

static void *take_pages(struct h2_mem *m, size_t n)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		       -1, 0);

	if (p == MAP_FAILED)
		return malloc(n);
	madvise(p, n, MADV_NOHUGEPAGE); /* those would be whole again */
	m->big = p;
	m->size = n;
	return p;
}

static void give_back(struct h2_mem *m)
{
	munmap(m->big, m->size);
	m->big = NULL;
}

static void *on_malloc(size_t n, void *arg)
{
	struct h2_mem *m = arg;

	return n > BIG && !m->big ? take_pages(m, n) : malloc(n);
}

static void *on_calloc(size_t n, size_t size, void *arg)
{
	return calloc(n, size);
}

static void on_free(void *p, void *arg)
{
	struct h2_mem *m = arg;

	if (p && p == m->big)
		give_back(m);
	else
		free(p);
}

static void *on_realloc(void *p, size_t n, void *arg)
{
	struct h2_mem *m = arg;

	if (!p)
		return on_malloc(n, m);
	if (p != m->big)
		return realloc(p, n);
	if (n <= m->size)
		return p;
	void *other = malloc(n);
	if (!other)
		return NULL;
	memcpy(other, p, m->size);
	give_back(m);
	return other;
}

nghttp2_mem h2_mem_of(struct h2_mem *m)
{
	return (nghttp2_mem){m, on_malloc, on_free, on_calloc, on_realloc};
}
