/* SPDX-License-Identifier: Apache-2.0 */
/* What whoever opens a bundle without us reads first. */
#include "api/bundle_gather.h"
#include "base/json.h"

static const char head[] =
	"# What this is\n"
	"\n"
	"The files, records and proofs of a machine learning project that `mlops` wrote: everything that made\n"
	"\n";
static const char unpack[] =
	"\n"
	"`mlops bundle verify FILE` checks all of it, and `mlops bundle import FILE` puts it into a project. Without that\n"
	"program, `zstd`, `tar`, `sha256sum` and `openssl` (3.0 or newer) are enough.\n"
	"\n"
	"# How to check it\n"
	"\n"
	"Unpack it into an empty directory:\n"
	"\n"
	"```sh\n"
	"zstd -dc FILE | tar -x\n"
	"```\n"
	"\n"
	"Each record, statement and proof is what the list says:\n"
	"\n"
	"```sh\n"
	"sha256sum --quiet -c SHA256SUMS\n"
	"```\n"
	"\n"
	"Files of data, code and models are named by the SHA-256 of their bytes, and records name them by it:\n"
	"\n"
	"```sh\n"
	"for d in trees objects; do\n"
	"  if test -d $d; then (cd $d && find . -type f | sed 's|^\\./\\(..\\)/\\(.*\\)|\\1\\2  \\1/\\2|' | sha256sum --quiet -c); fi\n"
	"done\n"
	"```\n";
static const char signature[] =
	"\n"
	"The list was signed. Compare the key with the one that its owner gave you by another way, then:\n"
	"\n"
	"```sh\n"
	"openssl pkeyutl -verify -rawin -pubin -inkey keys/%s.pem -in SHA256SUMS -sigfile SHA256SUMS.sig\n"
	"```\n";
static const char evidence[] =
	"\n"
	"So was each statement about what was made, by the key that it names:\n"
	"\n"
	"```sh\n"
	"for f in attestations/*; do\n"
	"  test -f \"$f\" || continue\n"
	"  member() { sed \"s/.*\\\"$1\\\":\\\"\\([^\\\"]*\\)\\\".*/\\1/\" \"$f\"; }\n"
	"  member payload | openssl base64 -d -A > statement\n"
	"  member sig | openssl base64 -d -A > signature\n"
	"  { printf 'DSSEv1 28 application/vnd.in-toto+json %s ' $(wc -c < statement); cat statement; } > signed\n"
	"  openssl pkeyutl -verify -rawin -pubin -inkey keys/$(member keyid).pem -in signed -sigfile signature\n"
	"done\n"
	"```\n"
	"\n"
	"And the checkpoint of the audit log, by one of the keys:\n"
	"\n"
	"```sh\n"
	"sed '/^$/,$d' log/checkpoint > signed\n"
	"sed -n 's/^— [^ ]* //p' log/checkpoint | head -n 1 | openssl base64 -d -A | tail -c 64 > signature\n"
	"for k in keys/*; do openssl pkeyutl -verify -rawin -pubin -inkey $k -in signed -sigfile signature && break; done\n"
	"```\n"
	"\n"
	"Each event leads to the root in that checkpoint:\n"
	"\n"
	"```sh\n"
	"for proof in log/proofs/*; do\n"
	"  test -f \"$proof\" || continue\n"
	"  sed '1,/^$/d' \"$proof\" | cmp - log/checkpoint\n"
	"  leaf=$(sed -n 's/^index //p' \"$proof\") last=$(($(sed -n 2p log/checkpoint) - 1))\n"
	"  { printf '\\0'; sed -n 's/^extra //p' \"$proof\" | openssl base64 -d -A; } | openssl dgst -sha256 -binary > node\n"
	"  for hash in $(sed '1,/^index /d;/^$/,$d' \"$proof\"); do\n"
	"    echo $hash | openssl base64 -d -A > sibling\n"
	"    if [ $((leaf % 2)) = 1 ] || [ $leaf = $last ]; then set -- sibling node; else set -- node sibling; fi\n"
	"    { printf '\\1'; cat $1 $2; } | openssl dgst -sha256 -binary > parent\n"
	"    while [ $1 = sibling ] && [ $((leaf % 2)) = 0 ] && [ $leaf != 0 ]; do leaf=$((leaf / 2)) last=$((last / 2)); done\n"
	"    leaf=$((leaf / 2)) last=$((last / 2))\n"
	"    mv parent node\n"
	"  done\n"
	"  test \"$(openssl base64 -in node)\" = \"$(sed -n 3p log/checkpoint)\" || { echo \"$proof does not hold\"; false; }\n"
	"done\n"
	"```\n";
static const char rest[] =
	"\n"
	"# What stands where\n"
	"\n"
	"| path | what it is |\n"
	"|---|---|\n"
	"| `bundle.json` | what it was asked for, how much it holds, and what is missing |\n"
	"| `keys/ID.pem` | public keys (Ed25519); ID is the SHA-256 of the key in DER |\n"
	"| `log/checkpoint` | signed size and root of the audit log (c2sp.org/tlog-checkpoint) |\n"
	"| `log/proofs/N.txt` | event N, and the proof that it is in that log (c2sp.org/tlog-proof) |\n"
	"| `log/events` | or all events, one a line: leaves of the log's Merkle tree (RFC 9162) |\n"
	"| `runs/ID.json` | runs: params, metrics, inputs and outputs by digest |\n"
	"| `cache/KEY.json` | results of steps, by what decides them |\n"
	"| `models/*.json`, `data/*.json` | registered models and versions of data |\n"
	"| `attestations/*.json` | signed statements (in-toto in DSSE); `attestations.json` says about what |\n"
	"| `reproductions.json` | what came of making something again |\n"
	"| `lineage.json` | what made what |\n"
	"| `trees/`, `objects/` | directories and files, by SHA-256 |\n";

void bundle_readme(const struct gather *g, const char *key_id, struct strbuf *ret)
{
	strbuf_puts(ret, head);
	for (size_t i = 0; i < js_len(g->roots); i++)
		strbuf_printf(ret, "    %s\n", g->whole ? "the project" : js_text(js_at(g->roots, i)));
	strbuf_puts(ret, unpack);
	if (key_id)
		strbuf_printf(ret, signature, key_id);
	strbuf_puts(ret, evidence);
	strbuf_puts(ret, rest);
}
