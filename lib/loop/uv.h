/* For the modules that own libuv handles: carrier, stream, http. */
#ifndef GEX_LOOP_UV_H
#define GEX_LOOP_UV_H

#include <uv.h>

#include "loop/loop.h"

uv_loop_t *loop_uv(struct loop *l);

#endif
