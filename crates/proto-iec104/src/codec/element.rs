//! Information elements, IEC 60870-5-101 7.2.6.

use super::quality::Qds;
use super::types::Layout;
use std::fmt;
use wire::{Reader, Truncated, Writer};

/// Double-point information DPI and double command state DCS: two bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DoubleState {
    /// 0: indeterminate or intermediate; not permitted in a command.
    Intermediate,
    /// 1: off.
    Off,
    /// 2: on.
    On,
    /// 3: indeterminate; not permitted in a command.
    Indeterminate,
}

impl DoubleState {
    const fn from_bits(octet: u8) -> Self {
        match octet & 3 {
            0 => Self::Intermediate,
            1 => Self::Off,
            2 => Self::On,
            _ => Self::Indeterminate,
        }
    }

    const fn bits(self) -> u8 {
        match self {
            Self::Intermediate => 0,
            Self::Off => 1,
            Self::On => 2,
            Self::Indeterminate => 3,
        }
    }
}

/// Regulating step command state RCS, 7.2.6.17.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum StepDirection {
    /// 1: next step lower.
    Lower,
    /// 2: next step higher.
    Higher,
    /// 0 or 3: not permitted; kept for the answer.
    NotPermitted(u8),
}

impl StepDirection {
    const fn from_bits(octet: u8) -> Self {
        match octet & 3 {
            1 => Self::Lower,
            2 => Self::Higher,
            other => Self::NotPermitted(other),
        }
    }

    const fn bits(self) -> u8 {
        match self {
            Self::Lower => 1,
            Self::Higher => 2,
            Self::NotPermitted(bits) => bits & 3,
        }
    }
}

/// Qualifier of a command (QOC, 7.2.6.26) or of a set point (QOS, 7.2.6.39).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Qualifier {
    /// QU (0..=31) or QL (0..=127).
    pub code: u8,
    /// S/E: select instead of execute.
    pub select: bool,
}

impl Qualifier {
    fn from_qoc(octet: u8) -> Self {
        Self { code: octet >> 2 & 0x1F, select: octet & 0x80 != 0 }
    }

    fn qoc(self) -> u8 {
        (self.code & 0x1F) << 2 | u8::from(self.select) << 7
    }

    fn from_qos(octet: u8) -> Self {
        Self { code: octet & 0x7F, select: octet & 0x80 != 0 }
    }

    fn qos(self) -> u8 {
        self.code & 0x7F | u8::from(self.select) << 7
    }
}

/// Binary counter reading BCR, 7.2.6.9.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct CounterReading {
    /// The count.
    pub value: i32,
    /// SQ: sequence number of the integration period, 0..=31.
    pub sequence: u8,
    /// CY: the counter overflowed in the period.
    pub carry: bool,
    /// CA: the counter was adjusted since the last reading.
    pub adjusted: bool,
    /// IV: the reading is invalid.
    pub invalid: bool,
}

/// What an information object says, without address and time tag.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Element {
    /// SIQ: value and quality.
    Single(bool, Qds),
    /// DIQ: value and quality.
    Double(DoubleState, Qds),
    /// VTI (-64..=63), transient flag and quality.
    Step(i8, bool, Qds),
    /// BSI and quality.
    Bits(u32, Qds),
    /// NVA in units of 2^-15 and quality.
    Normalized(i16, Qds),
    /// SVA and quality.
    Scaled(i16, Qds),
    /// IEEE STD 754 and quality.
    Float(f32, Qds),
    /// BCR.
    Counter(CounterReading),
    /// SCD: 16 states, 16 change flags, quality.
    PackedSingle(u16, u16, Qds),
    /// NVA without quality.
    NormalizedBare(i16),
    /// SEP (event state 0..=3 and QDP) and elapsed milliseconds.
    ProtectionEvent(u8, Qds, u16),
    /// SPE, QDP and relay duration in milliseconds.
    ProtectionStart(u8, Qds, u16),
    /// OCI, QDP and relay operating time in milliseconds.
    ProtectionTrip(u8, Qds, u16),
    /// SCO: state and qualifier.
    SingleCommand(bool, Qualifier),
    /// DCO: state and qualifier.
    DoubleCommand(DoubleState, Qualifier),
    /// RCO: direction and qualifier.
    StepCommand(StepDirection, Qualifier),
    /// NVA and QOS.
    SetNormalized(i16, Qualifier),
    /// SVA and QOS.
    SetScaled(i16, Qualifier),
    /// IEEE STD 754 and QOS.
    SetFloat(f32, Qualifier),
    /// BSI.
    BitsCommand(u32),
    /// COI.
    EndOfInitialization(u8),
    /// QOI: 20 station, 21 to 36 group 1 to 16.
    Interrogation(u8),
    /// QCC: request in bits 0-5, freeze in bits 6-7.
    CounterInterrogation(u8),
    /// A read command has no element.
    Read,
    /// A clock synchronization command has only its time.
    ClockSynchronization,
    /// QRP.
    ResetProcess(u8),
    /// TSC.
    Test(u16),
}

