/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "base/json.h"
#include "base/mem.h"
#include "runners/docker.h"
#include "runners/docker_runner.h"

static const struct runner_mount mounts[] = {
	{ "/p/.mlops/work/r/s/1", "/w", true },
	{ "/p/data with blank", "/w/data", false },
};

static const char *const argv[] = { "python3", "-c", "print(\"a b\")", NULL };
static const char *const env[] = { "A=1", "B=\"x\"", NULL };

static struct docker engine(void)
{
	return (struct docker){
		.project = (char *)"/p",
		.run = (char *)"r",
		.probe = (char *)"/p/probe",
		.log_driver = (char *)"local",
		.cpus = 4,
	};
}

static struct runner_spec spec(void)
{
	return (struct runner_spec){
		.name = "r-s-1",
		.argv = argv,
		.env = env,
		.workdir = "/w",
		.image = "sha256:12",
		.image_shown = "python:3.12",
		.mounts = mounts,
		.nmounts = ARRAY_LEN(mounts),
		.uid = 1000,
		.gid = 100,
		.run = "r",
		.step = "s",
	};
}

static struct js *parse(struct strbuf *text)
{
	struct js *json = NULL;

	assert_int_equal(js_parse(text->buf, text->len, "body", &json, NULL), 0);
	strbuf_release(text);
	return json;
}

static struct js *create(const struct docker *docker, const struct runner_spec *runner_spec, const char *network)
{
	struct strbuf text = STRBUF_INIT;

	docker_create_body(docker, runner_spec, network, &text);
	return parse(&text);
}

static void assert_json(const struct js *object, const char *key, const char *want)
{
	CLEANUP_STRBUF struct strbuf got = STRBUF_INIT;

	assert_non_null(js_get(object, key));
	js_dump(js_get(object, key), JS_COMPACT, &got);
	assert_string_equal(got.buf, want);
}

static void a_step_is_isolated_and_runs_as_asked(void **state)
{
	const struct docker docker = engine();
	const struct runner_spec step = spec();
	CLEANUP_JS struct js *body = create(&docker, &step, "container:x");
	const struct js *host = js_get(body, "HostConfig");

	(void)state;
	assert_json(body, "Image", "\"sha256:12\"");
	assert_json(body, "Entrypoint", "[\"python3\",\"-c\",\"print(\\\"a b\\\")\"]");
	assert_json(body, "Cmd", "[]");
	assert_json(body, "Env", "[\"A=1\",\"B=\\\"x\\\"\"]");
	assert_json(body, "WorkingDir", "\"/w\"");
	assert_json(body, "User", "\"1000:100\"");
	assert_json(body, "Tty", "false");
	assert_json(body, "StopSignal", "\"SIGTERM\"");
	assert_json(body, "Healthcheck", "{\"Test\":[\"NONE\"]}");
	assert_json(body, "Labels", "{\"mlops.project\":\"/p\",\"mlops.run\":\"r\",\"mlops.step\":\"s\"}");
	assert_json(host, "NetworkMode", "\"container:x\"");
	assert_json(host, "ReadonlyRootfs", "true");
	assert_json(host, "CapDrop", "[\"ALL\"]");
	assert_json(host, "SecurityOpt", "[\"no-new-privileges\"]");
	assert_json(host, "Init", "true");
	assert_json(host, "AutoRemove", "false");
	assert_json(host, "IpcMode", "\"private\"");
	assert_json(host, "PidsLimit", "4096");
	assert_json(host, "Tmpfs", "{\"/tmp\":\"rw,exec,nosuid,nodev,size=2g,mode=1777\"}");
	assert_json(host, "Mounts",
		    "[{\"Type\":\"bind\",\"Source\":\"/p/.mlops/work/r/s/1\",\"Target\":\"/w\",\"ReadOnly\":false,"
		    "\"BindOptions\":{\"Propagation\":\"rprivate\"}},"
		    "{\"Type\":\"bind\",\"Source\":\"/p/data with blank\",\"Target\":\"/w/data\",\"ReadOnly\":true,"
		    "\"BindOptions\":{\"Propagation\":\"rprivate\"}}]");
}

static void what_is_not_asked_for_is_left_out(void **state)
{
	const struct docker docker = engine();
	const struct runner_spec step = spec();
	CLEANUP_JS struct js *body = create(&docker, &step, "container:x");
	static const char *const absent[] = { "NanoCpus", "Memory", "MemorySwap", "DeviceRequests" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(absent); i++)
		assert_null(js_get(js_get(body, "HostConfig"), absent[i]));
	/* An engine refuses it together with the network of another container. */
	assert_null(js_get(body, "Hostname"));
}

