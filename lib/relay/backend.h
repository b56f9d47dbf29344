/* What dial.c (streams) and serve.c (flows) share. Inside this module only. */
#ifndef GEX_RELAY_BACKEND_H
#define GEX_RELAY_BACKEND_H

#include "relay/priv.h"

#define BACKEND_BUCKETS 4096

struct relay_backend {
	struct relay *relay;
	struct relay_backend_conf conf;
	struct resolve_name *name;
	struct list dials;		      /* struct relay_dial */
	struct list flows;		      /* struct served */
	struct list clients[BACKEND_BUCKETS]; /* the same by client; made when used */
};

/* The port at an offset into the range, or -ERANGE. */
int backend_port(const struct relay_backend *b, unsigned offset);
/* For lines that clients can cause. */
bool backend_log_allowed(struct relay_backend *b);
void serve_end_all(struct relay_backend *b);

#endif
