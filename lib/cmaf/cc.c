#include "cmaf/cc.h"

#include <errno.h>
#include <strings.h>

const char *cc_name(enum cc_channel ch)
{
	static const char *const names[CC_CHANNELS] = {
	    "CC1",	"CC2",	    "CC3",	"CC4",	    "SERVICE1",
	    "SERVICE2", "SERVICE3", "SERVICE4", "SERVICE5", "SERVICE6",
	};

	return names[ch];
}

int cc_channel(const char *name)
{
	for (int i = 0; i < CC_CHANNELS; i++)
		if (!strcasecmp(cc_name((enum cc_channel)i), name))
			return i;
	return -EINVAL;
}

bool cc_is_blank(const struct cc_screen *s)
{
	for (int r = 0; r < CC_ROWS; r++)
		for (int c = 0; c < CC_COLUMNS; c++)
			if (s->at[r][c].c && s->at[r][c].c != ' ')
				return false;
	return true;
}
