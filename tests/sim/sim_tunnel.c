/* The tunnel in virtual time: scenarios times seeds. Asserts that bytes arrive exactly and in
 * order, that ends and resets arrive, that memory stays within its bounds, that nothing spins, and
 * the figures that each scenario promises.
 *
 *	sim_tunnel [-v] [-s SCENARIO] [-f FIRST_SEED] [-t TRACE_MS] [-j JOBS] [SEEDS]
 * SEEDS may be in the environment. It ends at the first failure; with -j each seed runs in a process
 * of its own, JOBS at a time, and failures are counted. */
#include "sim.h"
#include "report.h"
#include "scenarios.h"
#include <sys/wait.h>
#include <unistd.h>

static unsigned jobs, running, failures;

static void run_one(const struct scenario *sc, uint64_t seed)
{
	struct sim *m = sim_new(sc, seed);

	sc->set(m);
	sc->check(m);
	sim_destroy(m);
}

/* Waits until at most `left` are running. A failed one has said why. */
static void collect(unsigned left)
{
	int status;

	for (; running > left && wait(&status) > 0; running--)
		failures += !WIFEXITED(status) || WEXITSTATUS(status);
}

static void run_apart(const struct scenario *sc, uint64_t seed)
{
	pid_t pid;

	collect(jobs - 1);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		run_one(sc, seed);
		_exit(0);
	}
	if (pid < 0)
		perror("sim_tunnel: fork");
	running += pid > 0;
	failures += pid < 0;
}

/* Of the heavy ones only some seeds, odd and even ones in turn. */
static void run_all(const struct scenario *sc, uint64_t first, uint64_t seeds)
{
	uint64_t n = (seeds + sc->every - 1) / sc->every;

	for (uint64_t k = 0; k < n; k++) {
		uint64_t turn = sc->every % 2 == 0 && k % 2;
		uint64_t seed = first + MIN(k * sc->every + turn, seeds - 1);

		if (jobs)
			run_apart(sc, seed);
		else
			run_one(sc, seed);
	}
	figures(sc, n);
}

int main(int argc, char **argv)
{
	const char *only = NULL, *env = getenv("SEEDS");
	uint64_t seeds = env && *env ? strtoull(env, NULL, 10) : 200, first = 1;
	int c;

	while ((c = getopt(argc, argv, "vs:f:t:j:")) != -1) {
		if (c == 'v')
			verbose = true;
		else if (c == 's')
			only = optarg;
		else if (c == 't')
			trace_us = strtoll(optarg, NULL, 10) * MS_US;
		else if (c == 'f')
			first = strtoull(optarg, NULL, 10);
		else if (c == 'j')
			jobs = (unsigned)strtoul(optarg, NULL, 10);
		else
			return 64;
	}
	if (optind < argc)
		seeds = strtoull(argv[optind], NULL, 10);
	for (size_t i = 0; i < ARRAY_LEN(scenarios); i++)
		if (!only || strcmp(only, scenarios[i].name) == 0)
			run_all(&scenarios[i], first, seeds);
	collect(0);
	if (failures)
		fprintf(stderr, "sim_tunnel: %u failed\n", failures);
	return failures > 0;
}
