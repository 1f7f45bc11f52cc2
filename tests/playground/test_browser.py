"""The page in a real browser: what is typed, moved and copied, on a desktop and a phone."""

import time

import pytest

pytest.importorskip("selenium.webdriver", reason="needs selenium")

from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

import lossdsl as ld
from lossdsl.loss import cells
from lossdsl.playground.app import Start
from tests.playground.browser import BROWSER, DESKTOP, DRIVER, PHONE, browser
from tests.playground.serving import running
from tests.playground.traces import traced

pytestmark = pytest.mark.skipif(not (BROWSER and DRIVER), reason="needs Chromium and its driver")

HTML = "<img src=x onerror=document.title='run'>"
TEXT = "1.0*position + 1e-5*nn_hidden + alpha*final(velocity)"
KNOWN = ld.FEEDBAX.extend(
    parameters={"alpha": ld.Parameter("alpha", 0.1, doc=HTML)},
    terms={"bad": ld.Definition("2*position", doc=HTML)},
)
MOST = 30


def total(alpha=0.1, **weights):
    """The total of the text with other numbers, as the table has it."""
    loss = ld.compile(TEXT, KNOWN).with_weights(weights).with_parameters(alpha=alpha)
    return cells(loss(*ld.example()))[-1][3]


# Elements that stick out of the screen and lie in nothing that can be moved.
# A phone zooms out from what sticks out, and `innerWidth` grows; the width of the page does not.
CUT = """
const moved = node => {
  for (let up = node; up && up !== document.body; up = up.parentElement)
    if (['auto', 'scroll', 'hidden'].includes(getComputedStyle(up).overflowX)) return true;
  return false;
};
return [...document.querySelectorAll('body *')]
  .filter(node => node.checkVisibility() && !moved(node))
  .filter(node => node.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .map(node => node.outerHTML.slice(0, 200));
"""


class Page:
    """A page, and what is seen on it."""

    def __init__(self, driver, url):
        self.driver = driver
        driver.get(url)
        self.until("return document.querySelectorAll('#plots svg').length")
        driver.execute_async_script("document.fonts.ready.then(arguments[0])")

    def run(self, script, *given):
        return self.driver.execute_script(script, *given)

    def until(self, script, *given):
        """What a script gives as soon as it is something."""
        end = time.monotonic() + MOST
        while time.monotonic() < end:
            if found := self.run(script, *given):
                return found
            time.sleep(0.05)
        raise AssertionError(f"it never came: {script}")

    def write(self, text):
        """Type a text in place of what is there."""
        box = self.driver.find_element(By.ID, "text")
        self.run("arguments[0].focus(); arguments[0].select()", box)
        box.send_keys(text)
        return box

    def rows(self):
        return self.run("return [...document.querySelectorAll('#rows tr')].map(row => row.innerText)")

    def total(self):
        return self.run("return document.getElementById('total').textContent")

    def until_total(self, total):
        self.until(f"return document.getElementById('total').textContent === '{total}'")


@pytest.fixture(scope="module")
def client():
    with running(Start(TEXT, KNOWN, ld.example(), "the reaches")) as client:
        yield client


@pytest.fixture(scope="module", params=[DESKTOP, PHONE], ids=["desktop", "phone"])
def driver(request):
    with browser(request.param) as driver:
        yield driver


@pytest.fixture
def page(driver, client):
    driver.get(f"{client.url}icon.svg")
    driver.execute_script("sessionStorage.clear()")  # the text of the test before
    page = Page(driver, client.url)
    driver.get_log("browser")
    yield page
    assert page.run("return document.title") == "lossdsl playground"
    # Nothing that the policy refused, and no mistake in the scripts.
    assert driver.get_log("browser") == []


def test_it_begins_with_the_text_and_all_that_it_is(page):
    assert page.run("return document.getElementById('text').value") == TEXT
    assert page.total() == "48.555"
    assert [row.split("\n")[0] for row in page.rows()] == ["position", "nn_hidden", "final(velocity)"]
    assert page.run("return document.querySelectorAll('#formula math').length") == 3
    assert page.run("return document.querySelectorAll('#plots figure').length") == 3
    assert page.run("return [...document.fonts].map(font => font.status)") == ["loaded"]
    loaded = page.run("return performance.getEntriesByType('resource').map(entry => new URL(entry.name).host)")
    assert set(loaded) == {page.run("return location.host")}


