//! `tieline user` and `tieline token`: who may sign in to a centre that is not running, on the machine that holds its data.
//!
//! Secrets are printed once or read from the terminal; they are never arguments, which every process of the machine may read.

use crate::admin::{Data, with_store};
use anyhow::{Context as _, Result, bail, ensure};
use clap::{Args, Subcommand};
use security::{Areas, Password, Principal, PrincipalKind, Role};
use server::NewToken;
use std::collections::BTreeSet;
use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::time::Duration;
use store::{Store, UserRecord};
use timebase::Utc;
use transport::Clock;
use zeroize::Zeroizing;

const DAY: Duration = Duration::from_secs(86_400);

/// Arguments of `tieline user`.
#[derive(Args)]
pub(crate) struct UserArgs {
    #[command(subcommand)]
    action: UserAction,
}

#[derive(Subcommand)]
enum UserAction {
    /// Create a user, or replace roles and areas of one.
    Add {
        #[command(flatten)]
        account: Account,
        #[command(flatten)]
        data: Data,
    },
    /// Replace roles and areas of a user.
    Set {
        #[command(flatten)]
        account: Account,
        #[command(flatten)]
        data: Data,
    },
    /// List the users.
    List {
        #[command(flatten)]
        data: Data,
    },
    /// Let a user sign in again.
    Enable {
        /// The user.
        name: String,
        #[command(flatten)]
        data: Data,
    },
    /// Let a user sign in no more, and end the sessions.
    Disable {
        /// The user.
        name: String,
        #[command(flatten)]
        data: Data,
    },
    /// Take password, authenticator, passkeys, tokens and sessions away; prints a one-time secret, good for a day.
    Reset {
        /// The user.
        name: String,
        #[command(flatten)]
        data: Data,
    },
    /// Set the password of a user; it is read from the terminal or from stdin.
    Password {
        /// The user.
        name: String,
        #[command(flatten)]
        data: Data,
    },
    /// Seal an account for emergencies; prints one secret for each of two custodians, who open it together.
    Seal {
        /// The user.
        name: String,
        #[command(flatten)]
        data: Data,
    },
    /// Take the authenticators of all users away, after their key was lost.
    ForgetFactors {
        #[command(flatten)]
        data: Data,
    },
}

#[derive(Args)]
struct Account {
    /// Name.
    name: String,
    /// Role after IEC 62351-8: VIEWER OPERATOR ENGINEER INSTALLER SECADM SECAUD RBACMNT, or a custom role; may be repeated.
    #[arg(long = "role", required = true)]
    roles: Vec<String>,
    /// Area of responsibility: a named area, a substation's name, or * for all; may be repeated.
    #[arg(long = "area", default_value = "*")]
    areas: Vec<String>,
    /// A program with tokens instead of a person.
    #[arg(long)]
    service: bool,
}

/// Arguments of `tieline token`.
#[derive(Args)]
pub(crate) struct TokenArgs {
    #[command(subcommand)]
    action: TokenAction,
}

#[derive(Subcommand)]
enum TokenAction {
    /// Create a token for a user and print it once.
    Create {
        /// The user.
        user: String,
        /// Good for one sign-in to the page; otherwise a bearer token for scripts.
        #[arg(long)]
        one_time: bool,
        /// Days until it is void.
        #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=i64::from(server::MAX_TOKEN_DAYS)))]
        days: u32,
        /// What it is for.
        #[arg(long, default_value = "made on the console")]
        label: String,
        /// Right that it gives at most, e.g. view; may be repeated. Without it all of its user.
        #[arg(long = "right")]
        rights: Vec<String>,
        /// Area that it reaches at most; may be repeated. Without it all of its user.
        #[arg(long = "area")]
        areas: Vec<String>,
        #[command(flatten)]
        data: Data,
    },
    /// List the tokens, without their secrets.
    List {
        #[command(flatten)]
        data: Data,
    },
    /// Revoke a token.
    Revoke {
        /// Its number in the list.
        id: String,
        #[command(flatten)]
        data: Data,
    },
}

