//! A small certificate authority in a folder (S-10): enough for a centre, its gateways and links, and its services.
//!
//! ```text
//! authority-1.pem  authority-1.key   the first root; another one follows it with --roll-over
//! ca.pem                             all roots that are trusted at present: give this to everybody
//! crl.pem                            one revocation list per root: give this to everybody
//! index.tsv                          what was issued
//! ```
//!
//! Keys are P-256 and readable for their owner only. A folder is used by one process at a time.

use super::files::{write, write_secret};
use anyhow::{Context as _, Result, bail, ensure};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertificateSigningRequestParams,
    DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevocationReason, RevokedCertParams, SerialNumber, date_time_ymd,
};
use security::{from_hex, to_hex};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use timebase::Utc;
use zeroize::Zeroizing;

const DAY: Duration = Duration::from_secs(86_400);
/// A certificate is good a little before it is made: clocks differ.
const EARLIER: Duration = Duration::from_secs(3_600);
/// Longest life of a certificate, in days.
const MAX_DAYS: u32 = 7_300;
/// How long a revocation list counts; it is written anew well before.
pub const CRL_DAYS: u32 = 30;

/// The time in the type of the crate that writes certificates.
macro_rules! as_date_time {
    ($at:expr) => {
        date_time_ymd(1970, 1, 1)
            + Duration::from_secs(u64::try_from($at.as_micros() / 1_000_000).unwrap_or(0))
    };
}

/// What a certificate is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Usage {
    /// To be connected to.
    Server,
    /// To connect.
    Client,
    /// Both, as a gateway or a centre does.
    Both,
}

impl Usage {
    /// Every usage with its name.
    pub const ALL: [(Self, &'static str); 3] =
        [(Self::Server, "server"), (Self::Client, "client"), (Self::Both, "both")];

    /// The usage of that name.
    pub fn named(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, name)| *name == text).map(|(usage, _)| *usage)
    }

    fn purposes(self) -> Vec<ExtendedKeyUsagePurpose> {
        let (server, client) = (ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth);
        match self {
            Self::Server => vec![server],
            Self::Client => vec![client],
            Self::Both => vec![server, client],
        }
    }
}

/// Why a certificate is revoked: the reasons of RFC 5280, 5.3.1, that concern certificates like ours.
const REASONS: [(RevocationReason, &str); 6] = [
    (RevocationReason::Unspecified, "unspecified"),
    (RevocationReason::KeyCompromise, "key_compromise"),
    (RevocationReason::AffiliationChanged, "affiliation_changed"),
    (RevocationReason::Superseded, "superseded"),
    (RevocationReason::CessationOfOperation, "cessation_of_operation"),
    (RevocationReason::PrivilegeWithdrawn, "privilege_withdrawn"),
];

/// Names of the reasons.
pub fn reasons() -> impl Iterator<Item = &'static str> {
    REASONS.iter().map(|(_, name)| *name)
}

/// A line of the index.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Issued {
    /// Number, hexadecimal.
    pub serial: String,
    /// Which root signed it.
    pub authority: u32,
    /// Whom it names.
    pub name: String,
    /// Good until.
    pub until: Utc,
    /// When and why it was revoked.
    pub revoked: Option<(Utc, String)>,
}

/// What is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wish {
    /// Name of whom it is for: common name and first DNS name.
    pub name: String,
    /// Further DNS names and addresses.
    pub names: Vec<String>,
    /// What for.
    pub usage: Usage,
    /// For how long.
    pub days: u32,
}

impl Wish {
    /// Whether such a certificate can be.
    ///
    /// # Errors
    /// A name that is none, a wildcard, or too long a life.
    pub fn check(&self) -> Result<()> {
        leaf(self, Utc::from_micros(0)).map(drop)
    }
}

/// A certificate, PEM, with its private key unless the asker has it.
pub struct Made {
    /// Certificate.
    pub certificate: String,
    /// Private key.
    pub key: Option<Zeroizing<String>>,
    /// Number.
    pub serial: String,
}

/// An authority's folder.
#[derive(Clone, Debug)]
pub struct Authority {
    folder: PathBuf,
}

