/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replays a corpus through a fuzz target where libFuzzer is absent, so that
 * gcc builds run every committed input too. Arguments: files or directories.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data;
	size_t size;

	if (!f) {
		perror(path);
		return -1;
	}
	data = malloc(1 << 20);
	if (!data)
		abort();
	size = fread(data, 1, 1 << 20, f);
	fclose(f);
	/* An exact copy lets the sanitizer see a read past the end. */
	uint8_t *exact = malloc(size ? size : 1);
	if (!exact)
		abort();
	memcpy(exact, data, size);
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
	free(data);
	return 0;
}

static int replay_dir(const char *path, int *count)
{
	DIR *dir = opendir(path);
	struct dirent *de;

	if (!dir)
		return -1;
	while ((de = readdir(dir))) {
		char name[4096];
		if (de->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, de->d_name);
		if (replay_file(name) < 0)
			return -1;
		(*count)++;
	}
	closedir(dir);
	return 0;
}

int main(int argc, char **argv)
{
	int count = 0;

	for (int i = 1; i < argc; i++) {
		struct stat st;
		if (stat(argv[i], &st) < 0) {
			perror(argv[i]);
			return 1;
		}
		if (S_ISDIR(st.st_mode) ? replay_dir(argv[i], &count) : (count++, replay_file(argv[i])))
			return 1;
	}
	printf("%d inputs replayed\n", count);
	return count == 0;
}
