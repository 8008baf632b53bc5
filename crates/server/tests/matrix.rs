//! The authorisation matrix (B-24): every route, every role, nobody, somebody whose time is over, somebody of a foreign area.
//!
//! Routes, methods and declarations come from the document that is made where the routes are registered; requests are made
//! from its schemas, over a socket. What a role may do is the table below, written after IEC 62351-8, not asked from the code.
#![allow(clippy::unwrap_used)]

use security::{Areas, Principal, PrincipalKind, Role};
use serde_json::{Map, Value, json};
use server::config::Config;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;
use store::{Record, SessionRecord, Store};
use timebase::Utc;

/// Which rights the roles carry.
const ROLES: [(Role, &str); 7] = [
    (Role::Viewer, "view"),
    (Role::Operator, "view acknowledge command tag"),
    (Role::Engineer, "view study configure"),
    (Role::Installer, "view configure maintain"),
    (Role::SecAdm, "manage_users"),
    (Role::SecAud, "read_audit"),
    (Role::RbacMnt, "manage_roles"),
];

/// Whether somebody with these rights meets a declaration of the document.
fn meets(rights: &str, permission: &str) -> bool {
    match permission {
        "open" | "signed_in" => true,
        names => names.split('|').any(|name| rights.split(' ').any(|right| right == name)),
    }
}

struct Route {
    method: String,
    path: String,
    permission: String,
    body: Option<Value>,
}

/// Every operation of the document with a request that fits its schema.
fn routes() -> Vec<Route> {
    let document: Value = serde_json::from_str(&server::openapi_json()).unwrap();
    let mut routes = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let permission = operation["x-permission"].as_str();
            let permission = permission.unwrap_or_else(|| panic!("{method} {path} declares no permission"));
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            routes.push(Route {
                method: method.to_uppercase(),
                path: concrete(path),
                permission: permission.to_owned(),
                body: (!schema.is_null()).then(|| sample(schema, &document)),
            });
        }
    }
    routes
}

/// A path with its variables filled in: a point that exists, numbers and names that do not.
fn concrete(path: &str) -> String {
    let parts = path.split('/').scan("", |before, part| {
        let filled = match (part.starts_with('{'), *before) {
            (false, _) => part,
            (true, "points") => "0",
            (true, _) => "777777",
        };
        *before = part;
        Some(filled)
    });
    parts.collect::<Vec<_>>().join("/")
}

/// A value that fits a schema: what is required, and of that the least.
fn sample(schema: &Value, document: &Value) -> Value {
    if let Some(name) = schema["$ref"].as_str() {
        return sample(document.pointer(name.trim_start_matches('#')).unwrap(), document);
    }
    if let Some(first) = schema["enum"].as_array().and_then(|values| values.first()) {
        return first.clone();
    }
    if let Some(choices) = schema["oneOf"].as_array().or(schema["anyOf"].as_array()) {
        return sample(&choices[0], document);
    }
    match schema["type"].as_str() {
        Some("object") => {
            let wanted = |name: &String| {
                schema["required"].as_array().is_some_and(|required| required.contains(&json!(name)))
            };
            let fields = schema["properties"].as_object().cloned().unwrap_or_default().into_iter();
            let fields = fields.filter(|(name, _)| wanted(name));
            Value::Object(fields.map(|(name, inner)| (name, sample(&inner, document))).collect::<Map<_, _>>())
        }
        Some("array") => json!([sample(&schema["items"], document)]),
        Some("integer") => json!(1),
        Some("number") => json!(1.0),
        Some("boolean") => json!(false),
        _ => json!("information"),
    }
}

/// What an answer says: its status, and its body unless it is a stream without an end.
struct Answer {
    status: u16,
    body: String,
}

fn ask(address: SocketAddr, route: &Route, credentials: &str) -> Answer {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let body = route.body.as_ref().map(Value::to_string).unwrap_or_default();
    let is_socket = route.path.ends_with("/live");
    let upgrade = if is_socket {
        "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    } else {
        "Connection: close\r\n"
    };
    write!(
        socket,
        "{} {} HTTP/1.1\r\nHost: {address}\r\nOrigin: http://{address}\r\n{credentials}{upgrade}\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        route.method,
        route.path,
        body.len()
    )
    .unwrap();
    let mut reader = BufReader::new(socket);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let status = line.split(' ').nth(1).unwrap_or_else(|| panic!("{line:?}")).parse().unwrap();
    let mut body = String::new();
    let endless = is_socket || route.path.ends_with("/stream");
    if !endless {
        reader.read_to_string(&mut body).unwrap();
    }
    let body = body.split_once("\r\n\r\n").map_or(String::new(), |(_, body)| body.to_owned());
    Answer { status, body }
}

fn user(store: &Store, name: &str, roles: &[Role], areas: &[&str]) -> String {
    let roles = roles.iter().copied().collect();
    let principal = Principal::new(name, PrincipalKind::Human, roles, Areas::from_names(areas));
    let now = now();
    server::put_user(store, principal, now).unwrap();
    bearer(&server::create_token(store, name, now, for_an_hour()).unwrap())
}

