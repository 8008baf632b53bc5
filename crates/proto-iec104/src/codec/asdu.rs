//! ASDU: IEC 60870-5-101 clause 7 with the field sizes that IEC 60870-5-104 fixes.

use super::cause::Cause;
use super::element::Element;
use super::time::Cp56Time2a;
use super::types::TypeId;
use std::fmt;
use wire::{Leftover, Reader, Truncated, Writer};

/// Most octets of an ASDU (IEC 60870-5-104 5.1: 253 less the control field).
pub const ASDU_MAX: usize = 249;
/// Octets before the first information object.
pub const HEADER_LENGTH: usize = 6;
const OBJECT_ADDRESS_OCTETS: usize = 3;
const SEQUENCE_BIT: u8 = 0x80;
const COUNT_MAX: usize = 127;

/// Common address of ASDU, 7.2.4: a station, or all of them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct CommonAddress(pub u16);

impl CommonAddress {
    /// All stations; only in the control direction of 100, 101, 103 and 105.
    pub const BROADCAST: Self = Self(0xFFFF);
}

impl fmt::Display for CommonAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Information object address, 7.2.5. INVARIANT: below 2^24; 0 is "irrelevant", as in an interrogation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Ioa(u32);

impl Ioa {
    /// No object: the command concerns the station.
    pub const IRRELEVANT: Self = Self(0);

    /// The address `raw`, if three octets can hold it.
    pub const fn new(raw: u32) -> Option<Self> {
        if raw < 1 << 24 { Some(Self(raw)) } else { None }
    }

    /// The bare number.
    pub const fn value(self) -> u32 {
        self.0
    }

    /// The address after this one, if there is one.
    pub const fn next(self) -> Option<Self> {
        Self::new(self.0 + 1)
    }
}

impl fmt::Display for Ioa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Everything of the data unit identifier but the type.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Header {
    /// Cause of transmission.
    pub cause: Cause,
    /// P/N: negative confirmation.
    pub negative: bool,
    /// T: test.
    pub test: bool,
    /// Originator address; 0 when not used.
    pub originator: u8,
    /// Common address.
    pub common_address: CommonAddress,
}

impl Header {
    /// A header without P/N, test bit and originator.
    pub const fn new(cause: Cause, common_address: CommonAddress) -> Self {
        Self { cause, negative: false, test: false, originator: 0, common_address }
    }
}

/// One information object.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Object {
    /// Its address.
    pub address: Ioa,
    /// What it says.
    pub element: Element,
    /// When, for types with a time tag.
    pub time: Option<Cp56Time2a>,
}

/// The information objects of an ASDU.
#[derive(Clone, PartialEq, Debug)]
pub enum Body {
    /// Of a type that this crate speaks.
    Objects(Vec<Object>),
    /// Of any other type: count octet and everything behind the header, untouched.
    Raw(u8, Vec<u8>),
}

/// An application service data unit.
#[derive(Clone, PartialEq, Debug)]
pub struct Asdu {
    /// Type identification.
    pub type_id: TypeId,
    /// The rest of the identifier.
    pub header: Header,
    /// SQ = 1: one address followed by a sequence of elements.
    pub sequence: bool,
    /// The information objects.
    pub body: Body,
}

/// Why bytes are no ASDU, or why an ASDU cannot be bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AsduError {
    /// Fewer octets than the identifier announces.
    #[error("{0}")]
    Truncated(Truncated),
    /// More octets than the identifier announces.
    #[error("{0}")]
    Leftover(Leftover),
    /// The number of objects is 0, or above 127.
    #[error("{0} information objects; 1 to 127 are allowed")]
    Count(usize),
    /// Addresses of a sequence run beyond three octets, or are not consecutive.
    #[error("object addresses of a sequence do not follow one another below 2^24")]
    Addresses,
    /// An element or time tag that the type does not have.
    #[error("an information object does not have the layout of {0}")]
    Layout(TypeId),
    /// More octets than an APDU carries.
    #[error("{0} octets; an ASDU has at most 249")]
    TooLong(usize),
}

impl From<Truncated> for AsduError {
    fn from(short: Truncated) -> Self {
        Self::Truncated(short)
    }
}

impl Asdu {
    /// An ASDU with one information object.
    pub fn single(type_id: TypeId, header: Header, object: Object) -> Self {
        Self { type_id, header, sequence: false, body: Body::Objects(vec![object]) }
    }

    /// The information objects; empty for a type that is not spoken here.
    pub fn objects(&self) -> &[Object] {
        match &self.body {
            Body::Objects(objects) => objects,
            Body::Raw(..) => &[],
        }
    }

    /// How many objects of `type_id` one ASDU holds.
    pub fn capacity(type_id: TypeId, sequence: bool) -> usize {
        let Some((layout, timed)) = type_id.layout() else { return 0 };
        let element = layout.octets() + if timed { Cp56Time2a::OCTETS } else { 0 };
        let room = ASDU_MAX - HEADER_LENGTH;
        let fits = if sequence {
            (room - OBJECT_ADDRESS_OCTETS) / element.max(1)
        } else {
            room / (element + OBJECT_ADDRESS_OCTETS)
        };
        fits.min(COUNT_MAX)
    }

