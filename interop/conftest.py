"""Fixtures of all interop tests."""

import pytest

import product


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