def test_colours_lie_exactly_behind_the_text(page):
    page.write("goal = sqnorm(effector.pos[1:] - target.pos) # far away\n2*mean(goal) as reach   ")
    page.until("return document.querySelector('#colours .is-label')?.textContent === 'reach'")
    shown = page.run("return [...document.querySelectorAll('#colours span')].map(s => [s.className, s.textContent])")
    assert ["is-function", "sqnorm"] in shown and ["is-definition", "goal"] in shown
    assert page.run("return document.getElementById('colours').textContent.slice(0, -1)") == page.run(
        "return document.getElementById('text').value"
    )
    same = ["font", "lineHeight", "letterSpacing", "wordSpacing", "tabSize", "padding", "width"]
    same += ["whiteSpace", "overflowWrap", "textIndent"]
    styles = "return arguments[0].map(key => getComputedStyle(document.getElementById(arguments[1]))[key])"
    assert page.run(styles, same, "text") == page.run(styles, same, "colours")
    assert page.run("const t = document.getElementById('text'); return t.scrollHeight <= t.clientHeight")


def test_a_mistake_is_underlined_at_its_place(page):
    page.write("2*position + 3*velocty")
    page.until("return document.querySelector('#errors li')")
    assert page.run("return [...document.querySelectorAll('.wrong')].map(s => s.textContent)") == ["velocty"]
    decoration = page.run("return getComputedStyle(document.querySelector('.wrong')).textDecoration")
    assert "wavy" in decoration
    assert "there is no name velocty" in page.run("return document.getElementById('errors').innerText")
    page.until("return document.querySelector('#time.old')")
    assert page.total() == "48.555" and page.run("return document.getElementById('terms').inert")
    page.run("document.querySelector('.place').click()")
    selected = "const t = document.getElementById('text'); return t.value.slice(t.selectionStart, t.selectionEnd)"
    assert page.run(selected) == "velocty"
    page.driver.find_element(By.ID, "text").send_keys("velocity")
    page.until("return !document.querySelector('#errors li')")
    page.until("return !document.querySelector('.old')")
    assert page.run("return document.querySelectorAll('.wrong').length") == 0


def test_a_text_over_the_limit_is_told(page):
    page.write("2*positon")
    page.until("return document.querySelector('#errors li')")
    long = "const text = document.getElementById('text'); text.value = 'position' + ' '.repeat(10_000);"
    page.run(f"{long} text.dispatchEvent(new Event('input'))")
    page.until("return document.getElementById('errors').innerText.includes('the limit is 10,000')")
    assert page.run("return document.querySelectorAll('#errors li, .wrong').length") == 1


def test_what_fails_on_the_data_stays_told(page):
    page.write("position + effector_fixation")
    page.until("return document.querySelector('#errors li')")
    page.until("return document.querySelectorAll('#rows tr').length === 2")
    assert page.total() == "\N{EN DASH}" and page.run("return document.getElementById('time').hidden")
    assert page.run("return document.querySelector('.wrong').textContent") == "effector_fixation"
    page.run("document.getElementById('text').setSelectionRange(2, 2)")
    page.until("return document.getElementById('about').innerText.includes('squared distance from the target')")
    assert "is not there" in page.run("return document.getElementById('errors').innerText")


