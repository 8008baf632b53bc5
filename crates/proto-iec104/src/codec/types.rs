//! Type identifications, IEC 60870-5-101 7.2.1 with the selection of IEC 60870-5-104 clause 7.

use std::fmt;

/// What an information object of a type holds between its address and its time tag.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Layout {
    /// SIQ.
    Single,
    /// DIQ.
    Double,
    /// VTI, QDS.
    Step,
    /// BSI, QDS.
    Bits,
    /// NVA, QDS.
    Normalized,
    /// SVA, QDS.
    Scaled,
    /// IEEE STD 754, QDS.
    Float,
    /// BCR.
    Counter,
    /// SCD, QDS.
    PackedSingle,
    /// NVA alone.
    NormalizedBare,
    /// SEP, CP16Time2a.
    ProtectionEvent,
    /// SPE, QDP, CP16Time2a.
    ProtectionStart,
    /// OCI, QDP, CP16Time2a.
    ProtectionTrip,
    /// SCO.
    SingleCommand,
    /// DCO.
    DoubleCommand,
    /// RCO.
    StepCommand,
    /// NVA, QOS.
    SetNormalized,
    /// SVA, QOS.
    SetScaled,
    /// IEEE STD 754, QOS.
    SetFloat,
    /// BSI.
    BitsCommand,
    /// COI.
    EndOfInitialization,
    /// QOI.
    Interrogation,
    /// QCC.
    CounterInterrogation,
    /// Nothing.
    Read,
    /// Nothing but the time.
    ClockSynchronization,
    /// QRP.
    ResetProcess,
    /// TSC.
    Test,
}

impl Layout {
    /// Octets between the object address and the time tag.
    pub const fn octets(self) -> usize {
        match self {
            Self::Read | Self::ClockSynchronization => 0,
            Self::Single
            | Self::Double
            | Self::SingleCommand
            | Self::DoubleCommand
            | Self::StepCommand
            | Self::EndOfInitialization
            | Self::Interrogation
            | Self::CounterInterrogation
            | Self::ResetProcess => 1,
            Self::Step | Self::NormalizedBare | Self::Test => 2,
            Self::Normalized
            | Self::Scaled
            | Self::SetNormalized
            | Self::SetScaled
            | Self::ProtectionEvent => 3,
            Self::BitsCommand | Self::ProtectionStart | Self::ProtectionTrip => 4,
            Self::Bits | Self::Float | Self::Counter | Self::PackedSingle | Self::SetFloat => 5,
        }
    }
}

macro_rules! types {
    ($($code:literal $name:ident $layout:ident $timed:literal $title:literal;)*) => {
        /// Type identification. Unknown codes are kept, not refused.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[expect(non_camel_case_types, reason = "the standard's names")]
        pub enum TypeId {
            $(#[doc = $title] $name,)*
            /// A code that this crate does not speak.
            Other(u8),
        }

        impl TypeId {
            /// Every known type.
            pub const KNOWN: &'static [Self] = &[$(Self::$name),*];

            /// The type with that code.
            pub const fn from_code(code: u8) -> Self {
                match code {
                    $($code => Self::$name,)*
                    other => Self::Other(other),
                }
            }

            /// The code on the wire.
            pub const fn code(self) -> u8 {
                match self {
                    $(Self::$name => $code,)*
                    Self::Other(code) => code,
                }
            }

            /// The name in the standard; "unknown" for others.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                    Self::Other(_) => "unknown",
                }
            }

            /// What the standard calls it.
            pub const fn title(self) -> &'static str {
                match self {
                    $(Self::$name => $title,)*
                    Self::Other(_) => "not spoken here",
                }
            }

            /// What its information objects hold, and whether a CP56Time2a follows.
            pub const fn layout(self) -> Option<(Layout, bool)> {
                match self {
                    $(Self::$name => Some((Layout::$layout, $timed)),)*
                    Self::Other(_) => None,
                }
            }
        }
    };
}

