/* free-port: prints ports that the kernel has just chosen, one a line.
 *
 *   free-port [-n COUNT] [tcp|udp|both]
 *
 * The port is free for both IPv4 and IPv6. All of them are held until the last is chosen, so they
 * differ; they are let go on exit, and another program may take one before the test does. The
 * kernel hands its ephemeral ports out at random, so this is rare; a test that has to be certain
 * lets the tool bind port 0 itself. `both` is a port of TCP and of UDP, as gex-endpoint takes. */
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#define LOW 12000
#define HIGH 32000

/* Binds the wildcard address, to that port or 0 for any; falls back to IPv4 where the machine has no
 * IPv6. Returns the port, or -1. */
static int take_port(int type, int port)
{
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	socklen_t len = sizeof(v6);
	int fd = socket(AF_INET6, type | SOCK_CLOEXEC, 0);

	if (fd >= 0 && !bind(fd, (struct sockaddr *)&v6, len) &&
	    !getsockname(fd, (struct sockaddr *)&v6, &len))
		return ntohs(v6.sin6_port);
	len = sizeof(v4);
	fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
	if (fd >= 0 && !bind(fd, (struct sockaddr *)&v4, len) &&
	    !getsockname(fd, (struct sockaddr *)&v4, &len))
		return ntohs(v4.sin_port);
	return -1;
}

/* Of UDP and of TCP. Below the kernel's ephemeral ports: one of those may be the near end of anybody's
 * TCP connection by the time a tool wants to listen on it. */
static int take_both(void)
{
	for (int i = 0; i < 1000; i++) {
		uint16_t r;
		int port;

		if (getrandom(&r, sizeof(r), 0) != sizeof(r))
			return -1;
		port = LOW + r % (HIGH - LOW);
		if (take_port(SOCK_DGRAM, port) > 0 && take_port(SOCK_STREAM, port) > 0)
			return port;
	}
	return -1;
}

int main(int argc, char **argv)
{
	int type = SOCK_STREAM, count = 1, port, opt;
	bool both = false;

	while ((opt = getopt(argc, argv, "n:")) != -1)
		if (opt != 'n' || (count = atoi(optarg)) < 1 || count > 1000)
			return 64;
	if (optind < argc && !strcmp(argv[optind], "udp"))
		type = SOCK_DGRAM;
	both = optind < argc && !strcmp(argv[optind], "both");
	while (count--) {
		port = both ? take_both() : take_port(type, 0);
		if (port < 0) {
			perror("free-port");
			return 71;
		}
		printf("%d\n", port);
	}
	return 0;
}
