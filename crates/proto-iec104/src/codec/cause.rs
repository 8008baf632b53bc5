//! Cause of transmission, IEC 60870-5-101 7.2.3.

use std::fmt;

macro_rules! causes {
    ($($code:literal $name:ident $text:literal;)*) => {
        /// Cause of transmission. Unknown codes are kept, not refused.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Cause {
            $(#[doc = $text] $name,)*
            /// Interrogated by group 1 to 16 (codes 21 to 36).
            InterrogatedByGroup(u8),
            /// Requested by counter group 1 to 4 (codes 38 to 41).
            CounterByGroup(u8),
            /// Any other code, 0 to 63.
            Other(u8),
        }

        impl Cause {
            /// The cause with that code; only the low six bits count.
            pub const fn from_code(code: u8) -> Self {
                match code & 0x3F {
                    $($code => Self::$name,)*
                    group @ 21..=36 => Self::InterrogatedByGroup(group - 20),
                    group @ 38..=41 => Self::CounterByGroup(group - 37),
                    other => Self::Other(other),
                }
            }

            /// The code on the wire.
            pub const fn code(self) -> u8 {
                match self {
                    $(Self::$name => $code,)*
                    Self::InterrogatedByGroup(group) => (20 + group) & 0x3F,
                    Self::CounterByGroup(group) => (37 + group) & 0x3F,
                    Self::Other(code) => code & 0x3F,
                }
            }

            /// What the standard calls it.
            pub const fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                    Self::InterrogatedByGroup(_) => "interrogated by group",
                    Self::CounterByGroup(_) => "requested by group counter request",
                    Self::Other(_) => "reserved",
                }
            }
        }
    };
}

causes! {
    1 Periodic "periodic, cyclic";
    2 Background "background scan";
    3 Spontaneous "spontaneous";
    4 Initialized "initialized";
    5 Request "request or requested";
    6 Activation "activation";
    7 ActivationCon "activation confirmation";
    8 Deactivation "deactivation";
    9 DeactivationCon "deactivation confirmation";
    10 ActivationTermination "activation termination";
    11 ReturnRemote "return information caused by a remote command";
    12 ReturnLocal "return information caused by a local command";
    13 FileTransfer "file transfer";
    20 InterrogatedByStation "interrogated by station interrogation";
    37 CounterGeneral "requested by general counter request";
    44 UnknownType "unknown type identification";
    45 UnknownCause "unknown cause of transmission";
    46 UnknownCommonAddress "unknown common address of ASDU";
    47 UnknownObjectAddress "unknown information object address";
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InterrogatedByGroup(group) | Self::CounterByGroup(group) => {
                write!(f, "{} {group} ({})", self.text(), self.code())
            }
            other => write!(f, "{} ({})", other.text(), other.code()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_survives() {
        for code in 0..64 {
            assert_eq!(Cause::from_code(code).code(), code);
        }
        assert_eq!(Cause::from_code(36), Cause::InterrogatedByGroup(16));
        assert_eq!(Cause::from_code(41), Cause::CounterByGroup(4));
    }
}
