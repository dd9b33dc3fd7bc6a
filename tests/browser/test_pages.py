"""The pages in a real browser: accessible in light and dark, on a desk and a phone, and nothing runs over the edge."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from graft.presentation.page import render_audit, render_report
from graft.records.report import Standing
from tests.support import report_samples as samples

REPOSITORY = Path(__file__).parents[2]
AXE = Path(os.environ.get("GRAFT_AXE") or REPOSITORY / ".cache/axe/package/axe.min.js")
CHROMIUM = shutil.which("chromium")
CSP = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>\n')
LINKS = {"drift": "drift.html", "chain": "chain.html"}
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--virtual-time-budget=20000"]  # fmt: skip
LOOK = """
axe.run(document, {resultTypes: ["violations"]}).then(found => {
  const page = document.documentElement, seen = document.createElement("pre");
  const wide = [...document.querySelectorAll("main *, header *, footer *")].filter(
    one => one.getBoundingClientRect().right > page.clientWidth + 1 && !one.closest(".sr, thead, .scroll > *"));
  seen.id = "seen";
  seen.textContent = JSON.stringify({
    width: page.clientWidth, overflow: page.scrollWidth - page.clientWidth,
    ground: getComputedStyle(document.body).backgroundColor, wide: wide.map(one => one.outerHTML.slice(0, 200)),
    violations: found.violations.map(one => [one.id, ...one.nodes.map(node => node.html.slice(0, 160))])});
  document.body.append(seen);
});
"""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH"),
    pytest.mark.skipif(not AXE.is_file(), reason="no axe-core: npm pack axe-core@4 into .cache/axe, or set GRAFT_AXE"),
]


def page(name: str) -> str:
    """Return one of the pages that are looked at."""
    if name in ("intact", "broken"):
        return render_audit(samples.audit("intact" if name == "intact" else "broken"))
    if name == "hostile":
        return render_report(samples.hostile(samples.held(), '"><script>'), costs=samples.costs(), links=LINKS)
    make = {"promoted": samples.promoted, "held": samples.held, "rejected": samples.rejected,
            "gate_closed": samples.gate_closed, "cheap_is_as_good": samples.cheap_is_as_good}[name]  # fmt: skip
    forced = Standing(champion="0004", number="0003", forced="against the verdict hold, by Jon Berg: sales need it")
    return render_report(
        make(),
        costs=samples.costs() if name == "held" else {},
        links=LINKS,
        standing=forced if name == "held" else None,
    )


def look(text: str, folder: Path, *, dark: bool, width: int) -> dict[str, Any]:
    """Return what axe-core and the layout say of a page. Its copy loses the CSP, since axe is a script."""
    copy = CSP.sub("", text)
    assert copy != text
    if dark:
        copy = copy.replace('id="theme-system" checked', 'id="theme-system"').replace(
            'id="theme-dark"', 'id="theme-dark" checked'
        )
    script = AXE.read_text(encoding="utf-8").replace("</script", "<\\/script")
    file = folder / "page.html"
    file.write_text(
        copy.replace("</body>", f"<script>{script}</script><script>{LOOK}</script></body>"), encoding="utf-8"
    )
    window = [f"--user-data-dir={folder / 'profile'}", f"--window-size={width},900"]
    command = [str(CHROMIUM), *FLAGS, *window, "--dump-dom", file.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    seen = re.search(r'<pre id="seen">(.*?)</pre>', done.stdout, re.DOTALL)
    assert seen, f"axe-core did not finish: {done.stderr[-2000:]}"
    found: dict[str, Any] = json.loads(html.unescape(seen[1]))
    return found


@pytest.mark.parametrize("width", [1280, 500])
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(
    "name", ["promoted", "held", "rejected", "gate_closed", "cheap_is_as_good", "intact", "broken", "hostile"]
)
def test_accessible_and_inside_the_window(name: str, theme: str, width: int, tmp_path: Path) -> None:
    """axe-core finds nothing to object to, and nothing is wider than the window, in either theme, at either width."""
    seen = look(page(name), tmp_path, dark=theme == "dark", width=width)
    assert seen["violations"] == []
    assert (seen["width"], seen["overflow"], seen["wide"]) == (width, 0, [])
    assert (seen["ground"] == "rgb(18, 23, 20)") == (theme == "dark")
