# SPDX-License-Identifier: Apache-2.0
"""The audit log and its checkpoints, read from their description alone: RFC 9162, c2sp.org/signed-note, tlog-checkpoint."""
import base64
import hashlib
import json
import sqlite3
from collections import namedtuple

MEMBERS = ("actor", "after", "before", "body", "operation", "origin", "seq", "subject", "time")

Note = namedtuple("Note", "origin size root text signatures")


def sha256(data):
    return hashlib.sha256(data).digest()


def leaves(database):
    """The hash of each event, the oldest first."""
    db = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    found = []
    for row in db.execute(f"SELECT {', '.join(MEMBERS)} FROM events ORDER BY seq"):
        parts = [f'"{name}":{value if name == "body" else json.dumps(value, ensure_ascii=False)}'
                 for name, value in zip(MEMBERS, row) if value is not None]
        found.append(sha256(b"\0" + ("{" + ",".join(parts) + "}").encode()))
    db.close()
    return found


def root(hashes):
    if not hashes:
        return sha256(b"")
    if len(hashes) == 1:
        return hashes[0]
    half = 1 << (len(hashes) - 1).bit_length() - 1
    return sha256(b"\1" + root(hashes[:half]) + root(hashes[half:]))


def read_note(note):
    text, _, rest = note.partition("\n\n")
    text += "\n"
    origin, size, top = text.splitlines()[:3]
    signatures = []
    for line in rest.splitlines():
        dash, name, value = line.split(" ")
        assert dash == "\N{EM DASH}"
        signatures.append((name, base64.b64decode(value, validate=True)))
    assert signatures
    return Note(origin, int(size), base64.b64decode(top, validate=True), text, signatures)


def notes_in(text):
    """Of a file that holds one after the other."""
    blocks = text.rstrip("\n").split("\n\n")
    assert len(blocks) % 2 == 0
    return [read_note(blocks[i] + "\n\n" + blocks[i + 1] + "\n") for i in range(0, len(blocks), 2)]


def is_signed(note, verifier):
    """By the key of a line NAME+HASH+BASE64, as tools for signed notes take it."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    name, key_hash, typed = verifier.split("+", 2)
    typed = base64.b64decode(typed, validate=True)
    assert typed[0] == 1 and key_hash == sha256(f"{name}\n".encode() + typed)[:4].hex()
    for signer, signature in note.signatures:
        if signer == name and signature[:4].hex() == key_hash:
            try:
                Ed25519PublicKey.from_public_bytes(typed[1:]).verify(signature[4:], note.text.encode())
                return True
            except InvalidSignature:
                return False
    return False
