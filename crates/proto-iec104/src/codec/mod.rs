//! Bytes ↔ typed APDU and ASDU. Total functions without state; IEC 60870-5-104 clause 5 and IEC 60870-5-101
//! clause 7 with the fixed field sizes of 104: cause 2 octets, common address 2, object address 3.

mod apci;
mod asdu;
mod cause;
mod element;
mod quality;
mod time;
mod types;

pub use apci::{APDU_MAX, Apci, ApciError, CONTROL_LENGTH, Sequence, Split, UFunction, split};
pub use asdu::{ASDU_MAX, Asdu, AsduError, Body, CommonAddress, HEADER_LENGTH, Header, Ioa, Object};
pub use cause::Cause;
pub use element::{CounterReading, DoubleState, Element, Qualifier, StepDirection};
pub use quality::Qds;
pub use time::Cp56Time2a;
pub use types::{Layout, TypeId};