impl Element {
    /// The layout that this element has on the wire.
    pub const fn layout(&self) -> Layout {
        match self {
            Self::Single(..) => Layout::Single,
            Self::Double(..) => Layout::Double,
            Self::Step(..) => Layout::Step,
            Self::Bits(..) => Layout::Bits,
            Self::Normalized(..) => Layout::Normalized,
            Self::Scaled(..) => Layout::Scaled,
            Self::Float(..) => Layout::Float,
            Self::Counter(_) => Layout::Counter,
            Self::PackedSingle(..) => Layout::PackedSingle,
            Self::NormalizedBare(_) => Layout::NormalizedBare,
            Self::ProtectionEvent(..) => Layout::ProtectionEvent,
            Self::ProtectionStart(..) => Layout::ProtectionStart,
            Self::ProtectionTrip(..) => Layout::ProtectionTrip,
            Self::SingleCommand(..) => Layout::SingleCommand,
            Self::DoubleCommand(..) => Layout::DoubleCommand,
            Self::StepCommand(..) => Layout::StepCommand,
            Self::SetNormalized(..) => Layout::SetNormalized,
            Self::SetScaled(..) => Layout::SetScaled,
            Self::SetFloat(..) => Layout::SetFloat,
            Self::BitsCommand(_) => Layout::BitsCommand,
            Self::EndOfInitialization(_) => Layout::EndOfInitialization,
            Self::Interrogation(_) => Layout::Interrogation,
            Self::CounterInterrogation(_) => Layout::CounterInterrogation,
            Self::Read => Layout::Read,
            Self::ClockSynchronization => Layout::ClockSynchronization,
            Self::ResetProcess(_) => Layout::ResetProcess,
            Self::Test(_) => Layout::Test,
        }
    }

    /// The S/E bit of a command that has one.
    pub const fn qualifier(&self) -> Option<Qualifier> {
        match self {
            Self::SingleCommand(_, qualifier)
            | Self::DoubleCommand(_, qualifier)
            | Self::StepCommand(_, qualifier)
            | Self::SetNormalized(_, qualifier)
            | Self::SetScaled(_, qualifier)
            | Self::SetFloat(_, qualifier) => Some(*qualifier),
            _ => None,
        }
    }

    /// The same command with another S/E bit; anything else unchanged.
    #[must_use]
    pub const fn with_select(self, select: bool) -> Self {
        match self {
            Self::SingleCommand(value, q) => Self::SingleCommand(value, Qualifier { select, ..q }),
            Self::DoubleCommand(value, q) => Self::DoubleCommand(value, Qualifier { select, ..q }),
            Self::StepCommand(value, q) => Self::StepCommand(value, Qualifier { select, ..q }),
            Self::SetNormalized(value, q) => Self::SetNormalized(value, Qualifier { select, ..q }),
            Self::SetScaled(value, q) => Self::SetScaled(value, Qualifier { select, ..q }),
            Self::SetFloat(value, q) => Self::SetFloat(value, Qualifier { select, ..q }),
            other => other,
        }
    }

    pub(super) fn decode(layout: Layout, reader: &mut Reader<'_>) -> Result<Self, Truncated> {
        match layout {
            Layout::SingleCommand
            | Layout::DoubleCommand
            | Layout::StepCommand
            | Layout::SetNormalized
            | Layout::SetScaled
            | Layout::SetFloat
            | Layout::BitsCommand => Self::decode_command(layout, reader),
            Layout::EndOfInitialization => Ok(Self::EndOfInitialization(reader.u8()?)),
            Layout::Interrogation => Ok(Self::Interrogation(reader.u8()?)),
            Layout::CounterInterrogation => Ok(Self::CounterInterrogation(reader.u8()?)),
            Layout::Read => Ok(Self::Read),
            Layout::ClockSynchronization => Ok(Self::ClockSynchronization),
            Layout::ResetProcess => Ok(Self::ResetProcess(reader.u8()?)),
            Layout::Test => Ok(Self::Test(reader.u16_le()?)),
            Layout::Single
            | Layout::Double
            | Layout::Step
            | Layout::Bits
            | Layout::Normalized
            | Layout::Scaled
            | Layout::Float
            | Layout::Counter
            | Layout::PackedSingle
            | Layout::NormalizedBare
            | Layout::ProtectionEvent
            | Layout::ProtectionStart
            | Layout::ProtectionTrip => Self::decode_monitored(layout, reader),
        }
    }

