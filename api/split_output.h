/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
/*
 * Files that appear together or not at all: until split_output_publish they have no name, so whatever ends the program
 * leaves nothing. A new directory then comes with all of them in one rename; in one that is there they get their names
 * one after the other, and old ones of these names are removed before, so that a kill leaves some missing, and never old
 * ones beside new ones.
 *
 * Life: SPLIT_OUTPUT_INIT, _open, writing to _fd, _publish, _release.
 */
struct error;

#define SPLIT_FILES 16u
struct split_file {
	char *name;
	char *temp; /* its name meanwhile, where the file system knows no files without one; else NULL */
	int fd;	    /* to be written and read */
};
struct split_output {
	char *dir, *parent; /* absolute */
	int parentfd;	    /* where the files are made */
	struct split_file files[SPLIT_FILES];
	size_t n;
};
#define SPLIT_OUTPUT_INIT { .parentfd = -1 }
/* ERR_EXISTS: a file of these names is there, and is not to be replaced. Parents of `dir` are made. */
int split_output_open(const char *dir, char *const *names, size_t n, bool force, struct split_output *ret, struct error *);
int split_output_publish(struct split_output *, struct error *);
void split_output_release(struct split_output *);
