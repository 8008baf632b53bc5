//! The calculation model: plain arrays of buses and branches in per unit, which every solver reads.
//!
//! It is built by [`crate`] from the node-breaker model (or directly from a bus-branch case) and holds only what is
//! energised or could be: open switches are already gone, closed ones already merged. Indices are dense, so a
//! solver's result is an array in the same order.
//!
//! Branch model (MATPOWER User's Manual 3.2, the common π model with an ideal transformer at the *from* end):
//!
//! ```text
//! tap  = ratio · e^(j·shift)
//! y_s  = 1 / (r + j x)
//! Yff  = (y_s + (g + j b)/2) / ratio²     Yft = -y_s / conj(tap)
//! Ytf  = -y_s / tap                       Ytt =  y_s + (g + j b)/2
//! ```

/// Index of a [`Bus`] in [`Grid::buses`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct BusIdx(pub u32);

/// Index of a [`Branch`] in [`Grid::branches`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct BranchIdx(pub u32);

/// Index of an electrical island, dense from 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct IslandIdx(pub u32);

impl BusIdx {
    /// The index as an array position.
    pub const fn at(self) -> usize {
        self.0 as usize
    }
}

impl BranchIdx {
    /// The index as an array position.
    pub const fn at(self) -> usize {
        self.0 as usize
    }
}

impl IslandIdx {
    /// The index as an array position.
    pub const fn at(self) -> usize {
        self.0 as usize
    }
}

/// What a power flow holds constant at a bus.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BusKind {
    /// Voltage magnitude and angle: a reference of its island.
    Slack,
    /// Active injection and voltage magnitude.
    Pv,
    /// Active and reactive injection.
    Pq,
}

/// One electrical node. Powers are per unit on [`Grid::base_mva`], voltages on `base_kv`.
#[derive(Clone, PartialEq, Debug)]
pub struct Bus {
    /// Name for people: the CIM topological node's name, or the bus number of the case.
    pub name: String,
    /// What is held constant. At least one `Slack` per energised island.
    pub kind: BusKind,
    /// Island this bus belongs to.
    pub island: IslandIdx,
    /// Base voltage, line to line, in kV.
    pub base_kv: f64,
    /// Scheduled net active injection: generation minus load, constant power.
    pub p_pu: f64,
    /// Scheduled net reactive injection: generation minus load, for `Pq` buses; for `Pv` and `Slack` the load part only counts (generation is found).
    pub q_pu: f64,
    /// Sum of the lower reactive limits of the machines that regulate this bus (`-inf` without a limit).
    pub q_gen_min_pu: f64,
    /// Sum of the upper reactive limits of the machines that regulate this bus (`+inf` without a limit).
    pub q_gen_max_pu: f64,
    /// Reactive load at this bus, so that machine reactive power = net injection + this.
    pub q_load_pu: f64,
    /// Shunt conductance (consumes p = g·v²).
    pub g_shunt_pu: f64,
    /// Shunt susceptance (delivers q = b·v²).
    pub b_shunt_pu: f64,
    /// Voltage magnitude: set point of `Slack` and `Pv`, starting value otherwise.
    pub vm_pu: f64,
    /// Voltage angle in radians: set point of `Slack`, starting value otherwise.
    pub va_rad: f64,
}

/// One series element between two buses: line, cable or transformer.
#[derive(Clone, PartialEq, Debug)]
pub struct Branch {
    /// Name for people: the equipment's name.
    pub name: String,
    /// Bus at the end that carries the ideal transformer.
    pub from: BusIdx,
    /// Bus at the other end.
    pub to: BusIdx,
    /// Series resistance.
    pub r_pu: f64,
    /// Series reactance.
    pub x_pu: f64,
    /// Total shunt conductance, half at each end.
    pub g_pu: f64,
    /// Total charging susceptance, half at each end.
    pub b_pu: f64,
    /// Off-nominal ratio at the *from* end; 1 for a line.
    pub ratio: f64,
    /// Phase shift at the *from* end in radians; positive delays the *to* side.
    pub shift_rad: f64,
    /// Long-term apparent-power rating in MVA; 0 = none given.
    pub rate_mva: f64,
}

/// Buses and branches of all energised islands.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Grid {
    /// Three-phase base power in MVA.
    pub base_mva: f64,
    /// Buses, grouped in no particular order.
    pub buses: Vec<Bus>,
    /// Branches that are closed at both ends (an open end is a bus of its own without injection).
    pub branches: Vec<Branch>,
    /// Number of islands; every `Bus::island` is below it.
    pub islands: u32,
}