    fn decode_monitored(layout: Layout, reader: &mut Reader<'_>) -> Result<Self, Truncated> {
        let qds = |reader: &mut Reader<'_>| reader.u8().map(|octet| Qds::masked(octet, Qds::FULL));
        let qdp = |reader: &mut Reader<'_>| reader.u8().map(|octet| Qds::masked(octet, Qds::PROTECTION));
        Ok(match layout {
            Layout::Double => {
                let octet = reader.u8()?;
                Self::Double(DoubleState::from_bits(octet), Qds::masked(octet, Qds::UPPER))
            }
            Layout::Step => {
                let octet = reader.u8()?;
                // Seven bits, two's complement: the shift out of the transient bit and back extends the sign.
                let value = i8::from_le_bytes([octet << 1]) >> 1;
                Self::Step(value, octet & 0x80 != 0, qds(reader)?)
            }
            Layout::Bits => Self::Bits(reader.u32_le()?, qds(reader)?),
            Layout::Normalized => Self::Normalized(reader.i16_le()?, qds(reader)?),
            Layout::Scaled => Self::Scaled(reader.i16_le()?, qds(reader)?),
            Layout::Float => Self::Float(reader.f32_le()?, qds(reader)?),
            Layout::Counter => {
                let value = reader.i32_le()?;
                let flags = reader.u8()?;
                Self::Counter(CounterReading {
                    value,
                    sequence: flags & 0x1F,
                    carry: flags & 0x20 != 0,
                    adjusted: flags & 0x40 != 0,
                    invalid: flags & 0x80 != 0,
                })
            }
            Layout::PackedSingle => Self::PackedSingle(reader.u16_le()?, reader.u16_le()?, qds(reader)?),
            Layout::NormalizedBare => Self::NormalizedBare(reader.i16_le()?),
            Layout::ProtectionEvent => {
                let octet = reader.u8()?;
                Self::ProtectionEvent(octet & 3, Qds::masked(octet, Qds::PROTECTION), reader.u16_le()?)
            }
            Layout::ProtectionStart => {
                Self::ProtectionStart(reader.u8()? & 0x3F, qdp(reader)?, reader.u16_le()?)
            }
            Layout::ProtectionTrip => {
                Self::ProtectionTrip(reader.u8()? & 0x0F, qdp(reader)?, reader.u16_le()?)
            }
            _ => {
                let octet = reader.u8()?;
                Self::Single(octet & 1 != 0, Qds::masked(octet, Qds::UPPER))
            }
        })
    }

