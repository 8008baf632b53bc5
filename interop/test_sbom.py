"""The bill of materials against the schema of CycloneDX (ECMA-424), read by the foundation's own Python library."""

import json
import pathlib
import subprocess

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

ROOT = pathlib.Path(__file__).resolve().parent.parent


def test_the_bill_of_materials_is_valid_and_complete():
    done = subprocess.run(["cargo", "xtask", "sbom"], capture_output=True, text=True, cwd=ROOT, check=True)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(done.stdout) is None
    bill = json.loads(done.stdout)
    locked = (ROOT / "Cargo.lock").read_text()
    for component in bill["components"]:
        assert f'name = "{component["name"]}"\nversion = "{component["version"]}"' in locked
    # Everything that says where it comes from says also what it is: a hash and a licence.
    ours = {path.parent.name for path in (ROOT / "crates").glob("*/Cargo.toml")}
    foreign = [component for component in bill["components"] if component["name"] not in ours]
    assert len(foreign) > 100
    assert all(component["hashes"] and component["licenses"] for component in foreign)