types! {
    1 M_SP_NA_1 Single false "single-point information";
    3 M_DP_NA_1 Double false "double-point information";
    5 M_ST_NA_1 Step false "step position information";
    7 M_BO_NA_1 Bits false "bitstring of 32 bits";
    9 M_ME_NA_1 Normalized false "measured value, normalized value";
    11 M_ME_NB_1 Scaled false "measured value, scaled value";
    13 M_ME_NC_1 Float false "measured value, short floating point number";
    15 M_IT_NA_1 Counter false "integrated totals";
    20 M_PS_NA_1 PackedSingle false "packed single-point information with status change detection";
    21 M_ME_ND_1 NormalizedBare false "measured value, normalized value without quality descriptor";
    30 M_SP_TB_1 Single true "single-point information with time tag CP56Time2a";
    31 M_DP_TB_1 Double true "double-point information with time tag CP56Time2a";
    32 M_ST_TB_1 Step true "step position information with time tag CP56Time2a";
    33 M_BO_TB_1 Bits true "bitstring of 32 bits with time tag CP56Time2a";
    34 M_ME_TD_1 Normalized true "measured value, normalized value with time tag CP56Time2a";
    35 M_ME_TE_1 Scaled true "measured value, scaled value with time tag CP56Time2a";
    36 M_ME_TF_1 Float true "measured value, short floating point number with time tag CP56Time2a";
    37 M_IT_TB_1 Counter true "integrated totals with time tag CP56Time2a";
    38 M_EP_TD_1 ProtectionEvent true "event of protection equipment with time tag CP56Time2a";
    39 M_EP_TE_1 ProtectionStart true "packed start events of protection equipment with time tag CP56Time2a";
    40 M_EP_TF_1 ProtectionTrip true "packed output circuit information of protection equipment with time tag CP56Time2a";
    45 C_SC_NA_1 SingleCommand false "single command";
    46 C_DC_NA_1 DoubleCommand false "double command";
    47 C_RC_NA_1 StepCommand false "regulating step command";
    48 C_SE_NA_1 SetNormalized false "set point command, normalized value";
    49 C_SE_NB_1 SetScaled false "set point command, scaled value";
    50 C_SE_NC_1 SetFloat false "set point command, short floating point number";
    51 C_BO_NA_1 BitsCommand false "bitstring of 32 bits command";
    58 C_SC_TA_1 SingleCommand true "single command with time tag CP56Time2a";
    59 C_DC_TA_1 DoubleCommand true "double command with time tag CP56Time2a";
    60 C_RC_TA_1 StepCommand true "regulating step command with time tag CP56Time2a";
    61 C_SE_TA_1 SetNormalized true "set point command, normalized value with time tag CP56Time2a";
    62 C_SE_TB_1 SetScaled true "set point command, scaled value with time tag CP56Time2a";
    63 C_SE_TC_1 SetFloat true "set point command, short floating point number with time tag CP56Time2a";
    64 C_BO_TA_1 BitsCommand true "bitstring of 32 bits command with time tag CP56Time2a";
    70 M_EI_NA_1 EndOfInitialization false "end of initialization";
    100 C_IC_NA_1 Interrogation false "interrogation command";
    101 C_CI_NA_1 CounterInterrogation false "counter interrogation command";
    102 C_RD_NA_1 Read false "read command";
    103 C_CS_NA_1 ClockSynchronization true "clock synchronization command";
    105 C_RP_NA_1 ResetProcess false "reset process command";
    107 C_TS_TA_1 Test true "test command with time tag CP56Time2a";
}

impl TypeId {
    /// The type with that name in the standard.
    pub fn named(name: &str) -> Option<Self> {
        Self::KNOWN.iter().copied().find(|known| known.name() == name)
    }

    /// The type of the same layout without time tag, as interrogations answer (IEC 60870-5-101 7.4.5); the type
    /// itself where there is none.
    #[must_use]
    pub fn untimed(self) -> Self {
        self.sibling(false)
    }

    /// The type of the same layout with CP56Time2a, as events are reported; the type itself where there is none.
    #[must_use]
    pub fn timed(self) -> Self {
        self.sibling(true)
    }

    /// Whether this is a command or set point for the process (45-51, 58-64).
    pub const fn is_process_command(self) -> bool {
        matches!(self.code(), 45..=51 | 58..=64)
    }

    fn sibling(self, timed: bool) -> Self {
        let Some((layout, _)) = self.layout() else { return self };
        let twin = |known: &Self| known.layout() == Some((layout, timed));
        Self::KNOWN.iter().copied().find(twin).unwrap_or(self)
    }
}

impl fmt::Display for TypeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_are_one_to_one() {
        for code in 0..=255 {
            assert_eq!(TypeId::from_code(code).code(), code);
        }
        for &known in TypeId::KNOWN {
            assert_eq!(TypeId::named(known.name()), Some(known));
        }
        assert_eq!(TypeId::M_ME_TF_1.untimed(), TypeId::M_ME_NC_1);
        assert_eq!(TypeId::M_DP_NA_1.timed(), TypeId::M_DP_TB_1);
        assert_eq!(TypeId::M_ME_ND_1.timed(), TypeId::M_ME_ND_1);
        assert_eq!(TypeId::C_SE_NC_1.timed(), TypeId::C_SE_TC_1);
    }
}
