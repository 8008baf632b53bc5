//! Controls of tap changers and capacitors.

use super::{Conductor, NodeIdx};

/// Which phase of the monitored end counts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum MonitoredPhase {
    /// That phase, from 1.
    Phase(u8),
    /// The mean of all.
    Average,
    /// The largest.
    Largest,
    /// The smallest.
    Smallest,
}

/// CIM `TapChangerControl`: holds a voltage by moving a tap, with line-drop compensation.
#[derive(Clone, PartialEq, Debug)]
pub struct TapChangerControl {
    /// Unique name.
    pub name: String,
    /// Position of the transformer.
    pub transformer: u32,
    /// End whose voltage and current are measured, from 0.
    pub end: u8,
    /// End whose tap moves, from 0.
    pub tap_end: u8,
    /// CIM `targetValue`, on the secondary side of the voltage transformer.
    pub target_v: f64,
    /// CIM `targetDeadband`: whole width.
    pub band_v: f64,
    /// Ratio of the voltage transformer.
    pub pt_ratio: f64,
    /// Primary rating of the current transformer.
    pub ct_rating_a: f64,
    /// CIM `lineDropR`, `lineDropX` in volts of the secondary side at rated current.
    pub line_drop_v: [f64; 2],
    /// Volts of the secondary side by which the magnitude of the voltage is lowered at rated current, whatever the angle
    /// of the current; above 0 it takes the place of `line_drop_v`.
    pub line_drop_magnitude_v: f64,
    /// CIM `reverseLineDropR`, …: setting for power that flows backward; `None` if it does not reverse.
    pub reverse: Option<ReverseSetting>,
    /// A node far from the transformer that is measured instead, with the ratio of its voltage transformer.
    pub remote: Option<(NodeIdx, Conductor, f64)>,
    /// Voltage of the secondary side that is not exceeded at the transformer.
    pub limit_v: Option<f64>,
    /// Which phase is measured.
    pub phase: MonitoredPhase,
    /// CIM `initialDelay`.
    pub delay_s: f64,
    /// Whether the delay shrinks with the deviation.
    pub inverse_time: bool,
    /// Most steps that one decision moves; 0 holds the tap.
    pub max_steps: u16,
    /// Whether it acts.
    pub in_service: bool,
}

/// How a tap changer acts while power flows backward.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ReverseSetting {
    /// Voltage that is held then.
    pub target_v: f64,
    /// Whole width of its band.
    pub band_v: f64,
    /// Line-drop compensation then, where there is one in the other direction.
    pub line_drop_v: [f64; 2],
    /// See [`TapChangerControl::line_drop_magnitude_v`].
    pub line_drop_magnitude_v: f64,
    /// Whether it goes on to look forward, with the settings of this direction.
    pub cogeneration: bool,
    /// Whether it goes to the tap without a change of voltage, and stays there.
    pub to_neutral: bool,
    /// Power backward beyond which it turns.
    pub threshold_w: f64,
    /// How long that has to last.
    pub delay_s: f64,
}

/// What a capacitor control measures.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CapacitorControlMode {
    /// Current, on the secondary side.
    Current,
    /// Voltage, on the secondary side.
    Voltage,
    /// Reactive power in kvar.
    ReactivePower,
    /// Hour of the day.
    Time,
    /// Power factor, leading ones as 2 minus their magnitude.
    PowerFactor,
}

/// The end of a piece of equipment that a control measures.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum MonitoredEnd {
    /// Position of a line, and its end from 0.
    Line(u32, u8),
    /// Position of a transformer, and its end from 0.
    Transformer(u32, u8),
    /// Position of a capacitor.
    Capacitor(u32),
    /// Position of a reactor, and its end from 0.
    Reactor(u32, u8),
    /// Position of a load.
    Load(u32),
}

/// CIM `RegulatingControl` of a capacitor.
#[derive(Clone, PartialEq, Debug)]
pub struct CapacitorControl {
    /// Unique name.
    pub name: String,
    /// Position of the capacitor.
    pub capacitor: u32,
    /// What it measures at.
    pub monitored: MonitoredEnd,
    /// What it measures.
    pub mode: CapacitorControlMode,
    /// Switches on beyond this figure.
    pub on_setting: f64,
    /// Switches off beyond this figure.
    pub off_setting: f64,
    /// Ratio of the voltage transformer.
    pub pt_ratio: f64,
    /// Ratio of the current transformer.
    pub ct_ratio: f64,
    /// Voltages, on the secondary side, that switch whatever the mode says: on below, off above.
    pub override_v: Option<[f64; 2]>,
    /// Node that the override measures, if not the monitored end.
    pub override_node: Option<NodeIdx>,
    /// Which phase of the voltage counts.
    pub pt_phase: MonitoredPhase,
    /// Which phase of the current counts.
    pub ct_phase: MonitoredPhase,
    /// Delay before it switches on.
    pub delay_on_s: f64,
    /// Delay before it switches off.
    pub delay_off_s: f64,
    /// Time after it has switched off in which it does not switch on.
    pub dead_time_s: f64,
    /// Share of the bank's reactive power that has to flow before power-factor control switches on.
    pub least_share: f64,
    /// Whether it acts.
    pub in_service: bool,
}
