//! Archives from end to end: what was put in comes out, and nothing comes out of an archive that is not whole.
#![allow(clippy::unwrap_used)]

use backup::{Archive, BackupError, Key, Lock, Manifest, Part, Staging, unpack, verify};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

struct Case {
    folder: tempfile::TempDir,
    key: Key,
    archive: PathBuf,
}

fn content() -> BTreeMap<&'static str, Vec<u8>> {
    let noise = (0..300_000_u32).map(|at| u8::try_from(at.wrapping_mul(2_654_435_761) >> 24).unwrap());
    BTreeMap::from([
        ("centre.toml", b"name = \"x\"\n".to_vec()),
        ("data/centre.db", noise.collect()),
        ("data/history/seg-1.parquet", vec![7; 70_000]),
        ("data/empty", Vec::new()),
    ])
}

fn key_pair(folder: &Path) -> (Key, Lock) {
    let file = folder.join("key.txt");
    drop(fs::remove_file(&file));
    let recipient = backup::generate_to(&file).unwrap();
    assert!(backup::generate_to(&file).is_err(), "a key was written over");
    (Key::identity_file(&file).unwrap(), Lock::recipients(&[recipient]).unwrap())
}

fn make() -> Case {
    let folder = tempfile::tempdir().unwrap();
    let (key, lock) = key_pair(folder.path());
    let archive = folder.path().join("a.tar.zst.age");
    let mut writer = Archive::create(&archive, lock).unwrap();
    for (name, bytes) in content() {
        writer.add_bytes(Part::Data, name, &bytes).unwrap();
    }
    let written = writer.finish(Manifest::new("1.2.3", "x", "2026-01-01T00:00:00Z")).unwrap();
    assert_eq!(written.bytes, fs::metadata(&archive).unwrap().len());
    assert_eq!(verify(&archive, &written.key).unwrap(), written.manifest, "the archive's own key opens it");
    Case { folder, key, archive }
}

#[test]
fn what_was_put_in_comes_out() {
    let case = make();
    let out = case.folder.path().join("out");
    let manifest = unpack(&case.archive, &case.key, &out, false).unwrap();
    assert_eq!(manifest.files.len(), content().len());
    for (name, bytes) in content() {
        assert_eq!(fs::read(out.join(name)).unwrap(), bytes, "{name}");
    }
}

#[test]
fn a_passphrase_opens_what_it_closed_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let archive = folder.path().join("a");
    let right = file("right", "correct horse battery\n");
    let mut writer = Archive::create(&archive, Lock::passphrase_file(&right).unwrap()).unwrap();
    writer.add_bytes(Part::Config, "c", b"1").unwrap();
    writer.finish(Manifest::new("1", "x", "t")).unwrap();
    assert_eq!(verify(&archive, &Key::passphrase_file(&right).unwrap()).unwrap().files.len(), 1);
    let wrong = Key::passphrase_file(&file("wrong", "correct horse batterx")).unwrap();
    assert!(matches!(verify(&archive, &wrong), Err(BackupError::WrongKey { passphrase: true, .. })));
    let (identity, _) = key_pair(folder.path());
    assert!(matches!(verify(&archive, &identity), Err(BackupError::WrongKey { passphrase: true, .. })));
    assert!(Lock::passphrase_file(&file("short", "elevenchars")).is_err());
}

#[test]
fn another_key_opens_nothing() {
    let case = make();
    let (other, _) = key_pair(case.folder.path());
    assert!(matches!(verify(&case.archive, &other), Err(BackupError::WrongKey { passphrase: false, .. })));
}

#[test]
fn every_cut_is_found() {
    let case = make();
    let whole = fs::read(&case.archive).unwrap();
    let cut = case.folder.path().join("cut");
    let lengths = (0..64).chain((64..whole.len()).step_by(4_099)).chain(whole.len() - 40..whole.len());
    for length in lengths {
        fs::write(&cut, &whole[..length]).unwrap();
        assert!(verify(&cut, &case.key).is_err(), "{length} of {} bytes", whole.len());
    }
}

