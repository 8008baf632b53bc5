//! The present session, and errors.

use crate::EnrolledView;
use serde::Serialize;
use utoipa::ToSchema;

/// What the server is.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct ServerView {
    /// Name of the centre.
    pub name: String,
    /// Version of the program.
    pub version: String,
    /// `demo` or `run`.
    pub mode: String,
    /// When it started.
    pub started_at: String,
}

/// A session.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct SessionView {
    /// Who is signed in.
    pub user: String,
    /// Roles after IEC 62351-8.
    pub roles: Vec<String>,
    /// Areas of responsibility; `*` is all.
    pub areas: Vec<String>,
    /// What the roles allow.
    pub rights: Vec<String>,
    /// When the session ends.
    pub expires_at: String,
    /// The latest second factor that the session has shown, `totp` or `passkey`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub second_factor: Option<String>,
    /// What the person has to set up before anything else is open: `password` or `second-factor`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
    /// Who froze the session, and why: it may look, and change nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frozen: Option<String>,
    /// What the person has set up.
    pub enrolled: EnrolledView,
    /// What the server is.
    pub server: ServerView,
}

/// What went wrong.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct Problem {
    /// Stable code.
    pub code: String,
    /// For people.
    pub message: String,
    /// What to do.
    pub hint: String,
}

/// An error answer.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct ErrorView {
    /// What went wrong.
    pub error: Problem,
}