def test_a_slider_changes_the_values_and_traces_nothing(page):
    slider, field = page.driver.find_elements(By.CSS_SELECTOR, "#rows tr:first-child input")
    slider.send_keys(Keys.ARROW_RIGHT)
    page.until("return document.getElementById('total').textContent !== '48.555'")
    with traced() as events:
        slider.send_keys(Keys.END)
        page.until_total(total(position=1000))
        slider.send_keys(Keys.HOME)
        page.until_total(total(position=0))
        assert field.get_property("value") == "0"
        page.run("arguments[0].value = 300; arguments[0].dispatchEvent(new Event('input'))", slider)
        page.until_total(total())
        field.clear()
        field.send_keys("-2" + Keys.ENTER)
        page.until_total(total(position=-2))
        parameter = page.driver.find_element(By.CSS_SELECTOR, "#parameters input[type=text]")
        parameter.clear()
        parameter.send_keys("1" + Keys.ENTER)
        page.until_total(total(1, position=-2))
    assert events == []
    assert "\N{MINUS SIGN}2" in page.run("return document.getElementById('formula').innerText.replaceAll('\\n', '')")
    assert slider == page.driver.find_element(By.CSS_SELECTOR, "#rows tr:first-child input")


def test_a_slider_that_is_dragged_stays_in_the_hand(page):
    slider = page.driver.find_element(By.CSS_SELECTOR, "#rows tr:first-child input")
    slider.send_keys(*[Keys.ARROW_RIGHT] * 40)
    page.until("return document.getElementById('total').textContent !== '48.555'")
    time.sleep(0.3)
    assert page.run("return document.activeElement === arguments[0]", slider)


def test_numbers_that_are_none_are_marked_and_not_sent(page):
    field = page.driver.find_element(By.CSS_SELECTOR, "#rows tr:first-child input[type=text]")
    field.clear()
    field.send_keys("1,5" + Keys.ENTER)
    assert field.get_attribute("aria-invalid") == "true"
    time.sleep(0.2)
    assert page.total() == "48.555"


def test_numbers_go_into_the_text_and_back(page):
    field = page.driver.find_element(By.CSS_SELECTOR, "#rows tr:first-child input[type=text]")
    field.clear()
    field.send_keys("3" + Keys.ENTER)
    page.until_total(total(position=3))
    page.run("document.getElementById('keep').click()")
    page.until("return document.getElementById('text').value.startsWith('3*position + 1e-5*nn_hidden')")
    page.until("return document.getElementById('changed').hidden")
    assert page.total() == total(position=3)
    field = page.driver.find_element(By.CSS_SELECTOR, "#rows tr:first-child input[type=text]")
    field.clear()
    field.send_keys("5" + Keys.ENTER)
    page.until("return !document.getElementById('changed').hidden")
    page.run("document.getElementById('reset').click()")
    page.until_total(total(position=3))
    assert field.get_property("value") == "3"


