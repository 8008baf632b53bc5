//! How sure the centre is that a caller is who he says, and since when.

use std::time::Duration;
use timebase::Mono;

/// What was shown besides the secret that a session began with.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Factor {
    /// A one-time password that follows the time (RFC 6238).
    Totp,
    /// A passkey (WebAuthn) whose device has verified its user.
    Passkey,
}

impl Factor {
    /// The name in the API and in the audit.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Totp => "totp",
            Self::Passkey => "passkey",
        }
    }
}

/// The latest second factor of a session. Copied into an order, it lets the command gate ask for a fresh one (S-06).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Assurance(Option<(Factor, Mono)>);

impl Assurance {
    /// No second factor was shown, as for applications and bearer tokens.
    pub const NONE: Self = Self(None);

    /// A second factor that was shown at an instant.
    pub const fn shown(factor: Factor, at: Mono) -> Self {
        Self(Some((factor, at)))
    }

    /// The factor and when it was shown.
    pub const fn latest(&self) -> Option<(Factor, Mono)> {
        self.0
    }

    /// Whether a second factor was shown at most `within` before `now`. One that lies ahead of `now` does not count.
    pub fn is_fresh(&self, now: Mono, within: Duration) -> bool {
        self.0.is_some_and(|(_, at)| at <= now && now.since(at) <= within)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn freshness_ends_and_never_lies_ahead() {
        let at = |seconds| Mono::ZERO + Duration::from_secs(seconds);
        let within = Duration::from_secs(300);
        let shown = Assurance::shown(Factor::Totp, at(100));
        for (now, wanted) in [(99, false), (100, true), (400, true), (401, false)] {
            assert_eq!(shown.is_fresh(at(now), within), wanted, "{now}");
        }
        assert!(!Assurance::NONE.is_fresh(at(0), within));
        assert_eq!(Assurance::default(), Assurance::NONE);
    }
}
