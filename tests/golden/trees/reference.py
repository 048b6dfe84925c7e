#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Digests of the trees described in *.tree, computed from docs/format.md alone.

A description has one line an entry; blanks separate fields, %XX in paths and
targets is a byte, '#' starts a comment line:

    root HEX              the digest that is expected
    f|x SIZE HEX PATH     a file or executable file
    l TARGET PATH         a symlink
    many N PREFIX         files PREFIX0 .. PREFIX(N-1), each holding its own path
    uncut N PREFIX        the same, of the first N such paths that end no leaf

Prints "NAME HEX" for each; with --check, fails when one differs from its root line;
with --write, sets the root lines.
"""
import hashlib
import pathlib
import sys
import urllib.parse

MASK = (1 << 64) - 1


def path_hash(path):
    h = 14695981039346656037
    for byte in path:
        h = ((h ^ byte) * 1099511628211) & MASK
    h ^= h >> 33
    h = (h * 0xFF51AFD7ED558CCD) & MASK
    h ^= h >> 33
    h = (h * 0xC4CEB9FE1A85EC53) & MASK
    return h ^ (h >> 33)


def ends_leaf(path):
    return path_hash(path) % 4096 == 0


def varint(n):
    out = bytearray()
    while True:
        low, n = n % 128, n // 128
        out.append(low + (128 if n else 0))
        if not n:
            return bytes(out)


def generated(kind, count, prefix):
    number = 0
    while count:
        path = prefix + str(number).encode()
        number += 1
        if kind == "uncut" and ends_leaf(path):
            continue
        count -= 1
        yield path, ("f", len(path), hashlib.sha256(path).digest())


def read_description(text):
    entries, root = {}, None
    for line in text.splitlines():
        fields = line.split()
        if not fields or line.startswith("#"):
            continue
        name = urllib.parse.unquote_to_bytes(fields[-1])
        if fields[0] == "root":
            root = fields[1]
        elif fields[0] in ("many", "uncut"):
            entries.update(generated(fields[0], int(fields[1]), name))
        elif fields[0] == "l":
            entries[name] = ("l", urllib.parse.unquote_to_bytes(fields[1]))
        else:
            entries[name] = (fields[0], int(fields[1]), bytes.fromhex(fields[2]))
    return sorted(entries.items()), root


def leaves(entries):
    leaf = []
    for path, entry in entries:
        leaf.append((path, entry))
        if ends_leaf(path) or len(leaf) == 32768:
            yield leaf
            leaf = []
    if leaf:
        yield leaf


def leaf_bytes(leaf):
    out, before = b"mlops leaf 1\n", b""
    for path, entry in leaf:
        shared = 0
        while shared < min(len(path), len(before)) and path[shared] == before[shared]:
            shared += 1
        rest = path[shared:]
        out += varint(shared) + varint(len(rest)) + rest + entry[0].encode()
        if entry[0] == "l":
            out += varint(len(entry[1])) + entry[1]
        else:
            out += varint(entry[1]) + entry[2]
        before = path
    return out


def root_digest(entries):
    lines = []
    for leaf in leaves(entries):
        first = leaf[0][0]
        size = sum(entry[1] for _, entry in leaf if entry[0] != "l")
        digest = hashlib.sha256(leaf_bytes(leaf)).digest()
        lines.append(varint(len(first)) + first + digest + varint(len(leaf)) + varint(size))
    root = b"mlops tree 1\n" + varint(len(lines)) + b"".join(lines)
    return hashlib.sha256(root).hexdigest()


def main():
    mode = sys.argv[1] if len(sys.argv) > 1 else ""
    wrong = 0
    for file in sorted(pathlib.Path(__file__).parent.glob("*.tree")):
        text = file.read_text()
        entries, expected = read_description(text)
        digest = root_digest(entries)
        print(file.stem, digest)
        if mode == "--write":
            rest = [line for line in text.splitlines() if not line.startswith("root ")]
            file.write_text("\n".join([f"root {digest}"] + rest) + "\n")
        elif mode == "--check" and digest != expected:
            print(f"{file.name}: expected {expected}", file=sys.stderr)
            wrong += 1
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