fn for_an_hour() -> server::NewToken {
    server::NewToken { life: Some(Duration::from_secs(3_600)), ..server::NewToken::default() }
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

fn now() -> Utc {
    transport::Clock::new().now().utc
}

/// A token and a session whose time is over.
fn expired(store: &Store) -> [String; 2] {
    let long_ago = now() + Duration::ZERO - Duration::from_secs(7_200);
    let token = server::create_token(store, "OPERATOR", long_ago, for_an_hour()).unwrap();
    let secret = server::fresh_token().unwrap();
    let session = SessionRecord {
        hash: secret.hash(),
        user: "OPERATOR".to_owned(),
        created: long_ago,
        expires: long_ago + Duration::from_secs(3_600),
        idle_s: 3_600,
        last_used: long_ago,
        source: String::new(),
        began: "token".to_owned(),
        frozen: None,
    };
    store.append(vec![Record::PutSession(session)]).unwrap();
    [bearer(&token), format!("Cookie: tieline_session={}\r\n", secret.reveal())]
}

/// A centre on 14 substations whose links nobody drives: the gate decides, nothing leaves.
fn configuration(folder: &Path) -> Config {
    let network = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/ieee14.m");
    let mut text = format!(
        "network.file = {network:?}\ndata.directory = \"data\"\n\
         http = {{ listen = \"127.0.0.1:0\", requests_per_s = 10000 }}\n"
    );
    for station in 1..=14 {
        text += &format!(
            "[[link]]\nname = \"S{station}\"\nprotocol.iec104 = {{ endpoints = [\"127.0.0.1:1\"] }}\n"
        );
    }
    let file = folder.join("centre.toml");
    std::fs::write(&file, text).unwrap();
    Config::load(&file).unwrap()
}

struct Centre {
    runtime: tokio::runtime::Runtime,
    running: Option<server::Running>,
    /// The links; a centre without them ends.
    _feed: server::Feed,
    roles: Vec<String>,
    foreign: String,
    expired: [String; 2],
    _folder: tempfile::TempDir,
}

impl Centre {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = configuration(folder.path());
        let network = server::load::network(&config.network.file).unwrap().network;
        let points = server::load::points(&config, &network).unwrap();
        // The points that requests name are those of substation S1.
        assert!((0..2).all(|id| points[signal::PointId(id)].substation == "S1"));
        std::fs::create_dir_all(&config.data.directory).unwrap();
        let path = server::store_path(&config.data.directory);
        let (store, _) = Store::open(&path, &store::Options::default()).unwrap();
        let roles = ROLES.map(|(role, _)| user(&store, role.name(), &[role], &["*"])).to_vec();
        let every: Vec<Role> = ROLES.map(|(role, _)| role).to_vec();
        let foreign = user(&store, "foreign", &every, &["S9"]);
        let expired = expired(&store);
        drop(store);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let started = server::start_fed(config, server::Mode::Run, network, points);
        let (running, feed) = runtime.block_on(started).unwrap();
        Self { runtime, running: Some(running), _feed: feed, roles, foreign, expired, _folder: folder }
    }

    fn address(&self) -> SocketAddr {
        self.running.as_ref().unwrap().address
    }
}

impl Drop for Centre {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            self.runtime.block_on(running.stop());
        }
    }
}

/// Whether the answer says that the caller may not.
fn is_refusal(answer: &Answer) -> bool {
    matches!(answer.status, 401 | 403)
}

