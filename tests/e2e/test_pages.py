# SPDX-License-Identifier: Apache-2.0
"""Pages (--html) and drawings (--svg): in a real browser, without a script, a network or a text of the data as markup."""
import csv
import random
import re
import shutil
import xml.etree.ElementTree as ElementTree

import pytest
from browser import Browser

SECONDS = 10

HOSTILE = ["<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "' onload='x", "]]></style>", "\u202egpj.exe",
           "\x1b[31mred\x07", "👩‍🔬 سعر", "n" * 10000, "=cmd|' /C calc'!A0", "a & b"]
PRINTED = "%PDF"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    program = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    assert program, "install chromium-headless-shell"
    one = Browser(program, tmp_path_factory.mktemp("browser"))
    yield one
    one.close()


def write_table(path, header, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])


def usual_rows(n, seed, shift=0.0):
    draw = random.Random(seed)
    return [[i, round(draw.gauss(40 + shift * 10, 10), 3), round(draw.expovariate(1), 4),
             draw.choice("aaabbc" if shift else "abbbcc"), "2026-01-%02d" % (1 + i * 28 // n), draw.randrange(2),
             "" if draw.random() < 0.05 + shift / 10 else draw.randrange(90)] for i in range(n)]


USUAL = ["id", "age", "amount", "plan", "day", "left", "score"]


@pytest.fixture
def pages(mlops, tmp_path, cache={}):
    """The page of each kind, of tables that anybody may have: {kind: text}. Made once."""
    if not cache:
        cache.update(make_pages(mlops, tmp_path))
    return cache


def make_pages(mlops, tmp_path):
    write_table(tmp_path / "old.csv", USUAL, usual_rows(1500, 1))
    write_table(tmp_path / "new.csv", USUAL, usual_rows(1500, 2, 1.0))
    (tmp_path / "schema.json").write_text(mlops("schema", "infer", "old.csv").out)
    (tmp_path / "pipeline.ini").write_text(
        "[pipeline]\nname = p\n[step.s]\ncmd = cp old.csv x\nin = old.csv\nout = x\n[model.churn]\nfrom = x\nreference = x\n[monitor.daily]\ndata = new.csv\nreference = old.csv\nwindow = 250 rows\n"
        "min_rows = 250\nignore = id, day\n")
    assert mlops("init").status == 0 and mlops("run").status == 0
    assert mlops("monitor", "check", "daily").status == 7
    made = {
        "card": mlops("model", "card", "churn@v1", "--html"),
        "monitor": mlops("monitor", "show", "daily", "--html"),
        "profile": mlops("profile", "old.csv", "--full", "--target", "left", "--html"),
        "drift": mlops("drift", "old.csv", "new.csv", "--html"),
        "schema": mlops("schema", "check", "schema.json", "new.csv", "--html"),
        "svg": mlops("drift", "old.csv", "new.csv", "--svg"),
    }
    assert {kind: one.status for kind, one in made.items()} == {
        "card": 0, "profile": 0, "monitor": 0, "drift": 7, "schema": 7, "svg": 7}
    return {kind: one.out for kind, one in made.items()}


def parse(page):
    """As XML, which is stricter than any browser."""
    return ElementTree.fromstring(page.replace("<!DOCTYPE html>", "", 1))


def local(element):
    return element.tag.split("}")[-1]


def check_markup(page):
    for element in parse(page).iter():
        assert local(element) not in ("script", "iframe", "object", "img", "image", "use", "foreignObject"), element.tag
        for name, value in element.attrib.items():
            assert not name.startswith("on"), (name, value)
            assert name not in ("href", "src") or value.startswith(("#", "data:,")), value
        if local(element) == "th":
            assert element.get("scope") in ("col", "row")
        if local(element) == "svg" and element.get("role") == "img":
            assert local(element[0]) == "title" and element[0].text
    assert "url(" not in page and "@import" not in page and "http" not in page.replace("http-equiv", "").replace(
        "http://www.w3.org/2000/svg", "")


def test_markup_is_strict_and_names_no_other_place(pages):
    for page in pages.values():
        check_markup(page)
    for kind in ("card", "profile", "drift", "schema", "monitor"):
        root = parse(pages[kind])
        assert root.get("lang") == "en"
        policy = [m.get("content") for m in root.iter("meta") if m.get("http-equiv") == "Content-Security-Policy"]
        assert policy == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]


# Of each element with a text of its own: how it stands out from what is painted behind it, by WCAG 2.
CONTRAST = """(() => {
  const parts = c => c.match(/[\\d.]+/g).map(Number);
  const light = c => parts(c).slice(0, 3).map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
    if ((parts(c)[3] ?? 1) > 0) return c; } return "rgb(255, 255, 255)"; };
  const found = [];
  for (const e of document.querySelectorAll("body *")) {
    if (e.closest("title, desc") || ![...e.childNodes].some(n => n.nodeType == 3 && n.data.trim())) continue;
    if (e.matches("svg .cell")) continue;
    const inside = e instanceof SVGElement, style = getComputedStyle(e);
    const a = light(inside ? style.fill : style.color), b = light(behind(e));
    found.push([(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), e.tagName, e.getAttribute("class"), e.textContent]);
  }
  return found.sort((x, y) => x[0] - y[0])[0];
})()"""


