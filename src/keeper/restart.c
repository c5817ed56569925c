/* When the daemon is started again. */
#include "base/time.h"
#include "keeper/keeper.h"

#define DELAY_MIN_NS (100 * NSEC_PER_MSEC)
#define DELAY_MAX_NS (5 * NSEC_PER_SEC)
#define A_WHILE_NS   (500 * NSEC_PER_MSEC)

int64_t keeper_delay(int64_t last_delay_ns, bool was_ready, int64_t lived_ns)
{
	if (last_delay_ns == 0 || (was_ready && lived_ns >= A_WHILE_NS))
		return DELAY_MIN_NS;
	return last_delay_ns * 2 < DELAY_MAX_NS ? last_delay_ns * 2 : DELAY_MAX_NS;
}
