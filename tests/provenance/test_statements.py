# SPDX-License-Identifier: Apache-2.0
"""Signed statements beside securesystemslib's and in-toto's own readers: theirs verify ours, ours verify theirs."""
import base64
import hashlib
import json

import pytest
from google.protobuf import json_format
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
from in_toto_attestation.predicates.test_result.v0 import test_result_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement
from in_toto.models.metadata import Envelope as LinkEnvelope
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import CryptoSigner, SSlibKey

TYPE = "application/vnd.in-toto+json"
PIPELINE = """[pipeline]
name = churn
[params]
lr = 0.1
[step.train]
cmd = sh train.sh
in = train.sh
     data.csv
out = model
metrics = m.json
params = lr
[model.churn]
from = model
gate = auc >= 0.8
       auc < 1
"""


@pytest.fixture
def attested(mlops, tmp_path):
    """A version of a model that is a directory; its envelopes as dicts, and the public key."""
    (tmp_path / "pipeline.ini").write_text(PIPELINE)
    (tmp_path / "train.sh").write_text("mkdir model; cp data.csv model/weights; echo x > model/config; echo '{\"auc\": 0.9}' > m.json")
    (tmp_path / "data.csv").write_text("a,b\n1,2\n")
    mlops("init")
    mlops("run")
    mlops("attest", "churn@v1", "-o", "churn.intoto.jsonl")
    return [json.loads(line) for line in (tmp_path / "churn.intoto.jsonl").read_text().splitlines()]


def public_pem(mlops):
    return mlops("key", "list")["keys"][0]["public"].encode()


def sslib_key(pem, keyid):
    """Their library looks for a key by the envelope's keyid, which in DSSE is a hint."""
    return SSlibKey.from_crypto(serialization.load_pem_public_key(pem), keyid=keyid)


def pem_of(key):
    raw = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key.keyval["public"]))
    return raw.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def test_their_library_verifies_our_envelopes(attested, mlops):
    keyid = attested[0]["signatures"][0]["keyid"]
    key = sslib_key(public_pem(mlops), keyid)
    stranger = sslib_key(pem_of(CryptoSigner.generate_ed25519().public_key).encode(), keyid)
    der = serialization.load_pem_public_key(public_pem(mlops)).public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert keyid == hashlib.sha256(der).hexdigest()
    assert len(attested) == 2
    for data in attested:
        envelope = Envelope.from_dict(json.loads(json.dumps(data)))
        envelope.verify([key], 1)
        with pytest.raises(VerificationError):
            envelope.verify([stranger], 1)
        envelope.payload += b" "
        with pytest.raises(VerificationError):
            envelope.verify([key], 1)
        # in-toto's own loader of metadata takes the envelope, too
        assert LinkEnvelope.from_dict(json.loads(json.dumps(data))).payload_type == TYPE


def test_their_readers_know_every_member_of_our_statements(attested, tmp_path):
    provenance, gate = [json.loads(base64.b64decode(e["payload"])) for e in attested]
    for said in (provenance, gate):
        # strict: a member that the specification does not have is an error
        Statement.copy_from_pb(json_format.ParseDict(said, statement_pb2.Statement())).validate()
    made = json_format.ParseDict(provenance["predicate"], provenance_pb2.Provenance())
    assert made.build_definition.build_type == "mlops:pipeline/v1"
    assert made.build_definition.external_parameters["params"]["lr"] == "0.1"
    assert made.run_details.metadata.started_on.seconds <= made.run_details.metadata.finished_on.seconds
    read = {d.name: d.digest["sha256"] for d in made.build_definition.resolved_dependencies if d.annotations["use"] == "data"}
    assert read == {n: hashlib.sha256((tmp_path / n).read_bytes()).hexdigest() for n in ("train.sh", "data.csv")}
    result = json_format.ParseDict(gate["predicate"], test_result_pb2.TestResult())
    assert (result.result, list(result.passed_tests), list(result.failed_tests)) == ("PASSED", ["auc >= 0.8", "auc < 1"], [])
    section = result.configuration[0]
    assert hashlib.sha256(section.content).hexdigest() == section.digest["sha256"]
    assert json.loads(section.content)["gate"] == ["auc >= 0.8", "auc < 1"]
    subjects = {s["name"]: s["digest"]["sha256"] for s in provenance["subject"]}
    assert subjects.keys() == {"model", "model/config", "model/weights"} and provenance["subject"] == gate["subject"]
    assert subjects["model/weights"] == hashlib.sha256((tmp_path / "model/weights").read_bytes()).hexdigest()


