#!/usr/bin/env python3
"""Refreshes the catalogue of AWS-managed policies in fixtures/managed-policies/.

    tools/managed_policies.py [--version X.Y.Z]      write the files anew
    tools/managed_policies.py --check                compare data and manifest, offline

AWS publishes its managed policies only through its API. The PyPI package moto (Apache-2.0) carries
them as data; this program takes the package's file apart without running it and keeps the facts
that the service needs. It writes

    policies.jsonl.gz    one policy a line, sorted by ARN, minified; the deflate stream carries no
                         name or time, so that the same input gives the same bytes
    manifest.json        source and version, count, and SHA-256 and size of the lines uncompressed

and leaves domesday.jsonl alone: our own policies, in the same form, written by hand.

A line: {"arn", "name", "path", "default_version", "created", "updated", "document"}, the times in
RFC 3339, UTC. AWS's policy ids (ANPA...) and earlier versions are not published there.
"""

import argparse
import ast
import gzip
import hashlib
import io
import json
import pathlib
import subprocess
import sys
import tempfile
import zipfile

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "fixtures" / "managed-policies"
DATA = FOLDER / "policies.jsonl.gz"
MANIFEST = FOLDER / "manifest.json"
SOURCE_FILE = "moto/iam/aws_managed_policies.py"


def download(version):
    """The text of the package's policy file, and the package's version."""
    requirement = f"moto=={version}" if version else "moto"
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:",
             "-d", folder, requirement],
            check=True,
        )
        (wheel,) = pathlib.Path(folder).glob("moto-*.whl")
        with zipfile.ZipFile(wheel) as archive:
            return archive.read(SOURCE_FILE).decode(), wheel.name.split("-")[1]


def policies(source):
    """The policies in a file whose only statement assigns a JSON text to a name."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            return json.loads(node.value.value)
    raise SystemExit(f"{SOURCE_FILE} has another form than this program knows")


def time(text):
    """`2026-03-26T03:42:09+00:00` as `2026-03-26T03:42:09Z`."""
    if not text.endswith("+00:00"):
        raise SystemExit(f"a time that is not UTC: {text}")
    return text.removesuffix("+00:00") + "Z"


def line(name, policy):
    record = {
        "arn": f"arn:aws:iam::aws:policy{policy['Path']}{name}",
        "name": name,
        "path": policy["Path"],
        "default_version": policy["DefaultVersionId"],
        "created": time(policy["CreateDate"]),
        "updated": time(policy["UpdateDate"]),
        # Version first, as AWS writes it; the source sorts the keys, which puts it last.
        "document": dict(sorted(policy["Document"].items(), key=lambda item: item[0] != "Version")),
    }
    return json.dumps(record, separators=(",", ":"), ensure_ascii=False)


def compress(content):
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=buffer, mtime=0) as file:
        file.write(content)
    return buffer.getvalue()


def write(version):
    source, version = download(version)
    lines = [line(name, policy) for name, policy in policies(source).items()]
    lines.sort(key=lambda text: json.loads(text)["arn"])
    content = "".join(text + "\n" for text in lines).encode()
    FOLDER.mkdir(parents=True, exist_ok=True)
    DATA.write_bytes(compress(content))
    manifest = {
        "source": f"moto {version} on PyPI",
        "source_file": SOURCE_FILE,
        "source_licence": "Apache-2.0",
        "count": len(lines),
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    MANIFEST.write_text(json.dumps(manifest, indent=2) + "\n")
    print(f"{len(lines)} policies, {len(content)} bytes, {DATA.stat().st_size} compressed")


def check():
    manifest = json.loads(MANIFEST.read_text())
    content = gzip.decompress(DATA.read_bytes())
    records = [json.loads(text) for text in content.splitlines()]
    arns = [record["arn"] for record in records]
    found = {
        "count": len(records),
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    differences = [key for key, value in found.items() if manifest[key] != value]
    if arns != sorted(set(arns)):
        differences.append("order, or an ARN twice")
    if differences:
        raise SystemExit(f"{DATA.name} and {MANIFEST.name} differ in: {', '.join(differences)}")
    print(f"{len(records)} policies, as the manifest says")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--version", help="moto's version; the newest where none is given")
    parser.add_argument("--check", action="store_true", help="compare data and manifest, offline")
    arguments = parser.parse_args()
    if arguments.check:
        check()
    else:
        write(arguments.version)


if __name__ == "__main__":
    main()
