/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>
/*
 * Time zones, from the files of tzdata (RFC 8536) below /usr/share/zoneinfo or $TZDIR: what a clock on the wall shows, and
 * when it shows what. Constant once loaded, so any thread may use it; the process's own TZ plays no part.
 */
struct error;
struct zone;

/* "UTC" needs no file. ERR_USAGE: there is no such zone, with the nearest one. */
int zone_load(const char *name, struct zone **ret, struct error *);
/* The same of a file's bytes. */
int zone_read(const void *data, size_t len, const char *name, struct zone **ret, struct error *);
void zone_free(struct zone *);
void cleanup_zone(struct zone **);

#define ZONE_NEVER INT64_MAX
/* Seconds that are added to UTC at this moment; less than 26 hours. */
int32_t zone_offset(const struct zone *, int64_t utc_s);
/* The first moment after this one at which the offset is another; ZONE_NEVER. */
int64_t zone_change(const struct zone *, int64_t utc_s);
/* Moments at which the wall shows this (seconds as if it were UTC): 1; 2 in the hour that comes twice, the earlier first;
 * 0 in the hour that is left out, and then ret[0] is the moment at which it is. */
int zone_moments(const struct zone *, int64_t wall_s, int64_t ret[2]);
