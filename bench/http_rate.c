// SPDX-License-Identifier: Apache-2.0
// HTTP requests at a fixed rate, whether or not earlier ones have been answered: a request waits for a free
// connection, and its latency counts from when it was due. So many TOGETHER are due at a time, each on the connection
// that has been idle for the longest.
//
//   http_rate ADDRESS PORT PATH CONNECTIONS RATE SECONDS TOGETHER
//
// For every line on its input it prints "answers p50 p99 p999", in microseconds, of the answers of the next so many
// seconds; it asks until its input ends.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/tcp.h>
#include <stdbool.h>
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

static float latency[1 << 20]; // of the answers since the last line
static long answered;

static void tell(void)
{
	qsort(latency, answered, sizeof(*latency), by_value);
	printf("%ld %.1f %.1f %.1f\n", answered, latency[answered / 2], latency[answered * 99 / 100],
	       latency[answered * 999 / 1000]);
	fflush(stdout);
}

static void ask(struct connection *one, const char *request, double due, long size)
{
	one->due = due, one->left = size;
	if (write(one->fd, request, strlen(request)) < 0)
		fail("write");
}

// True when the whole answer is there.
static bool hear(struct connection *one)
{
	char buffer[65536];
	ssize_t n = read(one->fd, buffer, sizeof(buffer));

	if (n <= 0)
		fail("read");
	one->left -= n;
	if (one->left > 0)
		return false;
	if (answered < (long)(sizeof(latency) / sizeof(*latency)))
		latency[answered++] = (now() - one->due) * 1e6;
	return true;
}

static void follow(int poll, int fd, struct connection *one)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = one };

	fcntl(fd, F_SETFL, O_NONBLOCK);
	epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
}

int main(int count, char **arg)
{
	static struct connection all[MOST], *idle[MOST]; // the idle ones, a queue that goes round
	struct epoll_event events[MOST];
	char request[1024], lines[16];
	int connections, poll = epoll_create1(0);
	double rate, seconds, start, end = HUGE_VAL;
	long together, asked = 0, size = 0, first = 0, last = 0; // of the queue

	if (count != 8)
		return fprintf(stderr, "http_rate: see the head of bench/http_rate.c\n"), 2;
	connections = atoi(arg[4]), rate = atof(arg[5]), seconds = atof(arg[6]), together = atol(arg[7]);
	if (connections < 1 || connections > MOST)
		return fprintf(stderr, "http_rate: 1 to %d connections\n", MOST), 2;
	if (together < 1)
		return fprintf(stderr, "http_rate: 1 together at the least\n"), 2;
	snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: bench\r\n\r\n", arg[3]);
	for (int i = 0; i < connections; i++) {
		all[i].fd = connected(arg[1], arg[2]);
		size = answer_size(all[i].fd, request);
		follow(poll, all[i].fd, &all[i]);
		idle[last++ % MOST] = &all[i];
	}
	follow(poll, STDIN_FILENO, NULL);
	for (start = now();;) {
		double due = start + asked / together * together / rate, at = now(), wait = 0.5;
		struct timespec patience = {};
		int ready;

		if (at >= end) {
			tell();
			end = HUGE_VAL;
		}
		if (due <= at && first < last) {
			ask(idle[first++ % MOST], request, due, size);
			asked++;
			continue;
		}
		if (due > at && due - at < wait)
			wait = due - at;
		if (end - at < wait)
			wait = end - at;
		patience.tv_nsec = wait * 1e9;
		ready = epoll_pwait2(poll, events, MOST, &patience, NULL);
		for (int i = 0; i < ready; i++) {
			struct connection *one = events[i].data.ptr;

			if (one && hear(one))
				idle[last++ % MOST] = one;
			if (one)
				continue;
			if (read(STDIN_FILENO, lines, sizeof(lines)) <= 0)
				return 0;
			answered = 0, end = now() + seconds;
		}
	}
}
