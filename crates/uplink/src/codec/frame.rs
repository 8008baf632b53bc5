//! The frames of the protocol.

use super::request::{
    decode_request, decode_stage, encode_request, encode_stage, named_refusal, refusal_code,
};
use super::{Entry, FrameError, HEAD, MAX_ENTRIES, MAX_TEXT};
use signal::{CommandId, CommandStage, Refusal, Request};
use timebase::Utc;
use wire::{Reader, Writer};

/// Which names a frame carries.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Names {
    /// mRIDs of points.
    Points,
    /// Links to devices.
    Links,
}

/// Who calls, and what its journal holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hello {
    /// Version that the gateway speaks.
    pub version: u16,
    /// Name of the gateway.
    pub gateway: String,
    /// Identity of the journal: a new one begins a new sequence.
    pub epoch: u64,
    /// Oldest sequence number held.
    pub first: u64,
    /// Number after the last entry that is durable there.
    pub next: u64,
    /// Sum over the points that the gateway serves, see [`crate::fingerprint`].
    pub fingerprint: u64,
}

/// What the centre says to a hello that it takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Welcome {
    /// Version that both speak.
    pub version: u16,
    /// Number of this connection; requests carry it.
    pub connection: u64,
    /// Sequence number that the centre wants next; `None` if it knows nothing of this journal.
    pub wanted: Option<u64>,
    /// Entries of the record lane that may be on their way without a receipt.
    pub credit: u32,
}

/// One frame. E: from the gateway, C: from the centre.
#[derive(Clone, PartialEq, Debug)]
pub enum Frame {
    /// E: who calls, and what its journal holds.
    Hello(Hello),
    /// E: names of the journal by their numbers, from `first` on.
    Names {
        /// Of what.
        of: Names,
        /// Number of the first.
        first: u32,
        /// The names.
        names: Vec<String>,
    },
    /// C: go on.
    Welcome(Welcome),
    /// C: go away, and why.
    Goodbye(String),
    /// E, live lane: the present picture follows. What was received before this time of the gateway's clock was not
    /// reported live on this connection, except as part of the picture.
    Picture(Utc),
    /// E, live lane: what happens now.
    Live(Vec<Entry>),
    /// E, record lane: entries with consecutive numbers.
    Batch {
        /// Number of the first.
        first: u64,
        /// The entries.
        entries: Vec<Entry>,
    },
    /// E, record lane: numbers that the journal no longer holds, from the first up to but without the last.
    Gap {
        /// First number that is missing.
        from: u64,
        /// First number that is there again.
        to: u64,
    },
    /// C, record lane: everything before this number is durable.
    Ack(u64),
    /// C: asks something of a link.
    Request {
        /// The connection that it was made for.
        connection: u64,
        /// The centre's monotonic clock in microseconds when it was made.
        made_us: u64,
        /// It must not be carried out when it is older than this.
        window_us: u64,
        /// Number of the link.
        link: u32,
        /// What.
        request: Request,
    },
    /// E, live lane: a command went a step.
    Stage(CommandId, CommandStage),
    /// E, live lane: a request was not carried out.
    Refused {
        /// Number of the link.
        link: u32,
        /// The request.
        request: Request,
        /// Why.
        refusal: Refusal,
    },
    /// E, live lane: something that people at the centre should know, about a link or, without one, about the gateway.
    Fault {
        /// Number of the link.
        link: Option<u32>,
        /// What.
        detail: String,
    },
    /// Are you there? The sender's monotonic clock in microseconds.
    Ping(u64),
    /// Yes: the clock of the ping, and the answerer's own.
    Pong {
        /// As in the ping.
        asked_us: u64,
        /// The answerer's monotonic clock.
        clock_us: u64,
    },
}

const NO_LINK: u32 = u32::MAX;
const NO_SEQUENCE: u64 = u64::MAX;

