"""kill -9 at each step of a command (S-18): nothing is sent again, what is not known is said."""

import time

import pytest

import product
from product import Plant, tieline, wait_until
from rawstation import RawStation, cp56time2a

M_DP_TB_1, C_DC_NA_1, SELECT = 31, 46, 0x80
ACT_CON, INTERROGATED = 7, 20
BREAKER = "S14/Load/CB"
STEPS = ["waiting_approval", "selecting", "selected", "executing", "awaiting_return"]


class Device(RawStation):
    """A station that answers as far as it is let."""

    def __init__(self):
        self.seen, self.answers_select, self.answers_execute = [], True, True
        super().__init__()

    def _confirm(self, asdu):
        if asdu[0] != C_DC_NA_1:
            return super()._confirm(asdu)
        is_select = bool(asdu[9] & SELECT)
        self.seen.append("select" if is_select else "execute")
        if self.answers_select if is_select else self.answers_execute:
            self._send(asdu[:2] + bytes([ACT_CON]) + asdu[3:])


def reported():
    rows = [row.split(",") for row in tieline("points", product.NETWORK).stdout.splitlines()]
    name, address = rows[0].index("name"), rows[0].index("address")
    return next(int(row[address].split("@")[1]) for row in rows if row[name] == BREAKER)


@pytest.mark.parametrize("step", STEPS)
def test_a_kill_sends_nothing_again(binary, tmp_path, step):
    device = Device()
    device.answers_select = step != "selecting"
    device.answers_execute = step != "executing"
    extra = "[gate]\nanswer_timeout_s = 60.0\nreturn_timeout_s = 60.0\n"
    extra += "[[gate.class]]\nname = \"pairs\"\npoints = [\"*/Load/CB\"]\ntwo_persons = true\n" if step == STEPS[0] else ""
    plant = Plant(tmp_path, stations={"S14": device.where}, extra=extra)
    address = reported()
    closed = lambda: device.send_asdu(M_DP_TB_1, INTERROGATED, b"\2" + cp56time2a(time.time()), (14, address))
    try:
        plant.start_twin().start_centre()
        assert device.started.wait(20)
        closed()
        assert wait_until(lambda: plant.api.point(BREAKER)["text"] == "closed", 10)
        made = plant.api.post("commands", {"point": plant.api.point(BREAKER)["id"], "value": 0, "reason": "kill"})
        state = lambda: plant.api.get(f"commands/{made['id']}")["state"]
        if step in ("executing", "awaiting_return"):
            assert wait_until(lambda: state() == "selected", 10), state()
            plant.api.post(f"commands/{made['id']}/execute")
        assert wait_until(lambda: state() == step, 10), state()
        # What is under way to the device when the centre dies has left once; it must have arrived to be told from a second time.
        expected = {"waiting_approval": [], "selecting": ["select"], "selected": ["select"]}.get(step, ["select", "execute"])
        assert wait_until(lambda: device.seen == expected, 10), device.seen
        before = list(device.seen)
        plant.centre.kill()
        device.started.clear()
        plant.start_centre()
        assert device.started.wait(20)
        closed()
        assert wait_until(lambda: plant.api.point(BREAKER)["text"] == "closed", 10)
        alarm = wait_until(lambda: plant.api.alarms().get(f"command:{BREAKER}"), 10)
        assert alarm and "unknown" in alarm["text"] and step in alarm["text"], alarm
        time.sleep(2)
        assert device.seen == before, (before, device.seen)
        assert plant.api.get("approvals")["approvals"] == [] and plant.api.get("commands")["commands"] == []
        # The old number leads nowhere; a new decision makes a new command.
        assert plant.api.ask("POST", f"/api/v1/commands/{made['id']}/execute").status in (404, 409)
        again = plant.api.post("commands", {"point": plant.api.point(BREAKER)["id"], "value": 0, "reason": "anew"})
        assert again["id"] > made["id"]
    finally:
        plant.stop()
        device.close()
