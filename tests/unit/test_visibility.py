"""What people read in Temporal's UI: short, and the words of others are no Markdown."""

from datetime import UTC, datetime

import pytest

from betcore.domain.activity_inputs import Progress, Step
from betcore.domain.casino_values import short
from betcore.temporal.visibility import Timeline, plain

# A text, and its Markdown.
WRITTEN = {
    "**done**": r"\*\*done\*\*",
    "[pay](http://x.example)": r"\[pay\](http\://x.example)",
    "![](//x.example/a.png)": r"!\[\](//x.example/a.png)",
    "<b>a</b>": r"\<b\>a\</b\>",
    "`code` ~~out~~ |cell|": r"\`code\` \~\~out\~\~ \|cell\|",
    "www.x.example a@x.example": r"www\.x.example a\@x.example",
    "a\n# head\n- item": r"a \# head - item",
    "&lt;\\": r"\&lt;\\",
    "no_money": r"no\_money",
    "a\x00\ud83d": "a?",
    "12.00 EUR (round 7)": "12.00 EUR (round 7)",
}


@pytest.mark.edge_case(86)
@pytest.mark.parametrize(("text", "shown"), WRITTEN.items())
def test_text_of_partners_is_no_markdown(text: str, shown: str) -> None:
    assert plain(text) == shown


@pytest.mark.edge_case(86)
def test_a_line_of_the_timeline_stays_one_line() -> None:
    timeline = Timeline("head")
    timeline.add(datetime(2026, 11, 26, tzinfo=UTC), "an operator asks: **yes**\n\n# now " + "x" * 10_000)
    *_, line = timeline.text(None).split("\n")
    assert line.startswith(r"- `2026-11-26 00:00:00.000` an operator asks: \*\*yes\*\*  \# now x")
    assert len(line) < 600


@pytest.mark.edge_case(86)
def test_what_temporal_is_given_is_short() -> None:
    assert len(Step(progress=Progress.UNKNOWN, detail="x" * 100_000).detail) == 500
    assert short("x" * 500) == "x" * 500
    assert short("x" * 501) == "x" * 497 + "..."


def test_what_holds_a_workflow_up_says_what_comes_next() -> None:
    timeline = Timeline("head")
    timeline.needs("owed", datetime(2026, 11, 27, 8, tzinfo=UTC))
    head, _, what_next, *_ = timeline.text(None).splitlines()
    assert head.endswith(" · **owed** since 2026-11-27 08:00:00 UTC")
    assert what_next.startswith("Next: it is sent again")
    timeline.goes_on()
    assert timeline.text(None).splitlines() == ["head · not opened yet"]
    timeline.needs("closing", datetime(2026, 11, 27, 8, tzinfo=UTC))
    assert "Next" not in timeline.text(None)
