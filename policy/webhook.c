/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/webhook.h"
#include <stdlib.h>

void webhook_event_release(struct webhook_event *event)
{
	char *const texts[] = { event->delivery, event->repository, event->ref,	  event->branch,
				event->before,	 event->after,	    event->actor };

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		free(texts[i]);
	strlist_release(&event->changed);
	*event = (struct webhook_event){ 0 };
}
