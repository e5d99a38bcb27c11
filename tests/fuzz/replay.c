/* Runs a fuzz target over the files of directories, so that every compiler can replay a corpus. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *path)
{
	FILE *f = fopen(path, "rb");
	char *data = NULL;
	size_t size = 0;
	FILE *to;
	int c;

	if (f == NULL) {
		perror(path);
		return 1;
	}
	to = open_memstream(&data, &size);
	while (to != NULL && (c = getc(f)) != EOF)
		(void)putc(c, to);
	if (to == NULL || fclose(to) != 0) {
		perror(path);
		(void)fclose(f);
		return 1;
	}
	(void)fclose(f);
	(void)LLVMFuzzerTestOneInput((const uint8_t *)data, size);
	free(data);
	return 0;
}

int main(int argc, char **argv)
{
	unsigned n = 0;

	for (int i = 1; i < argc; i++) {
		DIR *d = opendir(argv[i]);
		struct dirent *e;

		if (d == NULL) {
			perror(argv[i]);
			return 1;
		}
		while ((e = readdir(d)) != NULL) {
			char path[4096];

			if (e->d_name[0] == '.')
				continue;
			(void)snprintf(path, sizeof(path), "%s/%s", argv[i], e->d_name);
			if (replay(path) != 0)
				return 1;
			n++;
		}
		(void)closedir(d);
	}
	if (n == 0) {
		fprintf(stderr, "%s: no inputs\n", argv[0]);
		return 1;
	}
	return 0;
}