#[test]
fn every_changed_bit_is_found() {
    let case = make();
    let mut bytes = fs::read(&case.archive).unwrap();
    let changed = case.folder.path().join("changed");
    let places = (0..400).chain((400..bytes.len()).step_by(2_003)).chain(bytes.len() - 40..bytes.len());
    for place in places {
        let bit = 1 << (place % 8);
        bytes[place] ^= bit;
        fs::write(&changed, &bytes).unwrap();
        assert!(verify(&changed, &case.key).is_err(), "byte {place} of {}", bytes.len());
        bytes[place] ^= bit;
    }
    fs::write(&changed, &bytes).unwrap();
    verify(&changed, &case.key).unwrap();
}

#[test]
fn an_unfinished_archive_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (_, lock) = key_pair(folder.path());
    let archive = folder.path().join("a");
    let mut writer = Archive::create(&archive, lock.clone()).unwrap();
    let missing = writer.add_file(Part::Data, "x", &folder.path().join("none"), 3);
    assert!(matches!(missing, Err(BackupError::Io { path, .. }) if path.ends_with("none")));
    fs::write(folder.path().join("short"), b"12").unwrap();
    let moving = writer.add_file(Part::Data, "x", &folder.path().join("short"), 3);
    assert!(matches!(moving, Err(BackupError::Moving { want: 3, got: 2, .. })), "{moving:?}");
    assert!(writer.add_bytes(Part::Data, "../x", b"").is_err());
    drop(writer);
    let names: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    fs::write(&archive, b"precious").unwrap();
    assert!(matches!(Archive::create(&archive, lock), Err(BackupError::Exists { .. })));
}

#[test]
fn a_folder_is_replaced_as_a_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("centre");
    fs::create_dir(&target).unwrap();
    fs::write(target.join("old"), b"old").unwrap();
    assert!(matches!(Staging::beside(&target, false), Err(BackupError::NotEmpty { .. })));
    let staging = Staging::beside(&target, true).unwrap();
    fs::write(staging.folder().join("half"), b"").unwrap();
    let beside = staging.folder().to_owned();
    drop(staging);
    assert!(!beside.exists() && target.join("old").exists());
    let staging = Staging::beside(&target, true).unwrap();
    fs::write(staging.folder().join("new"), b"new").unwrap();
    let kept = staging.put_in_place().unwrap().unwrap();
    assert_eq!(fs::read(target.join("new")).unwrap(), b"new");
    assert_eq!(fs::read(kept.join("old")).unwrap(), b"old");
    assert!(!beside.exists());
}

/// An archive by somebody who has the recipient and means harm: the names in it stay inside the folder.
#[test]
fn a_member_cannot_leave_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (key, _) = key_pair(folder.path());
    let text = fs::read_to_string(folder.path().join("key.txt")).unwrap();
    let recipient: age::x25519::Recipient = text.split_whitespace().nth(3).unwrap().parse().unwrap();
    let forge = |name: &str, kind: tar::EntryType| {
        let mut header = tar::Header::new_gnu();
        header.set_size(0);
        header.set_entry_type(kind);
        let field = &mut header.as_old_mut().name;
        field[..name.len()].copy_from_slice(name.as_bytes());
        if kind == tar::EntryType::Symlink {
            header.set_link_name("/etc").unwrap();
        }
        header.set_cksum();
        let mut tar = tar::Builder::new(Vec::new());
        tar.append(&header, std::io::empty()).unwrap();
        let packed = zstd::encode_all(tar.into_inner().unwrap().as_slice(), 1).unwrap();
        let path = folder.path().join("forged");
        fs::write(&path, age::encrypt(&recipient, &packed).unwrap()).unwrap();
        path
    };
    use tar::EntryType::{Directory, Link, Regular, Symlink};
    let cases = [
        ("../up", Regular),
        ("/abs", Regular),
        ("a/../../b", Regular),
        ("l", Symlink),
        ("h", Link),
        ("d", Directory),
    ];
    for (name, kind) in cases {
        let found = unpack(&forge(name, kind), &key, &folder.path().join("into"), true);
        assert!(matches!(found, Err(BackupError::Damaged { .. })), "{name}: {found:?}");
    }
    assert!(!folder.path().join("up").exists() && !folder.path().join("b").exists());
}