def signed(signer, statement):
    envelope = Envelope(json.dumps(statement, indent=1).encode(), TYPE, {})
    envelope.sign(signer)
    return json.dumps(envelope.to_dict())


def statement(digest, **more):
    return {"_type": "https://in-toto.io/Statement/v1", "subject": [{"name": "weights.bin", "digest": {"sha256": digest}}],
            "predicateType": "https://slsa.dev/provenance/v1",
            "predicate": {"buildDefinition": {"buildType": "https://example.org/b", "externalParameters": {"branch": "main"},
                                              "resolvedDependencies": [{"uri": "git+https://example.org/r", "digest": {"gitCommit": "a" * 40}}]},
                          "runDetails": {"builder": {"id": "https://example.org/builder"}}}, **more}


def test_ours_verifies_what_their_library_signed(mlops, tmp_path):
    signer, stranger = CryptoSigner.generate_ed25519(), CryptoSigner.generate_ed25519()
    (tmp_path / "weights.bin").write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    (tmp_path / "key.pem").write_text(pem_of(signer.public_key))
    (tmp_path / "policy.ini").write_text("[verify]\nbuilder = https://example.org/*\nbranch = main\n")
    beside = tmp_path / "weights.bin.intoto.jsonl"

    def verdict(*lines, more=()):
        beside.write_text("\n".join(lines) + "\n")
        thing, = mlops("verify", "weights.bin", "--key", "key.pem", *more)["things"]
        return thing["verdict"], [s.get("why", "") for s in thing["statements"]]

    good = signed(signer, statement(digest))
    assert verdict(good) == ("verified", [""])
    assert verdict(good, more=("--policy", "policy.ini"))[0] == "verified"
    other = statement(digest)
    other["predicate"]["runDetails"]["builder"]["id"] = "https://elsewhere.example"
    assert verdict(signed(signer, other), more=("--policy", "policy.ini"))[0] == "refused"
    assert verdict(signed(stranger, statement(digest))) == ("unsigned", ["no key that is trusted here has signed it"])
    assert verdict(signed(stranger, statement(digest)), good)[0] == "verified"
    assert verdict(signed(signer, statement("0" * 64))) == ("unsigned", ["it is about something else"])
    for broken in ({"_type": "x"}, {"subject": []}, {"subject": [{"name": "n"}]}, {"predicateType": 7}, {"predicate": []}):
        got, (why,) = verdict(signed(signer, {**statement(digest), **broken}))
        assert got == "unsigned" and why.startswith("it is no in-toto statement"), (broken, why)
    bent = json.loads(good)
    bent["payload"] = base64.b64encode(json.dumps(statement(digest)).encode()).decode()
    assert verdict(json.dumps(bent))[0] == "unsigned"
    bent["payloadType"] = "text/plain"
    assert verdict(json.dumps(bent)) == ("unsigned", ["the envelope holds 'text/plain', not " + TYPE])
    # several signatures, of which one counts; and the other alphabet of base64
    two = Envelope(json.dumps(statement(digest)).encode(), TYPE, {})
    two.sign(stranger), two.sign(signer)
    data = two.to_dict()
    for part in data["signatures"]:
        part["sig"] = part["sig"].translate(str.maketrans("+/", "-_"))
    assert verdict(json.dumps(data))[0] == "verified"
