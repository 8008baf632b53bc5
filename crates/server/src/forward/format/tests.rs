//! Messages against the texts of RFC 5424 and CEF, and against whoever tries to break out of a field.
#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;
use security::{AuditCopy, AuditEntry, ChainHead, SigningKey};

fn record(texts: [&str; 6], outcome: Outcome) -> AuditRecord {
    let [actor, source, target, old, new, reason] = texts.map(str::to_owned);
    let entry = AuditEntry {
        time: Utc::from_micros(1_795_000_000_123_456),
        actor,
        source,
        action: "command.execute".to_owned(),
        target,
        old: Some(old),
        new: Some(new),
        outcome,
        reason,
    };
    ChainHead { seq: 41, hash: [9; 32] }.append(entry)
}

#[test]
fn messages_are_as_rfc_5424_and_cef_write_them() {
    let record = record(["anna", "s-1", "S1/CB", "open", "closed", "a] \"b\" c\\d=e|f\ng"], Outcome::Refused);
    let hash = to_hex(&record.hash);
    let write = |format| Writer::new("Control centre ä", format).record(&record);
    assert_eq!(
        write(Format::Structured),
        format!(
            "<108>1 2026-11-18T11:06:40.123456Z Control-centre-- tieline - AUDIT [audit@32473 seq=\"42\" \
             hash=\"{hash}\" actor=\"anna\" source=\"s-1\" action=\"command.execute\" target=\"S1/CB\" old=\"open\" \
             new=\"closed\" reason=\"a\\] \\\"b\\\" c\\\\d=e|f<U+000A>g\" outcome=\"refused\"] audit record 42 refused"
        )
    );
    let cef = write(Format::Cef);
    assert!(cef.contains("|command.execute|command.execute|6|rt=1795000000123 externalId=42 cs1="), "{cef}");
    assert!(cef.contains(" reason=a] \"b\" c\\\\d\\=e|f<U+000A>g "), "{cef}");
    let json = write(Format::Json);
    let (_, body) = json.split_once(" AUDIT - ").unwrap();
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!((&body["seq"], &body["reason"]), (&42.into(), &"a] \"b\" c\\d=e|f<U+000A>g".into()));
}

/// Text that tries to be something else: what ends fields, lines and messages, and what looks like our own fields.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        any::<String>(),
        Just("\n<110>1 - h a - - - forged".to_owned()),
        Just("\"] seq=\"7\" hash=\"00\" checkpoint=\"00\"".to_owned()),
        Just(" externalId=7 cs1=00 cs2=00 ".to_owned()),
        Just("\\".to_owned()),
        Just("\u{202e}\u{2028}\u{85}\u{0}".to_owned()),
        Just("x".repeat(9_000)),
    ];
    proptest::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_text_leaves_its_field(texts in proptest::array::uniform6(hostile())) {
        let record = record(texts.each_ref().map(String::as_str), Outcome::Done);
        let known = record.head();
        for (format, _) in Format::ALL {
            let message = Writer::new("c", format).record(&record);
            prop_assert!(message.len() <= 8_192, "{} octets", message.len());
            prop_assert!(!message.chars().any(char::is_control));
            let copy = AuditCopy::read([message.as_str()]).unwrap();
            prop_assert!(copy.len() == 1 && copy.check(known).is_ok() && copy.finish(known, &[]).is_ok());
        }
    }
}

#[test]
fn checkpoints_are_read_back() {
    let key = SigningKey::from_seed(&[1; 32]).unwrap();
    let head = ChainHead { seq: 5, hash: [6; 32] };
    let checkpoint = Checkpoint::sign(&key, 3, head, Utc::from_micros(1));
    for (format, _) in Format::ALL {
        let message = Writer::new("", format).checkpoint(&checkpoint);
        let copy = AuditCopy::read([message.as_str()]).unwrap();
        assert!(copy.check(head).is_ok() && copy.finish(head, &[key.public()]).is_ok(), "{message}");
        assert!(copy.check(ChainHead { seq: 5, hash: [0; 32] }).is_err());
    }
}
