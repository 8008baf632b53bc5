//! Configuration, requests and the whole field on real loopback sockets, on `examples/ieee14.m`.
#![allow(clippy::unwrap_used)]

use super::views::NewFault;
use super::*;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[test]
fn configuration_is_checked_with_line_and_reason() {
    fn check(text: &str, expected: Result<(), &str>) {
        let parsed =
            TwinConfig::parse(std::path::Path::new("twin.toml"), text).map_err(|error| error.to_string());
        match (parsed, expected) {
            (Ok(_), Ok(())) => {}
            (Err(found), Err(part)) => assert!(found.contains(part), "{text}: {found}"),
            (found, _) => panic!("{text}: {found:?}"),
        }
    }
    check("network = 'a.m'", Ok(()));
    check(
        "network = 'a.m'\nnoise_percent = 0.5\n[stations]\nfirst_port = 0\n[iec104]\nk = 20\nw = 13",
        Ok(()),
    );
    check("", Err("missing field `network`"));
    check("network = 'a.m'\nseeds = 3", Err("twin.toml:2: unknown field `seeds`"));
    check("network = 'a.m'\n[stations]\nport = 3", Err("twin.toml:3: unknown field `port`"));
    check("network = 'a.m'\n\n[http]\nlisten = 'x'", Err("twin.toml:4: invalid socket address"));
    check(
        "network = 'a.m'\n[http]\nlisten = '0.0.0.0:8090'",
        Err("http.listen: 0.0.0.0:8090 is not a loopback"),
    );
    check("network = 'a.m'\nstart_hour = 24.0", Err("start_hour"));
    check("network = 'a.m'\ntime_zone = 'Moon'", Err("time_zone"));
    check("network = 'a.m'\n[iec104]\nw = 13", Err("iec104.k: "));
    check("network = 'a.m'\n[iec104]\nendpoints = ['a:1']", Err("given by the twin"));
}