    fn decode_command(layout: Layout, reader: &mut Reader<'_>) -> Result<Self, Truncated> {
        let qos = |reader: &mut Reader<'_>| reader.u8().map(Qualifier::from_qos);
        Ok(match layout {
            Layout::DoubleCommand => {
                let octet = reader.u8()?;
                Self::DoubleCommand(DoubleState::from_bits(octet), Qualifier::from_qoc(octet))
            }
            Layout::StepCommand => {
                let octet = reader.u8()?;
                Self::StepCommand(StepDirection::from_bits(octet), Qualifier::from_qoc(octet))
            }
            Layout::SetNormalized => Self::SetNormalized(reader.i16_le()?, qos(reader)?),
            Layout::SetScaled => Self::SetScaled(reader.i16_le()?, qos(reader)?),
            Layout::SetFloat => Self::SetFloat(reader.f32_le()?, qos(reader)?),
            Layout::BitsCommand => Self::BitsCommand(reader.u32_le()?),
            _ => {
                let octet = reader.u8()?;
                Self::SingleCommand(octet & 1 != 0, Qualifier::from_qoc(octet))
            }
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer) {
        match *self {
            Self::Single(on, qds) => writer.u8(u8::from(on) | qds.bits() & Qds::UPPER),
            Self::Double(state, qds) => writer.u8(state.bits() | qds.bits() & Qds::UPPER),
            Self::Step(value, transient, qds) => {
                writer.u8(value.to_le_bytes()[0] & 0x7F | u8::from(transient) << 7);
                writer.u8(qds.bits());
            }
            Self::Bits(bits, qds) => {
                writer.u32_le(bits);
                writer.u8(qds.bits());
            }
            Self::Normalized(value, qds) | Self::Scaled(value, qds) => {
                writer.i16_le(value);
                writer.u8(qds.bits());
            }
            Self::Float(value, qds) => {
                writer.f32_le(value);
                writer.u8(qds.bits());
            }
            Self::Counter(reading) => {
                writer.i32_le(reading.value);
                writer.u8(reading.flags());
            }
            Self::PackedSingle(states, changes, qds) => {
                writer.u16_le(states);
                writer.u16_le(changes);
                writer.u8(qds.bits());
            }
            Self::NormalizedBare(value) => writer.i16_le(value),
            Self::ProtectionEvent(state, qdp, elapsed) => {
                writer.u8(state & 3 | qdp.bits() & Qds::PROTECTION);
                writer.u16_le(elapsed);
            }
            Self::ProtectionStart(bits, qdp, elapsed) | Self::ProtectionTrip(bits, qdp, elapsed) => {
                writer.u8(bits);
                writer.u8(qdp.bits());
                writer.u16_le(elapsed);
            }
            _ => self.encode_control(writer),
        }
    }

    fn encode_control(&self, writer: &mut Writer) {
        match *self {
            Self::SingleCommand(on, qoc) => writer.u8(u8::from(on) | qoc.qoc()),
            Self::DoubleCommand(state, qoc) => writer.u8(state.bits() | qoc.qoc()),
            Self::StepCommand(direction, qoc) => writer.u8(direction.bits() | qoc.qoc()),
            Self::SetNormalized(value, qos) | Self::SetScaled(value, qos) => {
                writer.i16_le(value);
                writer.u8(qos.qos());
            }
            Self::SetFloat(value, qos) => {
                writer.f32_le(value);
                writer.u8(qos.qos());
            }
            Self::BitsCommand(bits) => writer.u32_le(bits),
            Self::EndOfInitialization(octet)
            | Self::Interrogation(octet)
            | Self::CounterInterrogation(octet)
            | Self::ResetProcess(octet) => writer.u8(octet),
            Self::Test(counter) => writer.u16_le(counter),
            _ => {}
        }
    }
}

impl CounterReading {
    fn flags(self) -> u8 {
        self.sequence & 0x1F
            | u8::from(self.carry) << 5
            | u8::from(self.adjusted) << 6
            | u8::from(self.invalid) << 7
    }
}

impl fmt::Display for Qualifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, qualifier {}", if self.select { "select" } else { "execute" }, self.code)
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let on_off = |on: bool| if on { "on" } else { "off" };
        let fraction = |value: i16| f64::from(value) / 32768.0;
        match *self {
            Self::Single(on, qds) => write!(f, "SPI {} · {qds}", on_off(on)),
            Self::Double(state, qds) => write!(f, "DPI {state:?} · {qds}"),
            Self::Step(value, transient, qds) => {
                write!(f, "VTI {value}{} · {qds}", if transient { " transient" } else { "" })
            }
            Self::Bits(bits, qds) => write!(f, "BSI {bits:#010x} · {qds}"),
            Self::Normalized(value, qds) => write!(f, "NVA {} · {qds}", fraction(value)),
            Self::Scaled(value, qds) => write!(f, "SVA {value} · {qds}"),
            Self::Float(value, qds) => write!(f, "value {value} · {qds}"),
            Self::Counter(reading) => write!(f, "{reading}"),
            Self::PackedSingle(states, changes, qds) => {
                write!(f, "states {states:#018b} changes {changes:#018b} · {qds}")
            }
            Self::NormalizedBare(value) => write!(f, "NVA {}", fraction(value)),
            Self::ProtectionEvent(state, qdp, elapsed) => write!(f, "ES {state} · {qdp} · {elapsed} ms"),
            Self::ProtectionStart(bits, qdp, elapsed) => write!(f, "SPE {bits:#08b} · {qdp} · {elapsed} ms"),
            Self::ProtectionTrip(bits, qdp, elapsed) => write!(f, "OCI {bits:#06b} · {qdp} · {elapsed} ms"),
            Self::SingleCommand(on, qoc) => write!(f, "SCS {} · {qoc}", on_off(on)),
            Self::DoubleCommand(state, qoc) => write!(f, "DCS {state:?} · {qoc}"),
            Self::StepCommand(direction, qoc) => write!(f, "RCS {direction:?} · {qoc}"),
            Self::SetNormalized(value, qos) => write!(f, "NVA {} · {qos}", fraction(value)),
            Self::SetScaled(value, qos) => write!(f, "SVA {value} · {qos}"),
            Self::SetFloat(value, qos) => write!(f, "value {value} · {qos}"),
            Self::BitsCommand(bits) => write!(f, "BSI {bits:#010x}"),
            Self::EndOfInitialization(coi) => write!(f, "COI {coi}"),
            Self::Interrogation(qoi) => write!(f, "QOI {qoi}"),
            Self::CounterInterrogation(qcc) => write!(f, "QCC request {} freeze {}", qcc & 0x3F, qcc >> 6),
            Self::Read => f.write_str("read"),
            Self::ClockSynchronization => f.write_str("clock"),
            Self::ResetProcess(qrp) => write!(f, "QRP {qrp}"),
            Self::Test(counter) => write!(f, "TSC {counter}"),
        }
    }
}

impl fmt::Display for CounterReading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BCR {} SQ {}", self.value, self.sequence)?;
        for (set, name) in [(self.carry, "CY"), (self.adjusted, "CA"), (self.invalid, "IV")] {
            if set {
                write!(f, " {name}")?;
            }
        }
        Ok(())
    }
}
