"""Fixtures of all interop tests."""

import os

import pytest

import product

# On a build server a skipped test is a missing one: it fails there.
NOTHING_MAY_BE_SKIPPED = os.environ.get("CI") == "true"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if NOTHING_MAY_BE_SKIPPED and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped although CI=true: {report.longrepr}"


@pytest.fixture(scope="session")
def binary():
    """The program; tests of the whole product are skipped without it."""
    path = product.program()
    if path is None or not path.exists():
        pytest.skip("skipped: cargo build -p tieline, or TIELINE_BIN")
    return path


@pytest.fixture(scope="module")
def demo(binary, tmp_path_factory):
    """A demonstration for the tests of one file."""
    running = product.Demo("--data", tmp_path_factory.mktemp("demo"))
    yield running
    if running.alive():
        running.stop()


@pytest.fixture
def plant(binary, tmp_path):
    """Configurations of a field and a centre; the test starts them."""
    made = product.Plant(tmp_path)
    yield made
    made.stop()
