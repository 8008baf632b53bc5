//! One state machine per role. Time is an argument; the driver moves octets, reads the journal and stores what arrives.

pub(crate) mod centre;
pub(crate) mod edge;
mod pace;
mod window;

use crate::codec::FrameError;
use std::fmt;
use std::time::Duration;
use timebase::Mono;

/// A peer of which nothing was heard for this long is gone.
pub(crate) const SILENCE: Duration = Duration::from_secs(10);
/// A hello or a welcome that has not come by then does not come.
const GREETING: Duration = Duration::from_secs(10);
/// Most points and links of one gateway.
const MAX_NAMES: usize = 200_000;

/// Why a session ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SessionError {
    /// Octets that are no frame.
    Frame(FrameError),
    /// A frame that may not come now.
    Unexpected(&'static str),
    /// The peer speaks a version that we do not.
    Version(u16),
    /// Numbers of the record lane are not consecutive.
    Sequence {
        /// The number that had to come.
        expected: u64,
        /// The number that came.
        got: u64,
    },
    /// More entries without a receipt than allowed.
    Credit(u64),
    /// Nothing was heard for too long.
    Silence,
    /// The peer takes nothing.
    Stuck,
    /// The centre wants no connection, in its words.
    Goodbye(String),
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frame(error) => write!(f, "{error}"),
            Self::Unexpected(what) => write!(f, "{what} at a time when it may not come"),
            Self::Version(version) => write!(f, "version {version} of the uplink is not spoken here"),
            Self::Sequence { expected, got } => write!(f, "entry {got} where {expected} was expected"),
            Self::Credit(waiting) => write!(f, "{waiting} entries without a receipt are too many"),
            Self::Silence => write!(f, "nothing was heard for {} s", SILENCE.as_secs()),
            Self::Stuck => f.write_str("the peer takes nothing"),
            Self::Goodbye(why) => write!(f, "the centre refuses: {why}"),
        }
    }
}

impl std::error::Error for SessionError {}

impl From<FrameError> for SessionError {
    fn from(error: FrameError) -> Self {
        Self::Frame(error)
    }
}

/// The monotonic clock as frames carry it.
fn micros(mono: Mono) -> u64 {
    mono.as_nanos() / 1_000
}

/// A sum over what a gateway serves (FNV-1a, 64 bits, of the sorted texts): two lists that differ have different sums with
/// near certainty. It finds mistakes, it keeps nobody out.
pub fn fingerprint<'a>(texts: impl IntoIterator<Item = &'a str>) -> u64 {
    let mut texts: Vec<&str> = texts.into_iter().collect();
    texts.sort_unstable();
    let octets = texts.iter().flat_map(|text| text.bytes().chain([0]));
    octets.fold(0xcbf2_9ce4_8422_2325, |sum, octet| (sum ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::fingerprint;

    #[test]
    fn the_fingerprint_is_fnv_1a_and_knows_no_order() {
        // Offset basis and the sum of a single octet 0, by the authors' page (isthe.com/chongo/tech/comp/fnv).
        assert_eq!(fingerprint([]), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fingerprint([""]), 0xaf63_bd4c_8601_b7df);
        assert_eq!(fingerprint(["b", "a"]), fingerprint(["a", "b"]));
        assert_ne!(fingerprint(["ab"]), fingerprint(["a", "b"]));
    }
}
