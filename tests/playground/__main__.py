"""Draws the page for the documentation: `python -m tests.playground FOLDER`."""

import sys
import time
from pathlib import Path

import lossdsl as ld
from lossdsl.playground.app import Start
from tests.playground.browser import PHONE, browser, picture
from tests.playground.serving import running

TEXT = """# reach the target, hold still there, with little effort
goal = sqnorm(effector.pos[1:] - target.pos)

mean(goal) as reach + alpha*final(velocity) + 1e-5*nn_hidden
  + 0.1*sqnorm(diff(net.output)) as smoothness"""
WRONG = "1.0*positon + final(velocity) + 1e-5*nn_hidden + 0.1*norm(position)"
KNOWN = ld.FEEDBAX.extend(parameters={"alpha": ld.Parameter("alpha", 0.1, doc="how much the end counts")})
DESKTOP = (1280, 1000)
_READY = "return document.querySelectorAll('#plots svg').length && !document.querySelector('.old')"
_WRITE = """const text = document.getElementById('text');
text.focus(); text.value = arguments[0]; text.dispatchEvent(new Event('input'))"""


def draw(folder, client, name, size=DESKTOP, *, dark=False, text="", before=""):
    """A picture of the page with its text or another, after a script."""
    with browser(size, dark=dark) as driver:
        driver.get(client.url)
        while not driver.execute_script(_READY):
            time.sleep(0.1)
        if text:
            driver.execute_script(_WRITE, text)
        driver.execute_script(before)
        time.sleep(2)  # the last answer, and what moves has come to rest
        picture(driver, folder / f"playground{name}.png", whole=size == DESKTOP)


def main(folder):
    with running(Start(TEXT, KNOWN, ld.example(), "the reaches that come with lossdsl")) as client:
        at_goal = "const t = document.getElementById('text'); t.focus(); t.setSelectionRange(70, 70)"
        draw(folder, client, "", before=at_goal)
        draw(folder, client, "_wrong", size=(1280, 480), text=WRONG)
        draw(folder, client, "_phone", PHONE, dark=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
