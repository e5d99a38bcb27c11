/* Preloaded into the daemon by test_crash.py: ends it, or fails it, at the Nth call that changes a file below CRASH_DIR.
 *
 * CRASH_PID: a file that gets the process id. CRASH_COUNT: a file of 8 bytes that counts the calls. CRASH_AT: which call,
 * from 1; 0 = none. CRASH_HOW: before, after, half (of what is written), enospc (that call), full (that call and all
 * later ones that need space), while (every call that needs space, while the file CRASH_WHILE is there). */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *dir = NULL;
static char how = 'n';
static uint64_t at;
static volatile uint64_t *count;

static void begin(void) __attribute__((constructor));

static void begin(void)
{
	const char *pid = getenv("CRASH_PID"), *file = getenv("CRASH_COUNT"), *text = getenv("CRASH_AT"), *kind = getenv("CRASH_HOW");
	char buf[32];
	int fd, n;

	if (pid != NULL) {
		fd = open(pid, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		n = snprintf(buf, sizeof(buf), "%d", (int)getpid());
		if (fd < 0 || syscall(SYS_write, fd, buf, (size_t)n) != n)
			_exit(99);
		close(fd);
	}
	if (file != NULL) {
		fd = open(file, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		if (fd < 0 || syscall(SYS_ftruncate, fd, (off_t)8) < 0)
			_exit(99);
		count = mmap(NULL, 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (count == MAP_FAILED)
			_exit(99);
		close(fd);
	}
	at = text != NULL ? strtoull(text, NULL, 10) : 0;
	how = kind != NULL ? kind[0] : 'n';
	dir = getenv("CRASH_DIR");
}

static int below(const char *path)
{
	size_t n = dir != NULL ? strlen(dir) : 0;

	return n > 0 && count != NULL && strncmp(path, dir, n) == 0 && path[n] == '/';
}

static int ours(int fd)
{
	char link[64], path[4096];
	ssize_t n;

	if (dir == NULL)
		return 0;
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof(path) - 1);
	if (n <= 0)
		return 0;
	path[n] = '\0';
	return below(path);
}

static void end(void)
{
	kill(getpid(), SIGKILL);
	for (;;)
		pause();
}

/* Whether this is the call. */
static int now(void)
{
	uint64_t n = __atomic_add_fetch((uint64_t *)(uintptr_t)count, 1, __ATOMIC_SEQ_CST);

	return (how == 'w' && access(getenv("CRASH_WHILE"), F_OK) == 0) || (at != 0 && (n == at || (how == 'f' && n > at)));
}

static int no_space(int hit)
{
	if (!hit || (how != 'e' && how != 'f' && how != 'w'))
		return 0;
	errno = ENOSPC;
	return 1;
}

static ssize_t written(int fd, const void *buf, size_t n, int64_t offset)
{
	int hit = ours(fd) && now();
	ssize_t r;

	if (no_space(hit))
		return -1;
	if (hit && how == 'b')
		end();
	if (hit && how == 'h')
		n /= 2;
	r = offset < 0 ? syscall(SYS_write, fd, buf, n) : syscall(SYS_pwrite64, fd, buf, n, offset);
	if (hit)
		end();
	return r;
}

ssize_t write(int fd, const void *buf, size_t n)
{
	return written(fd, buf, n, -1);
}

ssize_t pwrite(int fd, const void *buf, size_t n, off_t offset)
{
	return written(fd, buf, n, offset);
}

ssize_t pwrite64(int fd, const void *buf, size_t n, off64_t offset)
{
	return written(fd, buf, n, offset);
}

#define WRAP(hit, call) \
	do { \
		int hit_ = (hit) && now(); \
		long r_; \
		if (hit_ && how == 'b') \
			end(); \
		r_ = (call); \
		if (hit_ && how != 'e' && how != 'f' && how != 'w') \
			end(); \
		return (int)r_; \
	} while (0)

#define WRAP_SPACE(hit, call) \
	do { \
		int hit_ = (hit) && now(); \
		long r_; \
		if (no_space(hit_)) \
			return -1; \
		if (hit_ && how == 'b') \
			end(); \
		r_ = (call); \
		if (hit_) \
			end(); \
		return (int)r_; \
	} while (0)

int fsync(int fd)
{
	WRAP_SPACE(ours(fd), syscall(SYS_fsync, fd));
}

int fdatasync(int fd)
{
	WRAP_SPACE(ours(fd), syscall(SYS_fdatasync, fd));
}

int ftruncate(int fd, off_t n)
{
	WRAP(ours(fd), syscall(SYS_ftruncate, fd, n));
}

int ftruncate64(int fd, off64_t n)
{
	WRAP(ours(fd), syscall(SYS_ftruncate, fd, n));
}

int unlink(const char *path)
{
	WRAP(below(path), syscall(SYS_unlinkat, AT_FDCWD, path, 0));
}

int rename(const char *from, const char *to)
{
	WRAP(below(from), syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0));
}
