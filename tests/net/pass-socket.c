/* pass-socket PORT COMMAND...: listens on that port of 127.0.0.1 and becomes the command, which finds the socket at
 * descriptor 3, as systemd passes it (sd_listen_fds(3)). */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
	char pid[16];

	if (argc < 3 || fd < 0)
		return 64;
	a.sin_port = htons((uint16_t)atoi(argv[1]));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, 16)) {
		perror("pass-socket");
		return 71;
	}
	if (fd != 3 && (dup2(fd, 3) < 0 || close(fd)))
		return 71;
	snprintf(pid, sizeof(pid), "%d", getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "1", 1);
	execv(argv[2], argv + 2);
	perror(argv[2]);
	return 71;
}
