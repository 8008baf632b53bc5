"""Live data for scripts: server-sent events carry the frames of the WebSocket."""

import http.client
import json


def test_the_stream_begins_with_a_snapshot_and_goes_on_without_gaps(demo):
    api = demo.api
    connection = http.client.HTTPConnection(api.host, timeout=10)
    connection.request("GET", "/api/v1/stream", headers=api.credentials)
    response = connection.getresponse()
    assert response.status == 200 and response.headers["Content-Type"].startswith("text/event-stream")
    frames = []
    while len(frames) < 8:
        line = response.readline().decode()
        assert line, "the stream ended"
        if line.startswith("data:"):
            frames.append(json.loads(line[5:]))
    connection.close()
    assert [frame["seq"] for frame in frames] == list(range(1, 9))
    assert [frame["snapshot"] for frame in frames] == [True] + [False] * 7
    assert len(frames[0]["points"]) == api.status()["points"]["total"]
    assert any(frame["points"] for frame in frames[1:])
