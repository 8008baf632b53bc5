//! The list of passwords that have leaked (S-25): SHA-1 of each, as Have I Been Pwned publishes it. Nothing is asked over the
//! network: the list lies on this machine.
//!
//! Either one file of lines `HASH:COUNT` sorted by the hash, searched in O(log size) reads; or a folder with a file `ABCDE`
//! or `ABCDE.txt` of lines `SUFFIX:COUNT` for each five first digits.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use std::fs::File;
use std::io::{BufRead, BufReader, Read as _, Result, Seek as _, SeekFrom};
use std::path::Path;

/// Digits that name a file of the folder.
const PREFIX: usize = 5;
/// Longest line: a hash, a colon, a count, and some room.
const MAX_LINE: u64 = 128;

/// Whether a password stands on the list.
///
/// # Errors
/// The list cannot be read.
pub(crate) fn is_breached(list: &Path, password: &[u8]) -> Result<bool> {
    let hash = super::hex(digest(&SHA1_FOR_LEGACY_USE_ONLY, password).as_ref()).to_uppercase();
    if list.is_dir() { in_folder(list, &hash) } else { in_file(&mut File::open(list)?, &hash) }
}

fn in_folder(folder: &Path, hash: &str) -> Result<bool> {
    let (prefix, suffix) = hash.split_at(PREFIX);
    let names = [folder.join(format!("{prefix}.txt")), folder.join(prefix)];
    let Some(path) = names.iter().find(|path| path.exists()) else { return Ok(false) };
    for line in BufReader::new(File::open(path)?).lines() {
        if hash_of(&line?).eq_ignore_ascii_case(suffix) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Bisects by octets; each probe reads the line that begins next.
fn in_file(file: &mut File, wanted: &str) -> Result<bool> {
    let (mut low, mut high) = (0, file.metadata()?.len());
    while low < high {
        let middle = low + (high - low) / 2;
        let (line, begin) = line_from(file, middle)?;
        match hash_of(&line).to_uppercase().as_str() {
            "" => high = middle,
            found if found == wanted => return Ok(true),
            found if found < wanted => low = begin + u64::try_from(line.len()).unwrap_or(u64::MAX),
            _ => high = middle,
        }
    }
    Ok(false)
}

/// The first line that begins at or after an offset, and where it begins.
fn line_from(file: &mut File, at: u64) -> Result<(String, u64)> {
    let mut begin = at;
    file.seek(SeekFrom::Start(at.saturating_sub(1)))?;
    let mut reader = BufReader::new(file.take(2 * MAX_LINE));
    if at > 0 {
        let mut rest = Vec::new();
        let skipped = reader.read_until(b'\n', &mut rest)?;
        begin = at - 1 + u64::try_from(skipped).unwrap_or(0);
    }
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line)?;
    Ok((String::from_utf8_lossy(&line).into_owned(), begin))
}

fn hash_of(line: &str) -> &str {
    line.split(':').next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// `printf password | sha1sum` and so on (GNU coreutils).
    const KNOWN: [(&str, &str); 3] = [
        ("password", "5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8"),
        ("123456", "7C4A8D09CA3762AF61E59520943DC26494F8941B"),
        ("letmein", "B7A875FC1EA228B9061041B7CEC4BD3C52AB3CE3"),
    ];

    fn check(list: &Path) {
        for (password, _) in KNOWN {
            assert!(is_breached(list, password.as_bytes()).unwrap(), "{password}");
        }
        for other in ["", "correct horse battery", "Password", "1234567"] {
            assert!(!is_breached(list, other.as_bytes()).unwrap(), "{other}");
        }
    }

    #[test]
    fn every_line_of_a_sorted_file_is_found_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list");
        for filler in [0_u32, 1, 2, 500] {
            let mut lines: Vec<String> = KNOWN.iter().map(|(_, hash)| format!("{hash}:3")).collect();
            let made = (0..filler).map(|n| format!("{n:08X}{n:032X}:{n}").replacen('0', "9", 1));
            lines.extend(made);
            lines.sort();
            std::fs::write(&path, lines.join("\r\n")).unwrap();
            check(&path);
            std::fs::write(&path, lines.join("\n") + "\n").unwrap();
            check(&path);
        }
    }

    #[test]
    fn a_folder_of_ranges_is_searched() {
        let folder = tempfile::tempdir().unwrap();
        for (_, hash) in KNOWN {
            let (prefix, suffix) = hash.split_at(PREFIX);
            std::fs::write(
                folder.path().join(format!("{prefix}.txt")),
                format!("{}:1\r\n{suffix}:9\r\n", "0".repeat(35)),
            )
            .unwrap();
        }
        check(folder.path());
    }

    #[test]
    fn a_list_that_cannot_be_read_is_an_error_and_an_empty_one_holds_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert!(is_breached(&folder.path().join("none"), b"x").is_err());
        std::fs::write(folder.path().join("empty"), "").unwrap();
        assert!(!is_breached(&folder.path().join("empty"), b"x").unwrap());
    }
}