impl Authority {
    /// Makes the folder with its first root, or another root beside those that are there.
    ///
    /// # Errors
    /// There is one already and no roll-over was asked for; those of files.
    pub fn create(folder: &Path, name: &str, days: u32, roll_over: bool, now: Utc) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
        let authority = Self { folder: folder.to_owned() };
        let last = authority.numbers()?.into_iter().max().unwrap_or(0);
        if last > 0 && !roll_over {
            bail!(
                "{}: there is an authority already (hint: --roll-over adds its successor)",
                folder.display()
            );
        }
        let number = last + 1;
        let key = KeyPair::generate()?;
        let mut params = dated(CertificateParams::new(Vec::new())?, now, days)?;
        params.distinguished_name = named(&format!("{name} {number}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key)?;
        write_secret(&authority.key_file(number), &Zeroizing::new(key.serialize_pem()))?;
        write(&authority.certificate_file(number), &certificate.pem())?;
        authority.publish(now)?;
        Ok(authority)
    }

    /// The authority of a folder.
    ///
    /// # Errors
    /// There is none.
    pub fn open(folder: &Path) -> Result<Self> {
        let authority = Self { folder: folder.to_owned() };
        if authority.numbers()?.is_empty() {
            bail!("{}: there is no authority (hint: tieline cert ca --dir)", folder.display());
        }
        Ok(authority)
    }

    /// Takes a root out of `ca.pem`: what it has signed is trusted no more.
    ///
    /// # Errors
    /// It is the only one; those of files.
    pub fn retire(&self, number: u32, now: Utc) -> Result<()> {
        let numbers = self.numbers()?;
        ensure!(numbers.contains(&number), "there is no root {number}");
        ensure!(numbers.len() > 1, "root {number} is the only one (hint: --roll-over first)");
        let gone = self.folder.join(format!("retired-{number}.pem"));
        fs::rename(self.certificate_file(number), gone)?;
        fs::remove_file(self.key_file(number))?;
        self.publish(now)
    }

    /// Issues a certificate with a new key.
    ///
    /// # Errors
    /// A name that is none; those of files.
    pub fn issue(&self, wish: &Wish, now: Utc) -> Result<Made> {
        let key = KeyPair::generate()?;
        let (params, serial) = leaf(wish, now)?;
        let (number, issuer) = self.issuer()?;
        let certificate = params.signed_by(&key, &issuer)?.pem();
        self.note(&serial, number, wish, now)?;
        Ok(Made { certificate, key: Some(Zeroizing::new(key.serialize_pem())), serial })
    }

    /// Issues a certificate for the key of a request (PKCS #10, PEM). Names and usage are those of the wish: whoever asks does
    /// not decide who they are.
    ///
    /// # Errors
    /// A request that is none or was not signed by its key; those of files.
    pub fn sign(&self, request: &str, wish: &Wish, now: Utc) -> Result<Made> {
        let mut asked = CertificateSigningRequestParams::from_pem(request).context("the request")?;
        let (params, serial) = leaf(wish, now)?;
        asked.params = params;
        let (number, issuer) = self.issuer()?;
        let certificate = asked.signed_by(&issuer)?.pem();
        self.note(&serial, number, wish, now)?;
        Ok(Made { certificate, key: None, serial })
    }

    /// Revokes a certificate by its number and writes the lists anew.
    ///
    /// # Errors
    /// No such certificate, or no such reason; those of files.
    pub fn revoke(&self, serial: &str, reason: &str, now: Utc) -> Result<Issued> {
        if !reasons().any(|known| known == reason) {
            bail!("no reason {reason:?} (hint: one of {})", reasons().collect::<Vec<_>>().join(", "));
        }
        let mut index = self.index()?;
        let wanted = serial.to_ascii_lowercase();
        let found = index.iter_mut().find(|issued| issued.serial == wanted);
        let found = found.with_context(|| format!("no certificate {serial} was issued here"))?;
        if found.revoked.is_none() {
            found.revoked = Some((now, reason.to_owned()));
        }
        let revoked = found.clone();
        self.write_index(&index)?;
        self.publish(now)?;
        Ok(revoked)
    }

    /// All roots that are trusted at present, PEM.
    pub(crate) fn roots(&self) -> Result<String> {
        let path = self.folder.join("ca.pem");
        fs::read_to_string(&path).with_context(|| path.display().to_string())
    }

    /// Whether a certificate of that number was issued here and is not revoked.
    pub(crate) fn has_issued(&self, serial: &str) -> bool {
        let ours = |issued: &Issued| issued.serial == serial && issued.revoked.is_none();
        self.index().is_ok_and(|index| index.iter().any(ours))
    }

    /// What was issued, oldest first.
    ///
    /// # Errors
    /// A damaged index.
    pub fn index(&self) -> Result<Vec<Issued>> {
        let path = self.folder.join("index.tsv");
        let text = if path.exists() { fs::read_to_string(&path)? } else { String::new() };
        let line = |(number, line): (usize, &str)| {
            parse(line).with_context(|| format!("{}:{number}: no line of an index", path.display()))
        };
        (1..).zip(text.lines()).map(line).collect()
    }

    /// Writes `ca.pem` and `crl.pem` anew.
    ///
    /// # Errors
    /// Those of files.
    pub fn publish(&self, now: Utc) -> Result<()> {
        let (mut roots, mut lists) = (String::new(), String::new());
        let index = self.index()?;
        for number in self.numbers()? {
            roots.push_str(&fs::read_to_string(self.certificate_file(number))?);
            let revoked = index.iter().filter(|issued| issued.authority == number);
            lists.push_str(&revocations(&self.issuer_of(number)?, revoked, now)?);
        }
        write(&self.folder.join("ca.pem"), &roots)?;
        write(&self.folder.join("crl.pem"), &lists)
    }

    fn numbers(&self) -> Result<Vec<u32>> {
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.folder).with_context(|| self.folder.display().to_string())? {
            let name = entry?.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix("authority-")?.strip_suffix(".pem"));
            numbers.extend(number.and_then(|number| number.parse::<u32>().ok()));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn certificate_file(&self, number: u32) -> PathBuf {
        self.folder.join(format!("authority-{number}.pem"))
    }

    fn key_file(&self, number: u32) -> PathBuf {
        self.folder.join(format!("authority-{number}.key"))
    }

    /// The newest root signs.
    fn issuer(&self) -> Result<(u32, Issuer<'static, KeyPair>)> {
        let number = self.numbers()?.into_iter().max().context("there is no root")?;
        Ok((number, self.issuer_of(number)?))
    }

    fn issuer_of(&self, number: u32) -> Result<Issuer<'static, KeyPair>> {
        let path = self.key_file(number);
        let key = Zeroizing::new(fs::read_to_string(&path).with_context(|| path.display().to_string())?);
        let certificate = fs::read_to_string(self.certificate_file(number))?;
        Ok(Issuer::from_ca_cert_pem(&certificate, KeyPair::from_pem(&key)?)?)
    }

