//! Octets ↔ frames. Little endian throughout; any octets give a frame or an error.
//!
//! ```text
//! frame = length of what follows (u32, 1..=MAX_FRAME) · kind (u8) · body
//! ```

mod entry;
mod frame;
mod request;

pub use entry::Entry;
pub use frame::{Frame, Hello, Names, Welcome};

use std::fmt;
use wire::{Leftover, Truncated};

/// Version of the protocol that this crate speaks.
pub const VERSION: u16 = 1;
/// Most octets of a frame behind its length.
pub const MAX_FRAME: usize = 64 * 1024;
/// Most entries of a frame.
pub const MAX_ENTRIES: usize = 1_024;
/// Most octets of a name or a text.
pub const MAX_TEXT: usize = 1_024;
/// Octets of the length.
const HEAD: usize = 4;

/// Why octets are no frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FrameError {
    /// Fewer octets than announced.
    Truncated(Truncated),
    /// More octets than the body has.
    Leftover(Leftover),
    /// A length of zero or above [`MAX_FRAME`].
    Length(u32),
    /// A code that is not known: which field, which code.
    Code(&'static str, u8),
    /// More entries than [`MAX_ENTRIES`].
    Entries(usize),
    /// A text that is longer than [`MAX_TEXT`] or no UTF-8.
    Text,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated(error) => write!(f, "{error}"),
            Self::Leftover(error) => write!(f, "{error}"),
            Self::Length(length) => write!(f, "a frame of {length} octets; 1 to {MAX_FRAME} are allowed"),
            Self::Code(field, code) => write!(f, "unknown {field} {code}"),
            Self::Entries(count) => write!(f, "{count} entries in a frame; {MAX_ENTRIES} are allowed"),
            Self::Text => write!(f, "a text is no UTF-8 or longer than {MAX_TEXT} octets"),
        }
    }
}

impl std::error::Error for FrameError {}

impl From<Truncated> for FrameError {
    fn from(error: Truncated) -> Self {
        Self::Truncated(error)
    }
}

impl From<Leftover> for FrameError {
    fn from(error: Leftover) -> Self {
        Self::Leftover(error)
    }
}

/// Puts frames together from the parts in which a stream delivers them. Holds one unfinished frame at most.
#[derive(Debug, Default)]
pub struct Reassembly {
    octets: Vec<u8>,
    at: usize,
}

impl Reassembly {
    /// Takes octets in.
    pub fn push(&mut self, octets: &[u8]) {
        self.octets.drain(..self.at);
        self.at = 0;
        self.octets.extend_from_slice(octets);
    }

    /// The next whole frame; `None` until there is one. After an error the stream cannot be read on.
    pub fn next_frame(&mut self) -> Option<Result<Frame, FrameError>> {
        let rest = self.octets.get(self.at..)?;
        let length = u32::from_le_bytes(*rest.first_chunk::<HEAD>()?);
        let size = usize::try_from(length).unwrap_or(usize::MAX);
        if size == 0 || size > MAX_FRAME {
            return Some(Err(FrameError::Length(length)));
        }
        let body = rest.get(HEAD..HEAD + size)?;
        let frame = Frame::decode(body);
        self.at += HEAD + size;
        Some(frame)
    }
}
