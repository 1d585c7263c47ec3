"""``python -m devkit.compose``: bring docker-compose.yml up with images made here, and play bets through its proxy.

For a machine whose Docker has no registry: docs/deployment.md tells what it shows and what it does not. As root, with
Debian's docker.io, docker-compose and debootstrap, Go, and the registries of their packages. It listens on the loopback
address alone, and removes its engine, its containers and their data when it ends.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devkit.compose import images
from devkit.compose.codec import read_a_bet
from devkit.compose.engine import engine
from devkit.compose.play import Table, onboard, play
from devkit.compose.restore import back_up, restore_before_a_mistake
from devkit.compose.shell import CommandFailed, Shell, say
from devkit.compose.stack import Stack, copy_checkout
from devkit.sandbox.provider.book import Book
from devkit.stack import ports

_HOST = "bets.example.com"
_KILLED = ("worker", "api", "temporal", "postgres", "proxy")
_RATE = 4
# Seconds after which the container is killed: the first bets are settling, others wait for their stake.
_UNDER_WAY = 3


@contextmanager
def _up(folder: Path, made: dict[str, str], docker_host: str, two_nodes: bool) -> Iterator[Stack]:
    """Walk docs/deployment.md up to a stack that is well; take it down when the block ends."""
    checkout, log = folder / "checkout", folder / "trial.log"
    copy_checkout(checkout, Shell(folder, log))
    files = ["docker-compose.yml", "deploy/archive.yml", "devkit/compose/trial.yml"]
    if two_nodes:
        files.append("deploy/two-nodes.yml")
    proxy_port, casino_port, codec_port = ports.free(3)
    env = {
        "DOCKER_HOST": docker_host,
        "COMPOSE_FILE": ":".join(files),
        "COMPOSE_PROJECT_NAME": "betcore",
        "HOST": _HOST,
    }
    stack = Stack(Shell(checkout, log, env))
    stack.shell.run("sh", "deploy/secrets.sh")
    stack.shell.run("cp", ".env.example", ".env")
    own = {"PROXY_ADDRESS": ports.HOST, "PROXY_PORT": proxy_port, "CASINO_PORT": casino_port, "CODEC_PORT": codec_port}
    with (checkout / ".env").open("a") as file:
        file.writelines(f"{name}={value}\n" for name, value in {**own, **made}.items())
    scales = [f"--scale={name}=2" for name in ("api", "worker", *(["temporal"] if two_nodes else []))]
    try:
        stack.compose("up", "--detach", "--build", *scales)
        stack.wait()
        yield stack
    finally:
        stack.compose("logs", "--no-color", "--timestamps", shown=False)
        stack.compose("down", "--volumes", "--timeout", "20", shown=False)


def _addresses(stack: Stack) -> tuple[str, str]:
    """Return where the proxy and the casino are from outside."""
    proxy = stack.compose("port", "proxy", "8443", shown=False).strip()
    casino = stack.compose("port", "casino", "8081", shown=False).strip()
    return f"https://{proxy}", f"http://{casino}"


def _check_paths(stack: Stack, proxy: str) -> None:
    """Ask for what partners may reach, and for what they may not. Raises CommandFailed."""
    for path, status in (("/mis-api/api/v2/auth/jwks", "200"), ("/metrics", "404"), ("/health/ready", "404")):
        options = ("--silent", "--cacert", "secrets/ca.pem", "--output", "/dev/null", "--write-out", "%{http_code}")
        answered = stack.shell.run("curl", *options, proxy + path)
        if answered != status:
            raise CommandFailed(f"{path} was answered {answered}, not {status}")


def _verify(stack: Stack, book: Path) -> None:
    """Compare our rows, Temporal's workflows and the casino's book, and the provider's. Raises CommandFailed."""
    tools = ("--volume", f"{stack.shell.folder}/devkit:/app/devkit:ro", "--volume", f"{book}:/book.jsonl:ro")
    said = stack.compose("run", "--rm", *tools, "ops", "verify", "--book", "/book.jsonl")
    say(said.strip().replace("\n", "\n         "))


async def _play_and_break(stack: Stack, table: Table, book: Book, bets: int) -> None:
    """Kill a container of each service with bets in flight; the next one when all are well again."""
    for service in _KILLED:
        playing = asyncio.create_task(play(table, book, bets, _RATE))
        await asyncio.sleep(_UNDER_WAY)
        stack.kill(service)
        await playing
        await asyncio.to_thread(stack.wait)


def _trial(stack: Stack, book_file: Path, bets: int) -> None:
    proxy, casino = _addresses(stack)
    _check_paths(stack, proxy)
    book = Book(book_file)
    try:
        table = asyncio.run(onboard(stack, proxy, stack.shell.folder / "secrets/ca.pem", casino))
        asyncio.run(play(table, book, bets, _RATE))
        _verify(stack, book_file)
        read_a_bet(stack)
        stack.compose("run", "--rm", "archive", "run", "--folder", "/events", "--operator", "nightly")
        back_up(stack)
        asyncio.run(_play_and_break(stack, table, book, bets))
        _verify(stack, book_file)
        restore_before_a_mistake(stack)
        asyncio.run(play(table, book, bets, _RATE))
        _verify(stack, book_file)
    finally:
        book.close()


def main() -> int:
    """Run the trial and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="folder that keeps the base image")
    parser.add_argument(
        "--bets", type=int, default=40, help="bets for each container that is killed, and before and after"
    )
    parser.add_argument("--two-nodes", action="store_true", help="with deploy/two-nodes.yml")
    given = parser.parse_args()
    folder = (given.folder or Path(tempfile.mkdtemp(prefix="betcore-compose-"))).absolute()
    folder.mkdir(exist_ok=True)
    log = folder / "trial.log"
    began = time.monotonic()
    try:
        with engine(folder, log) as docker_host:
            made = images.make(Shell(folder, log, {"DOCKER_HOST": docker_host, "DOCKER_BUILDKIT": "0"}))
            with _up(folder, made, docker_host, given.two_nodes) as stack:
                _trial(stack, folder / f"book-{int(time.time())}.jsonl", given.bets)
    except CommandFailed as failure:
        say(f"{failure}\nall that was printed: {log}")
        return 1
    say(f"done in {time.monotonic() - began:.0f} s; all that was printed: {log}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
