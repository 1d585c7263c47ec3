"""The frame's files: the casino page's script, and what the frame's page loads. All are read once, at the start."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

_FOLDER = Path(__file__).parent
_PAGE = "frame.html"
_VERSIONED = re.compile(r"([0-9a-f]{16})/(.+)")
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
# The script of casinos' pages keeps its address: a browser looks for a new one after five minutes.
_SCRIPT_CACHE = "public, max-age=300"
_FOREVER = "public, max-age=31536000, immutable"
# Other sites load the script, and check its hash: for both the browser asks for permission.
_FOR_OTHER_SITES = {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"}


@dataclass(frozen=True, slots=True)
class File:
    """A file as it is sent."""

    content: bytes
    media_type: str
    etag: str


class FrameFiles:
    """Serves the files of ``static/``, and those of ``locales/`` as ``assets/locales/``.

    ``version`` is a hash over all of them. It stands in the paths of what the page loads, so that a browser keeps them
    without asking, and a page never runs with files of another release.
    """

    def __init__(self, folder: Path = _FOLDER) -> None:
        """Read the files."""
        static, locales = folder / "static", folder / "locales"
        self._files = {file.relative_to(static).as_posix(): _read(file) for file in _in(static)}
        self._files |= {f"locales/{file.name}": _read(file) for file in _in(locales)}
        names = "".join(f"{name} {file.etag}\n" for name, file in sorted(self._files.items()))
        self.version = hashlib.sha256(names.encode()).hexdigest()[:16]
        page = self._files.pop(_PAGE).content.decode()
        self.page = page.replace('"assets/', f'"assets/{self.version}/')

    def script(self, request: Request) -> Response:
        """Return the script that casinos' pages load."""
        return self._answer("v1.js", request, {"Cache-Control": _SCRIPT_CACHE, **_FOR_OTHER_SITES})

    def asset(self, path: str, request: Request) -> Response:
        """Return a file that the page loads, by its name with or without a version.

        While processes of two releases answer, the page of one may reach the other: it gets what there is, and asks
        again the next time.
        """
        versioned = _VERSIONED.fullmatch(path)
        version, name = versioned.groups() if versioned else (None, path)
        return self._answer(name, request, {"Cache-Control": _FOREVER if version == self.version else "no-cache"})

    def _answer(self, name: str, request: Request, headers: dict[str, str]) -> Response:
        file = self._files.get(name)
        if file is None:
            return Response(status_code=404, headers={"Cache-Control": "no-store"})
        headers |= {"ETag": file.etag, "X-Content-Type-Options": "nosniff"}
        if file.etag in [one.strip() for one in request.headers.get("if-none-match", "").split(",")]:
            return Response(status_code=304, headers=headers)
        return Response(file.content, headers={**headers, "Content-Type": file.media_type})


def _in(folder: Path) -> list[Path]:
    return [file for file in sorted(folder.rglob("*")) if file.suffix in _TYPES]


def _read(file: Path) -> File:
    content = file.read_bytes()
    return File(content, _TYPES[file.suffix], f'"{hashlib.sha256(content).hexdigest()[:32]}"')
