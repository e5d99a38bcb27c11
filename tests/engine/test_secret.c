/* Secret files: where they are looked up, what is refused, and that messages never hold the secret. */
#include "../../daemon/secret.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../lib/limits.h"
#include "../../lib/util.h"
#include "../unit/t.h"

static char dir[] = "/tmp/test_secret.XXXXXX";

static char *in_dir(const char *name)
{
	return xasprintf("%s/%s", dir, name);
}

static void put_bytes(const char *name, mode_t mode, const void *p, size_t n)
{
	_cleanup_free_ char *file = in_dir(name);
	FILE *f;

	(void)unlink(file);
	f = fopen(file, "w");
	if (f == NULL || fwrite(p, 1, n, f) != n || fclose(f) != 0 || chmod(file, mode) < 0) {
		perror(file);
		exit(1);
	}
}

static void put(const char *name, mode_t mode, const char *text)
{
	put_bytes(name, mode, text, strlen(text));
}

/* Reads and compares; want NULL: an error with this text in it. */
static void expect(const char *path, int r_want, const char *want, const char *part)
{
	char *secret = NULL, *error = NULL;
	int r = secret_read(dir, path, &secret, &error);

	T_EQ_INT_MSG(r, r_want, path);
	if (want != NULL) {
		T_EQ_STR(secret, want);
		T_NULL(error);
	} else {
		T_NULL(secret);
		T_OK_MSG(error != NULL && strstr(error, part) != NULL && strstr(error, dir) == error,
			 error != NULL ? error : "(no message)");
		T_OK_MSG(error == NULL || strstr(error, "hunter2") == NULL, "the secret is not in the message");
	}
	T_NULL(secret_free(secret));
	free(error);
}

static void test_text(void)
{
	char big[SECRET_MAX + 2];

	put("a", 0600, "hunter2");
	expect("a", 0, "hunter2", NULL);
	put("a", 0640, " \t\r\n hunter2 \r\n\n");
	expect("a", 0, "hunter2", NULL);
	put("a", 0600, "");
	expect("a", -ENODATA, NULL, "is empty");
	put("a", 0600, " \n");
	expect("a", -ENODATA, NULL, "is empty");
	put("a", 0600, "hunter2 hunter2");
	expect("a", -EINVAL, NULL, "white space");
	put("a", 0600, "hunter2\nhunter2");
	expect("a", -EINVAL, NULL, "white space");
	put("a", 0600, "hunter2\x01x");
	expect("a", -EINVAL, NULL, "control character");
	put("a", 0600, "hunter2\x7fx");
	expect("a", -EINVAL, NULL, "control character");
	put_bytes("a", 0600, "hunter2\0x", 9);
	expect("a", -EINVAL, NULL, "control character");
	put("a", 0600, "\xef\xbb\xbfhunter2");
	expect("a", -EINVAL, NULL, "not ASCII");
	memset(big, 'x', sizeof(big));
	put_bytes("a", 0600, big, SECRET_MAX + 1);
	expect("a", -EFBIG, NULL, "larger than");
	put_bytes("a", 0600, big, SECRET_MAX);
	big[SECRET_MAX] = '\0';
	expect("a", 0, big, NULL);
}

static void test_modes(void)
{
	static const mode_t fine[] = { 0400, 0440, 0600, 0640, 0750 };

	for (size_t i = 0; i < ELEMENTSOF(fine); i++) {
		put("m", fine[i], "hunter2");
		expect("m", 0, "hunter2", NULL);
	}
	put("m", 0644, "hunter2");
	expect("m", -EPERM, NULL, "everyone may read it (mode 0644); set it with: chmod 0640 /");
	put("m", 0604, "hunter2");
	expect("m", -EPERM, NULL, "chmod 0600 /");
	put("m", 0660, "hunter2");
	expect("m", -EPERM, NULL, "its group may write it");
	put("m", 0602, "hunter2");
	expect("m", -EPERM, NULL, "everyone may write it");
	put("m", 0000, "hunter2");
	if (geteuid() == 0)
		expect("m", 0, "hunter2", NULL); /* nothing stops root */
	else
		expect("m", -EACCES, NULL, "may not be read by user");
}

static void test_files(void)
{
	_cleanup_free_ char *link = in_dir("link"), *fifo = in_dir("fifo"), *sub = in_dir("sub"), *abs = in_dir("a");

	put("a", 0600, "hunter2");
	expect(abs, 0, "hunter2", NULL);
	T_EQ_INT(symlink("a", link), 0);
	expect("link", 0, "hunter2", NULL);
	T_EQ_INT(mkfifo(fifo, 0600), 0);
	expect("fifo", -EINVAL, NULL, "not a regular file");
	T_EQ_INT(mkdir(sub, 0700), 0);
	expect("sub", -EINVAL, NULL, "not a regular file");
	expect("absent", -ENOENT, NULL, "no such file");
	(void)unlink(abs);
	expect("link", -ENOENT, NULL, "no such file");
	(void)unlink(link);
	(void)unlink(fifo);
	(void)rmdir(sub);
}

static void test_credentials(void)
{
	_cleanup_free_ char *creds = in_dir("creds"), *abs = in_dir("creds/a"), *around = in_dir("creds/../a");

	T_EQ_INT(mkdir(creds, 0700), 0);
	put("a", 0600, "beside");
	(void)setenv("CREDENTIALS_DIRECTORY", creds, 1);
	expect("a", 0, "beside", NULL);
	put("creds/a", 0644, "credential");
	expect("a", 0, "credential", NULL);
	expect(abs, 0, "credential", NULL);
	put("creds/a", 0600, "");
	expect("a", -ENODATA, NULL, "creds/a: is empty");
	/* what climbs out of the directory is no credential */
	put("a", 0644, "hunter2");
	expect(around, -EPERM, NULL, "everyone may read it");
	expect("../a", -ENOENT, NULL, "no such file");
	(void)setenv("CREDENTIALS_DIRECTORY", "", 1);
	expect("a", -EPERM, NULL, "everyone may read it");
	(void)unsetenv("CREDENTIALS_DIRECTORY");
	put("a", 0600, "beside");
	expect("a", 0, "beside", NULL);
	(void)unlink(abs);
	(void)rmdir(creds);
}

static void test_scrub(void)
{
	char plain[] = "no: Bearer abcdefgh1 and abcdefgh1", basic[] = "Authorization: Basic OmFiY2RlZmdoMQ==",
	     other[] = "nothing of it", small[] = "a1b2";

	secret_scrub(plain, "abcdefgh1");
	T_EQ_STR(plain, "no: Bearer ********* and *********");
	secret_scrub(basic, "abcdefgh1");
	T_OK_MSG(strstr(basic, "OmFiY2RlZmdo") == NULL, basic);
	secret_scrub(other, "abcdefgh1");
	T_EQ_STR(other, "nothing of it");
	secret_scrub(small, "a1b2");
	T_EQ_STR(small, "a1b2");
}

int main(void)
{
	if (mkdtemp(dir) == NULL) {
		perror(dir);
		return 1;
	}
	(void)unsetenv("CREDENTIALS_DIRECTORY");
	test_text();
	test_modes();
	test_files();
	test_credentials();
	T_NULL(secret_free(NULL));
	for (size_t i = 0; i < 2; i++) {
		_cleanup_free_ char *file = in_dir(i == 0 ? "a" : "m");

		(void)unlink(file);
	}
	(void)rmdir(dir);
	test_scrub();
	return t_done();
}
