"""The examples run as they are: the first two in a process of their own, the chatbot in a real browser."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import needs
from tests.serving import served

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
PATIENCE = 600_000  # Milliseconds; an answer takes five seconds, on a machine that does nothing else.
CHROMIUM = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def output_of(example):
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / example)], capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.embedded
def test_a_react_agent_is_a_node_of_your_graph(embedded):
    assert output_of("node_in_your_graph.py") == "17 boxes of 23 rolls: 391\n"


@pytest.mark.embedded
def test_a_react_agent_is_a_tool_of_another_agent(embedded):
    conversation = output_of("tool_of_an_agent.py").splitlines()
    assert [line.split(":")[0] for line in conversation] == ["human", "ai", "tool", "ai"]
    assert conversation[2:] == ["tool: 391", "ai: There are 391 rolls."]


@pytest.fixture
def page():
    """A page of headless Chromium."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium") or shutil.which("google-chrome")
    needs(program is not None, "chromium is not installed (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=CHROMIUM)
        yield browser.new_page(viewport={"width": 1000, "height": 900})
        browser.close()


@pytest.mark.browser
@pytest.mark.server
@pytest.mark.embedded
def test_the_chatbot_shows_its_steps_and_answers_twice(embedded, page, tmp_path):
    shutil.copy(EXAMPLES / "chainlit_app.py", tmp_path)  # Chainlit writes its settings beside it.
    with served("chainlit", "run", "chainlit_app.py", "--headless", folder=tmp_path) as (url, _):
        page.goto(url, wait_until="domcontentloaded")
        for number, (question, answer) in enumerate([("What is 17 * 23?", "391"), ("And what is 30 + 12?", "42")]):
            page.locator("#chat-input").click()
            page.keyboard.type(question)
            page.locator("#chat-submit").click()  # It waits for the connection; a pressed Enter is lost before.
            said = page.locator("[data-step-type=assistant_message] [role=article]").nth(number)
            said.wait_for(timeout=PATIENCE)
            assert answer in said.inner_text()
        shown = page.locator("body").inner_text()
        order = ["What is 17 * 23?", '"17 * 23"', "And what is 30 + 12?", '"30 + 12"', "42"]
        places = [shown.rindex(text) for text in order]
        assert places == sorted(places), shown
        (ROOT / "build").mkdir(exist_ok=True)
        page.screenshot(path=ROOT / "build" / "chainlit.png")
