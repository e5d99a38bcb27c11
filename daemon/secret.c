/* Secret files. Symbolic links are followed: what a container mounts as a secret is one. */
#include "secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../lib/limits.h"
#include "../lib/util.h"

char *secret_free(char *secret)
{
	if (secret != NULL)
		secret_zero(secret, strlen(secret));
	free(secret);
	return NULL;
}

/* Whether a component of the path is "..": such a path may leave the directory it is looked up in. */
static bool climbs(const char *path)
{
	for (const char *p = path; p != NULL; p = strchr(p, '/')) {
		p += strspn(p, "/");
		if (p[0] == '.' && p[1] == '.' && (p[2] == '/' || p[2] == '\0'))
			return true;
	}
	return false;
}

static const char *credentials_directory(void)
{
	const char *d = getenv("CREDENTIALS_DIRECTORY");

	return d != NULL && d[0] == '/' ? d : NULL;
}

/* The service manager guards that directory and chooses the modes in it. */
static bool is_credential(const char *file)
{
	const char *d = credentials_directory();
	size_t n = d != NULL ? strlen(d) : 0;

	return d != NULL && strncmp(file, d, n) == 0 && (file[n] == '/' || file[n - 1] == '/') && !climbs(file);
}

/* The file that a configured path means. Only a credential that is absent leads on to the directory: one that
 * cannot be read must not be replaced by another file in silence. */
static char *locate(const char *directory, const char *path)
{
	const char *d = credentials_directory();
	struct stat st;

	if (path[0] == '/')
		return xstrdup(path);
	if (d != NULL && !climbs(path)) {
		char *file = xasprintf("%s/%s", d, path);

		if (stat(file, &st) == 0 || (errno != ENOENT && errno != ENOTDIR))
			return file;
		free(file);
	}
	return directory != NULL ? xasprintf("%s/%s", directory, path) : xstrdup(path);
}

static int check_mode(const char *file, mode_t mode, char **ret_error)
{
	const char *who = mode & S_IWOTH ? "everyone may write it" :
			  mode & S_IROTH ? "everyone may read it" :
			  mode & S_IWGRP ? "its group may write it" : NULL;

	if (who == NULL || is_credential(file))
		return 0;
	*ret_error = xasprintf("%s: refused, %s (mode %04o); set it with: chmod %s %s", file, who,
			       (unsigned)(mode & 07777), mode & S_IRGRP ? "0640" : "0600", file);
	return -EPERM;
}

static int open_secret(const char *file, int *ret_fd, char **ret_error)
{
	struct stat st;
	int fd, r;

	/* O_NONBLOCK: somebody's FIFO must not stop the loop; a regular file does not care */
	fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0) {
		r = -errno;
		*ret_error = r == -EACCES ? xasprintf("%s: may not be read by user %u; set its group and mode with: "
						      "chgrp adosyncd %s; chmod 0640 %s", file, (unsigned)geteuid(), file, file) :
			     r == -ENOENT ? xasprintf("%s: there is no such file; put the secret into it, mode 0640", file) :
					    xasprintf("%s: cannot be opened: %s", file, strerror(-r));
		return r;
	}
	if (fstat(fd, &st) < 0) {
		r = -errno;
		*ret_error = xasprintf("%s: cannot be examined: %s", file, strerror(-r));
	} else if (!S_ISREG(st.st_mode)) {
		r = -EINVAL;
		*ret_error = xasprintf("%s: refused, it is not a regular file; put the secret into one", file);
	} else {
		r = check_mode(file, st.st_mode, ret_error);
	}
	if (r < 0) {
		(void)close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

static ssize_t read_all(int fd, char *p, size_t n)
{
	size_t have = 0;

	while (have < n) {
		ssize_t r = read(fd, p + have, n - have);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (r == 0)
			break;
		have += (size_t)r;
	}
	return (ssize_t)have;
}

static bool is_white(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Checks and trims; what stays inside would break a header line, or was never part of a token. */
static int check_text(const char *file, const char *p, size_t n, char **ret, char **ret_error)
{
	while (n > 0 && is_white(p[0])) {
		p++;
		n--;
	}
	while (n > 0 && is_white(p[n - 1]))
		n--;
	if (n == 0) {
		*ret_error = xasprintf("%s: is empty; put the secret into it", file);
		return -ENODATA;
	}
	for (size_t i = 0; i < n; i++) {
		if (p[i] > ' ' && p[i] <= '~')
			continue;
		*ret_error = xasprintf("%s: refused, it holds %s; put the secret alone into it, in plain ASCII", file,
				       is_white(p[i]) ? "white space within the text" :
				       p[i] >= 0 ? "a control character" : "a character that is not ASCII");
		return -EINVAL;
	}
	*ret = xstrndup(p, n);
	return 0;
}

int secret_read(const char *directory, const char *path, char **ret, char **ret_error)
{
	_cleanup_free_ char *file = locate(directory, path);
	const size_t size = SECRET_MAX + 1; /* one more tells that there is more */
	char *buf;
	ssize_t n;
	int fd = -1, r;

	r = open_secret(file, &fd, ret_error);
	if (r < 0)
		return r;
	buf = xcalloc(size, 1);
	n = read_all(fd, buf, size);
	(void)close(fd);
	if (n < 0) {
		r = (int)n;
		*ret_error = xasprintf("%s: cannot be read: %s", file, strerror(-r));
	} else if ((size_t)n == size) {
		r = -EFBIG;
		*ret_error = xasprintf("%s: refused, it is larger than %zu bytes; put the secret alone into it", file, SECRET_MAX);
	} else {
		r = check_text(file, buf, (size_t)n, ret, ret_error);
	}
	secret_zero(buf, size);
	free(buf);
	return r;
}

static void scrub(char *text, const char *word)
{
	size_t n = strlen(word);

	for (char *p = text; (p = strstr(p, word)) != NULL; p += n)
		memset(p, '*', n);
}

/* Standard Base64 without the last group, which depends on what follows. */
static char *base64(const char *p, size_t n)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char *out = xcalloc(n / 3 * 4 + 1, 1), *o = out;

	for (; n >= 3; p += 3, n -= 3) {
		uint32_t v = (uint32_t)(uint8_t)p[0] << 16 | (uint32_t)(uint8_t)p[1] << 8 | (uint8_t)p[2];

		for (int shift = 18; shift >= 0; shift -= 6)
			*o++ = digits[v >> shift & 63];
	}
	return out;
}

void secret_scrub(char *text, const char *secret)
{
	char *basic, *encoded;

	if (strlen(secret) < 8)
		return;
	scrub(text, secret);
	/* Basic with an empty user */
	basic = xasprintf(":%s", secret);
	encoded = base64(basic, strlen(basic));
	scrub(text, encoded);
	(void)secret_free(basic);
	(void)secret_free(encoded);
}
