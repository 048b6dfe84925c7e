/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Objects over HTTP, as a remote has them (store/remote.h): GET, HEAD and PUT /api/v1/objects/SHA256. The bytes of a PUT
 * are hashed as they come; what is not as it is named is dropped. An answer to a PUT means that the object is durable.
 */
struct intake;
struct store;

/* Adds the routes. Both outlive the server. */
void objects_start(struct store *, struct intake *);
