/* The tunnel in virtual time: scenarios times seeds. Asserts that bytes arrive exactly and in
 * order, that ends and resets arrive, that memory stays within its bounds, that nothing spins, and
 * the figures that each scenario promises.
 *
 *	sim_tunnel [-v] [-s SCENARIO] [-f FIRST_SEED] [-t TRACE_MS] [SEEDS]
 * SEEDS may be in the environment. */
#include "sim.h"
#include "report.h"
#include "scenarios.h"
#include <unistd.h>

/* ---- main ---- */

static void run_one(const struct scenario *sc, uint64_t seed)
{
	struct sim *m = sim_new(sc, seed);

	sc->set(m);
	sc->check(m);
	sim_destroy(m);
}

int main(int argc, char **argv)
{
	const char *only = NULL, *env = getenv("SEEDS");
	uint64_t seeds = env ? strtoull(env, NULL, 10) : 50, first = 1;
	int c;

	while ((c = getopt(argc, argv, "vs:f:t:")) != -1) {
		if (c == 'v')
			verbose = true;
		else if (c == 's')
			only = optarg;
		else if (c == 't')
			trace_us = strtoll(optarg, NULL, 10) * MS_US;
		else if (c == 'f')
			first = strtoull(optarg, NULL, 10);
		else
			return 64;
	}
	if (optind < argc)
		seeds = strtoull(argv[optind], NULL, 10);
	for (size_t i = 0; i < ARRAY_LEN(scenarios); i++) {
		uint64_t n = scenarios[i].once ? (seeds + 9) / 10 : seeds;

		if (only && strcmp(only, scenarios[i].name) != 0)
			continue;
		for (uint64_t k = 0; k < n; k++)
			run_one(&scenarios[i], first + k);
		figures(&scenarios[i], n);
	}
	return 0;
}
