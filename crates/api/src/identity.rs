//! Accounts, sessions, tokens, roles and areas.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zeroize::Zeroizing;

/// What somebody signs in with: a one-time token, or name and password, with the code of the authenticator if there is one.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    /// One-time token.
    #[schema(value_type = Option<String>)]
    pub token: Option<Zeroizing<String>>,
    /// Name of the user.
    pub user: Option<String>,
    /// Password.
    #[schema(value_type = Option<String>)]
    pub password: Option<Zeroizing<String>>,
    /// Code of the authenticator, or a recovery code.
    pub code: Option<String>,
}

/// Secrets of both custodians of a sealed account.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BreakGlass {
    /// Secret of one custodian.
    #[schema(value_type = String)]
    pub first: Zeroizing<String>,
    /// Secret of the other one.
    #[schema(value_type = String)]
    pub second: Zeroizing<String>,
    /// Why; never empty.
    pub reason: String,
}

/// A change of one's own password.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPassword {
    /// The present one, where there is one.
    #[schema(value_type = Option<String>)]
    pub present: Option<Zeroizing<String>>,
    /// The new one: at least 12 characters.
    #[schema(value_type = String)]
    pub new: Zeroizing<String>,
}

/// A code of the authenticator.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Code {
    /// Six digits, or a recovery code.
    pub code: String,
}

/// What an authenticator needs to know; told once.
#[derive(Serialize, ToSchema)]
pub struct AuthenticatorView {
    /// The secret in base 32, to be typed.
    #[schema(value_type = String)]
    pub secret: Zeroizing<String>,
    /// The same as an address.
    #[schema(value_type = String)]
    pub uri: Zeroizing<String>,
    /// The address as a QR code: rows of `1` for dark and `0` for light modules.
    pub qr: Vec<String>,
}

/// Codes that replace the authenticator, each once; told once.
#[derive(Serialize, ToSchema)]
pub struct RecoveryCodes {
    /// The codes.
    pub codes: Vec<String>,
}

/// What a person has set up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct EnrolledView {
    /// A password.
    pub password: bool,
    /// An authenticator.
    pub totp: bool,
    /// Recovery codes that are left.
    pub recovery_codes: usize,
    /// Passkeys.
    pub passkeys: usize,
}

/// Whose passkey it is to be.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasskeyUser {
    /// Name of the user.
    pub user: String,
}

/// What a device is asked.
#[derive(Clone, Serialize, ToSchema)]
pub struct PasskeyChallenge {
    /// Names the exchange.
    pub id: String,
    /// Options of WebAuthn as JSON, in `publicKey`.
    #[schema(value_type = Object)]
    pub options: serde_json::Value,
}

/// What a device answered.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasskeyAnswer {
    /// Names the exchange.
    pub id: String,
    /// `toJSON()` of the browser's credential.
    #[schema(value_type = Object)]
    pub credential: serde_json::Value,
}

/// A new passkey.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisteredPasskey {
    /// Names the exchange.
    pub id: String,
    /// What its owner calls it; never empty.
    pub name: String,
    /// `toJSON()` of the browser's credential.
    #[schema(value_type = Object)]
    pub credential: serde_json::Value,
}

/// A passkey.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct PasskeyView {
    /// Identity.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// When it was registered.
    pub created_at: String,
    /// Last use.
    pub last_used_at: Option<String>,
}

/// Passkeys.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct PasskeysView {
    /// The passkeys.
    pub passkeys: Vec<PasskeyView>,
}

/// A living session.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct LivingSessionView {
    /// How it is called in the audit.
    pub id: String,
    /// Whose.
    pub user: String,
    /// Address that it was begun from.
    pub source: String,
    /// What it was begun with: `token`, `password`, `totp`, `passkey`, `break-glass`.
    pub began: String,
    /// When it began.
    pub created_at: String,
    /// When it ends at the latest.
    pub expires_at: String,
    /// Last use, to the minute.
    pub last_used_at: String,
    /// Who froze it, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frozen: Option<String>,
    /// Whether it is the one that asks.
    pub own: bool,
}

/// Living sessions.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct LivingSessionsView {
    /// The sessions.
    pub sessions: Vec<LivingSessionView>,
}

/// Why something is done.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// For the audit; never empty.
    pub reason: String,
}

/// An account as it is to be.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountRequest {
    /// `human` or `service`.
    pub kind: String,
    /// Names of roles.
    pub roles: Vec<String>,
    /// Areas, substations, or `*`.
    pub areas: Vec<String>,
    /// May not sign in.
    #[serde(default)]
    pub disabled: bool,
    /// Not before.
    pub valid_from: Option<String>,
    /// Not from then on.
    pub valid_until: Option<String>,
    /// For the audit; never empty.
    pub reason: String,
}

