"""A controlled station after IEC 60870-5-104 of a few lines, which sends faster than any library: it packs what it is told into
I frames, keeps to its window k, and confirms what it is asked.

Written from IEC 60870-5-104 clauses 5 and 7 and IEC 60870-5-101 clause 7, not from the code under test.
"""

import socket
import struct
import threading
import time

STARTDT_ACT, STARTDT_CON, TESTFR_ACT, TESTFR_CON = 0x07, 0x0B, 0x43, 0x83
M_SP_NA_1, M_ME_NC_1, M_SP_TB_1 = 1, 13, 30
C_IC_NA_1, C_CI_NA_1, C_CS_NA_1 = 100, 101, 103
SPONTANEOUS, ACT_CON, ACT_TERM = 3, 7, 10
K = 12


def cp56time2a(at):
    """Seven octets of binary time, UTC (IEC 60870-5-101 7.2.6.18)."""
    civil = time.gmtime(at)
    millis = civil.tm_sec * 1000 + int(at * 1000) % 1000
    return struct.pack("<HBBBBB", millis, civil.tm_min, civil.tm_hour, civil.tm_mday, civil.tm_mon, civil.tm_year % 100)


class RawStation:
    """Common address 1; one connection at a time."""

    def __init__(self, secure=None):
        """`secure` makes of each connection what is spoken on, e.g. with TLS."""
        self.secure = secure or (lambda connection: connection)
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(4)
        self.where = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.started, self.closed = threading.Event(), False
        self.lock, self.room = threading.Lock(), threading.Condition()
        self.connection, self.sent, self.acked, self.received, self.objects = None, 0, 0, 0, 0
        self.answers, self.clock_syncs = [], []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while not self.closed:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                connection = self.secure(connection)
            except OSError:
                continue
            with self.lock:
                self.connection, self.sent, self.acked, self.received = connection, 0, 0, 0
            try:
                self._read(connection)
            except OSError:
                pass
            self.started.clear()

    @staticmethod
    def _exact(connection, count):
        data = b""
        while len(data) < count:
            part = connection.recv(count - len(data))
            if not part:
                raise OSError("closed")
            data += part
        return data

    def _read(self, connection):
        while True:
            _, length = self._exact(connection, 2)
            apdu = self._exact(connection, length)
            if apdu[0] & 1 == 0 or apdu[0] & 3 == 1:
                with self.room:
                    self.acked = struct.unpack("<H", apdu[2:4])[0] >> 1
                    self.room.notify_all()
            if apdu[0] & 1 == 0:
                self.received = (self.received + 1) % 32768
                # A thread of its own: the answer may have to wait for the window, which this one opens.
                threading.Thread(target=self._confirm, args=(apdu[4:],), daemon=True).start()
            elif apdu[0] == STARTDT_ACT:
                connection.sendall(bytes([0x68, 4, STARTDT_CON, 0, 0, 0]))
                self.started.set()
            elif apdu[0] == TESTFR_ACT:
                connection.sendall(bytes([0x68, 4, TESTFR_CON, 0, 0, 0]))

    def _confirm(self, asdu):
        kind = asdu[0]
        if kind == C_CS_NA_1:
            self.clock_syncs.append(asdu[9:16])
        confirm = lambda cause: asdu[:2] + bytes([cause]) + asdu[3:]
        self._send(confirm(ACT_CON))
        if kind in (C_IC_NA_1, C_CI_NA_1):
            self._send(confirm(ACT_TERM))

    def _send(self, asdu):
        with self.room:
            while (self.sent - self.acked) % 32768 >= K:
                assert self.room.wait(60), "the centre acknowledges nothing"
            frame = struct.pack("<BBHH", 0x68, 4 + len(asdu), self.sent << 1, self.received << 1) + asdu
            self.sent = (self.sent + 1) % 32768
            self.connection.sendall(frame)

    def _objects(self, kind, objects):
        count = len(objects)
        head = struct.pack("<BBBBH", kind, count, SPONTANEOUS, 0, 1)
        self._send(head + b"".join(struct.pack("<I", address)[:3] + body for address, body in objects))
        self.objects += count

    def floats(self, values):
        """Up to 30 measured values: address, number."""
        self._objects(M_ME_NC_1, [(address, struct.pack("<fB", value, 0)) for address, value in values])

    def indication(self, address, on, at):
        """A single indication with its time."""
        self._objects(M_SP_TB_1, [(address, bytes([int(on)]) + cp56time2a(at))])

    def send_asdu(self, kind, cause, body=None, place=(1, 0)):
        """One object of any type, with what the standard puts into it; `place` is common address and object address."""
        known = {105: b"\x01", 107: b"\x55\xaa" + cp56time2a(time.time()), 110: b"\0\0\0"}
        body = known.get(kind, b"\0") if body is None else body
        head = struct.pack("<BBBBH", kind, 1, cause, 0, place[0]) + struct.pack("<I", place[1])[:3]
        self._send(head + body)

    def close(self):
        self.closed = True
        self.listener.close()
        if self.connection:
            self.connection.close()
