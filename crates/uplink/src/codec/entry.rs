//! What a journal holds and both lanes carry.

use super::FrameError;
use signal::{DoublePoint, LinkState, Quality, Value};
use timebase::{ClockQuality, Utc, UtcStamp};
use wire::{Reader, Writer};

/// One report of the field. Points and links are numbers of the gateway's names.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Entry {
    /// A reading.
    Sample {
        /// Number of the point.
        point: u32,
        /// What was read.
        value: Value,
        /// How far it may be trusted.
        quality: Quality,
        /// When the device says it happened.
        source_time: Option<UtcStamp>,
        /// When it reached the gateway, by the gateway's clock.
        received: Utc,
    },
    /// A link to a device changed its state.
    Link {
        /// Number of the link.
        link: u32,
        /// The new state.
        state: LinkState,
        /// When, by the gateway's clock.
        at: Utc,
    },
}

const SAMPLE: u8 = 1;
const LINK: u8 = 2;

impl Entry {
    /// Octets of the longest entry.
    pub const MAX_BYTES: usize = 1 + 4 + 1 + 8 + 2 + 1 + 8 + 8;

    /// Puts it behind what is there.
    pub fn encode(&self, out: &mut Writer) {
        match self {
            Self::Sample { point, value, quality, source_time, received } => {
                out.u8(SAMPLE);
                out.u32_le(*point);
                encode_value(*value, out);
                out.u16_le(quality.to_bits());
                out.u8(source_time.map_or(0, |stamp| clock_code(stamp.quality)));
                let time = source_time.map_or(0, |stamp| stamp.time.as_micros());
                out.bytes(&time.to_le_bytes());
                out.bytes(&received.as_micros().to_le_bytes());
            }
            Self::Link { link, state, at } => {
                out.u8(LINK);
                out.u32_le(*link);
                out.u8(state_code(*state));
                out.bytes(&at.as_micros().to_le_bytes());
            }
        }
    }

    /// As octets alone.
    pub fn to_bytes(self) -> Vec<u8> {
        let mut out = Writer::with_capacity(Self::MAX_BYTES);
        self.encode(&mut out);
        out.finish()
    }

    /// Reads one entry.
    ///
    /// # Errors
    /// Too few octets, or codes that are not known.
    pub fn decode(input: &mut Reader<'_>) -> Result<Self, FrameError> {
        match input.u8()? {
            SAMPLE => Ok(Self::Sample {
                point: input.u32_le()?,
                value: decode_value(input)?,
                quality: Quality::from_bits(input.u16_le()?),
                source_time: decode_stamp(input)?,
                received: utc(input)?,
            }),
            LINK => {
                Ok(Self::Link { link: input.u32_le()?, state: named_state(input.u8()?)?, at: utc(input)? })
            }
            code => Err(FrameError::Code("kind of entry", code)),
        }
    }

    /// Reads an entry that stands alone.
    ///
    /// # Errors
    /// As [`Self::decode`], and octets left over.
    pub fn from_bytes(octets: &[u8]) -> Result<Self, FrameError> {
        let mut input = Reader::new(octets);
        let entry = Self::decode(&mut input)?;
        input.finish()?;
        Ok(entry)
    }
}

fn utc(input: &mut Reader<'_>) -> Result<Utc, FrameError> {
    Ok(Utc::from_micros(i64::from_le_bytes(input.array()?)))
}

fn decode_stamp(input: &mut Reader<'_>) -> Result<Option<UtcStamp>, FrameError> {
    let (code, time) = (input.u8()?, utc(input)?);
    let quality = match code {
        0 => return Ok(None),
        1 => ClockQuality::Synchronised,
        2 => ClockQuality::Unsynchronised,
        3 => ClockQuality::Invalid,
        code => return Err(FrameError::Code("quality of a clock", code)),
    };
    Ok(Some(UtcStamp { time, quality }))
}

const fn clock_code(quality: ClockQuality) -> u8 {
    match quality {
        ClockQuality::Synchronised => 1,
        ClockQuality::Unsynchronised => 2,
        ClockQuality::Invalid => 3,
    }
}

const fn state_code(state: LinkState) -> u8 {
    match state {
        LinkState::Down => 0,
        LinkState::Connecting => 1,
        LinkState::Synchronising => 2,
        LinkState::Up => 3,
    }
}

const fn named_state(code: u8) -> Result<LinkState, FrameError> {
    Ok(match code {
        0 => LinkState::Down,
        1 => LinkState::Connecting,
        2 => LinkState::Synchronising,
        3 => LinkState::Up,
        code => return Err(FrameError::Code("state of a link", code)),
    })
}

/// A value as its kind and eight octets: small values widened, so that every sample has one length.
pub(super) fn encode_value(value: Value, out: &mut Writer) {
    let (kind, bits) = match value {
        Value::Analog(number) => (0, number.to_bits()),
        Value::Single(on) => (1, u64::from(on)),
        Value::Double(position) => (2, position as u64),
        Value::Step(step) => (3, i64::from(step) as u64),
        Value::Counter(count) => (4, count as u64),
        Value::Bits(bits) => (5, u64::from(bits)),
    };
    out.u8(kind);
    out.bytes(&bits.to_le_bytes());
}

pub(super) fn decode_value(input: &mut Reader<'_>) -> Result<Value, FrameError> {
    let (kind, octets) = (input.u8()?, input.array::<8>()?);
    let (bits, whole) = (u64::from_le_bytes(octets), i64::from_le_bytes(octets));
    let wrong = |_| FrameError::Code("value of kind", kind);
    Ok(match kind {
        0 => Value::Analog(f64::from_bits(bits)),
        1 if bits < 2 => Value::Single(bits == 1),
        2 => Value::Double(match bits {
            0 => DoublePoint::Intermediate,
            1 => DoublePoint::Off,
            2 => DoublePoint::On,
            3 => DoublePoint::Bad,
            _ => return Err(FrameError::Code("value of kind", kind)),
        }),
        3 => Value::Step(i16::try_from(whole).map_err(wrong)?),
        4 => Value::Counter(whole),
        5 => Value::Bits(u32::try_from(bits).map_err(wrong)?),
        code => return Err(FrameError::Code("kind of value", code)),
    })
}

const _: () = assert!(DoublePoint::Intermediate as u8 == 0 && DoublePoint::Bad as u8 == 3, "codes are DPI");