#[test]
fn every_route_does_for_every_role_what_it_declares() {
    let centre = Centre::start();
    let (mut checked, mut wrong) = (0, Vec::new());
    for route in routes() {
        let Route { method, path, permission, .. } = &route;
        for ((role, rights), credentials) in ROLES.iter().zip(&centre.roles) {
            // Signing out would end nothing here: a bearer token is no session.
            let answer = ask(centre.address(), &route, credentials);
            // Signing in is open; a secret that is none is refused there all the same.
            let refused = is_refusal(&answer) && (method.as_str(), permission.as_str()) != ("POST", "open");
            // Nothing but the permission may refuse: an answer about a thing that is not there is no refusal.
            if refused == meets(rights, permission) || matches!(answer.status, 405 | 500..) {
                wrong.push(format!("{method} {path} ({permission}) as {}: {}", role.name(), answer.status));
            }
            checked += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(checked, routes().len() * ROLES.len());
}

#[test]
fn without_a_sign_in_that_holds_every_route_is_closed() {
    let centre = Centre::start();
    let nobody = String::new();
    let forged = bearer(&format!("tl_{}", "0123456789abcdef".repeat(4)));
    let mut wrong = Vec::new();
    for route in routes() {
        let Route { method, path, permission, .. } = &route;
        for credentials in [&nobody, &forged, &centre.expired[0], &centre.expired[1]] {
            let answer = ask(centre.address(), &route, credentials);
            // The one open route that takes a secret says 401 to a wrong one.
            let good = if permission == "open" { answer.status < 500 } else { answer.status == 401 };
            if !good {
                wrong.push(format!("{method} {path} ({permission}) with {credentials:?}: {}", answer.status));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// All roles in one foreign area: nothing of substation S1 is told, and nothing there is changed.
#[test]
fn another_area_gives_nothing() {
    let centre = Centre::start();
    let mut wrong = Vec::new();
    for route in routes() {
        let Route { method, path, permission, .. } = &route;
        let answer = ask(centre.address(), &route, &centre.foreign);
        let about_a_point =
            path.contains("/points/0") || route.body.as_ref().is_some_and(|body| body["point"] == 1);
        // Configuration is not bound to areas (`Right::is_bound_to_area`).
        let bound = permission != "configure";
        let tells = ["\"S1\"", "S1/", "S1 "].iter().any(|name| answer.body.contains(name));
        let says_no = matches!(answer.status, 403 | 404);
        let gives = bound && (tells || about_a_point) && !says_no;
        if gives || answer.status >= 500 {
            wrong.push(format!("{method} {path} ({permission}): {} {}", answer.status, answer.body));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The first frame of the live stream.
fn first_frame(address: SocketAddr, credentials: &str) -> Value {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(socket, "GET /api/v1/stream HTTP/1.1\r\nHost: {address}\r\n{credentials}\r\n").unwrap();
    let lines = BufReader::new(socket).lines().map(Result::unwrap);
    let data = lines.into_iter().find_map(|line| line.strip_prefix("data: ").map(str::to_owned));
    serde_json::from_str(&data.unwrap()).unwrap()
}

/// Topics of a frame that hold something.
fn filled(frame: &Value) -> Vec<&str> {
    let topics = ["points", "alarms", "commands", "events", "proposals", "estimate", "status"];
    let holds = |name: &&str| match &frame[*name] {
        Value::Array(entries) => !entries.is_empty(),
        Value::Null => false,
        _ => true,
    };
    topics.into_iter().filter(holds).collect()
}

#[test]
fn every_live_topic_goes_to_whom_it_declares() {
    let centre = Centre::start();
    // A refused command is one that every client may learn of, within their areas.
    let select = Route {
        method: "POST".into(),
        path: "/api/v1/commands".into(),
        permission: String::new(),
        body: Some(json!({ "point": 0, "value": 1.0, "reason": "matrix" })),
    };
    ask(centre.address(), &select, &centre.roles[1]);
    for ((role, rights), credentials) in ROLES.iter().zip(&centre.roles) {
        let frame = first_frame(centre.address(), credentials);
        let seen = filled(&frame);
        if meets(rights, "view") {
            for topic in ["points", "commands", "events", "estimate", "status"] {
                assert!(seen.contains(&topic), "{} sees {seen:?}", role.name());
            }
        } else {
            assert_eq!(seen, Vec::<&str>::new(), "{}", role.name());
        }
    }
    let frame = first_frame(centre.address(), &centre.foreign);
    let text = frame.to_string();
    assert!(!frame["points"].as_array().unwrap().is_empty(), "its own area is there");
    assert!(frame["commands"].as_array().unwrap().is_empty(), "{text}");
    assert!(["\"S1\"", "S1/", "S1 "].iter().all(|name| !text.contains(name)), "{text}");
}

#[test]
fn every_kind_of_command_is_for_operators_of_the_area() {
    let centre = Centre::start();
    let list = Route {
        method: "GET".into(),
        path: "/api/v1/points?limit=1000".into(),
        permission: String::new(),
        body: None,
    };
    let points: Value = serde_json::from_str(&ask(centre.address(), &list, &centre.roles[0]).body).unwrap();
    let mut kinds: Vec<String> = Vec::new();
    for point in points["points"].as_array().unwrap() {
        let kind = point["kind"].as_str().unwrap().to_owned();
        if point["control"].is_null() || kinds.contains(&kind) {
            continue;
        }
        let body = json!({ "point": point["id"], "value": 1.0, "reason": "matrix" });
        let select = Route {
            path: "/api/v1/commands".into(),
            method: "POST".into(),
            permission: String::new(),
            body: Some(body),
        };
        for ((role, rights), credentials) in ROLES.iter().zip(&centre.roles) {
            let status = ask(centre.address(), &select, credentials).status;
            // Whoever may is stopped by the next check: there is no measurement.
            let wanted = if meets(rights, "command") { 409 } else { 403 };
            assert_eq!(status, wanted, "{kind} as {}", role.name());
        }
        let foreign = ask(centre.address(), &select, &centre.foreign).status;
        assert_eq!(foreign, if point["substation"] == "S9" { 409 } else { 403 }, "{kind} of a foreign area");
        kinds.push(kind);
    }
    kinds.sort();
    assert!(kinds.len() >= 2, "{kinds:?}");
}
