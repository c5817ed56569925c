/*
 * probe: the program inside the test image, for what a shell cannot do on the spot.
 *
 *   probe exit CODE FIFO STAMP   wait for a line in FIFO, write the time to STAMP, exit at once
 *   probe segv FIFO STAMP        the same, but die of a real SIGSEGV (init ignores a sent one)
 *   probe counter                a line "N" every millisecond; SIGTERM: "longest write N us" and end
 *   probe eat MEGABYTES          touch that much memory, then exit 0
 *   probe forks N                how many children (at most N) could live at once
 *   probe trap CODE              "ready"; exit CODE upon SIGTERM, print the signal upon any other
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t got_signal;

static void on_signal(int sig)
{
	got_signal = sig;
}

static void wait_and_stamp(const char *fifo, const char *stamp)
{
	struct timespec now;
	char text[64];
	int in = open(fifo, O_RDONLY);
	int out = open(stamp, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (in < 0 || out < 0 || read(in, text, sizeof text) < 0)
		_exit(99);
	clock_gettime(CLOCK_REALTIME, &now);
	snprintf(text, sizeof text, "%lld.%09ld\n", (long long)now.tv_sec, now.tv_nsec);
	if (write(out, text, strlen(text)) < 0)
		_exit(99);
}

static long microseconds_since(const struct timespec *then)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - then->tv_sec) * 1000000L + (now.tv_nsec - then->tv_nsec) / 1000;
}

static int count(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct timespec next, before;
	long longest = 0;

	sigaction(SIGTERM, &action, NULL);
	clock_gettime(CLOCK_MONOTONIC, &next);
	for (long n = 0; !got_signal; n++) {
		char line[32];
		int size = snprintf(line, sizeof line, "%ld\n", n);

		clock_gettime(CLOCK_MONOTONIC, &before);
		if (write(1, line, (size_t)size) != size)
			return 98;
		if (microseconds_since(&before) > longest)
			longest = microseconds_since(&before);
		next.tv_nsec += 1000000;
		if (next.tv_nsec >= 1000000000) {
			next.tv_nsec -= 1000000000;
			next.tv_sec++;
		}
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
	}
	printf("longest write %ld us\n", longest);
	return 0;
}

static int trap(int code)
{
	struct sigaction action = { .sa_handler = on_signal };
	sigset_t all, none;

	sigfillset(&all);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &all, NULL);
	for (int sig = 1; sig < NSIG; sig++)
		if (sig != SIGCHLD)
			sigaction(sig, &action, NULL);
	setvbuf(stdout, NULL, _IONBF, 0);
	puts("ready");
	for (;;) {
		got_signal = 0;
		sigsuspend(&none);
		if (got_signal == SIGTERM)
			return code;
		if (got_signal)
			printf("signal %d\n", got_signal);
	}
}

static int eat(long megabytes)
{
	for (long i = 0; i < megabytes; i++) {
		char *block = malloc(1 << 20);

		if (!block)
			return 97;
		memset(block, 1, 1 << 20);
	}
	puts("eaten");
	return 0;
}

static int forks(long most)
{
	long n = 0;

	while (n < most) {
		pid_t pid = fork();

		if (pid < 0)
			break;
		if (pid == 0)
			for (;;)
				pause();
		n++;
	}
	printf("%ld\n", n);
	return 0;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";

	if (!strcmp(verb, "exit") && argc == 5) {
		wait_and_stamp(argv[3], argv[4]);
		_exit(atoi(argv[2]));
	}
	if (!strcmp(verb, "segv") && argc == 4) {
		wait_and_stamp(argv[2], argv[3]);
		*(volatile int *)0 = 1;
	}
	if (!strcmp(verb, "counter"))
		return count();
	if (!strcmp(verb, "trap") && argc == 3)
		return trap(atoi(argv[2]));
	if (!strcmp(verb, "eat") && argc == 3)
		return eat(atol(argv[2]));
	if (!strcmp(verb, "forks") && argc == 3)
		return forks(atol(argv[2]));
	fprintf(stderr, "probe: what?\n");
	return 2;
}
