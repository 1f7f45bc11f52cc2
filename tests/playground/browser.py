"""A browser without a window that looks at a playground."""

import base64
import shutil
import tempfile
from contextlib import contextmanager

BROWSER, DRIVER = (shutil.which(name) for name in ("chromium", "chromedriver"))
DESKTOP, PHONE = (1280, 900), (390, 844)
QUIET = "headless=new no-sandbox disable-gpu no-first-run disable-background-networking disable-component-update"


@contextmanager
def browser(size=DESKTOP, *, dark=False):
    """A driver of Chromium; a narrow one is a phone."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        arguments = [*QUIET.split(), "disable-sync", "hide-scrollbars", f"user-data-dir={profile}"]
        for argument in [*arguments, f"window-size={size[0]},{size[1]}"]:
            options.add_argument(f"--{argument}")
        if size == PHONE:
            metrics = {"width": size[0], "height": size[1], "pixelRatio": 1.0, "touch": True}
            options.add_experimental_option("mobileEmulation", {"deviceMetrics": metrics})
        driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        try:
            yield driver
        finally:
            driver.quit()


def picture(driver, path, *, whole):
    """Write what is seen to a file, or the whole page, however long it is."""
    shot = driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": whole, "format": "png"})
    path.write_bytes(base64.b64decode(shot["data"]))