impl Frame {
    /// The frame with its length.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::with_capacity(64);
        self.encode_body(&mut out);
        let body = out.finish();
        let mut octets = Vec::with_capacity(HEAD + body.len());
        // Bodies are bounded far below 4 GiB by the constants of this module.
        octets.extend(u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes());
        octets.extend(body);
        octets
    }

    fn encode_body(&self, out: &mut Writer) {
        match self {
            Self::Hello(Hello { version, gateway, epoch, first, next, fingerprint }) => {
                out.u8(1);
                out.u16_le(*version);
                put_text(gateway, out);
                put_all([*epoch, *first, *next, *fingerprint], out);
            }
            Self::Names { of, first, names } => encode_names(*of, *first, names, out),
            Self::Welcome(Welcome { version, connection, wanted, credit }) => {
                out.u8(3);
                out.u16_le(*version);
                put_all([*connection, wanted.unwrap_or(NO_SEQUENCE)], out);
                out.u32_le(*credit);
            }
            Self::Goodbye(why) => {
                out.u8(4);
                put_text(why, out);
            }
            Self::Picture(at) => {
                out.u8(15);
                out.bytes(&at.as_micros().to_le_bytes());
            }
            Self::Live(entries) => {
                out.u8(5);
                encode_entries(entries, out);
            }
            Self::Batch { first, entries } => {
                out.u8(6);
                put(*first, out);
                encode_entries(entries, out);
            }
            Self::Gap { from, to } => {
                out.u8(7);
                put_all([*from, *to], out);
            }
            Self::Ack(next) => {
                out.u8(8);
                put(*next, out);
            }
            Self::Request { .. } | Self::Stage(..) | Self::Refused { .. } => self.encode_command(out),
            Self::Fault { link, detail } => {
                out.u8(12);
                out.u32_le(link.unwrap_or(NO_LINK));
                put_text(detail, out);
            }
            Self::Ping(clock) => {
                out.u8(13);
                put(*clock, out);
            }
            Self::Pong { asked_us, clock_us } => {
                out.u8(14);
                put_all([*asked_us, *clock_us], out);
            }
        }
    }

    fn encode_command(&self, out: &mut Writer) {
        match self {
            Self::Request { connection, made_us, window_us, link, request } => {
                out.u8(9);
                put_all([*connection, *made_us, *window_us], out);
                out.u32_le(*link);
                encode_request(request, out);
            }
            Self::Stage(id, stage) => {
                out.u8(10);
                put(id.0, out);
                encode_stage(stage, out);
            }
            Self::Refused { link, request, refusal } => {
                out.u8(11);
                out.u32_le(*link);
                encode_request(request, out);
                out.u8(refusal_code(refusal));
            }
            Self::Hello(_)
            | Self::Names { .. }
            | Self::Welcome(_)
            | Self::Goodbye(_)
            | Self::Picture(_)
            | Self::Live(_)
            | Self::Batch { .. }
            | Self::Gap { .. }
            | Self::Ack(_)
            | Self::Fault { .. }
            | Self::Ping(_)
            | Self::Pong { .. } => {}
        }
    }

    /// Reads a frame behind its length.
    ///
    /// # Errors
    /// Whatever is wrong with the octets first.
    pub fn decode(octets: &[u8]) -> Result<Self, FrameError> {
        let mut input = Reader::new(octets);
        let frame = Self::decode_body(&mut input)?;
        input.finish()?;
        Ok(frame)
    }

    fn decode_body(input: &mut Reader<'_>) -> Result<Self, FrameError> {
        Ok(match input.u8()? {
            1 => Self::Hello(Hello {
                version: input.u16_le()?,
                gateway: text(input)?,
                epoch: number(input)?,
                first: number(input)?,
                next: number(input)?,
                fingerprint: number(input)?,
            }),
            2 => decode_names(input)?,
            3 => Self::Welcome(Welcome {
                version: input.u16_le()?,
                connection: number(input)?,
                wanted: Some(number(input)?).filter(|wanted| *wanted != NO_SEQUENCE),
                credit: input.u32_le()?,
            }),
            4 => Self::Goodbye(text(input)?),
            5 => Self::Live(decode_entries(input)?),
            6 => Self::Batch { first: number(input)?, entries: decode_entries(input)? },
            7 => Self::Gap { from: number(input)?, to: number(input)? },
            8 => Self::Ack(number(input)?),
            9 => Self::Request {
                connection: number(input)?,
                made_us: number(input)?,
                window_us: number(input)?,
                link: input.u32_le()?,
                request: decode_request(input)?,
            },
            10 => Self::Stage(CommandId(number(input)?), decode_stage(input)?),
            11 => Self::Refused {
                link: input.u32_le()?,
                request: decode_request(input)?,
                refusal: named_refusal(input.u8()?)?,
            },
            12 => Self::Fault {
                link: Some(input.u32_le()?).filter(|link| *link != NO_LINK),
                detail: text(input)?,
            },
            13 => Self::Ping(number(input)?),
            15 => Self::Picture(Utc::from_micros(i64::from_le_bytes(input.array()?))),
            14 => Self::Pong { asked_us: number(input)?, clock_us: number(input)? },
            code => return Err(FrameError::Code("kind of frame", code)),
        })
    }
}

