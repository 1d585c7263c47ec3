"""Read a bet as the Temporal UI does: what Temporal has of it is encrypted, and the codec server decrypts it."""

import base64
import json
from typing import Any

from devkit.compose.shell import CommandFailed, say
from devkit.compose.stack import Stack

_TOOLS = ("run", "--rm", "--no-deps", "--entrypoint", "temporal", "temporal-namespace")
_OF_THE_NAMESPACE = ("--namespace", "betcore", "--output", "json")


def read_a_bet(stack: Stack) -> None:
    """Make an operator's token as docs/temporal-ui.md says, and decode the summary of a bet by it.

    Raises CommandFailed if it can be read without the codec server, or cannot with it.
    """
    made = stack.ops("codec", "token", "--operator", "trial")
    (stack.shell.folder / "secrets/codec_tokens").write_text(made["entry"])
    stack.compose("restart", "codec")
    stack.wait()
    [bet] = _temporal(stack, "workflow", "list", "--query", "WorkflowType = 'Bet'", "--limit", "1")
    described = _temporal(stack, "workflow", "describe", "--raw", "--workflow-id", bet["execution"]["workflowId"])
    sealed = described["executionConfig"]["userMetadata"]["summary"]
    shown = _decoded(stack, made["token"], sealed)
    say(f"the summary of a bet by the codec server: {base64.b64decode(shown['data']).decode()}")
    if sealed["metadata"]["encoding"] == shown["metadata"]["encoding"]:
        raise CommandFailed("Temporal has the summary of a bet in plain text")


def _temporal(stack: Stack, *arguments: str) -> Any:
    return json.loads(stack.compose(*_TOOLS, *arguments, *_OF_THE_NAMESPACE))


def _decoded(stack: Stack, token: str, payload: dict[str, Any]) -> Any:
    asking = ("--silent", "--header", "X-Namespace: betcore", "--header", f"Authorization: Bearer {token}")
    body = ("--json", json.dumps({"payloads": [payload]}))
    address = stack.compose("port", "codec", "8084", shown=False).strip()
    return json.loads(stack.shell.run("curl", *asking, *body, f"http://{address}/decode"))["payloads"][0]
