"""The site in a real browser, on a desktop and a phone: drawn from its own files, with nothing cut off."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

selenium = pytest.importorskip("selenium.webdriver", reason="needs selenium")
pytest.importorskip("furo", reason="needs the extra `docs`")
pytest.importorskip("math_core", reason="needs the extra `docs`")

ROOT = Path(__file__).parents[2]
PAGES = sorted(page.relative_to(ROOT / "docs").with_suffix("") for page in (ROOT / "docs").rglob("*.md"))
SCREENS = {"desktop": (1280, 900), "phone": (390, 844)}
BROWSER, DRIVER = (shutil.which(name) for name in ("chromium", "chromedriver"))
pytestmark = pytest.mark.skipif(not (BROWSER and DRIVER), reason="needs Chromium and its driver")

# Elements that stick out of the screen and lie in nothing that can be moved.
CUT = """
const moved = node => {
  for (let up = node; up.tagName !== 'ARTICLE'; up = up.parentElement)
    if (['auto', 'scroll'].includes(getComputedStyle(up).overflowX)) return true;
  return false;
};
return [...document.querySelectorAll('article *')]
  .filter(node => node.checkVisibility() && node.getBoundingClientRect().right > innerWidth + 1 && !moved(node))
  .map(node => node.outerHTML.slice(0, 200));
"""
# Formulas that take no place, or whose index stands no lower than its letter.
FLAT = """
return [...document.querySelectorAll('math')].filter(node => node.checkVisibility()).filter(node => {
  const box = node.getBoundingClientRect(), index = node.querySelector('msub > :nth-child(2)');
  const low = index && index.getBoundingClientRect().bottom - index.parentElement.firstElementChild
    .getBoundingClientRect().bottom;
  return !(box.width > 1 && box.height > 1) || (index && index.getBoundingClientRect().height > 0 && low < 1);
}).map(node => node.outerHTML.slice(0, 300));
"""
LOADED = "return performance.getEntriesByType('resource').map(entry => entry.name)"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-n", "-b", "html", str(ROOT / "docs"), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module", params=SCREENS)
def browser(request, tmp_path_factory):
    width, height = SCREENS[request.param]
    options = selenium.ChromeOptions()
    options.binary_location = BROWSER
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    quiet = "headless=new no-sandbox disable-gpu no-first-run disable-background-networking disable-component-update"
    size, profile = f"window-size={width},{height}", f"user-data-dir={tmp_path_factory.mktemp('profile')}"
    for argument in [*quiet.split(), "disable-sync", "hide-scrollbars", size, profile]:
        options.add_argument(f"--{argument}")
    if request.param == "phone":
        metrics = {"width": width, "height": height, "pixelRatio": 2.0, "touch": True}
        options.add_experimental_option("mobileEmulation", {"deviceMetrics": metrics})
    driver = selenium.Chrome(options=options, service=selenium.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_page(page, site, browser):
    browser.get(f"{site.as_uri()}/{page}.html")
    browser.execute_async_script("document.fonts.ready.then(arguments[0])")
    browser.execute_script("document.querySelectorAll('details').forEach(part => part.open = true)")
    assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    assert browser.execute_script(CUT) == []
    assert browser.execute_script(FLAT) == []
    assert [name for name in browser.execute_script(LOADED) if not name.startswith(site.as_uri())] == []
    assert browser.get_log("browser") == []


def test_formulas_have_the_font_of_the_site(site, browser):
    browser.get(f"{site.as_uri()}/index.html")
    browser.execute_async_script("document.fonts.ready.then(arguments[0])")
    loaded = "return [...document.fonts].map(font => [font.family.replaceAll('\"', ''), font.status])"
    assert ["lossdsl math", "loaded"] in browser.execute_script(loaded)


def test_every_page_is_in_the_navigation(site, browser):
    browser.get(f"{site.as_uri()}/index.html")
    links = browser.execute_script("return [...document.querySelectorAll('.sidebar-tree a')].map(link => link.href)")
    assert sorted(links) == sorted(f"{site.as_uri()}/{page}.html" for page in PAGES if str(page) != "index")


def test_each_public_name_has_its_place(site, browser):
    import lossdsl as ld

    browser.get(f"{site.as_uri()}/reference/api.html")
    ids = set(browser.execute_script("return [...document.querySelectorAll('[id]')].map(node => node.id)"))
    assert {name for name in ld.__all__ if not {f"lossdsl.{name}", f"module-lossdsl.{name}"} & ids} == set()
    of_a_loss = {
        "__call__",
        "parameters",
        "weights",
        "terms",
        "labels",
        "latex",
        "python",
        "state",
        "with_state",
        "digest",
    }
    assert {name for name in of_a_loss if f"lossdsl.CompositeLoss.{name}" not in ids} == set()
