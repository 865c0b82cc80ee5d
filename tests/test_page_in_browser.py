"""The page in a real headless browser: laid out, quiet, and with the numbers that were computed.

The page itself has no script: the test's copy of it gets one, which measures and writes down.
"""

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from manual.article.description import drawn_network, the_article
from manual.article.walkthrough import values_by_hand
from torch_ref.explaining.class_page import class_page
from torch_ref.explaining.page import page
from torch_ref.explaining.quantities import anchor_of
from torch_ref.explaining.rows import ROUNDS, nine_digits, rows_of, values_by_autograd

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER = next((path for name in NAMES if (path := shutil.which(name))), None)
pytestmark = pytest.mark.skipif(
    BROWSER is None, reason=f"no browser: looked for {', '.join(NAMES)}"
)

MEASURE = """<script>
addEventListener('load', () => setTimeout(() => {
const box = e => { const b = e.getBoundingClientRect(); return [b.width, b.height]; };
const found = {
  math: [...document.querySelectorAll('math')].filter(e => e.checkVisibility()).map(box),
  matrices: [...document.querySelectorAll('.matrix')].filter(e => e.checkVisibility()).map(e => ({
    own: box(e), rows: [...e.querySelectorAll('mtr')].map(box),
    left: parseFloat(getComputedStyle(e).borderLeftWidth),
    right: parseFloat(getComputedStyle(e).borderRightWidth)})),
  numbers: Object.fromEntries([...document.querySelectorAll('b[data-key]')].map(
    e => [e.dataset.key + ' ' + e.dataset.side, e.innerText])),
  width: document.documentElement.scrollWidth, window: innerWidth,
  svg: [...document.querySelectorAll('svg')].map(box),
  boxes: [...document.querySelectorAll('svg rect')].filter(e => e.checkVisibility()).map(e => {
    const own = e.getBoundingClientRect();
    return [...e.parentNode.querySelectorAll(':scope > a text, :scope > g text')].filter(t => {
      const b = t.getBoundingClientRect(), y = (b.top + b.bottom) / 2;
      return !t.hasAttribute('transform') && own.top < y && y < own.bottom
        && own.left < (b.left + b.right) / 2 && (b.left + b.right) / 2 < own.right
        && (b.left < own.left || b.right > own.right); }).map(t => t.textContent); }).flat(),
  marked: [...document.querySelectorAll('[data-q]')].filter(e =>
    getComputedStyle(e).backgroundColor == 'rgb(255, 229, 138)').map(e => e.dataset.q),
  shown: document.querySelector(':target')?.checkVisibility() ?? null,
  rounds: [...document.querySelectorAll('.strip input')].map(e => { e.checked = true;
    const all = [...document.querySelectorAll('.round')];
    const seen = all.filter(r => getComputedStyle(r).display != 'none');
    const names = new Set(seen.map(r => r.getAttribute('class').split(' ')[1]));
    return [e.id, [...names], seen.length];
  }),
};
const note = document.createElement('pre'); note.id = 'measured';
note.textContent = JSON.stringify(found); document.body.append(note);
}, 100));
</script>"""

PAGES = {
    "the article": the_article(),
    "a network": drawn_network((3, 4, 2), "Tanh", "cross-entropy", 1),
}


def opened(
    html: str, directory: Path, width: int, chosen: str = ""
) -> tuple[dict[str, Any], list[str]]:
    """What the script measured, and the addresses that were asked for.

    Args:
        chosen: the quantity that is chosen, by the page's address.
    """
    assert BROWSER is not None
    path, log = directory / "page.html", directory / "net.json"
    path.write_text(html.replace("</body>", MEASURE + "</body>"), encoding="utf-8")
    command = [
        BROWSER,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
        "--host-resolver-rules=MAP * ~NOTFOUND",
        f"--user-data-dir={directory / 'profile'}",
        f"--window-size={width},900",
        f"--log-net-log={log}",
        "--virtual-time-budget=3000",
        "--dump-dom",
        path.as_uri() + (f"#{chosen}" if chosen else ""),
    ]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    measured = re.search(r'<pre id="measured">(.*?)</pre>', ended.stdout, re.DOTALL)
    assert measured is not None, ended.stderr[-500:]
    urls = set(re.findall(r'"url":"([^"]+)"', log.read_text(errors="replace")))
    return json.loads(unescape(measured.group(1))), sorted(urls)


