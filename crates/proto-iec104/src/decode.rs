//! A captured octet stream as frames with their place, for people.

use crate::codec::{Apci, ApciError, Asdu, AsduError, Split, split};
use std::fmt;

/// One APDU, decoded.
#[derive(Clone, PartialEq, Debug)]
pub struct Frame {
    /// The control field.
    pub apci: Apci,
    /// The ASDU of an I format.
    pub asdu: Option<Asdu>,
}

/// Why octets of the stream are no frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DecodeError {
    /// No APDU begins here; the stream is searched for the next start octet.
    #[error("no APDU: {0}")]
    Apci(#[from] ApciError),
    /// The APDU holds no ASDU.
    #[error("no ASDU: {0}")]
    Asdu(#[from] AsduError),
    /// The stream ends inside an APDU.
    #[error("the stream ends inside an APDU: need {need} octets, have {have}")]
    Cut {
        /// Octets that the APDU has.
        need: usize,
        /// Octets that are there.
        have: usize,
    },
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.apci.fmt(f)?;
        match &self.asdu {
            Some(asdu) => write!(f, "\n  {asdu}"),
            None => Ok(()),
        }
    }
}

/// The frames of a stream, each with the offset of its first octet. After a fault the next start octet is sought.
pub fn decode_stream(bytes: &[u8]) -> impl Iterator<Item = (usize, Result<Frame, DecodeError>)> + '_ {
    let mut offset = 0;
    std::iter::from_fn(move || {
        let rest = bytes.get(offset..).filter(|rest| !rest.is_empty())?;
        let at = offset;
        let result = match split(rest) {
            Ok(Split::Apdu(apci, asdu, length)) => {
                offset += length;
                frame(apci, asdu)
            }
            Ok(Split::Incomplete(need)) => {
                offset = bytes.len();
                Err(DecodeError::Cut { need, have: rest.len() })
            }
            Err(fault) => {
                let gap = rest.iter().skip(1).position(|octet| *octet == 0x68);
                offset = gap.map_or(bytes.len(), |gap| offset + 1 + gap);
                Err(DecodeError::Apci(fault))
            }
        };
        Some((at, result))
    })
}

fn frame(apci: Apci, asdu: &[u8]) -> Result<Frame, DecodeError> {
    let asdu = if asdu.is_empty() { None } else { Some(Asdu::decode(asdu)?) };
    Ok(Frame { apci, asdu })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_fault_does_not_end_the_stream() {
        let bytes = [0x00, 0x68, 4, 0x43, 0, 0, 0, 0x68, 9];
        let frames: Vec<_> = decode_stream(&bytes).collect();
        assert_eq!(frames.len(), 3);
        assert_eq!((frames[0].0, frames[1].0, frames[2].0), (0, 1, 7));
        assert_eq!(frames[1].1.as_ref().unwrap().to_string(), "U TESTFR act");
        assert_eq!(frames[2].1, Err(DecodeError::Cut { need: 11, have: 2 }));
    }
}
