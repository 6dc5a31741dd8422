"""A headless Chromium, driven through JupyterLab by what a reader sees and clicks; Debian's chromium and chromedriver.

Contract: every wait is bounded and fails with what the page shows. Screenshots show the whole notebook, a window each.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

WIDTH, HEIGHT = 1280, 1400
POPUPS = ".jp-Dialog, .Toastify__toast"
# The code cells as JupyterLab has them, drawn or not: how many, how many with a number, and what is wrong with outputs.
CELLS = """
const cells = [...jupyterapp.shell.currentWidget.content.model.cells].filter(cell => cell.type === "code");
const outputs = cells.flatMap(cell => cell.outputs.toJSON());
const errors = outputs.filter(output => output.output_type === "error");
const unseen = outputs.filter(({data}) => /^<Figure/.test(data?.["text/plain"] ?? "") && !data["image/png"]);
const kernel = jupyterapp.shell.currentWidget.sessionContext.session?.kernel;
return {code: cells.length, run: cells.filter(cell => cell.executionCount).length, kernel: kernel?.status,
        errors: [...errors.map(error => error.ename + ": " + error.evalue),
                 ...unseen.map(() => "a figure is shown as its name, not as a picture")]}
"""


def missing() -> str:
    """Why there is no browser to test with, empty if there is one."""
    absent = [program for program in ("chromium", "chromedriver") if not shutil.which(program)]
    return f"not installed: {', '.join(absent)} (Debian: chromium, chromium-driver)" if absent else ""


@contextmanager
def chromium() -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for argument in ("--headless=new", f"--window-size={WIDTH},{HEIGHT}", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(argument)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")  # Chromium refuses to run as root with it, and CI is root
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    driver.set_page_load_timeout(180)
    driver.set_script_timeout(180)
    try:
        yield driver
    finally:
        driver.quit()


class Lab:
    """One notebook, open in JupyterLab."""

    def __init__(self, driver: webdriver.Chrome, url: str) -> None:
        self.driver = driver
        driver.get(url)
        self.wait("return window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'")
        assert not self.texts(POPUPS), "nothing pops up at the first start"

    def wait(self, script: str, seconds: float = 180) -> None:
        """Until a script returns something true."""
        WebDriverWait(self.driver, seconds, poll_frequency=0.5).until(
            lambda driver: driver.execute_script(script), f"{script}; the page: {self.texts('body')}"
        )

    def texts(self, selector: str) -> list[str]:
        """The visible texts of all elements that a CSS selector finds."""
        return [element.text for element in self.driver.find_elements(By.CSS_SELECTOR, selector)]

    def run_all(self, *, seconds: float) -> list[str]:
        """Run > Run All Cells, until every code cell has run or one has failed; returns the errors.

        What the file came with is cleared first, so that whatever is there afterwards is new.
        """
        self.driver.execute_script("return jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
        [menu] = [one for one in self.driver.find_elements(By.CSS_SELECTOR, ".lm-MenuBar-item") if one.text == "Run"]
        menu.click()
        self.wait("return document.querySelector('[data-command=\"runmenu:run-all\"]') !== null")
        self.driver.find_element(By.CSS_SELECTOR, '[data-command="runmenu:run-all"]').click()
        WebDriverWait(self.driver, seconds, poll_frequency=0.5).until(
            lambda driver: self.is_done(driver.execute_script(CELLS)), f"not done after {seconds} s"
        )
        return self.driver.execute_script(CELLS)["errors"]

    @staticmethod
    def is_done(cells: dict) -> bool:
        return cells["kernel"] == "idle" and (cells["run"] == cells["code"] or bool(cells["errors"]))

    def last_output(self) -> str:
        """The text of the last output, after scrolling to it."""
        self._scroll("1e9")
        self.wait("return document.querySelector('.jp-Cell:last-child') !== null")
        return [text for text in self.texts(".jp-OutputArea-output") if text][-1]

    def screenshots(self, folder: Path, name: str) -> None:
        """The notebook from top to bottom, in numbered pictures."""
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob(f"{name}-*.png"):
            old.unlink()
        self._scroll("0")
        number, more = 0, True
        while more:
            number += 1
            self.driver.save_screenshot(str(folder / f"{name}-{number:02}.png"))
            more = self._scroll("panel.scrollTop + 0.9 * panel.clientHeight")

    def _scroll(self, where: str) -> bool:
        """Scroll the notebook, and say whether that moved it."""
        script = f"""
            const panel = document.querySelector(".jp-WindowedPanel-outer");
            if (panel === null) return false;
            const before = panel.scrollTop;
            panel.scrollTop = {where};
            return panel.scrollTop !== before
        """
        moved = self.driver.execute_script(script)
        self.driver.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
        return moved
