//! `tieline cert`: an authority in a folder, and what it issues.

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use server::trust::authority::{Authority, CRL_DAYS, Made, Usage, Wish, make_request};
use server::trust::{write_public, write_secret};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use timebase::Utc;
use transport::{CertificateFacts, Clock};

/// Arguments of `tieline cert`.
#[derive(Args)]
pub(crate) struct CertArgs {
    #[command(subcommand)]
    action: CertAction,
}

/// Where the authority is.
#[derive(Args)]
struct Folder {
    /// Folder of the authority.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
}

#[derive(Subcommand)]
enum CertAction {
    /// Make an authority: give ca.pem and crl.pem of the folder to everybody, and its keys to nobody.
    Ca {
        #[command(flatten)]
        folder: Folder,
        /// Name, for people.
        #[arg(long, default_value = "Tieline authority")]
        name: String,
        /// How long it is good.
        #[arg(long, default_value_t = 3_650)]
        days: u32,
        /// Make the successor of the one that is there; both are trusted until the old one is retired.
        #[arg(long, conflicts_with = "retire")]
        roll_over: bool,
        /// Trust this root no more, by its number.
        #[arg(long, value_name = "NUMBER")]
        retire: Option<u32>,
    },
    /// Issue a certificate.
    Issue {
        /// Name of whom it is for: the gateway's, the service's or the host's.
        name: String,
        #[command(flatten)]
        folder: Folder,
        #[command(flatten)]
        terms: Terms,
        /// Request of somebody who keeps their own key; names and usage are those given here.
        #[arg(long, value_name = "FILE.csr")]
        request: Option<PathBuf>,
        /// Files to write: OUT.pem, and OUT.key without a request.
        #[arg(long, value_name = "OUT")]
        out: PathBuf,
    },
    /// Make a key and a request for its certificate.
    Request {
        /// Name of whom it is for.
        name: String,
        /// Further names.
        #[arg(long = "also", value_name = "NAME")]
        names: Vec<String>,
        /// Files to write: OUT.csr and OUT.key.
        #[arg(long, value_name = "OUT")]
        out: PathBuf,
    },
    /// Replace a certificate and its key by one of the same names, usage and length of life.
    Renew {
        #[command(flatten)]
        folder: Folder,
        /// The certificate.
        certificate: PathBuf,
        /// Its key.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
    /// Revoke a certificate, by its number or its file, and write crl.pem anew.
    Revoke {
        #[command(flatten)]
        folder: Folder,
        /// Number, hexadecimal, or file.
        which: String,
        /// Why: unspecified, key_compromise, affiliation_changed, superseded, cessation_of_operation or privilege_withdrawn.
        #[arg(long, default_value = "unspecified")]
        reason: String,
    },
    /// List what was issued.
    List {
        #[command(flatten)]
        folder: Folder,
    },
    /// Write ca.pem and crl.pem anew; needed before the lists end, after 30 days.
    Crl {
        #[command(flatten)]
        folder: Folder,
    },
    /// Tell what a certificate says.
    Show {
        /// The certificate.
        certificate: PathBuf,
    },
}

/// What a certificate is to say.
#[derive(Args)]
struct Terms {
    /// Further DNS names and addresses; may be repeated.
    #[arg(long = "also", value_name = "NAME")]
    names: Vec<String>,
    /// server, client, or both as gateways need it.
    #[arg(long, default_value = "both", value_parser = usage)]
    usage: Usage,
    /// How long it is good.
    #[arg(long, default_value_t = 365)]
    days: u32,
}

fn usage(text: &str) -> Result<Usage, String> {
    Usage::named(text).ok_or_else(|| format!("no usage {text:?} (hint: server, client or both)"))
}

/// Runs `tieline cert`.
pub(crate) fn command(args: CertArgs) -> Result<ExitCode> {
    let now = Clock::new().now().utc;
    match args.action {
        CertAction::Ca { folder, retire: Some(number), .. } => {
            Authority::open(&folder.dir)?.retire(number, now)?;
            eprintln!("root {number} is retired; ca.pem and crl.pem are written anew");
        }
        CertAction::Ca { folder, name, days, roll_over, retire: None } => {
            Authority::create(&folder.dir, &name, days, roll_over, now)?;
            eprintln!(
                "authority in {}; keep its keys off other machines, and crl.pem no older than {CRL_DAYS} days",
                folder.dir.display()
            );
        }
        CertAction::Issue { name, folder, terms, request, out } => {
            let Terms { names, usage, days } = terms;
            issue(&folder.dir, &Wish { name, names, usage, days }, request.as_deref(), &out, now)?;
        }
        CertAction::Request { name, names, out } => {
            let (request, key) = make_request(&name, &names)?;
            write_secret(&with(&out, "key"), &key)?;
            write_public(&with(&out, "csr"), &request)?;
        }
        CertAction::Renew { folder, certificate, key } => {
            server::trust::renew(&Authority::open(&folder.dir)?, &certificate, &key, now)?;
            show(&certificate)?;
        }
        CertAction::Revoke { folder, which, reason } => revoke(&folder.dir, &which, &reason, now)?,
        CertAction::List { folder } => list(&folder.dir)?,
        CertAction::Crl { folder } => Authority::open(&folder.dir)?.publish(now)?,
        CertAction::Show { certificate } => show(&certificate)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The file beside others of one name; a dot in the name stays.
fn with(out: &Path, extension: &str) -> PathBuf {
    let mut name = out.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    name.into()
}

fn issue(folder: &Path, wish: &Wish, request: Option<&Path>, out: &Path, now: Utc) -> Result<()> {
    let authority = Authority::open(folder)?;
    let Made { certificate, key, serial } = match request {
        None => authority.issue(wish, now)?,
        Some(file) => {
            let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
            authority.sign(&text, wish, now).with_context(|| file.display().to_string())?
        }
    };
    if let Some(key) = key {
        write_secret(&with(out, "key"), &key)?;
    }
    write_public(&with(out, "pem"), &certificate)?;
    println!("{serial}");
    Ok(())
}

fn revoke(folder: &Path, which: &str, reason: &str, now: Utc) -> Result<()> {
    let file = Path::new(which);
    let serial = if file.is_file() { CertificateFacts::read(file)?.serial } else { which.to_owned() };
    let revoked = Authority::open(folder)?.revoke(&serial, reason, now)?;
    println!("{} of {} is revoked", revoked.serial, revoked.name);
    eprintln!("note: give {} to everybody who is connected to", folder.join("crl.pem").display());
    Ok(())
}

fn list(folder: &Path) -> Result<()> {
    for issued in Authority::open(folder)?.index()? {
        let state =
            issued.revoked.map_or_else(|| "good".to_owned(), |(at, why)| format!("revoked {at} {why}"));
        println!("{}\t{}\t{}\t{}\t{state}", issued.serial, issued.name, issued.until, issued.authority);
    }
    Ok(())
}

fn show(file: &Path) -> Result<()> {
    let facts = CertificateFacts::read(file)?;
    println!("subject\t{}\nissuer\t{}\nserial\t{}", facts.subject, facts.issuer, facts.serial);
    println!("names\t{}\nfrom\t{}\nuntil\t{}", facts.names.join(", "), facts.from, facts.until);
    let usage = [(facts.server, "server"), (facts.client, "client")];
    let usage: Vec<&str> = usage.into_iter().filter(|(is, _)| *is).map(|(_, name)| name).collect();
    println!("usage\t{}", usage.join(", "));
    Ok(())
}