def test_what_is_copied(page):
    page.driver.execute_cdp_cmd(
        "Browser.grantPermissions", {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
    )
    loss = ld.compile(TEXT, KNOWN).with_weights(position=3)
    field = page.driver.find_element(By.CSS_SELECTOR, "#rows tr:first-child input[type=text]")
    field.clear()
    field.send_keys("3" + Keys.ENTER)
    page.until_total(total(position=3))
    for kind, copied in {"python": loss.python(), "latex": loss.latex(form="aligned"), "text": str(loss)}.items():
        page.driver.find_element(By.CSS_SELECTOR, f"[data-copy={kind}]").click()
        page.until("return document.getElementById('copied').textContent.endsWith('copied')")
        assert page.driver.execute_async_script("navigator.clipboard.readText().then(arguments[0])") == copied
        assert page.run("return document.getElementById('code').textContent") == copied
    page.driver.find_element(By.CSS_SELECTOR, "[data-copy=yaml]").click()
    assert "alpha: 0.1" in page.run("return document.getElementById('code').textContent")


def test_html_stays_text(page):
    box = page.write(f"bad + alpha*velocity # {HTML}")
    page.until("return document.querySelectorAll('#rows tr').length === 2")
    box.send_keys(Keys.HOME)
    page.run("document.getElementById('text').setSelectionRange(1, 1)")
    page.until("return document.getElementById('about').innerText.includes('onerror')")
    assert HTML in page.run("return document.getElementById('parameters').innerText")
    page.write(HTML)
    page.until("return document.querySelector('#errors li')")
    assert page.run("return document.querySelectorAll('img').length") == 0
    assert page.run("return document.title") == "lossdsl playground"


def test_no_text_can_be_made_html_at_all(page):
    """The browser itself refuses, whatever the page would do."""
    refused = "try { document.body.innerHTML = '<b>x</b>'; return '' } catch (failure) { return failure.name }"
    assert page.run(refused) == "TypeError"
    page.driver.get_log("browser")


def test_what_can_be_written_is_offered(page):
    box = page.write("2*velo")
    page.until("return !document.getElementById('offers').hidden")
    box.send_keys(Keys.ENTER)
    page.until("return document.getElementById('text').value === '2*velocity'")
    box.send_keys(" + sqn")
    page.until("return document.querySelector('#offers [aria-selected=true]')?.innerText.startsWith('sqnorm')")
    box.send_keys(Keys.TAB, "net.hidden")
    page.until("return !document.getElementById('offers').hidden || arguments[0].value.endsWith('net.hidden')", box)
    box.send_keys(Keys.ESCAPE, ")")
    page.until("return document.querySelectorAll('#rows tr').length === 2")
    assert box.get_property("value") == "2*velocity + sqnorm(net.hidden)"
    box.send_keys(" + ", Keys.CONTROL + " ")
    page.until("return document.querySelectorAll('#offers li').length > 20")
    box.send_keys(Keys.ESCAPE)
    assert page.run("return document.getElementById('offers').hidden")
    assert page.run("return document.activeElement === arguments[0]", box)


def test_the_plots(page):
    label = page.run("return document.querySelector('#plots svg').getAttribute('aria-label')")
    assert label.startswith("position over time: 0.25 at step 1, 1.302 at step 99")
    page.driver.find_element(By.CSS_SELECTOR, "#plots svg").send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert page.run("return document.querySelector('#plots output').textContent").endswith(" at 1")
    colours = """return ['#rows tr', '#formula .addend', '#plots figure'].map(
        kind => [...document.querySelectorAll(kind)].map(node => getComputedStyle(node).getPropertyValue('--own')))"""
    table, formula, plots = page.run(colours)
    assert table == formula == plots and len(set(table)) == 3
    ends = "return [...document.querySelectorAll('#plots .line')].map(line => line.getAttribute('d'))"
    before = page.run(ends)
    page.run("document.getElementById('shared').click()")
    assert page.run(ends)[0] == before[0] and page.run(ends)[1] != before[1]
    page.run("document.querySelector('[data-drawn=raw]').click()")
    assert page.run("return document.querySelectorAll('#plots .mark').length") == 1


def test_a_text_outlives_a_reload(page, client):
    page.write("7*position")
    page.until_total("339.784")
    page = Page(page.driver, client.url)
    assert page.run("return document.getElementById('text').value") == "7*position"


def test_nothing_is_cut_off(page):
    body = "effector.pos[1:] - target.pos + 0*effector.vel[1:] + 0*effector.force[1:]"
    long = f"sqnorm({body}) as a_very_long_name_of_a_term"
    for text in (TEXT, f"{TEXT} + 1234567.25*{long} - linear(1, 0.1, 1000)*mean(nn_output)", "2*positon + (3"):
        page.write(text)
        time.sleep(1)
        page.run("document.querySelectorAll('details').forEach(part => part.open = true)")
        page.run("document.getElementById('unfold').click()")
        assert page.run("return document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        assert page.run(CUT) == []


def test_all_controls_have_names(page):
    nameless = """return [...document.querySelectorAll('button, input, textarea, [tabindex]')]
        .filter(node => node.checkVisibility()).filter(node => !(node.ariaLabel || node.labels?.length
          || node.textContent.trim() || node.getAttribute('aria-labelledby'))).map(node => node.outerHTML)"""
    assert page.run(nameless) == []


def test_a_server_that_has_ended_is_told(driver):
    with running(Start(TEXT, KNOWN, ld.example(), "the reaches")) as client:
        page = Page(driver, client.url)
    page.write("2*position")
    page.until("return document.getElementById('errors').innerText.includes('has it ended in the terminal?')")
    driver.get_log("browser")
