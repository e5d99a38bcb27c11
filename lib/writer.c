#include "writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "util.h"

static bool is_id(const char *s)
{
	for (size_t i = 0; i < WRITER_LEN; i++)
		if ((s[i] < '0' || s[i] > '9') && (s[i] < 'a' || s[i] > 'f'))
			return false;
	return s[WRITER_LEN] == '\0';
}

/* What follows an id that Konnect may not have everywhere yet: a crash in between must not make us a second daemon. */
#define MARK_NEW " new\n"

/* 0, -ENOENT when there is none worth reading, or -errno. */
static int read_id(const char *path, char ret[WRITER_LEN + 1], bool *ret_new)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	char text[WRITER_LEN + sizeof(MARK_NEW)] = "";
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof(text) - 1);
	(void)close(fd);
	if (n < 0)
		return -EIO;
	*ret_new = strcmp(text + WRITER_LEN, MARK_NEW) == 0;
	text[WRITER_LEN] = '\0';
	if (n < WRITER_LEN || !is_id(text))
		return -ENOENT;
	memcpy(ret, text, WRITER_LEN + 1);
	return 0;
}

static void make_id(char ret[WRITER_LEN + 1])
{
	uint8_t random[WRITER_LEN / 2];

	/* never short at this size; an id of zeros would still be one that the file keeps */
	memset(random, 0, sizeof(random));
	(void)!getrandom(random, sizeof(random), 0);
	for (size_t i = 0; i < sizeof(random); i++)
		(void)snprintf(ret + 2 * i, 3, "%02x", random[i]);
}

/* Through a second name, so that a crash leaves the old file or the new one. */
static int write_id(const char *path, const char *id, const char *mark)
{
	_cleanup_free_ char *temp = xasprintf("%s.new", path), *text = xasprintf("%s%s", id, mark);
	int fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), r = 0;
	ssize_t len = (ssize_t)strlen(text);

	if (fd < 0)
		return -errno;
	errno = 0;
	if (write(fd, text, (size_t)len) != len || fsync(fd) < 0)
		r = errno != 0 ? -errno : -EIO;
	if (close(fd) < 0 && r == 0)
		r = -errno;
	if (r == 0 && rename(temp, path) < 0)
		r = -errno;
	return r;
}

int writer_load(const char *directory, bool read_only, char ret[WRITER_LEN + 1], bool *ret_new)
{
	_cleanup_free_ char *path = xasprintf("%s/writer", directory);
	int r;

	*ret_new = false;
	r = read_id(path, ret, ret_new);
	if (r != -ENOENT)
		return r;
	*ret_new = true;
	ret[0] = '\0';
	if (read_only)
		return 0;
	make_id(ret);
	return write_id(path, ret, MARK_NEW);
}

int writer_settle(const char *directory, const char *id)
{
	_cleanup_free_ char *path = xasprintf("%s/writer", directory);

	return write_id(path, id, "\n");
}