/// An account.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct UserView {
    /// Name.
    pub name: String,
    /// `human`, `service` or `application`.
    pub kind: String,
    /// Names of roles.
    pub roles: Vec<String>,
    /// Areas, substations, or `*`.
    pub areas: Vec<String>,
    /// What the roles allow.
    pub rights: Vec<String>,
    /// May not sign in.
    pub disabled: bool,
    /// Not before.
    pub valid_from: Option<String>,
    /// Not from then on.
    pub valid_until: Option<String>,
    /// When it was made.
    pub created_at: String,
    /// What the person has set up.
    pub enrolled: EnrolledView,
    /// Opened by two custodians only.
    pub sealed: bool,
    /// Living sessions.
    pub sessions: usize,
}

/// Accounts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct UsersView {
    /// The accounts.
    pub users: Vec<UserView>,
}

/// What became of a deed of an administrator.
#[derive(Clone, Serialize, ToSchema)]
pub struct DeedView {
    /// Whether it is done; otherwise it waits for a second administrator.
    pub done: bool,
    /// One-time secret of a new or reset account, good for a day; told once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// What waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits: Option<UserRequestView>,
}

/// A deed that waits for a second administrator.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct UserRequestView {
    /// Its number.
    pub id: u64,
    /// What is to be done.
    pub action: String,
    /// To whom.
    pub target: String,
    /// What the account is to be, for people.
    pub wanted: String,
    /// Who asked.
    pub by: String,
    /// When.
    pub at: String,
    /// When it cannot be approved any more.
    pub expires_at: String,
    /// Why.
    pub reason: String,
}

/// Deeds that wait.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct UserRequestsView {
    /// The deeds, oldest first.
    pub requests: Vec<UserRequestView>,
}

/// Rights of a role.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoleRequest {
    /// Names of rights.
    pub rights: Vec<String>,
}

/// A role.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct RoleView {
    /// Name.
    pub name: String,
    /// What it allows.
    pub rights: Vec<String>,
    /// One of IEC 62351-8, which cannot be changed.
    pub built_in: bool,
    /// Who changed it last.
    pub by: Option<String>,
    /// When.
    pub changed_at: Option<String>,
}

/// Roles.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct RolesView {
    /// The roles, those of IEC 62351-8 first.
    pub roles: Vec<RoleView>,
    /// Every right that there is.
    pub rights: Vec<String>,
}

/// Substations of an area.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AreaRequest {
    /// Names of substations.
    pub substations: Vec<String>,
}

/// A named area of responsibility.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct AreaView {
    /// Name.
    pub name: String,
    /// Names of substations.
    pub substations: Vec<String>,
    /// Who changed it last.
    pub by: String,
    /// When.
    pub changed_at: String,
}

/// Named areas.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct AreasView {
    /// The areas.
    pub areas: Vec<AreaView>,
}

/// A token for scripts that is wanted.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenRequest {
    /// Whose: a service, for administrators; without it one's own.
    pub user: Option<String>,
    /// What it is for; never empty.
    pub label: String,
    /// Rights that it gives at most; without it all of its user.
    pub rights: Option<Vec<String>>,
    /// Areas that it reaches at most; without it all of its user.
    pub areas: Option<Vec<String>>,
    /// Days that it is good, 1 to 366.
    pub days: u32,
}

/// A token for scripts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct TokenView {
    /// How it is called in the audit.
    pub id: String,
    /// Whose.
    pub user: String,
    /// What it is for.
    pub label: String,
    /// Rights that it gives at most.
    pub rights: Option<Vec<String>>,
    /// Areas that it reaches at most.
    pub areas: Option<Vec<String>>,
    /// When it was made.
    pub created_at: String,
    /// When it ends.
    pub expires_at: Option<String>,
    /// Last use, to the minute.
    pub last_used_at: Option<String>,
}

/// Tokens for scripts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct TokensView {
    /// The tokens.
    pub tokens: Vec<TokenView>,
}

/// A new token.
#[derive(Clone, Serialize, ToSchema)]
pub struct NewTokenView {
    /// The secret; told once.
    pub secret: String,
    /// The token.
    pub token: TokenView,
}

/// The OpenID Connect provider that one may sign in at.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct OidcProvider {
    /// What the page calls it; none when there is none.
    pub name: Option<String>,
}

/// A sign-in at the provider that has begun.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct OidcBegun {
    /// Where the browser goes.
    pub address: String,
}