    /// The ASDU of these octets.
    pub fn decode(bytes: &[u8]) -> Result<Self, AsduError> {
        let mut reader = Reader::new(bytes);
        let type_id = TypeId::from_code(reader.u8()?);
        let structure = reader.u8()?;
        let cause = reader.u8()?;
        let header = Header {
            cause: Cause::from_code(cause),
            negative: cause & 0x40 != 0,
            test: cause & 0x80 != 0,
            originator: reader.u8()?,
            common_address: CommonAddress(reader.u16_le()?),
        };
        let sequence = structure & SEQUENCE_BIT != 0;
        let body = match type_id.layout() {
            None => Body::Raw(structure, reader.rest().to_vec()),
            Some(_) => {
                let count = usize::from(structure & !SEQUENCE_BIT);
                Body::Objects(decode_objects(type_id, count, sequence, reader)?)
            }
        };
        Ok(Self { type_id, header, sequence, body })
    }

    /// The octets of this ASDU.
    pub fn encode(&self) -> Result<Vec<u8>, AsduError> {
        let mut writer = Writer::with_capacity(ASDU_MAX);
        writer.u8(self.type_id.code());
        writer.u8(self.structure()?);
        let header = &self.header;
        writer.u8(header.cause.code() | u8::from(header.negative) << 6 | u8::from(header.test) << 7);
        writer.u8(header.originator);
        writer.u16_le(header.common_address.0);
        match &self.body {
            Body::Raw(_, bytes) => writer.bytes(bytes),
            Body::Objects(objects) => self.encode_objects(objects, &mut writer)?,
        }
        if writer.len() > ASDU_MAX { Err(AsduError::TooLong(writer.len())) } else { Ok(writer.finish()) }
    }

    fn structure(&self) -> Result<u8, AsduError> {
        match &self.body {
            Body::Raw(structure, _) => Ok(*structure),
            Body::Objects(objects) => match u8::try_from(objects.len()) {
                Ok(count @ 1..=127) => Ok(count | if self.sequence { SEQUENCE_BIT } else { 0 }),
                Ok(_) | Err(_) => Err(AsduError::Count(objects.len())),
            },
        }
    }

    fn encode_objects(&self, objects: &[Object], writer: &mut Writer) -> Result<(), AsduError> {
        let mut expected = None;
        for object in objects {
            let layout = Some((object.element.layout(), object.time.is_some()));
            if layout != self.type_id.layout() {
                return Err(AsduError::Layout(self.type_id));
            }
            let first = expected.is_none();
            if self.sequence && !first && expected != Some(object.address) {
                return Err(AsduError::Addresses);
            }
            if !self.sequence || first {
                writer.u24_le(object.address.value());
            }
            expected = object.address.next().or(Some(Ioa::IRRELEVANT));
            object.element.encode(writer);
            if let Some(time) = object.time {
                writer.bytes(&time.octets());
            }
        }
        Ok(())
    }
}

fn decode_objects(
    type_id: TypeId,
    count: usize,
    sequence: bool,
    mut reader: Reader<'_>,
) -> Result<Vec<Object>, AsduError> {
    let Some((layout, timed)) = type_id.layout() else { return Ok(Vec::new()) };
    if count == 0 {
        return Err(AsduError::Count(0));
    }
    let element = layout.octets() + if timed { Cp56Time2a::OCTETS } else { 0 };
    let addresses = if sequence { 1 } else { count };
    let need = count * element + addresses * OBJECT_ADDRESS_OCTETS;
    if reader.remaining() < need {
        return Err(Truncated { need, have: reader.remaining() }.into());
    }
    let mut objects = Vec::with_capacity(count);
    let mut following = None;
    for _ in 0..count {
        let address = match following {
            Some(address) if sequence => address,
            _ => Ioa(reader.u24_le()?),
        };
        let element = Element::decode(layout, &mut reader)?;
        let time = if timed { Some(Cp56Time2a::from_octets(reader.array()?)) } else { None };
        objects.push(Object { address, element, time });
        following = address.next();
        if sequence && following.is_none() && objects.len() < count {
            return Err(AsduError::Addresses);
        }
    }
    reader.finish().map_err(AsduError::Leftover)?;
    Ok(objects)
}

impl fmt::Display for Asdu {
    /// One line for the identifier, one for each information object.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = &self.header;
        write!(f, "{} {}\n  cause {}", self.type_id, self.type_id.title(), header.cause)?;
        if header.negative {
            f.write_str(", negative")?;
        }
        if header.test {
            f.write_str(", test")?;
        }
        write!(f, "\n  originator {}, common address {}", header.originator, header.common_address)?;
        match &self.body {
            Body::Raw(structure, bytes) => write!(f, "\n  structure {structure:#04x}, octets {bytes:02x?}"),
            Body::Objects(objects) => {
                let sequence = if self.sequence { ", sequence of elements" } else { "" };
                write!(f, "\n  {} objects{sequence}", objects.len())?;
                for Object { address, element, time } in objects {
                    write!(f, "\n  IOA {address}: {element}")?;
                    if let Some(time) = time {
                        write!(f, " · {time}")?;
                    }
                }
                Ok(())
            }
        }
    }
}
