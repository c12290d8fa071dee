// SPDX-License-Identifier: Apache-2.0
// Traffic for the bench: one process, one kind of load, for a time; prints what it did as one number.
//
//   load udp-send ADDRESS PORT FLOWS SIZE SECONDS   datagrams sent, from FLOWS connected sockets in turn
//   load udp-take PORT                              datagrams taken until SIGTERM
//   load tcp-serve PORT                             serves the three below until SIGTERM
//   load tcp-bulk ADDRESS PORT SECONDS              bytes sent over one connection
//   load tcp-short ADDRESS PORT SECONDS             connections made: 100 bytes each way, closed
//   load tcp-pace ADDRESS PORT SECONDS RATE         the same at RATE connections a second
//   load tcp-owners SECONDS RATE CGROUP...          RATE processes a second, in each cgroup in turn and in none ("-"):
//                                                   each connects once and lives 5 ms; prints "PORT PID BEGIN CGROUP" of each,
//                                                   the time in ns since the epoch
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64, MESSAGE = 100, CHUNK = 128 * 1024 };

static volatile sig_atomic_t stopped;

static void stop(int signal)
{
	(void)signal;
	stopped = 1;
}

static void fail(const char *what)
{
	if (stopped)
		exit(0);
	perror(what);
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

static struct sockaddr_in to(const char *address, const char *port)
{
	struct sockaddr_in peer = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };

	if (inet_pton(AF_INET, address, &peer.sin_addr) != 1)
		fail(address);
	return peer;
}

static void many_descriptors(void)
{
	struct rlimit most;

	getrlimit(RLIMIT_NOFILE, &most);
	most.rlim_cur = most.rlim_max;
	setrlimit(RLIMIT_NOFILE, &most);
}

static unsigned long long udp_send(char **arg)
{
	struct sockaddr_in peer = to(arg[0], arg[1]);
	int flows = atoi(arg[2]), size = atoi(arg[3]);
	double end = now() + atof(arg[4]);
	unsigned long long sent = 0;
	static char payload[65536];
	int *sockets = calloc(flows, sizeof(*sockets));
	int batch = flows == 1 ? BATCH : 1;
	struct iovec vector = { payload, size };
	struct mmsghdr messages[BATCH] = { 0 };

	for (int i = 0; i < BATCH; i++)
		messages[i].msg_hdr.msg_iov = &vector, messages[i].msg_hdr.msg_iovlen = 1;
	for (int i = 0; i < flows; i++) {
		sockets[i] = socket(AF_INET, SOCK_DGRAM, 0);
		if (sockets[i] < 0 || connect(sockets[i], (void *)&peer, sizeof(peer)))
			fail("connect");
	}
	while (!stopped && now() < end)
		for (int i = 0; i < (flows < 256 ? 256 : flows); i++) {
			int n = sendmmsg(sockets[i % flows], messages, batch, 0);

			if (n > 0)
				sent += n;
			else if (errno != ECONNREFUSED && errno != ENOBUFS)
				fail("sendmmsg");
		}
	return sent;
}

static unsigned long long udp_take(char **arg)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(atoi(arg[0])) };
	int room = 64 << 20, one = socket(AF_INET, SOCK_DGRAM, 0);
	static char payload[BATCH][2048];
	struct iovec vectors[BATCH];
	struct mmsghdr messages[BATCH] = { 0 };
	struct timespec wait = { 0, 200000000 };
	unsigned long long taken = 0;

	setsockopt(one, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	if (bind(one, (void *)&any, sizeof(any)))
		fail("bind");
	for (int i = 0; i < BATCH; i++) {
		vectors[i] = (struct iovec){ payload[i], sizeof(payload[i]) };
		messages[i].msg_hdr.msg_iov = &vectors[i], messages[i].msg_hdr.msg_iovlen = 1;
	}
	while (!stopped) {
		struct pollfd ready = { one, POLLIN, 0 };
		int n = poll(&ready, 1, 200) > 0 ? recvmmsg(one, messages, BATCH, MSG_DONTWAIT, &wait) : 0;

		if (n > 0)
			taken += n;
	}
	return taken;
}

// Answers every 100 bytes with 100 bytes; what comes in larger pieces is taken and thrown away.
static unsigned long long tcp_serve(char **arg)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(atoi(arg[0])) };
	int yes = 1, door = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), poller = epoll_create1(0);
	struct epoll_event event = { .events = EPOLLIN, .data.fd = door }, ready[64];
	static char buffer[CHUNK];
	unsigned long long served = 0;

	setsockopt(door, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (bind(door, (void *)&any, sizeof(any)) || listen(door, 4096))
		fail("listen");
	epoll_ctl(poller, EPOLL_CTL_ADD, door, &event);
	while (!stopped) {
		int n = epoll_wait(poller, ready, 64, 200);

		for (int i = 0; i < n; i++) {
			int one = ready[i].data.fd;

			if (one == door) {
				event.data.fd = accept4(door, NULL, NULL, SOCK_NONBLOCK);
				if (event.data.fd >= 0)
					epoll_ctl(poller, EPOLL_CTL_ADD, event.data.fd, &event), served++;
				continue;
			}
			ssize_t got = read(one, buffer, sizeof(buffer));

			if (got == MESSAGE)
				got = write(one, buffer, MESSAGE);
			if (got <= 0 && errno != EAGAIN)
				close(one);
		}
	}
	return served;
}

