"""Text from data in a real browser: a page with a payload in every field does what the same page does without one."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from graft.presentation.page import render_audit, render_report
from graft.records.report import Mistakes
from tests.support import report_samples as samples
from tests.support.slow_cases import slow

CHROMIUM = shutil.which("chromium")
CSP = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>\n')
LINKS = {"drift": "drift.html", "chain": "chain.html"}
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--virtual-time-budget=8000"]  # fmt: skip
RAN = "document.documentElement.dataset.ran=1"
PAYLOADS = (
    f"<script>{RAN}</script>",
    f'"><script>{RAN}</script>',
    f"</title><script>{RAN}</script>",
    f"</style><script>{RAN}</script>",
    f"--></svg><script>{RAN}</script>",
    f"<img src=x onerror={RAN}>",
    f"'><img src=x onerror='{RAN}'>",
    f"<svg onload={RAN}>",
    f"<svg><animate onbegin={RAN} attributeName=x dur=1s>",
    f"<details open ontoggle={RAN}>",
    f'<iframe srcdoc="<script>parent.{RAN}</script>">',
    f"<body onload={RAN}>",
    f"<input autofocus onfocus={RAN}>",
    f'" onmouseover="{RAN}" autofocus onfocus="{RAN}" x="',
    f'<a id=click href="javascript:{RAN}">x</a>',
    f"javascript:{RAN}",
    f'<meta http-equiv="refresh" content="0;url=javascript:{RAN}">',
    "<base href='/elsewhere/'>",
    "<link rel=stylesheet href=data:text/css,body{display:none}>",
    "</style><style>body{display:none}</style>",
    "x;}body{display:none}",
    "red;background:url(/elsewhere/x)",
    "{{7*7}}${7*7}#{7*7}<%=7*7%>{% raw %}",
    "&lt;script&gt;&#x3c;script&#x3e;",
    f"<math><mtext><table><mglyph><style><img src=x onerror={RAN}>",
    f"<!--<script>{RAN}</script>",
    f"]]><script>{RAN}</script>",
)
ALL = " ".join(PAYLOADS)
RUNS = [
    one
    for one in PAYLOADS
    if RAN in one and not one.startswith(("javascript:", '" on', "<!--", "<math", "<meta", "<input"))
]
"""What a browser of today runs where it is not escaped; the others run in none, or in some place only."""
LOOK = """
addEventListener("load", () => setTimeout(() => {
  for (const one of document.querySelectorAll("a")) {
    if (/^javascript:/i.test(one.getAttribute("href") || "")) one.click();
  }
  for (const one of document.querySelectorAll("details")) one.open = true;
  for (const one of document.querySelectorAll("*")) one.dispatchEvent(new MouseEvent("mouseover"));
  setTimeout(() => {
    const seen = document.createElement("pre"), tags = {}, handlers = [];
    for (const one of document.querySelectorAll("*")) {
      if (one.hasAttribute("data-watch")) continue;
      tags[one.localName] = (tags[one.localName] || 0) + 1;
      for (const {name} of one.attributes) if (name.startsWith("on")) handlers.push(one.localName + " " + name);
    }
    seen.id = "seen";
    seen.textContent = JSON.stringify({
      ran: document.documentElement.dataset.ran || "", display: getComputedStyle(document.body).display, tags, handlers,
      addresses: [...document.querySelectorAll("[href],[src]")].map(
        one => one.getAttribute("href") || one.getAttribute("src")).filter(one => !/^(#|data:image|drift|chain)/.test(one)),
      text: document.body.textContent.length, title: document.title, all: document.body.textContent});
    document.documentElement.append(seen);
  }, 500);
}, 200));
"""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH"),
]


def look(text: str, folder: Path) -> dict[str, Any]:
    """Return what became of a page in the browser; its copy has no CSP, so that nothing but escaping keeps it inert."""
    copy = CSP.sub("", text)
    assert "Content-Security-Policy" not in copy
    watch = f"<script data-watch>{LOOK}</script>"
    copy = copy.replace("<head>", f"<head>{watch}", 1) if "<head>" in copy else watch + copy
    file = folder / "page.html"
    file.write_text(copy, encoding="utf-8", errors="surrogatepass")
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={folder / 'profile'}", "--dump-dom", file.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    seen = re.search(r'<pre id="seen">(.*?)</pre>', done.stdout, re.DOTALL)
    assert seen, f"the page did not finish: {done.stderr[-2000:]}"
    found: dict[str, Any] = json.loads(html.unescape(seen[1]))
    return found


def mistakes(text: str) -> Mistakes:
    """Return mistakes whose every text is hostile."""
    clean = samples.mistakes()
    keys = ("row", "label", "predicted", "text")
    spoilt = [one.model_copy(update={key: getattr(one, key) + text for key in keys}) for one in clean.shown]
    return clean.model_copy(update={"shown": tuple(spoilt)})


def page(name: str, text: str) -> str:
    """Return a page with a text behind every free string."""
    if name in ("intact", "broken"):
        return render_audit(samples.hostile(samples.audit("intact" if name == "intact" else "broken"), text))
    make = {"promoted": samples.promoted, "held": samples.held, "gate_closed": samples.gate_closed}[name]
    return render_report(samples.hostile(make(), text), costs=samples.costs(), links=LINKS, mistakes=mistakes(text))


@pytest.mark.parametrize(
    "payload", [pytest.param(one, marks=[pytest.mark.slow] if k > 1 else []) for k, one in enumerate(RUNS)]
)
def test_the_browser_runs_what_is_not_escaped(payload: str, tmp_path: Path) -> None:
    """Each payload does run, and is seen to, in a page that does not escape it: a test that never saw it would prove nothing."""
    where = {"</title>": "<title>{}</title>", "</style>": "<style>{}</style>", "--></svg>": "<svg><!--{}--></svg>",
             '"><': '<b title="{}">',
             "'><": "<b title='{}'>", "]]>": "<svg><![CDATA[{}]]></svg>"}  # fmt: skip
    frame = next((frame for start, frame in where.items() if payload.startswith(start)), "<p>{}</p>")
    text = f"<!doctype html><html><head></head><body>{frame.format(payload)}</body></html>"
    assert look(text, tmp_path)["ran"] == "1"


def test_the_browser_shows_what_a_style_hides(tmp_path: Path) -> None:
    """A style that got out of its place is seen too."""
    text = "<!doctype html><html><head></head><body><p></style><style>body{display:none}</style></p></body></html>"
    assert look(text, tmp_path)["display"] == "none"


@pytest.mark.parametrize(
    "name",
    ["held", "broken", *slow("promoted", "gate_closed", "intact")],
)
def test_payloads_are_text(name: str, tmp_path: Path) -> None:
    """With all payloads in every field: nothing runs, no element, handler or address is new, nothing is hidden, all is text."""
    spoilt, clean = look(page(name, ALL), tmp_path), look(page(name, ""), tmp_path)
    assert spoilt["ran"] == ""
    assert spoilt["display"] == clean["display"] == "block"
    assert spoilt["handlers"] == []
    assert spoilt["addresses"] == []
    assert spoilt["tags"].keys() <= clean["tags"].keys()
    assert spoilt["tags"].get("script", 0) == spoilt["tags"].get("iframe", 0) == 0
    assert spoilt["text"] > clean["text"]
    assert "49" not in spoilt["title"].replace(clean["title"], "")
    assert PAYLOADS[0] in spoilt["all"]


@pytest.mark.slow
def test_every_payload_alone(tmp_path: Path) -> None:
    """Each payload alone, in every field of one page: the others may not hide it."""
    clean = look(page("held", ""), tmp_path)["tags"]
    for payload in PAYLOADS:
        seen = look(page("held", payload), tmp_path)
        assert (seen["ran"], seen["handlers"], seen["addresses"], seen["display"]) == ("", [], [], "block"), payload
        assert seen["tags"].keys() <= clean.keys(), payload
        assert seen["tags"].get("script", 0) == 0, payload


@pytest.mark.slow
def test_the_drift_page_runs_no_text_of_data(tmp_path: Path) -> None:
    """Evidently's page holds scripts of its own; labels, groups and columns with payloads run nothing in it either."""
    from graft.shift.drift_page import write_drift_page

    labels = [payload for payload in PAYLOADS if RAN in payload][:12]
    frame = pd.DataFrame(
        {
            "content": [f"{label} message" for label in labels] * 6,
            "label": labels * 6,
            f"<img src=x onerror={RAN}>": labels * 6,
            f"</script><script>{RAN}</script>": labels * 6,
        }
    )
    columns = list(frame.columns[2:])
    write_drift_page(frame, frame, tmp_path / "drift.html", columns=columns, modality="text")
    assert look((tmp_path / "drift.html").read_text(encoding="utf-8"), tmp_path)["ran"] == ""
