# SPDX-License-Identifier: Apache-2.0
"""Bundles taken apart and made again, also in ways that no writer would."""
import hashlib
import json
import subprocess


def header(name, size, kind=b"0", **fields):
    """One block of a tar as bundles have them; `fields` are offset=bytes written over it."""
    block = bytearray(512)

    def put(at, data):
        block[at:at + len(data)] = data

    put(0, name.encode())
    put(100, b"0000644\0" + b"0000000\0" * 2)
    put(124, b"%011o\0" % size if size < 1 << 33 else b"\x80\0\0\0" + size.to_bytes(8, "big"))
    put(136, b"00000000000\0")
    put(148, b" " * 8)
    put(156, kind)
    put(257, b"ustar\x0000")
    for at, data in fields.items():
        put(int(at[1:]), data)
    put(148, b"%06o\0 " % sum(block))
    return bytes(block)


def entry(name, data, **kw):
    return header(name, kw.pop("size", len(data)), **kw) + data + bytes(-len(data) % 512)


def unpack(path):
    """[(name, bytes)] in their order."""
    tar = subprocess.run(["zstd", "-dcq", path], capture_output=True, check=True).stdout
    entries, at = [], 0
    while tar[at]:
        name = tar[at:at + 100].rstrip(b"\0").decode()
        size = int(tar[at + 124:at + 135], 8)
        entries.append((name, tar[at + 512:at + 512 + size]))
        at += 512 + size + -size % 512
    assert tar[at:] == bytes(1024)
    return entries


def compress(tar, path):
    subprocess.run(["zstd", "-qf", "-", "-o", path], input=tar, check=True)


def pack(entries, path, extra=b""):
    """As they are."""
    compress(b"".join(entry(name, data) for name, data in entries) + extra + bytes(1024), path)


FACTS = ("trees/", "objects/", "SHA256SUMS")


def forge(entries, path, **head):
    """With a list that fits and no signature, as a stranger can; `head` changes members of bundle.json."""
    entries = [(n, d) for n, d in entries if not n.startswith("SHA256SUMS")]
    if head:
        first = json.dumps({**json.loads(entries[0][1]), **head}, sort_keys=True, separators=(",", ":"))
        entries[0] = (entries[0][0], first.encode())
    sums = "".join(f"{hashlib.sha256(d).hexdigest()}  {n}\n" for n, d in entries if not n.startswith(FACTS))
    pack(entries[:2] + [("SHA256SUMS", sums.encode())] + entries[2:], path)