@pytest.mark.parametrize("width", [1200, 500])
@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_laid_out(name: str, width: int, tmp_path: Path) -> None:
    found, urls = opened(page(PAGES[name], 0, full=True), tmp_path, width)
    assert len(found["math"]) > 60
    assert found["boxes"] == []  # no number is wider than its neuron
    assert found["svg"][0][0] > 200
    assert len(found["matrices"]) > 20
    check_layout(found, urls)


@pytest.mark.parametrize("width", [1200, 500])
@pytest.mark.parametrize("name", ["Conv3d", "LSTMCell"])
def test_a_class_s_page_is_laid_out(name: str, width: int, tmp_path: Path) -> None:
    found, urls = opened(class_page(name), tmp_path, width)
    assert len(found["math"]) > 10
    assert len(found["numbers"]) > 4
    check_layout(found, urls)


def check_layout(found: dict[str, Any], urls: list[str]) -> None:
    """Nothing is without size or beyond the window, and nothing was asked for."""
    assert all(w > 0 and h > 0 for w, h in found["math"])
    assert found["width"] <= found["window"], "the page is wider than the window"
    for matrix in found["matrices"]:  # its brackets are its borders: as tall as its rows together
        assert matrix["left"] > 0
        assert matrix["right"] > 0
        assert matrix["own"][1] >= sum(height for _, height in matrix["rows"]) - 1
        assert all(w > 0 and h > 0 for w, h in matrix["rows"])
    asked = [url for url in urls if not url.startswith(("file:", "data:", "chrome:", "about:"))]
    errands = re.compile(r"https?://[a-z0-9.-]*\.(google|googleapis|gstatic)\.com/")  # its own
    assert [url for url in asked if not errands.match(url)] == []


@pytest.mark.parametrize("name", PAGES)
def test_what_is_read_is_what_was_computed(name: str, tmp_path: Path) -> None:
    d = PAGES[name]
    found, _ = opened(page(d, 0, full=True), tmp_path, 1200)
    rows = rows_of(d, values_by_hand(d), values_by_autograd(d), scalar=True, first=True)
    for row in rows:
        key = anchor_of(row.equation.result.name)
        assert found["numbers"][f"{key} mine"] == nine_digits(float(row.mine))
        assert found["numbers"][f"{key} theirs"] == nine_digits(float(row.theirs))


@pytest.mark.parametrize("chosen", ["w5", "net_h2", "dE-dw6", "E"])
def test_a_chosen_quantity_is_marked_wherever_it_stands(chosen: str, tmp_path: Path) -> None:
    """Also where it is folded away, which then unfolds."""
    html = page(the_article(), 0)
    found, _ = opened(html, tmp_path, 1200, chosen)
    assert found["shown"] is True
    assert set(found["marked"]) == {chosen}
    assert len(found["marked"]) == html.partition("</style>")[2].count(f'data-q="{chosen}"') > 3
    nothing, _ = opened(html, tmp_path, 1200)
    assert nothing["marked"] == []


def test_a_round_is_chosen_without_a_script(tmp_path: Path) -> None:
    found, _ = opened(page(the_article(), 0), tmp_path, 1200)
    assert [name for name, *_ in found["rounds"]] == [f"round-{n}" for n in ROUNDS]
    for name, shown, count in found["rounds"]:
        assert shown == [name]
        assert count == 3  # the mark on the curve, the map, the numbers with their drawing


@pytest.mark.slow
def test_a_wide_network_is_printed_on_less_than_ten_pages(tmp_path: Path) -> None:
    assert BROWSER is not None
    source, printed = tmp_path / "page.html", tmp_path / "page.pdf"
    d = drawn_network((64, 32, 10), "ReLU", "cross-entropy", 1)
    source.write_text(page(d, 0), encoding="utf-8")
    quiet = ["--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer"]
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    to = f"--print-to-pdf={printed}"
    command = [BROWSER, *quiet, profile, to, source.as_uri()]
    subprocess.run(command, capture_output=True, timeout=120, check=True)
    pages = len(re.findall(rb"/Type\s*/Page\b", printed.read_bytes()))
    assert 2 < pages < 10
