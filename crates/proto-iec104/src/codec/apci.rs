//! APCI: IEC 60870-5-104 clause 5. Start octet, length, four control octets.

use std::fmt;

const START: u8 = 0x68;

/// Most octets of an APDU, start and length octets included (5.1: length at most 253).
pub const APDU_MAX: usize = 255;
/// Octets of the APCI: start, length, four control octets.
pub const CONTROL_LENGTH: usize = 6;

/// A send or receive sequence number. INVARIANT: below 2^15.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Sequence(u16);

impl Sequence {
    const MODULUS: u16 = 1 << 15;

    /// The number `raw` modulo 2^15.
    pub const fn new(raw: u16) -> Self {
        Self(raw % Self::MODULUS)
    }

    /// The bare number.
    pub const fn value(self) -> u16 {
        self.0
    }

    /// The number after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self::new(self.0 + 1)
    }

    /// How many steps lead from `earlier` to this number.
    pub const fn distance_from(self, earlier: Self) -> u16 {
        (self.0 + Self::MODULUS - earlier.0) % Self::MODULUS
    }

    fn from_octets(low: u8, high: u8) -> Self {
        Self(u16::from_le_bytes([low, high]) >> 1)
    }

    fn to_octets(self) -> [u8; 2] {
        (self.0 << 1).to_le_bytes()
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Unnumbered control functions, 5.3.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum UFunction {
    /// Start data transfer, activation.
    StartDtAct,
    /// Start data transfer, confirmation.
    StartDtCon,
    /// Stop data transfer, activation.
    StopDtAct,
    /// Stop data transfer, confirmation.
    StopDtCon,
    /// Test frame, activation.
    TestFrAct,
    /// Test frame, confirmation.
    TestFrCon,
}

impl UFunction {
    const ALL: [(Self, u8, &'static str); 6] = [
        (Self::StartDtAct, 0x07, "STARTDT act"),
        (Self::StartDtCon, 0x0B, "STARTDT con"),
        (Self::StopDtAct, 0x13, "STOPDT act"),
        (Self::StopDtCon, 0x23, "STOPDT con"),
        (Self::TestFrAct, 0x43, "TESTFR act"),
        (Self::TestFrCon, 0x83, "TESTFR con"),
    ];

    /// The function's name in the standard.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|entry| entry.0 == self).map_or("", |entry| entry.2)
    }

    fn octet(self) -> u8 {
        Self::ALL.iter().find(|entry| entry.0 == self).map_or(0, |entry| entry.1)
    }
}

/// The control field of an APDU.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Apci {
    /// Numbered information transfer; an ASDU follows.
    I {
        /// N(S).
        send: Sequence,
        /// N(R): every frame below it has arrived.
        receive: Sequence,
    },
    /// Numbered supervisory function.
    S {
        /// N(R).
        receive: Sequence,
    },
    /// Unnumbered control function.
    U(UFunction),
}

/// Why bytes are no APDU. The connection has lost its framing and must be closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ApciError {
    /// The first octet is not 0x68.
    #[error("start octet is {0:#04x}, expected 0x68")]
    NoStart(u8),
    /// The length octet is outside 4..=253.
    #[error("APDU length {0} is outside 4..=253")]
    Length(u8),
    /// Control octets that no format has.
    #[error("control field {0:02x?} has no known format")]
    Control([u8; 4]),
    /// An S or U format with an ASDU, or an I format without.
    #[error("{octets} octets after the control field do not fit its format")]
    WrongBody {
        /// Octets that follow the control field.
        octets: usize,
    },
}

/// Result of looking for one APDU at the front of a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Split<'a> {
    /// More octets are needed: at least this many in total.
    Incomplete(usize),
    /// One APDU: its control field, its ASDU (empty for S and U) and the octets it takes.
    Apdu(Apci, &'a [u8], usize),
}

/// Looks for one APDU at the front of `bytes`.
pub fn split(bytes: &[u8]) -> Result<Split<'_>, ApciError> {
    let (start, length) = match bytes {
        [] => return Ok(Split::Incomplete(CONTROL_LENGTH)),
        [start, rest @ ..] => (*start, rest.first().copied()),
    };
    if start != START {
        return Err(ApciError::NoStart(start));
    }
    let Some(length) = length else { return Ok(Split::Incomplete(CONTROL_LENGTH)) };
    if !(4..=253).contains(&length) {
        return Err(ApciError::Length(length));
    }
    let total = usize::from(length) + 2;
    let Some(apdu) = bytes.get(..total) else { return Ok(Split::Incomplete(total)) };
    let [_, _, c1, c2, c3, c4, asdu @ ..] = apdu else { return Ok(Split::Incomplete(total)) };
    let apci = Apci::decode([*c1, *c2, *c3, *c4])?;
    let body_fits = matches!(apci, Apci::I { .. }) != asdu.is_empty();
    if !body_fits {
        return Err(ApciError::WrongBody { octets: asdu.len() });
    }
    Ok(Split::Apdu(apci, asdu, total))
}

