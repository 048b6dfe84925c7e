/* SPDX-License-Identifier: Apache-2.0 */
#include "api/run_log.h"
#include "api/ops.h"
#include "pipeline/steplog.h"
#include "registry/project.h"

struct steplog *run_log_open(struct op_context *ctx, const char *run)
{
	struct steplog *log;

	return steplog_open(ctx->project->homefd, run, STEPLOG_RUN, 1, 0, &log, NULL) < 0 ? NULL : log;
}

void run_log_add(struct steplog *log, bool error, const char *text, size_t len)
{
	steplog_feed(log, error, text, len);
	steplog_flush(log);
}

void run_log_close(struct steplog *log)
{
	steplog_close(log, NULL);
	steplog_finish(log);
}