    fn note(&self, serial: &str, authority: u32, wish: &Wish, now: Utc) -> Result<()> {
        let mut index = self.index()?;
        index.push(Issued {
            serial: serial.to_owned(),
            authority,
            name: wish.name.clone(),
            until: now + DAY * wish.days,
            revoked: None,
        });
        self.write_index(&index)
    }

    fn write_index(&self, index: &[Issued]) -> Result<()> {
        let line = |issued: &Issued| {
            let Issued { serial, authority, name, until, revoked } = issued;
            let (at, why) =
                revoked.as_ref().map_or_else(Default::default, |(at, why)| (at.to_string(), why.clone()));
            format!("{serial}\t{authority}\t{name}\t{until}\t{at}\t{why}\n")
        };
        write(&self.folder.join("index.tsv"), &index.iter().map(line).collect::<String>())
    }
}

/// A request (PKCS #10, PEM) and its new private key.
///
/// # Errors
/// A name that is none.
pub fn make_request(name: &str, names: &[String]) -> Result<(String, Zeroizing<String>)> {
    let key = KeyPair::generate()?;
    let all: Vec<String> = std::iter::once(name.to_owned()).chain(names.iter().cloned()).collect();
    let mut params = CertificateParams::new(all)?;
    params.distinguished_name = named(name);
    let request = params.serialize_request(&key)?.pem()?;
    Ok((request, Zeroizing::new(key.serialize_pem())))
}

fn parse(line: &str) -> Option<Issued> {
    let cells: Vec<&str> = line.split('\t').collect();
    let [serial, authority, name, until, at, why] = cells.as_slice() else { return None };
    Some(Issued {
        serial: (*serial).to_owned(),
        authority: authority.parse().ok()?,
        name: (*name).to_owned(),
        until: Utc::parse_iso_8601(until)?,
        revoked: match *at {
            "" => None,
            at => Some((Utc::parse_iso_8601(at)?, (*why).to_owned())),
        },
    })
}

fn named(name: &str) -> DistinguishedName {
    let mut full = DistinguishedName::new();
    full.push(DnType::CommonName, name);
    full
}

fn dated(mut params: CertificateParams, now: Utc, days: u32) -> Result<CertificateParams> {
    ensure!((1..=MAX_DAYS).contains(&days), "{days} days: 1 to {MAX_DAYS} are possible");
    params.not_before = as_date_time!(now) - EARLIER;
    params.not_after = as_date_time!(now) + DAY * days;
    Ok(params)
}