/// Runs `tieline user`.
pub(crate) fn user(args: UserArgs) -> Result<ExitCode> {
    let now = Clock::new().now().utc;
    match args.action {
        UserAction::Add { account, data } => with_store(&data.data, |store| put(store, account, now))?,
        UserAction::Set { account, data } => with_store(&data.data, |store| {
            ensure!(
                store.user(&account.name)?.is_some(),
                "no user {:?} (hint: tieline user add)",
                account.name
            );
            put(store, account, now)
        })?,
        UserAction::List { data } => with_store(&data.data, |store| list(store, now))?,
        UserAction::Enable { name, data } => {
            with_store(&data.data, |store| server::enable_user(store, &name, true, now))?;
        }
        UserAction::Disable { name, data } => {
            with_store(&data.data, |store| server::enable_user(store, &name, false, now))?;
        }
        UserAction::Reset { name, data } => {
            println!("{}", with_store(&data.data, |store| server::reset_user(store, &name, DAY, now))?);
        }
        UserAction::Password { name, data } => {
            with_store(&data.data, |store| server::set_password(store, &name, &typed_password(&name)?, now))?
        }
        UserAction::Seal { name, data } => {
            let [first, second] = with_store(&data.data, |store| server::seal_user(store, &name, now))?;
            println!("{first}\n{second}");
            eprintln!(
                "one secret for each custodian; both together open {name} once: the page, “Break glass”"
            );
        }
        UserAction::ForgetFactors { data } => {
            let count = with_store(&data.data, |store| server::forget_factors(store, now))?;
            eprintln!("{count} users set up their authenticators anew");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn put(store: &Store, account: Account, now: Utc) -> Result<()> {
    let Account { name, roles, areas, service } = account;
    let catalogue = store.catalogue()?;
    let (mut built_in, mut custom) = (BTreeSet::new(), BTreeSet::new());
    for text in roles {
        match Role::named(&text) {
            Some(role) => drop(built_in.insert(role)),
            None if catalogue.roles.contains_key(&text) => drop(custom.insert(text)),
            None => {
                let seven = Role::ALL.iter().map(|(_, known)| (*known).to_owned());
                let known = seven.chain(catalogue.roles.into_keys()).collect::<Vec<_>>().join(" ");
                bail!("no role {text:?} (hint: one of {known})");
            }
        }
    }
    let kind = if service { PrincipalKind::Service } else { PrincipalKind::Human };
    let mut principal = Principal::new(name.clone(), kind, built_in, Areas::from_names(&areas));
    principal.custom_roles = custom;
    server::put_user(store, principal, now)?;
    let next = if service { "tieline token create" } else { "tieline user reset" };
    eprintln!("user {name} is set; to sign in: {next} {name} --data …");
    Ok(())
}

fn list(store: &Store, now: Utc) -> Result<()> {
    let credentials = store.credentials()?;
    for user in store.users()? {
        let UserRecord { principal, disabled, sealed, .. } = &user;
        let state = match (disabled, sealed, user.is_active(now)) {
            (true, ..) => "disabled",
            (false, true, _) => "sealed",
            (false, false, true) => "enabled",
            (false, false, false) => "outside its time",
        };
        let own = credentials.iter().find(|credential| credential.user == principal.name);
        let factors = match own.map(|own| (own.password.is_some(), own.totp.is_some())) {
            Some((true, true)) => "password and authenticator",
            Some((true, false)) => "password",
            Some((false, true)) => "authenticator",
            Some((false, false)) | None => "not enrolled",
        };
        let (roles, areas) = (principal.role_names().join(","), principal.areas.to_names().join(","));
        println!("{}\t{roles}\t{areas}\t{state}\t{}\t{factors}", principal.name, principal.kind.name());
    }
    Ok(())
}

/// A password from the terminal, where it is not shown, or the first line of stdin.
fn typed_password(name: &str) -> Result<Password> {
    if !std::io::stdin().is_terminal() {
        let mut line = Zeroizing::new(String::new());
        std::io::stdin().read_line(&mut line).context("read the password from stdin")?;
        return Ok(Password::new(line.trim_end_matches(['\r', '\n'])));
    }
    let first = hidden(&format!("New password of {name}: "))?;
    let second = hidden("Once more: ")?;
    ensure!(*first == *second, "these are two different passwords");
    Ok(Password::new(first.as_str()))
}

/// A line that is typed and not shown.
fn hidden(prompt: &str) -> Result<Zeroizing<String>> {
    eprint!("{prompt}");
    let stdin = std::io::stdin();
    let before = rustix::termios::tcgetattr(&stdin).context("the terminal does not answer")?;
    let mut silent = before.clone();
    silent.local_modes.remove(rustix::termios::LocalModes::ECHO);
    rustix::termios::tcsetattr(&stdin, rustix::termios::OptionalActions::Flush, &silent)?;
    let mut line = Zeroizing::new(String::new());
    let read = stdin.read_line(&mut line);
    rustix::termios::tcsetattr(&stdin, rustix::termios::OptionalActions::Flush, &before)?;
    eprintln!();
    read.context("read the password")?;
    Ok(Zeroizing::new(line.trim_end_matches(['\r', '\n']).to_owned()))
}

/// Runs `tieline token`.
pub(crate) fn token(args: TokenArgs) -> Result<ExitCode> {
    let now = Clock::new().now().utc;
    match args.action {
        TokenAction::Create { user, one_time, days, label, rights, areas, data } => {
            let some = |names: Vec<String>| (!names.is_empty()).then_some(names);
            let life = Some(DAY * days);
            let wanted = NewToken { one_time, life, label, rights: some(rights), areas: some(areas) };
            println!("{}", with_store(&data.data, |store| server::create_token(store, &user, now, wanted))?);
        }
        TokenAction::List { data } => with_store(&data.data, list_tokens)?,
        TokenAction::Revoke { id, data } => {
            with_store(&data.data, |store| server::revoke_token(store, &id, now))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list_tokens(store: &Store) -> Result<()> {
    for token in store.tokens()? {
        let time = |time: Option<Utc>| time.map_or("-".to_owned(), |time| time.to_string());
        let names =
            |names: &Option<Vec<String>>| names.as_ref().map_or("all".to_owned(), |names| names.join(","));
        let kind = if token.one_time { "one-time" } else { "bearer" };
        println!(
            "{}\t{}\t{kind}\t{}\t{}\t{}\t{}\t{}",
            server::token_id(&token.hash),
            token.user,
            names(&token.rights),
            names(&token.areas),
            time(token.expires),
            time(token.last_used),
            token.label
        );
    }
    Ok(())
}
