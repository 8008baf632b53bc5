"""A disk that fails or loses power on demand: `faulty_disk.c` in front of the program, see there."""

import contextlib
import os
import pathlib
import shutil
import subprocess

import pytest

SOURCE = pathlib.Path(__file__).parent / "faulty_disk.c"


class FaultyDisk:
    """The switch of a disk; processes started within `beneath` have their files of `folder` on it."""

    def __init__(self, folder, data, power=False):
        compiler = shutil.which("cc")
        if not compiler:
            pytest.skip("skipped: a disk that fails needs a C compiler")
        self.library, self.switch = folder / "faulty_disk.so", folder / "switch"
        command = [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o", self.library, SOURCE, "-ldl"]
        subprocess.run(command, check=True, timeout=60)
        self.environment = {"LD_PRELOAD": str(self.library), "FAULTY_DISK": os.path.realpath(data),
                            "FAULTY_SWITCH": str(self.switch)} | ({"FAULTY_POWER": "1"} if power else {})
        self.turn("")

    @contextlib.contextmanager
    def beneath(self):
        before = {name: os.environ.get(name) for name in self.environment}
        os.environ.update(self.environment)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value

    def turn(self, state):
        """`E`: every write and sync fails. `P`: power is lost at the next one. Nothing: the disk is well."""
        new = self.switch.with_suffix(".new")
        new.write_text(state)
        new.rename(self.switch)