fn put(number: u64, out: &mut Writer) {
    out.bytes(&number.to_le_bytes());
}

fn put_all<const N: usize>(numbers: [u64; N], out: &mut Writer) {
    numbers.into_iter().for_each(|number| put(number, out));
}

fn number(input: &mut Reader<'_>) -> Result<u64, FrameError> {
    Ok(u64::from_le_bytes(input.array()?))
}

/// A text, cut at [`MAX_TEXT`] octets at a border of characters.
pub(super) fn put_text(text: &str, out: &mut Writer) {
    let end = (0..=MAX_TEXT.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    // MAX_TEXT fits.
    out.u16_le(u16::try_from(end).unwrap_or(0));
    out.bytes(&text.as_bytes()[..end]);
}

pub(super) fn text(input: &mut Reader<'_>) -> Result<String, FrameError> {
    let length = usize::from(input.u16_le()?);
    if length > MAX_TEXT {
        return Err(FrameError::Text);
    }
    let octets = input.take(length)?;
    std::str::from_utf8(octets).map(str::to_owned).map_err(|_| FrameError::Text)
}

fn encode_entries(entries: &[Entry], out: &mut Writer) {
    out.u16_le(u16::try_from(entries.len()).unwrap_or(u16::MAX));
    entries.iter().for_each(|entry| entry.encode(out));
}

fn decode_entries(input: &mut Reader<'_>) -> Result<Vec<Entry>, FrameError> {
    let count = count(input)?;
    let mut entries = Vec::with_capacity(count);
    for _ in 0..count {
        entries.push(Entry::decode(input)?);
    }
    Ok(entries)
}

fn count(input: &mut Reader<'_>) -> Result<usize, FrameError> {
    let count = usize::from(input.u16_le()?);
    if count > MAX_ENTRIES { Err(FrameError::Entries(count)) } else { Ok(count) }
}

fn encode_names(of: Names, first: u32, names: &[String], out: &mut Writer) {
    out.u8(2);
    out.u8(match of {
        Names::Points => 0,
        Names::Links => 1,
    });
    out.u32_le(first);
    out.u16_le(u16::try_from(names.len()).unwrap_or(u16::MAX));
    names.iter().for_each(|name| put_text(name, out));
}

fn decode_names(input: &mut Reader<'_>) -> Result<Frame, FrameError> {
    let of = match input.u8()? {
        0 => Names::Points,
        1 => Names::Links,
        code => return Err(FrameError::Code("kind of names", code)),
    };
    let first = input.u32_le()?;
    let count = count(input)?;
    let mut names = Vec::with_capacity(count);
    for _ in 0..count {
        names.push(text(input)?);
    }
    Ok(Frame::Names { of, first, names })
}
