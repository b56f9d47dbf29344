#include <errno.h>
#include <stdio.h>

#include "push.h"

int64_t push_backoff_us(int n, int64_t base_us, int64_t max_us, uint32_t random)
{
	int64_t d = base_us;

	while (n-- > 0 && d < max_us)
		d *= 2;
	d = MIN(d, max_us);
	return d - d / 4 + (int64_t)((double)d / 2 * ((double)random / UINT32_MAX));
}

void push_reason(int err, enum push_when when, const char *text, char *out, size_t cap)
{
	switch (-err) {
	case ECONNREFUSED:
		snprintf(out, cap, "refused: nothing listens there");
		break;
	case ETIMEDOUT:
		snprintf(
		    out, cap,
		    "timeout: the server does not answer, or does not take the stream fast enough");
		break;
	case EHOSTUNREACH:
	case ENETUNREACH:
	case ENETDOWN:
	case EADDRNOTAVAIL:
		snprintf(out, cap, "unreachable: %s", strerror(-err));
		break;
	case EACCES:
	case EPERM:
		snprintf(out, cap, "auth: the server refuses the stream key or the user");
		break;
	case EIO:
	case EPIPE:
	case ECONNRESET:
	case ECONNABORTED:
		snprintf(out, cap, "%s",
			 when == PUSH_OPENING ? "auth: the server ends the greeting: are the "
						"application and the key right?"
			 : when == PUSH_EARLY ? "auth: the server closed at once: is the key "
						"right, does nobody else publish with it?"
					      : "closed by the server");
		break;
	default:
		snprintf(out, cap, "%s", text && *text ? text : strerror(-err));
	}
}
