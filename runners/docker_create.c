/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include "base/json.h"
#include "base/mem.h"
#include "runners/docker.h"
#include "runners/docker_runner.h"
#include "runners/pause/mlops_pause.h"
/*
 * https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerCreate
 * in the form that all versions up to 1.51, and Podman, take.
 */

#define PIDS_MAX  4096
#define PAUSE_PIDS 64 /* of them the runtime takes some while it starts it */
#define CPU_LEAST 0.01                /* engines refuse less */
#define SHM_SIZE  ((int64_t)1 << 30)  /* 64 MB, the default, is too little for data loaders; counts as memory */
#define TMP       "rw,exec,nosuid,nodev,size=2g,mode=1777"

char *docker_container_name(const char *task)
{
	CLEANUP_STRBUF struct strbuf name = STRBUF_INIT;

	strbuf_puts(&name, "mlops-");
	for (; *task; task++) {
		unsigned char c = (unsigned char)*task;

		if (isalnum(c) || c == '-' || c == '_')
			strbuf_putc(&name, *task);
		else
			strbuf_printf(&name, ".%02x", c);
	}
	return strbuf_detach(&name);
}

static struct js *strings(const char *const *texts)
{
	struct js *array = js_array();

	for (; *texts; texts++)
		js_push_str(array, *texts);
	return array;
}

static struct js *labels(const struct docker *docker, const char *run, const char *step)
{
	struct js *object = js_object();

	js_set_str(object, "mlops.project", docker->project);
	js_set_str(object, "mlops.run", run);
	js_set_str(object, "mlops.step", step);
	return object;
}

static void push_bind(struct js *mounts, const char *source, const char *target, bool writable)
{
	struct js *mount = js_object(), *options = js_object();

	js_set_str(mount, "Type", "bind");
	js_set_str(mount, "Source", source);
	js_set_str(mount, "Target", target);
	js_set_bool(mount, "ReadOnly", !writable);
	js_set_str(options, "Propagation", "rprivate");
	js_set(mount, "BindOptions", options);
	js_push(mounts, mount);
}

/* The engine's own defaults may rotate a log away or drop what comes too fast. */
static struct js *log_config(const struct docker *docker)
{
	struct js *config = js_object(), *options = js_object();

	js_set_str(config, "Type", docker->log_driver);
	if (!docker->podman) {
		js_set_str(options, "max-size", "1000g");
		js_set_str(options, "max-file", "1");
		js_set_str(options, "compress", "false");
		js_set_str(options, "mode", "blocking");
	}
	js_set(config, "Config", options);
	return config;
}

/* What holds for steps and pause containers. */
static struct js *host_config(const struct docker *docker, const char *network, struct js *mounts)
{
	struct js *host = js_object();

	js_set_str(host, "NetworkMode", network);
	js_set_bool(host, "ReadonlyRootfs", true);
	js_set(host, "CapDrop", strings((const char *const[]){ "ALL", NULL }));
	js_set(host, "SecurityOpt", strings((const char *const[]){ "no-new-privileges", NULL }));
	js_set_str(host, "IpcMode", "private");
	js_set_bool(host, "AutoRemove", false);
	js_set(host, "LogConfig", log_config(docker));
	js_set(host, "Mounts", mounts);
	return host;
}

static void set_limits(const struct docker *docker, const struct runner_spec *spec, struct js *host)
{
	double cpu = spec->cpu;

	js_set_int(host, "PidsLimit", PIDS_MAX);
	if (cpu > 0) {
		if (docker->cpus > 0 && cpu > docker->cpus)
			cpu = docker->cpus;
		js_set_int(host, "NanoCpus", (int64_t)((cpu < CPU_LEAST ? CPU_LEAST : cpu) * 1e9));
	}
	if (spec->mem > 0) {
		js_set_int(host, "Memory", spec->mem);
		js_set_int(host, "MemorySwap", spec->mem); /* of both together: no swap */
	}
}

static void set_gpu(const struct runner_spec *spec, struct js *host)
{
	struct js *request = js_object(), *all = js_array(), *list = js_array(), *ids = js_array();

	for (const char *id = spec->gpus; *id; id += *id == ',') {
		size_t len = strcspn(id, ",");
		js_push(ids, js_strn(id, len));
		id += len;
	}
	js_set(request, "DeviceIDs", ids);
	js_push(all, strings((const char *const[]){ "gpu", NULL }));
	js_set(request, "Capabilities", all);
	js_push(list, request);
	js_set(host, "DeviceRequests", list);
}

static struct js *step_host(const struct docker *docker, const struct runner_spec *spec, const char *network)
{
	struct js *mounts = js_array(), *tmpfs = js_object(), *host;

	for (size_t i = 0; i < spec->nmounts; i++)
		push_bind(mounts, spec->mounts[i].source, spec->mounts[i].target, spec->mounts[i].writable);
	host = host_config(docker, network, mounts);
	js_set_bool(host, "Init", true);
	js_set_str(tmpfs, "/tmp", TMP);
	js_set(host, "Tmpfs", tmpfs);
	js_set_int(host, "ShmSize", spec->shm ? spec->shm : SHM_SIZE);
	set_limits(docker, spec, host);
	if (spec->gpus)
		set_gpu(spec, host);
	return host;
}

static struct js *no_healthcheck(void)
{
	struct js *check = js_object();

	js_set(check, "Test", strings((const char *const[]){ "NONE", NULL }));
	return check;
}

void docker_create_body(const struct docker *docker, const struct runner_spec *spec, const char *network,
			struct strbuf *ret)
{
	CLEANUP_JS struct js *body = js_object();
	char user[32];

	snprintf(user, sizeof(user), "%u:%u", spec->uid, spec->gid);
	js_set_str(body, "Image", spec->image);
	js_set(body, "Entrypoint", strings(spec->argv));
	js_set(body, "Cmd", js_array());
	js_set(body, "Env", strings(spec->env));
	js_set_str(body, "WorkingDir", spec->workdir);
	js_set_str(body, "User", user);
	if (spec->network && !spec->agent) /* else it is that of the network it joins */
		js_set_str(body, "Hostname", "mlops");
	js_set_bool(body, "Tty", false);
	js_set_bool(body, "OpenStdin", false);
	js_set_str(body, "StopSignal", "SIGTERM");
	js_set(body, "Healthcheck", no_healthcheck());
	js_set(body, "Labels", labels(docker, spec->run, spec->step));
	js_set(body, "HostConfig", step_host(docker, spec, network));
	js_dump(body, JS_COMPACT, ret);
}

void docker_pause_body(const struct docker *docker, const char *image, const char *network, struct strbuf *ret)
{
	CLEANUP_JS struct js *body = js_object();
	struct js *mounts = js_array(), *host;

	push_bind(mounts, docker->probe, MLOPS_PAUSE_PROBE, false);
	if (docker->agent)
		push_bind(mounts, docker->agent, MLOPS_PAUSE_AGENT, false);
	host = host_config(docker, network, mounts);
	js_set_int(host, "PidsLimit", PAUSE_PIDS);
	js_set_str(body, "Image", image);
	js_set(body, "Entrypoint", strings((const char *const[]){ "/mlops-pause", NULL }));
	js_set(body, "Cmd", js_array());
	js_set_str(body, "User", "65532:65532");
	js_set_str(body, "Hostname", "mlops");
	js_set(body, "Labels", labels(docker, docker->run, ""));
	js_set(body, "HostConfig", host);
	js_dump(body, JS_COMPACT, ret);
}