/// Complex bus voltages in polar form, one entry per bus of a [`Grid`].
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Voltages {
    /// Magnitudes in p.u.
    pub vm_pu: Vec<f64>,
    /// Angles in radians.
    pub va_rad: Vec<f64>,
}

/// Flows into a branch at both ends, in p.u. of [`Grid::base_mva`] (load convention: positive out of the bus).
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct BranchFlow {
    /// Active power into the branch at the from end.
    pub p_from_pu: f64,
    /// Reactive power into the branch at the from end.
    pub q_from_pu: f64,
    /// Active power into the branch at the to end.
    pub p_to_pu: f64,
    /// Reactive power into the branch at the to end.
    pub q_to_pu: f64,
}

/// The four admittances of a branch, `[g, b]` each, after the equations in the module's head.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Admittance {
    /// From-end self admittance.
    pub ff: [f64; 2],
    /// From-to transfer admittance.
    pub ft: [f64; 2],
    /// To-from transfer admittance.
    pub tf: [f64; 2],
    /// To-end self admittance.
    pub tt: [f64; 2],
}

impl Admittance {
    /// Flows at both ends of the branch for the given end voltages `[e, f]`, `V = e + jf` in p.u.
    #[inline]
    pub fn flow(&self, from: [f64; 2], to: [f64; 2]) -> BranchFlow {
        let power = |own: [f64; 2], other: [f64; 2], y_own: [f64; 2], y_other: [f64; 2]| {
            let re = y_own[0] * own[0] - y_own[1] * own[1] + y_other[0] * other[0] - y_other[1] * other[1];
            let im = y_own[0] * own[1] + y_own[1] * own[0] + y_other[0] * other[1] + y_other[1] * other[0];
            [own[0] * re + own[1] * im, own[1] * re - own[0] * im]
        };
        let [p_from_pu, q_from_pu] = power(from, to, self.ff, self.ft);
        let [p_to_pu, q_to_pu] = power(to, from, self.tt, self.tf);
        BranchFlow { p_from_pu, q_from_pu, p_to_pu, q_to_pu }
    }
}

impl Branch {
    /// Admittances of the π model. `r + j x` must not be zero (the builders refuse or merge such branches).
    pub fn admittance(&self) -> Admittance {
        let z2 = self.r_pu * self.r_pu + self.x_pu * self.x_pu;
        let (g, b) = (self.r_pu / z2, -self.x_pu / z2);
        let (gs, bs) = (g + self.g_pu / 2.0, b + self.b_pu / 2.0);
        // Few branches shift, and a power flow asks for all of them each time.
        let (sin, cos) = if self.shift_rad == 0.0 { (0.0, 1.0) } else { self.shift_rad.sin_cos() };
        let t = self.ratio;
        Admittance {
            ff: [gs / (t * t), bs / (t * t)],
            // -y_s / conj(tap) = -y_s · e^(j·shift) / ratio
            ft: [-(g * cos - b * sin) / t, -(g * sin + b * cos) / t],
            // -y_s / tap = -y_s · e^(-j·shift) / ratio
            tf: [-(g * cos + b * sin) / t, -(b * cos - g * sin) / t],
            tt: [gs, bs],
        }
    }

    /// Flows at both ends for the given end voltages `[e, f]`, `V = e + jf` in p.u.
    pub fn flow_rectangular(&self, from: [f64; 2], to: [f64; 2]) -> BranchFlow {
        self.admittance().flow(from, to)
    }

    /// Flows at both ends for the given end voltages (p.u., radians).
    pub fn flow(&self, from: [f64; 2], to: [f64; 2]) -> BranchFlow {
        let y = self.admittance();
        let ([vf, af], [vt, at]) = (from, to);
        let (sin, cos) = (af - at).sin_cos();
        BranchFlow {
            p_from_pu: vf * vf * y.ff[0] + vf * vt * (y.ft[0] * cos + y.ft[1] * sin),
            q_from_pu: -vf * vf * y.ff[1] + vf * vt * (y.ft[0] * sin - y.ft[1] * cos),
            p_to_pu: vt * vt * y.tt[0] + vf * vt * (y.tf[0] * cos - y.tf[1] * sin),
            q_to_pu: -vt * vt * y.tt[1] + vf * vt * (-y.tf[0] * sin - y.tf[1] * cos),
        }
    }
}

impl Voltages {
    /// Magnitude and angle at one bus.
    pub fn at(&self, bus: BusIdx) -> [f64; 2] {
        [self.vm_pu[bus.at()], self.va_rad[bus.at()]]
    }
}
