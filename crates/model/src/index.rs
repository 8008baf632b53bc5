//! Dense typed indices: inside the system an element is a position in an array, its mRID is for the outside.

/// Identity of an element outside the system (CIM `IdentifiedObject.mRID`). INVARIANT: not empty.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Mrid(String);

impl Mrid {
    /// The identity with this text; `None` if it is empty.
    pub fn new(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        (!text.is_empty()).then_some(Self(text))
    }

    /// The identity of a network of that name, under which its elements have theirs: `_ieee14`.
    pub fn root(name: &str) -> Self {
        Self(format!("_{name}"))
    }

    /// The identity of a part of this element: `_case.S4` and `Load` make `_case.S4.Load`.
    pub fn part(&self, name: &str) -> Self {
        Self(format!("{}.{name}", self.0))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Mrid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! index {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(pub u32);

        impl $name {
            /// The index as an array position.
            pub const fn at(self) -> usize {
                self.0 as usize
            }

            /// All indices of an array of that length, in order.
            pub fn all(len: usize) -> impl Iterator<Item = Self> {
                (0_u32..).map(Self).take(len)
            }
        }
    )+};
}

index!(
    /// Index of a [`crate::Substation`].
    SubstationIdx,
    /// Index of a [`crate::VoltageLevel`].
    VoltageLevelIdx,
    /// Index of a [`crate::Bay`].
    BayIdx,
    /// Index of a [`crate::ConnectivityNode`].
    NodeIdx,
    /// Index of a [`crate::Terminal`].
    TerminalIdx,
    /// Index of a [`crate::BusbarSection`].
    BusbarIdx,
    /// Index of a [`crate::Switch`].
    SwitchIdx,
    /// Index of an [`crate::AcLineSegment`].
    LineIdx,
    /// Index of a [`crate::PowerTransformer`].
    TransformerIdx,
    /// Index of a [`crate::RatioTapChanger`].
    TapChangerIdx,
    /// Index of a [`crate::SynchronousMachine`].
    MachineIdx,
    /// Index of an [`crate::EnergyConsumer`].
    LoadIdx,
    /// Index of a [`crate::LinearShuntCompensator`].
    ShuntIdx,
    /// Index of a [`crate::Measurement`].
    MeasurementIdx,
);
