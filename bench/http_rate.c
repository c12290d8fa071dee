// SPDX-License-Identifier: Apache-2.0
// HTTP requests at a fixed rate, whether or not earlier ones have been answered: a request waits for a free
// connection, and its latency counts from when it was due.
//
//   http_rate ADDRESS PORT PATH CONNECTIONS RATE SECONDS   prints "answers p50 p99 p999", in microseconds
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 1024 };

struct connection {
	int fd;
	double due; // of the request that is out
	long left;  // bytes of its answer
};

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

static int connected(const char *address, const char *port)
{
	struct sockaddr_in peer = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), yes = 1;

	if (inet_pton(AF_INET, address, &peer.sin_addr) != 1 || connect(fd, (void *)&peer, sizeof(peer)))
		fail(address);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	return fd;
}

// How many bytes an answer has: all have as many.
static long answer_size(int fd, const char *request)
{
	char buffer[65536], *body;
	long got = 0, length;

	if (write(fd, request, strlen(request)) < 0)
		fail("write");
	while (got < (long)sizeof(buffer) - 1) {
		ssize_t n = read(fd, buffer + got, sizeof(buffer) - 1 - got);

		if (n <= 0)
			fail("read");
		got += n;
		buffer[got] = 0;
		body = strstr(buffer, "\r\n\r\n");
		if (!body || !strcasestr(buffer, "content-length:"))
			continue;
		length = body + 4 - buffer + atol(strcasestr(buffer, "content-length:") + 15);
		if (got >= length)
			return length;
	}
	fail("an answer that is too long");
	return 0;
}

static int by_value(const void *one, const void *other)
{
	float a = *(const float *)one, b = *(const float *)other;

	return (a > b) - (a < b);
}

int main(int count, char **arg)
{
	static struct connection all[MOST], *idle[MOST];
	struct epoll_event event, events[MOST];
	char request[1024], buffer[65536];
	int connections, free_ones = 0, poll = epoll_create1(0);
	double rate, seconds, start, end;
	long asked = 0, answered = 0, size, total;
	float *latency;

	if (count != 7)
		return fprintf(stderr, "http_rate: see the head of bench/http_rate.c\n"), 2;
	connections = atoi(arg[4]), rate = atof(arg[5]), seconds = atof(arg[6]);
	if (connections < 1 || connections > MOST)
		return fprintf(stderr, "http_rate: 1 to %d connections\n", MOST), 2;
	snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: bench\r\n\r\n", arg[3]);
	total = rate * seconds;
	latency = calloc(total + 1, sizeof(*latency));
	for (int i = 0; i < connections; i++) {
		all[i].fd = connected(arg[1], arg[2]);
		size = answer_size(all[i].fd, request);
		fcntl(all[i].fd, F_SETFL, O_NONBLOCK);
		event.events = EPOLLIN, event.data.ptr = &all[i];
		epoll_ctl(poll, EPOLL_CTL_ADD, all[i].fd, &event);
		idle[free_ones++] = &all[i];
	}
	start = now(), end = start + seconds + 5;
	while (answered < total && now() < end) {
		double due = start + asked / rate, wait = asked < total ? due - now() : 1;
		struct timespec patience = { 0, wait > 0 ? (wait < 0.5 ? wait * 1e9 : 500000000) : 0 };
		int ready;

		if (asked < total && wait <= 0 && free_ones) {
			struct connection *one = idle[--free_ones];

			one->due = due, one->left = size, asked++;
			if (write(one->fd, request, strlen(request)) < 0)
				fail("write");
			continue;
		}
		if (wait <= 0 && !free_ones)
			patience.tv_nsec = 500000000;
		ready = epoll_pwait2(poll, events, MOST, &patience, NULL);
		for (int i = 0; i < ready; i++) {
			struct connection *one = events[i].data.ptr;
			ssize_t n = read(one->fd, buffer, sizeof(buffer));

			if (n <= 0)
				fail("read");
			one->left -= n;
			if (one->left > 0)
				continue;
			latency[answered++] = (now() - one->due) * 1e6;
			idle[free_ones++] = one;
		}
	}
	qsort(latency, answered, sizeof(*latency), by_value);
	if (!answered)
		fail("nobody answered");
	printf("%ld %.1f %.1f %.1f\n", answered, latency[answered / 2], latency[answered * 99 / 100], latency[answered * 999 / 1000]);
	return 0;
}