@pytest.mark.parametrize("kind", ["card", "profile", "drift", "schema", "monitor"])
def test_a_browser_shows_it_wide_narrow_dark_and_printed(browser, pages, tmp_path, kind):
    path = tmp_path / "page.html"
    path.write_text(pages[kind])
    papers = {}
    for width, dark, media in ((1440, False, "screen"), (1440, True, "screen"), (390, False, "screen"), (800, True, "print")):
        browser.open(path, width=width, dark=dark, media=media)
        assert browser.complaints() == []
        assert browser.requests() == ["file://%s" % path]
        assert browser.evaluate("document.documentElement.scrollWidth") <= width
        assert browser.evaluate("document.scripts.length") == 0
        assert browser.evaluate(CONTRAST)[0] >= 4.5, browser.evaluate(CONTRAST)
        papers[dark, media] = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    assert papers[True, "screen"] != papers[False, "screen"]
    assert papers[True, "print"] == "rgb(255, 255, 255)"
    printed = browser.pdf()
    assert printed.startswith(PRINTED.encode()) and len(printed) > 5000


def test_who_does_not_see_the_pictures_is_told(browser, pages, tmp_path):
    (tmp_path / "page.html").write_text(pages["drift"])
    browser.open(tmp_path / "page.html")
    pictures = [(name, description) for role, name, description in browser.accessible() if role == "image"]
    assert ("Distribution of age", True) in [(name, "fullest" in description) for name, description in pictures]
    assert any(name == "Cumulated shares of age" and "D is" in description for name, description in pictures)
    assert any(name == "Values of plan" and "now" in description for name, description in pictures)
    assert all(name for name, _ in pictures)
    (tmp_path / "page.html").write_text(pages["monitor"])
    browser.open(tmp_path / "page.html")
    pictures = [(name, description) for role, name, description in browser.accessible() if role == "image"]
    assert ("Score over time of age", "6 of 6 windows with drift.") in pictures
    assert any(name == "Drift by window of plan" and "6 of 6 windows" in description for name, description in pictures)


def test_texts_of_the_data_are_never_markup(browser, mlops, tmp_path):
    header = [re.sub(r"[\n\r]", "", name) for name in HOSTILE]
    write_table(tmp_path / "a.csv", header, [[HOSTILE[(i + k) % len(HOSTILE)][:500] for k in range(len(header))]
                                             for i in range(600)])
    write_table(tmp_path / "b.csv", header, [[HOSTILE[k][:500] for k in range(len(header))] for i in range(600)])
    (tmp_path / "schema.json").write_text(mlops("schema", "infer", "a.csv").out)
    made = [mlops("profile", "a.csv", "--html"), mlops("drift", "a.csv", "b.csv", "--html"),
            mlops("schema", "check", "schema.json", "b.csv", "--html")]
    for one in made:
        assert len(one.out) > 10000 and len(one.out) < 1 << 20, one.err
        check_markup(one.out)
        assert "\x1b" not in one.out and "\u202e" not in one.out
        (tmp_path / "page.html").write_text(one.out)
        browser.open(tmp_path / "page.html", width=390)
        assert browser.complaints() == [] and len(browser.requests()) == 1
        assert browser.evaluate("document.documentElement.scrollWidth") <= 390
        shown = browser.evaluate("document.body.textContent")
        assert HOSTILE[0] in shown and "\\u202egpj.exe" in shown and "␛[31mred␇" in shown
        assert "n" * 1000 not in shown and "(10000 characters)" in shown
    check_markup(mlops("drift", "a.csv", "b.csv", "--svg").out)


def test_a_thousand_columns_stay_usable(browser, mlops, tmp_path):
    header = ["a_rather_long_name_of_a_feature_%d" % i for i in range(1000)]
    draw = random.Random(5)
    write_table(tmp_path / "wide.csv", header, [[draw.randrange(100) for _ in header] for _ in range(60)])
    page = mlops("profile", "wide.csv", "--html").out
    assert len(page) < 3 << 20
    assert "a page of all would be too large" in page
    (tmp_path / "page.html").write_text(page)
    browser.open(tmp_path / "page.html", width=390)
    assert browser.complaints() == []
    assert browser.evaluate("document.documentElement.scrollWidth") <= 390
    assert browser.evaluate("document.querySelectorAll('tbody tr').length") >= 1000
    folded = "document.querySelector('details table').getBoundingClientRect().height"
    assert not browser.evaluate("document.querySelector('details').open")
    browser.call("Emulation.setEmulatedMedia", media="print")
    assert browser.evaluate(folded) > 1000  # on paper nobody can unfold it


def test_a_drawing_stands_alone(browser, pages, tmp_path):
    path = tmp_path / "drift.svg"
    path.write_text(pages["svg"])
    browser.open(path)
    assert browser.complaints() == [] and browser.requests() == ["file://%s" % path]
    assert browser.evaluate("document.documentElement.getBoundingClientRect().width") == 860
    assert "age" in browser.evaluate("document.documentElement.textContent")