fn leaf(wish: &Wish, now: Utc) -> Result<(CertificateParams, String)> {
    let mut serial = [0_u8; 16];
    getrandom::fill(&mut serial).map_err(|error| anyhow::anyhow!("no random bytes: {error}"))?;
    // Positive, and never with a leading zero that a reader would leave out: RFC 5280, 4.1.2.2.
    serial[0] = serial[0] & 0x3f | 0x40;
    let ok = |text: &str| !text.is_empty() && text.len() <= 253 && text.chars().all(|c| c.is_ascii_graphic());
    let all: Vec<String> = std::iter::once(&wish.name).chain(&wish.names).cloned().collect();
    if let Some(bad) = all.iter().find(|name| !ok(name) || name.contains('*')) {
        bail!("{bad:?} is no name for a certificate (hint: a DNS name or an address, no wildcard)");
    }
    let mut params = dated(CertificateParams::new(all)?, now, wish.days)?;
    params.distinguished_name = named(&wish.name);
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = wish.usage.purposes();
    Ok((params, to_hex(&serial)))
}

fn revocations<'a>(
    issuer: &Issuer<'static, KeyPair>,
    revoked: impl Iterator<Item = &'a Issued>,
    now: Utc,
) -> Result<String> {
    let reason = |name: &str| REASONS.iter().find(|(_, known)| *known == name).map(|(reason, _)| *reason);
    let line = |issued: &Issued| {
        let (at, why) = issued.revoked.as_ref()?;
        Some(RevokedCertParams {
            serial_number: SerialNumber::from_slice(&from_hex(&issued.serial)?),
            revocation_time: as_date_time!(at),
            reason_code: reason(why),
            invalidity_date: None,
        })
    };
    let number = u64::try_from(now.as_micros()).unwrap_or(1);
    let params = CertificateRevocationListParams {
        this_update: as_date_time!(now) - EARLIER,
        next_update: as_date_time!(now) + DAY * CRL_DAYS,
        crl_number: SerialNumber::from(number),
        issuing_distribution_point: None,
        revoked_certs: revoked.filter_map(line).collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    Ok(params.signed_by(issuer)?.pem()?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::MetadataExt as _;

    fn wish(name: &str) -> Wish {
        Wish { name: name.to_owned(), names: vec!["127.0.0.1".to_owned()], usage: Usage::Both, days: 30 }
    }

    #[test]
    fn an_authority_issues_revokes_and_is_followed_by_another() {
        let folder = tempfile::tempdir().unwrap();
        let now = Utc::from_micros(1_790_000_000_000_000);
        let pki = Authority::create(folder.path(), "Test", 3_650, false, now).unwrap();
        assert!(Authority::create(folder.path(), "Test", 1, false, now).is_err());
        let key = fs::metadata(folder.path().join("authority-1.key")).unwrap();
        assert_eq!(key.mode() & 0o777, 0o600);
        let made = pki.issue(&wish("north"), now).unwrap();
        assert_eq!(pki.index().unwrap()[0].serial, made.serial);
        assert!(pki.issue(&wish("*.example"), now).is_err(), "a wildcard");
        assert!(pki.issue(&wish("a\tb"), now).is_err(), "no name");
        assert!(pki.revoke(&made.serial, "boredom", now).is_err());
        assert!(pki.revoke("00", "superseded", now).is_err());
        pki.revoke(&made.serial, "superseded", now).unwrap();
        Authority::create(folder.path(), "Test", 3_650, true, now).unwrap();
        let count =
            |file: &str| fs::read_to_string(folder.path().join(file)).unwrap().matches("-----BEGIN").count();
        assert_eq!((count("ca.pem"), count("crl.pem")), (2, 2), "both roots are trusted");
        pki.issue(&wish("south"), now).unwrap();
        assert_eq!(pki.index().unwrap()[1].authority, 2);
        pki.retire(1, now).unwrap();
        assert_eq!((count("ca.pem"), count("crl.pem")), (1, 1));
        assert!(pki.retire(2, now).is_err(), "the last one");
    }

    #[test]
    fn a_request_gets_the_names_that_were_decided() {
        let folder = tempfile::tempdir().unwrap();
        let now = Utc::from_micros(1_790_000_000_000_000);
        let pki = Authority::create(folder.path(), "Test", 3_650, false, now).unwrap();
        let key = KeyPair::generate().unwrap();
        let asked = CertificateParams::new(vec!["centre".to_owned()]).unwrap();
        let request = asked.serialize_request(&key).unwrap().pem().unwrap();
        let made = pki.sign(&request, &wish("north"), now).unwrap();
        let file = folder.path().join("north.pem");
        fs::write(&file, &made.certificate).unwrap();
        let facts = transport::CertificateFacts::read(&file).unwrap();
        assert_eq!(
            (facts.names.as_slice(), facts.subject.as_str()),
            (&["north".to_owned(), "127.0.0.1".to_owned()][..], "CN=north")
        );
        assert!(pki.sign("not a request", &wish("north"), now).is_err());
    }
}
