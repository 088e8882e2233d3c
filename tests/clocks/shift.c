/* Preloaded: the wall clock of a process, CLOCK_SHIFT seconds away from the machine's; durations are real.
   libfaketime cannot do this for a Redis built with jemalloc, which asks for the time before anything is
   set up. Nothing here allocates. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long shift(void)
{
	static long seconds;
	static int known;
	if (!known) {
		const char *text = getenv("CLOCK_SHIFT");
		seconds = text ? atol(text) : 0;
		known = 1;
	}
	return seconds;
}

int clock_gettime(clockid_t clock, struct timespec *moment)
{
	int failed = syscall(SYS_clock_gettime, clock, moment);
	if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
		moment->tv_sec += shift();
	return failed;
}

int gettimeofday(struct timeval *restrict moment, void *restrict zone)
{
	struct timespec now;
	(void)zone;
	if (clock_gettime(CLOCK_REALTIME, &now))
		return -1;
	moment->tv_sec = now.tv_sec;
	moment->tv_usec = now.tv_nsec / 1000;
	return 0;
}

time_t time(time_t *moment)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	if (moment)
		*moment = now.tv_sec;
	return now.tv_sec;
}