#[test]
fn an_unusable_file_is_named() {
    let folder = std::env::temp_dir().join(format!("tieline-twin-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let check = |file: &str, text: &str, expected: &str| {
        let path = folder.join(file);
        std::fs::write(&path, text).unwrap();
        let error = match TwinConfig::load(&path) {
            Ok(config) => format!("{:#}", config.read_network().unwrap_err()),
            Err(error) => format!("{error:#}"),
        };
        assert!(error.contains(expected), "{error}");
    };
    std::fs::write(folder.join("bad.m"), "mpc.version = '2';\nmpc.baseMVA = 100;\nmpc.bus = [1 x+3];\n")
        .unwrap();
    check("a.toml", "network = 'a.m'\nx = 1", "a.toml:2: unknown field");
    check("b.toml", "network = 'missing.m'", "missing.m: No such file");
    check("c.toml", "network = 'bad.m'", "bad.m:3: ");
    assert!(TwinConfig::load(&folder.join("none.toml")).is_err());
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn ports_and_common_addresses_follow_the_substation() {
    let config = TwinConfig::parse(
        std::path::Path::new("twin.toml"),
        "network = 'a.m'\n[stations]\nfirst_port = 65530",
    )
    .unwrap();
    assert_eq!(config.listen(5).unwrap().port(), 65_535);
    assert!(config.listen(6).unwrap_err().to_string().contains("no port 65530 + 6"));
    assert_eq!(config.station(5).unwrap().common_address, 6);
    assert!(config.station(65_534).is_err());
    assert_eq!(TwinConfig::ephemeral(1).listen(70_000).unwrap().port(), 0);
    let station = config.station(0).unwrap();
    assert_eq!((station.periodic_every_s, station.background_every_s), (4.0, 10.0));
}

#[test]
fn requests_for_faults_are_read() {
    fn check(kind: &str, numbers: (Option<f64>, Option<f64>, Option<f64>), expected: Result<&str, &str>) {
        let (factor, sigma, for_s) = numbers;
        let wanted = NewFault { kind: kind.into(), target: "X".into(), factor, sigma, for_s };
        match (wanted.parse(), expected) {
            (Ok((fault, _)), Ok(text)) => assert_eq!(fault.to_string(), text),
            (Err(found), Err(part)) => assert!(found.contains(part), "{found}"),
            (found, _) => panic!("{kind} {numbers:?}: {found:?}"),
        }
    }
    check("line_trip", (None, None, None), Ok("short circuit on X"));
    check("line_trip", (Some(2.0), None, None), Err("does not take"));
    check("load_step", (Some(2.0), None, Some(3.0)), Ok("loads of X times 2"));
    check("load_step", (None, None, None), Err("needs a factor"));
    check("rtu_silent", (None, None, Some(0.0)), Err("for_s is 0"));
    check("rtu_silent", (None, None, Some(f64::NAN)), Err("for_s is NaN"));
    check("bad_measurement", (None, Some(20.0), None), Ok("X reads 20 deviations off"));
    check("bad_measurement", (Some(2.0), Some(20.0), None), Err("either"));
    check("stuck_breaker", (None, None, None), Ok("X is stuck"));
    check("earthquake", (None, None, None), Err("one of line_trip"));
}

#[test]
fn only_loopback_hosts_are_answered() {
    for (host, local) in [
        ("127.0.0.1:8090", true),
        ("localhost", true),
        ("LOCALHOST:1", true),
        ("[::1]:8090", true),
        ("[::1]", true),
        ("evil.example:8090", false),
        ("127.0.0.1.evil.example", false),
        ("10.0.0.1:8090", false),
        ("", false),
    ] {
        assert_eq!(super::http::is_loopback(host), local, "{host}");
    }
}

/// The field with free ports.
async fn field() -> (TwinHandle, watch::Sender<bool>) {
    let (stop, stopped) = watch::channel(false);
    let mut config = TwinConfig::ephemeral(7);
    config.network = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/ieee14.m");
    let handle = start(config, Clock::new(), stopped).await.unwrap();
    (handle, stop)
}

/// One request, by hand; returns status line and body.
async fn ask(api: SocketAddr, head: &str, body: &str) -> (String, String) {
    let mut stream = TcpStream::connect(api).await.unwrap();
    let length = body.len();
    let request = format!(
        "{head} HTTP/1.1\r\nHost: {api}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

/// Reads APDUs (IEC 60870-5-104 5) until one satisfies `wanted`, and acknowledges each that carries data, without
/// which a station stops after k of them; `None` when nothing comes for that long.
async fn read_until(
    stream: &mut TcpStream,
    wait: Duration,
    wanted: impl Fn(&[u8]) -> bool,
) -> Option<Vec<u8>> {
    let deadline = tokio::time::Instant::now() + wait;
    loop {
        let mut head = [0; 2];
        tokio::time::timeout_at(deadline, stream.read_exact(&mut head)).await.ok()?.ok()?;
        assert_eq!(head[0], 0x68);
        let mut body = vec![0; usize::from(head[1])];
        stream.read_exact(&mut body).await.unwrap();
        if body[0] & 1 == 0 {
            let received = (u16::from_le_bytes([body[0], body[1]]) & !1).wrapping_add(2).to_le_bytes();
            stream.write_all(&[0x68, 4, 1, 0, received[0], received[1]]).await.unwrap();
        }
        if wanted(&body) {
            return Some(body);
        }
    }
}

const STARTDT_ACT: [u8; 6] = [0x68, 4, 0x07, 0, 0, 0];
const STARTDT_CON: [u8; 4] = [0x0B, 0, 0, 0];

/// The octets are those of IEC 60870-5-104 5.1 and IEC 60870-5-101 7.3.4.1, written by hand: the station of S4
/// (common address 4) answers an interrogation with measured short floating point numbers and double points.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_station_answers_an_interrogation() {
    let (handle, stop) = field().await;
    assert_eq!(handle.stations.len(), 14);
    let (name, address) = &handle.stations[3];
    assert_eq!(name, "S4");
    let mut stream = TcpStream::connect(address).await.unwrap();
    let wait = Duration::from_secs(5);
    stream.write_all(&STARTDT_ACT).await.unwrap();
    assert!(read_until(&mut stream, wait, |body| body == STARTDT_CON).await.is_some());
    let interrogation = [0x68, 14, 0, 0, 0, 0, 100, 1, 6, 0, 4, 0, 0, 0, 0, 20];
    stream.write_all(&interrogation).await.unwrap();
    let answers = |type_id: u8, cause: u8| {
        move |body: &[u8]| body.len() > 9 && body[4] == type_id && body[6] & 0x3F == cause && body[8] == 4
    };
    assert!(read_until(&mut stream, wait, answers(100, 7)).await.is_some(), "no confirmation");
    assert!(read_until(&mut stream, wait, answers(3, 20)).await.is_some(), "no double points");
    let measured = read_until(&mut stream, wait, answers(13, 20)).await.expect("no measured values");
    // The first is the busbar voltage S4/V at 1001, near 1.02 p.u. of 132 kV.
    assert_eq!(measured[10..13], [0xE9, 0x03, 0]);
    let kilovolts = f32::from_le_bytes([measured[13], measured[14], measured[15], measured[16]]);
    assert!((130.0..140.0).contains(&kilovolts), "{kilovolts} kV");
    assert!(read_until(&mut stream, wait, answers(100, 10)).await.is_some(), "no termination");
    stop.send(true).unwrap();
    tokio::time::timeout(wait, handle.stopped()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_api_tells_the_truth_and_takes_faults() {
    let (handle, stop) = field().await;
    let api = handle.http;
    assert_eq!(ask(api, "GET /healthz", "").await.1, "ok\n");
    let (status, body) = ask(api, "POST /faults", r#"{"kind":"line_trip","target":"L4-5","for_s":60}"#).await;
    assert!(status.contains("201") && body.contains("short circuit on L4-5"), "{status} {body}");
    tokio::time::sleep(Duration::from_millis(300)).await;
    let truth: serde_json::Value = serde_json::from_str(&ask(api, "GET /truth", "").await.1).unwrap();
    let branch =
        truth["branches"].as_array().unwrap().iter().find(|branch| branch["name"] == "L4-5").unwrap();
    assert_eq!(branch["p_from_mw"], 0.0);
    assert_eq!(truth["substations"][0]["vm_pu"], 1.06);
    let listed: serde_json::Value = serde_json::from_str(&ask(api, "GET /faults", "").await.1).unwrap();
    assert_eq!(listed[0]["target"], "L4-5");
    let check = async |head: &str, body: &str, code: &str, text: &str| {
        let (status, answer) = ask(api, head, body).await;
        assert!(status.contains(code) && answer.contains(text), "{head} {body}: {status} {answer}");
    };
    check("POST /faults", r#"{"kind":"line_trip","target":"L9-99"}"#, "404", "names look like").await;
    check("POST /faults", r#"{"kind":"load_step","target":"S7","factor":2}"#, "422", "has no load").await;
    check("POST /faults", r#"{"kind":"line_trip"}"#, "422", "missing field").await;
    check("POST /faults", "nonsense", "400", "bad_request").await;
    check("DELETE /faults/99", "", "404", "no fault 99").await;
    check("DELETE /faults/1", "", "200", "L4-5").await;
    check("GET /stations", "", "200", "\"common_address\":14").await;
    check("GET /truth HTTP/1.1\r\nOrigin: http://evil.example\r\nX:", "", "403", "not_local").await;
    stop.send(true).unwrap();
    tokio::time::timeout(Duration::from_secs(5), handle.stopped()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_unit_neither_answers_nor_closes_until_it_speaks_again() {
    let (handle, stop) = field().await;
    let address = handle.stations[8].1;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&STARTDT_ACT).await.unwrap();
    assert!(read_until(&mut stream, Duration::from_secs(5), |body| body == STARTDT_CON).await.is_some());
    let asked = r#"{"kind":"rtu_silent","target":"S9","for_s":2.5}"#;
    assert!(ask(handle.http, "POST /faults", asked).await.0.contains("201"));
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut drained = [0; 65_536];
    while stream.try_read(&mut drained).is_ok_and(|count| count > 0) {}
    let quiet = tokio::time::timeout(Duration::from_millis(1_500), stream.read(&mut drained)).await;
    assert!(quiet.is_err(), "a silent unit sent or closed: {quiet:?}");
    let mut other = TcpStream::connect(address).await.unwrap();
    other.write_all(&STARTDT_ACT).await.unwrap();
    let early = read_until(&mut other, Duration::from_millis(300), |body| body == STARTDT_CON).await;
    assert_eq!(early, None, "a silent unit answered a new connection");
    // Afterwards the old connections are closed, as after a restart of the device, and new ones are served.
    let closed = tokio::time::timeout(Duration::from_secs(5), stream.read(&mut drained)).await.unwrap();
    assert!(matches!(closed, Ok(0) | Err(_)), "{closed:?}");
    let mut again = TcpStream::connect(address).await.unwrap();
    again.write_all(&STARTDT_ACT).await.unwrap();
    assert!(read_until(&mut again, Duration::from_secs(5), |body| body == STARTDT_CON).await.is_some());
    stop.send(true).unwrap();
    tokio::time::timeout(Duration::from_secs(5), handle.stopped()).await.unwrap();
}
