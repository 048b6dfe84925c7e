/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Files that come in parts, so that one that was cut goes on (docs/format.md, "Uploads in parts"):
 *
 *     POST   /api/v1/uploads                         {"upload": ID}
 *     PATCH  /api/v1/uploads/ID   Upload-Offset: N   appends the body, which starts at byte N; a cut one is kept so far
 *     HEAD   /api/v1/uploads/ID                      Upload-Offset: how many bytes are here
 *     POST   /api/v1/uploads/ID/finish?path=PATH     the answer of PUT /api/v1/artifacts/PATH
 *     DELETE /api/v1/uploads/ID
 *
 * An id is a secret of who got it. Uploads end with the agent, when nothing came for a day, and the one that rested
 * longest when there are too many.
 */
struct intake;

/* Adds the routes. The intake outlives the server. */
void uploads_start(struct intake *);
void uploads_stop(void); /* before the intake closes */
