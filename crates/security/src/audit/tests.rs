//! Every way in which a chain can be changed is found.
#![allow(clippy::unwrap_used)]
use super::*;

fn entry(at: i64) -> AuditEntry {
    AuditEntry {
        time: Utc::from_micros(1_700_000_000_000_000 + at),
        actor: format!("operator{at}"),
        source: "192.0.2.7:50123".into(),
        action: "command.execute".into(),
        target: "S4/Breaker2".into(),
        old: (at % 2 == 0).then(|| "closed".into()),
        new: (at % 3 == 0).then(|| "offen, geprüft".into()),
        outcome: [Outcome::Allowed, Outcome::Refused, Outcome::Done, Outcome::Failed]
            [usize::try_from(at % 4).unwrap()],
        reason: "maintenance".into(),
    }
}

fn chain(count: i64) -> Vec<AuditRecord> {
    let mut head = ChainHead::EMPTY;
    let next = |at| {
        let record = head.append(entry(at));
        head = record.head();
        record
    };
    (0..count).map(next).collect()
}

fn check(records: &[AuditRecord], anchor: Option<ChainHead>, wanted: Result<u64, (u64, Break)>) {
    let found = verify(records, anchor).map(|ok| ok.count).map_err(|broken| (broken.seq, broken.what));
    assert_eq!(found, wanted);
}

/// The hash was computed apart from this code, by Python's hashlib over the layout in the module's text:
/// `hashlib.sha256(b'tieline-audit-01' + bytes(32) + struct.pack('>QqB', 1, 1700000000000000, 2) + t('anna') + t('') +
/// t('login') + t('session') + t('') + b'\0' + b'\1' + t('open')).hexdigest()` with `t = lambda s: struct.pack('>I',
/// len(s)) + s.encode()`.
#[test]
fn hash_follows_the_written_layout() {
    let record = ChainHead::EMPTY.append(AuditEntry {
        time: Utc::from_micros(1_700_000_000_000_000),
        actor: "anna".into(),
        source: String::new(),
        action: "login".into(),
        target: "session".into(),
        old: None,
        new: Some("open".into()),
        outcome: Outcome::Done,
        reason: String::new(),
    });
    let hex: String = record.hash.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "0302bcdb6d8d0324210b78b4cf3a31d561713b66195830fc4b13e5d05522ac00");
}

#[test]
fn encoding_is_read_back() {
    for record in chain(12) {
        assert_eq!(AuditRecord::decode(&record.encode()), Ok(record));
    }
}

#[test]
fn every_flipped_bit_is_found() {
    let records = chain(5);
    let anchor = records.last().map(AuditRecord::head);
    for victim in 0..records.len() {
        let bytes = records[victim].encode();
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let Ok(altered) = AuditRecord::decode(&bytes) else { continue };
            let mut records = records.clone();
            records[victim] = altered;
            assert!(verify(&records, anchor).is_err(), "record {victim} bit {bit}");
        }
    }
}

#[test]
fn deletion_swap_and_insertion_are_found() {
    let good = chain(6);
    let head = good.last().map(AuditRecord::head);
    check(&good, head, Ok(6));
    for at in 0..5 {
        let mut cut = good.clone();
        cut.remove(at);
        let seq = u64::try_from(at).unwrap() + 1;
        check(&cut, head, Err((seq, Break::Sequence { expected: seq, got: seq + 1 })));
        let mut renumbered = cut.clone();
        for record in &mut renumbered[at..] {
            record.seq -= 1;
        }
        // The first record of a chain has nothing before it but the empty head.
        check(&renumbered, head, Err((seq, Break::Previous)));
        let mut swapped = good.clone();
        swapped.swap(at, at + 1);
        check(&swapped, head, Err((seq, Break::Sequence { expected: seq, got: seq + 1 })));
        let mut doubled = good.clone();
        doubled.insert(at, good[at].clone());
        check(&doubled, head, Err((seq + 1, Break::Sequence { expected: seq + 1, got: seq })));
    }
}

#[test]
fn a_cut_tail_is_found_with_an_anchor_only() {
    let good = chain(6);
    let head = good.last().map(AuditRecord::head);
    for kept in 0..6 {
        let count = u64::try_from(kept).unwrap();
        check(&good[..kept], head, Err((count + 1, Break::Truncated { known: 6 })));
        check(&good[..kept], None, Ok(count));
    }
}

#[test]
fn a_chain_written_anew_is_found_as_a_fork() {
    let good = chain(6);
    for from in 0..6 {
        let mut forged = good[..from].to_vec();
        let mut head = forged.last().map_or(ChainHead::EMPTY, AuditRecord::head);
        for at in from..8 {
            let mut entry = entry(i64::try_from(at).unwrap());
            entry.actor = "nobody".into();
            let record = head.append(entry);
            head = record.head();
            forged.push(record);
        }
        check(&forged, None, Ok(8));
        check(&forged, good.last().map(AuditRecord::head), Err((6, Break::Fork)));
    }
}

#[test]
fn a_part_is_checked_from_a_known_head() {
    let good = chain(6);
    let mut verifier = Verifier::new(good[2].head(), Some(good[2].head()));
    for record in &good[3..] {
        verifier.check(record).unwrap();
    }
    assert_eq!(verifier.finish(), Ok(Verified { count: 3, head: good[5].head() }));
    let forged = ChainHead { seq: 3, hash: [1; 32] };
    let fork = Verifier::new(good[2].head(), Some(forged)).finish();
    assert_eq!(fork, Err(Broken { seq: 3, what: Break::Fork }));
}

#[test]
fn long_texts_are_cut_and_stay_readable() {
    let mut long = entry(0);
    long.reason = "ü".repeat(MAX_TEXT);
    long.new = Some("x".repeat(3 * MAX_TEXT));
    let record = ChainHead::EMPTY.append(long);
    assert!(record.entry.reason.len() <= MAX_TEXT && record.entry.reason.ends_with('…'));
    assert_eq!(AuditRecord::decode(&record.encode()), Ok(record.clone()));
    check(&[record], None, Ok(1));
}

#[test]
fn any_bytes_give_a_record_or_an_error() {
    let bytes = chain(1)[0].encode();
    for len in 0..bytes.len() {
        assert!(AuditRecord::decode(&bytes[..len]).is_err());
    }
    let mut long = bytes.clone();
    long.push(0);
    assert_eq!(AuditRecord::decode(&long), Err(DecodeError::Trailing(1)));
    assert!(AuditRecord::decode(&[0xff; 200]).is_err());
}
