#include "unit.h"

#include "buf/buf.h"

static void references_and_slices(void **state)
{
	struct buf *b = buf_copy("hello", 5);

	assert_non_null(b);
	for (int i = 0; i < BUF_PADDING; i++)
		assert_int_equal(b->data[5 + i], 0);
	struct slice s = slice_of(b, 1, 3), past = slice_of(b, 9, 3), cut = slice_of(b, 4, 30);
	assert_int_equal(b->refs, 4);
	assert_memory_equal(slice_data(&s), "ell", 3);
	assert_int_equal(past.len, 0);
	assert_int_equal(cut.len, 1);
	buf_unref(b);
	slice_finish(&past);
	slice_finish(&cut);
	assert_memory_equal(slice_data(&s), "ell", 3);
	slice_finish(&s);
	slice_finish(&s);
	buf_unref(NULL);
	assert_null(buf_create(SIZE_MAX - 8));
}

static const struct CMUnitTest tests[] = {cmocka_unit_test(references_and_slices)};
RUN_TESTS(tests)