impl Apci {
    fn decode(control: [u8; 4]) -> Result<Self, ApciError> {
        let [c1, c2, c3, c4] = control;
        if c3 & 1 != 0 {
            return Err(ApciError::Control(control));
        }
        let receive = Sequence::from_octets(c3, c4);
        match (c1 & 3, c2) {
            (0 | 2, _) => Ok(Self::I { send: Sequence::from_octets(c1, c2), receive }),
            (1, 0) if c1 == 1 => Ok(Self::S { receive }),
            (3, 0) if c3 == 0 && c4 == 0 => UFunction::ALL
                .iter()
                .find(|entry| entry.1 == c1)
                .map(|entry| Self::U(entry.0))
                .ok_or(ApciError::Control(control)),
            _ => Err(ApciError::Control(control)),
        }
    }

    /// The APDU with this control field around `asdu`. INVARIANT: `asdu` has at most 249 octets, and is empty
    /// unless the format is I.
    pub fn encode(self, asdu: &[u8]) -> Vec<u8> {
        let control = match self {
            Self::I { send, receive } => {
                let ([s1, s2], [r1, r2]) = (send.to_octets(), receive.to_octets());
                [s1, s2, r1, r2]
            }
            Self::S { receive } => {
                let [r1, r2] = receive.to_octets();
                [1, 0, r1, r2]
            }
            Self::U(function) => [function.octet(), 0, 0, 0],
        };
        assert!(asdu.len() <= APDU_MAX - CONTROL_LENGTH, "the ASDU encoder bounds its length");
        let length = u8::try_from(asdu.len() + control.len()).unwrap_or(u8::MAX);
        let mut bytes = Vec::with_capacity(asdu.len() + CONTROL_LENGTH);
        bytes.extend_from_slice(&[START, length]);
        bytes.extend_from_slice(&control);
        bytes.extend_from_slice(asdu);
        bytes
    }
}

impl fmt::Display for Apci {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::I { send, receive } => write!(f, "I N(S)={send} N(R)={receive}"),
            Self::S { receive } => write!(f, "S N(R)={receive}"),
            Self::U(function) => write!(f, "U {}", function.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], expected: Result<Split<'_>, ApciError>) {
        assert_eq!(split(bytes), expected, "{bytes:02x?}");
    }

    /// Frames from Matousek, FIT-TR-2017-12, section 2.1 and 2.2 (U formats), and edge cases of clause 5.
    #[test]
    fn frames_and_faults() {
        let u = |function| Ok(Split::Apdu(Apci::U(function), &[], 6));
        check(&[0x68, 4, 0x07, 0, 0, 0], u(UFunction::StartDtAct));
        check(&[0x68, 4, 0x0B, 0, 0, 0], u(UFunction::StartDtCon));
        check(&[0x68, 4, 0x13, 0, 0, 0], u(UFunction::StopDtAct));
        check(&[0x68, 4, 0x23, 0, 0, 0], u(UFunction::StopDtCon));
        check(&[0x68, 4, 0x43, 0, 0, 0], u(UFunction::TestFrAct));
        check(&[0x68, 4, 0x83, 0, 0, 0, 0x68], u(UFunction::TestFrCon));
        check(
            &[0x68, 4, 1, 0, 0xFE, 0xFF],
            Ok(Split::Apdu(Apci::S { receive: Sequence::new(32767) }, &[], 6)),
        );
        let i = Apci::I { send: Sequence::new(1), receive: Sequence::new(2) };
        check(&[0x68, 5, 2, 0, 4, 0, 9], Ok(Split::Apdu(i, &[9], 7)));
        check(&[], Ok(Split::Incomplete(6)));
        check(&[0x68], Ok(Split::Incomplete(6)));
        check(&[0x68, 253, 0], Ok(Split::Incomplete(255)));
        check(&[0x67], Err(ApciError::NoStart(0x67)));
        check(&[0x68, 3], Err(ApciError::Length(3)));
        check(&[0x68, 254], Err(ApciError::Length(254)));
        check(&[0x68, 4, 0x0F, 0, 0, 0], Err(ApciError::Control([0x0F, 0, 0, 0])));
        check(&[0x68, 4, 0, 0, 0, 0], Err(ApciError::WrongBody { octets: 0 }));
        check(&[0x68, 5, 1, 0, 0, 0, 0], Err(ApciError::WrongBody { octets: 1 }));
    }

    #[test]
    fn sequence_numbers_wrap() {
        let last = Sequence::new(32767);
        assert_eq!(last.next(), Sequence::new(0));
        assert_eq!(Sequence::new(3).distance_from(last), 4);
        assert_eq!(last.distance_from(last), 0);
    }
}
