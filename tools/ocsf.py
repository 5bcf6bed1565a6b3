#!/usr/bin/env python3
"""Brings a compiled OCSF schema into the reduced form that the tests validate against.

    tools/ocsf.py COMPILED.json

COMPILED.json is what `python -m ocsf.compile` (package ocsf-lib) makes of a checkout of
https://github.com/ocsf/ocsf-schema. What is kept are the classes that our exports use and everything
that can stand in them: names, types, requirements, profiles, enumerated values and constraints; no
descriptions. The result is written to fixtures/ocsf/schema.json.gz, the same for the same input.
"""

import gzip
import json
import pathlib
import sys

CLASSES = ["account_change", "authentication", "entity_management", "group_management", "api_activity"]


def attributes(of):
    kept = {}
    for name, attribute in of["attributes"].items():
        one = {"type": attribute["type"], "requirement": attribute["requirement"]}
        if attribute.get("profile"):
            one["profile"] = attribute["profile"]
        if attribute.get("is_array"):
            one["is_array"] = True
        if attribute.get("enum"):
            one["enum"] = sorted(attribute["enum"])
        kept[name] = one
    return kept


def main():
    schema = json.load(open(sys.argv[1], encoding="utf-8"))
    classes, objects, wanted = {}, {}, []
    for name in CLASSES:
        found = schema["classes"][name]
        classes[found["uid"]] = {
            "name": name,
            "caption": found["caption"],
            "profiles": found["profiles"],
            "constraints": found.get("constraints") or {},
            "attributes": attributes(found),
        }
        wanted += [a["type"] for a in found["attributes"].values()]
    while wanted:
        name = wanted.pop()
        if not name or name in objects or name not in schema["objects"]:
            continue
        found = schema["objects"][name]
        objects[name] = {"constraints": found.get("constraints") or {}, "attributes": attributes(found)}
        wanted += [a["type"] for a in found["attributes"].values()]
    types = {
        name: {key: found[key] for key in ("type", "regex", "range", "max_len") if found.get(key)}
        for name, found in schema["types"].items()
    }
    kept = {"version": schema["version"], "classes": classes, "objects": objects, "types": types}
    text = json.dumps(kept, sort_keys=True, separators=(",", ":")).encode()
    place = pathlib.Path(__file__).parent.parent / "fixtures" / "ocsf" / "schema.json.gz"
    place.write_bytes(gzip.compress(text, mtime=0))
    print(f"{len(classes)} classes, {len(objects)} objects, {len(types)} types: {place.stat().st_size} bytes")


if __name__ == "__main__":
    main()
