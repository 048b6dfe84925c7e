/* SPDX-License-Identifier: Apache-2.0 */
#include "api/agent_options.h"

const struct op_param agent_params[] = {
	{ .name = "listen", .letter = 'l', .flags = OPP_MANY, .value = "ADDRESS",
	  .help = "HOST:PORT or unix:PATH; default 127.0.0.1:5000; may be repeated" },
	{ .name = "tls-cert", .complete = COMPLETE_PATH, .value = "FILE", .help = "certificate chain, PEM: serve https" },
	{ .name = "tls-key", .complete = COMPLETE_PATH, .value = "FILE", .help = "its private key, PEM" },
	{ .name = "allow-host", .flags = OPP_MANY, .value = "NAME",
	  .help = "another name that requests may call this server" },
	{ .name = NULL },
};

const char agent_summary[] = "serve the project over HTTP, to MLflow's clients too";
const char agent_details[] =
	"Examples:\n"
	"  mlops agent                       http://127.0.0.1:5000\n"
	"  mlops agent --listen 127.0.0.1:8080 --listen unix:/run/mlops/a.sock\n"
	"  mlops agent --listen 0.0.0.0:5000 --tls-cert c.pem --tls-key k.pem\n"
	"\n"
	"It runs until it gets SIGTERM or SIGINT; what was asked is then answered\n"
	"first. One agent serves a project; commands work beside it. Training code\n"
	"finds it with MLFLOW_TRACKING_URI=http://127.0.0.1:5000.\n"
	"\n"
	"Programs of this user also reach it at .mlops/agent.sock. Addresses that\n"
	"other machines reach need TLS and a token (mlops token add).\n";