static int dial(struct sockaddr_in *peer)
{
	int one = socket(AF_INET, SOCK_STREAM, 0);

	if (one < 0 || connect(one, (void *)peer, sizeof(*peer)))
		fail("connect");
	return one;
}

static unsigned long long tcp_bulk(char **arg)
{
	struct sockaddr_in peer = to(arg[0], arg[1]);
	double end = now() + atof(arg[2]);
	unsigned long long sent = 0;
	static char buffer[CHUNK];
	int one = dial(&peer);

	while (!stopped && now() < end) {
		ssize_t n = write(one, buffer, sizeof(buffer));

		if (n < 0)
			fail("write");
		sent += n;
	}
	return sent;
}

static unsigned long long tcp_short(char **arg, double rate)
{
	struct sockaddr_in peer = to(arg[0], arg[1]);
	double start = now(), end = start + atof(arg[2]);
	unsigned long long made = 0;
	char message[MESSAGE] = { 0 };

	while (!stopped && now() < end) {
		double early = rate > 0 ? start + made / rate - now() : 0;

		if (early > 0)
			usleep(early * 1e6);
		// The peer closes second, so that TIME_WAIT stays on this side and ports do not run out: reset instead.
		struct linger reset = { 1, 0 };
		int one = dial(&peer);

		if (write(one, message, MESSAGE) != MESSAGE || read(one, message, MESSAGE) != MESSAGE)
			fail("exchange");
		shutdown(one, SHUT_WR);
		if (read(one, message, MESSAGE) != 0)
			fail("end");
		setsockopt(one, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		close(one);
		made++;
	}
	return made;
}

// A child that begins its life in a cgroup; -1: in its parent's.
static pid_t spawn(int cgroup)
{
	struct clone_args how = { .exit_signal = SIGCHLD };

	if (cgroup >= 0)
		how.flags = CLONE_INTO_CGROUP, how.cgroup = cgroup;
	return syscall(SYS_clone3, &how, sizeof(how));
}

static void own_one(struct sockaddr_in *peer, const char *home)
{
	struct sockaddr_in mine;
	socklen_t size = sizeof(mine);
	char line[512], message[MESSAGE] = { 0 };
	struct timespec begin;
	int one;

	clock_gettime(CLOCK_REALTIME, &begin);
	one = dial(peer);
	if (write(one, message, MESSAGE) != MESSAGE || read(one, message, MESSAGE) != MESSAGE)
		fail("exchange");
	getsockname(one, (void *)&mine, &size);
	usleep(5000);
	close(one);
	size = snprintf(line, sizeof(line), "%d %d %ld%09ld %s\n", ntohs(mine.sin_port), getpid(),
			begin.tv_sec, begin.tv_nsec, home);
	if (write(1, line, size) != size)
		_exit(1);
	_exit(0);
}

// A server of its own on the loopback, and the short-lived clients.
static void tcp_owners(int homes, char **arg)
{
	double seconds = atof(arg[0]), rate = atof(arg[1]), start = now(), early;
	struct sockaddr_in peer = to("127.0.0.1", "7003");
	char *port[] = { "7003" };
	pid_t server = fork();
	int cgroups[256];

	if (!server) {
		tcp_serve(port);
		_exit(0);
	}
	for (int i = 0; i < homes; i++)
		if ((cgroups[i] = open(arg[2 + i], O_RDONLY | O_DIRECTORY)) < 0)
			fail(arg[2 + i]);
	usleep(100000);
	start = now();
	for (int i = 0; i < seconds * rate; i++) {
		int home = i % (homes + 1);

		if (!spawn(home < homes ? cgroups[home] : -1))
			own_one(&peer, home < homes ? arg[2 + home] : "-");
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		early = start + (i + 1) / rate - now();
		if (early > 0)
			usleep(early * 1e6);
	}
	usleep(50000);
	kill(server, SIGTERM);
	while (waitpid(-1, NULL, 0) > 0)
		;
}

int main(int count, char **arg)
{
	const char *mode = count > 1 ? arg[1] : "";
	struct sigaction action = { .sa_handler = stop };
	unsigned long long done;

	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	many_descriptors();
	if (!strcmp(mode, "udp-send") && count == 7)
		done = udp_send(arg + 2);
	else if (!strcmp(mode, "udp-take") && count == 3)
		done = udp_take(arg + 2);
	else if (!strcmp(mode, "tcp-serve") && count == 3)
		done = tcp_serve(arg + 2);
	else if (!strcmp(mode, "tcp-bulk") && count == 5)
		done = tcp_bulk(arg + 2);
	else if (!strcmp(mode, "tcp-short") && count == 5)
		done = tcp_short(arg + 2, 0);
	else if (!strcmp(mode, "tcp-pace") && count == 6)
		done = tcp_short(arg + 2, atof(arg[5]));
	else if (!strcmp(mode, "tcp-owners") && count > 4 && count < 256)
		return tcp_owners(count - 4, arg + 2), 0;
	else
		return fprintf(stderr, "load: see the head of bench/load.c\n"), 2;
	printf("%llu\n", done);
	return 0;
}
