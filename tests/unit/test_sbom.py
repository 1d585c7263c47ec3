"""``make sbom`` lists every library of the image, with its version and the hashes that pip demands."""

import json
import re
import subprocess
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_PIN = re.compile(r"^([a-z0-9-]+)(?:\[[a-z,-]+\])?==([^ ;]+)", re.MULTILINE)


def _run(script: str) -> str:
    done = subprocess.run(["/bin/sh", "-euc", script], cwd=_ROOT, capture_output=True, text=True, check=True)
    return done.stdout


def test_every_pinned_library_is_listed_with_its_hashes(tmp_path: Path) -> None:
    # Only printed by make, and run here: a run of make could find the environment too old, and make it anew.
    recipe = _run("make --dry-run --old-file=setup sbom").replace("sbom.json", str(tmp_path / "sbom.json"))
    assert "cyclonedx_py" in recipe.splitlines()[0]
    said = _run(recipe)

    listed = json.loads((tmp_path / "sbom.json").read_text())
    pinned = dict(_PIN.findall((_ROOT / "requirements.txt").read_text()))
    assert listed["bomFormat"] == "CycloneDX"
    assert listed["metadata"]["component"]["name"] == "aggregator"
    assert {part["name"]: part["version"] for part in listed["components"]} == pinned
    assert f"lists {len(listed['components'])} libraries" in said
    for part in listed["components"]:
        assert any(reference.get("hashes") for reference in part["externalReferences"]), part["name"]
