"""Fixtures of all interop tests."""

import os
import pathlib
import shutil
import subprocess
import tempfile

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
    data = tmp_path_factory.mktemp("demo")
    running = product.Demo("--data", data)
    running.data = data
    yield running
    if running.alive():
        running.stop()


@pytest.fixture
def plant(binary, tmp_path):
    """Configurations of a field and a centre; the test starts them."""
    made = product.Plant(tmp_path)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def certificates():
    """A CA with a certificate for either side; RSA, since the peer's TLS library wants it."""
    if not shutil.which("openssl"):
        pytest.skip("skipped: openssl is missing")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)

        def openssl(*arguments):
            subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=folder)

        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "30",
                "-subj", "/CN=Test CA", "-addext", "basicConstraints=critical,CA:TRUE")
        for name in ["station", "centre"]:
            openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr",
                    "-subj", f"/CN={name}")
            (folder / "ext").write_text(f"subjectAltName=DNS:{name},IP:127.0.0.1\nbasicConstraints=CA:FALSE\n")
            openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                    "-out", f"{name}.pem", "-days", "30", "-extfile", "ext")
        yield folder