static void limits_are_those_of_the_step_and_of_the_machine(void **state)
{
	static const struct {
		double cpu;
		const char *nano;
	} rows[] = { { 1.5, "1500000000" }, { 64, "4000000000" }, { 0.001, "10000000" } };
	const struct docker docker = engine();
	struct runner_spec step = spec();

	(void)state;
	step.mem = 1 << 20;
	step.gpus = "0,3";
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_JS struct js *body = NULL;
		const struct js *host;

		step.cpu = rows[i].cpu;
		body = create(&docker, &step, "container:x");
		host = js_get(body, "HostConfig");
		assert_json(host, "NanoCpus", rows[i].nano);
		assert_json(host, "Memory", "1048576");
		assert_json(host, "MemorySwap", "1048576");
		assert_json(host, "DeviceRequests", "[{\"DeviceIDs\":[\"0\",\"3\"],\"Capabilities\":[[\"gpu\"]]}]");
	}
}

static void a_network_gives_a_name_that_is_always_the_same(void **state)
{
	const struct docker docker = engine();
	struct runner_spec step = spec();
	CLEANUP_JS struct js *body = NULL;

	(void)state;
	step.network = true;
	body = create(&docker, &step, "default");
	assert_json(body, "Hostname", "\"mlops\"");
	assert_json(js_get(body, "HostConfig"), "NetworkMode", "\"default\"");
}

static void no_engine_setting_may_lose_output(void **state)
{
	struct docker docker = engine();
	const struct runner_spec step = spec();
	CLEANUP_JS struct js *body = create(&docker, &step, "container:x");
	CLEANUP_JS struct js *podman = NULL;

	(void)state;
	assert_json(js_get(body, "HostConfig"), "LogConfig",
		    "{\"Type\":\"local\",\"Config\":{\"max-size\":\"1000g\",\"max-file\":\"1\",\"compress\":\"false\","
		    "\"mode\":\"blocking\"}}");
	docker.podman = true;
	docker.log_driver = (char *)"json-file";
	podman = create(&docker, &step, "container:x");
	assert_json(js_get(podman, "HostConfig"), "LogConfig", "{\"Type\":\"json-file\",\"Config\":{}}");
}

static void a_pause_container_can_do_nothing(void **state)
{
	const struct docker docker = engine();
	struct strbuf text = STRBUF_INIT;
	CLEANUP_JS struct js *body = NULL;
	const struct js *host;

	(void)state;
	docker_pause_body(&docker, "pause:1", "none", &text);
	body = parse(&text);
	host = js_get(body, "HostConfig");
	assert_json(body, "Image", "\"pause:1\"");
	assert_json(body, "Entrypoint", "[\"/mlops-pause\"]");
	assert_json(body, "User", "\"65532:65532\"");
	assert_json(body, "Labels", "{\"mlops.project\":\"/p\",\"mlops.run\":\"r\",\"mlops.step\":\"\"}");
	assert_json(host, "NetworkMode", "\"none\"");
	assert_json(host, "ReadonlyRootfs", "true");
	assert_json(host, "CapDrop", "[\"ALL\"]");
	assert_json(host, "Mounts",
		    "[{\"Type\":\"bind\",\"Source\":\"/p/probe\",\"Target\":\"/probe\",\"ReadOnly\":true,"
		    "\"BindOptions\":{\"Propagation\":\"rprivate\"}}]");
}

static void names_are_what_an_engine_takes_and_stay_different(void **state)
{
	static const struct {
		const char *task, *name;
	} rows[] = {
		{ "0a1b-train_all-1", "mlops-0a1b-train_all-1" },
		{ "r-train@xgb-1-1", "mlops-r-train.40xgb-1-1" },
		{ "r-train.40xgb-1-1", "mlops-r-train.2e40xgb-1-1" },
		{ "r-a/b \xc3\xa4-2", "mlops-r-a.2fb.20.c3.a4-2" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(cleanup_free) char *name = docker_container_name(rows[i].task);

		assert_string_equal(name, rows[i].name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_step_is_isolated_and_runs_as_asked),
		cmocka_unit_test(what_is_not_asked_for_is_left_out),
		cmocka_unit_test(limits_are_those_of_the_step_and_of_the_machine),
		cmocka_unit_test(a_network_gives_a_name_that_is_always_the_same),
		cmocka_unit_test(no_engine_setting_may_lose_output),
		cmocka_unit_test(a_pause_container_can_do_nothing),
		cmocka_unit_test(names_are_what_an_engine_takes_and_stay_different),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
