//! A bus-branch case as planning tools exchange it: buses, generators and branches without switches.
//!
//! Columns and their meaning are those of the MATPOWER case format version 2 (MATPOWER User's Manual,
//! appendix B), because that is the common denominator; units are in the names. Order and numbers are kept.

use std::collections::HashMap;
use std::fmt;

/// External number of a bus, as the case gives it. Not an array position.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct BusNumber(pub u32);

impl fmt::Display for BusNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// `BUS_TYPE` of the case format.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CaseBusType {
    /// 1: injection given.
    Pq,
    /// 2: active injection and voltage given.
    Pv,
    /// 3: voltage and angle given.
    Reference,
    /// 4: not connected.
    Isolated,
}

/// One row of the bus table.
#[derive(Clone, PartialEq, Debug)]
pub struct CaseBus {
    /// `BUS_I`, unique.
    pub number: BusNumber,
    /// Name of the bus, if the case has names.
    pub name: Option<String>,
    /// `BUS_TYPE`.
    pub kind: CaseBusType,
    /// `PD`, active power drawn.
    pub pd_mw: f64,
    /// `QD`, reactive power drawn.
    pub qd_mvar: f64,
    /// `GS`, active power drawn by the shunt at 1 p.u.
    pub gs_mw: f64,
    /// `BS`, reactive power delivered by the shunt at 1 p.u.
    pub bs_mvar: f64,
    /// `BUS_AREA`.
    pub area: u32,
    /// `VM`, starting value.
    pub vm_pu: f64,
    /// `VA`, starting value.
    pub va_degree: f64,
    /// `BASE_KV`; 0 where the case gives none.
    pub base_kv: f64,
    /// `ZONE`.
    pub zone: u32,
    /// `VMAX`.
    pub vmax_pu: f64,
    /// `VMIN`.
    pub vmin_pu: f64,
}

/// One row of the generator table.
#[derive(Clone, PartialEq, Debug)]
pub struct CaseGenerator {
    /// `GEN_BUS`.
    pub bus: BusNumber,
    /// `PG`, delivered.
    pub pg_mw: f64,
    /// `QG`, delivered.
    pub qg_mvar: f64,
    /// `QMAX`, may be infinite.
    pub qmax_mvar: f64,
    /// `QMIN`, may be infinite.
    pub qmin_mvar: f64,
    /// `VG`, voltage set point.
    pub vg_pu: f64,
    /// `MBASE`; 0 where the case gives none.
    pub mbase_mva: f64,
    /// `GEN_STATUS` above 0.
    pub in_service: bool,
    /// `PMAX`, may be infinite.
    pub pmax_mw: f64,
    /// `PMIN`, may be infinite.
    pub pmin_mw: f64,
}

/// One row of the branch table.
#[derive(Clone, PartialEq, Debug)]
pub struct CaseBranch {
    /// `F_BUS`, the end with the ideal transformer.
    pub from: BusNumber,
    /// `T_BUS`.
    pub to: BusNumber,
    /// `BR_R`.
    pub r_pu: f64,
    /// `BR_X`.
    pub x_pu: f64,
    /// `BR_B`, total charging susceptance.
    pub b_pu: f64,
    /// `RATE_A`; 0 is unlimited.
    pub rate_a_mva: f64,
    /// `RATE_B`; 0 is unlimited.
    pub rate_b_mva: f64,
    /// `RATE_C`; 0 is unlimited.
    pub rate_c_mva: f64,
    /// `TAP`; 0 is a line (ratio 1).
    pub ratio: f64,
    /// `SHIFT`; positive delays the *to* side.
    pub shift_degree: f64,
    /// `BR_STATUS`.
    pub in_service: bool,
    /// `ANGMIN`; -360 is unlimited.
    pub angmin_degree: f64,
    /// `ANGMAX`; 360 is unlimited.
    pub angmax_degree: f64,
}

/// Shape of a cost function, MATPOWER `gencost`.
#[derive(Clone, PartialEq, Debug)]
pub enum CostCurve {
    /// Model 1: points (MW, cost per hour).
    PiecewiseLinear(Vec<(f64, f64)>),
    /// Model 2: coefficients, highest power first.
    Polynomial(Vec<f64>),
}

/// One row of the cost table.
#[derive(Clone, PartialEq, Debug)]
pub struct CaseCost {
    /// `STARTUP`.
    pub startup: f64,
    /// `SHUTDOWN`.
    pub shutdown: f64,
    /// The curve.
    pub curve: CostCurve,
}

/// One row of the table of DC lines, MATPOWER `dcline`: two converters that each hold the voltage of their bus.
#[derive(Clone, PartialEq, Debug)]
pub struct CaseDcLine {
    /// `F_BUS`.
    pub from: BusNumber,
    /// `T_BUS`.
    pub to: BusNumber,
    /// `BR_STATUS`.
    pub in_service: bool,
    /// `PF`, active power drawn at the from end.
    pub pf_mw: f64,
    /// `QF`, reactive power delivered at the from end; a result where its voltage is held.
    pub qf_mvar: f64,
    /// `QT`, reactive power delivered at the to end.
    pub qt_mvar: f64,
    /// `VF`, voltage set point at the from end.
    pub vf_pu: f64,
    /// `VT`, voltage set point at the to end.
    pub vt_pu: f64,
    /// `PMIN` of the flow from → to.
    pub pmin_mw: f64,
    /// `PMAX` of the flow from → to.
    pub pmax_mw: f64,
    /// `QMINF`.
    pub qminf_mvar: f64,
    /// `QMAXF`.
    pub qmaxf_mvar: f64,
    /// `QMINT`.
    pub qmint_mvar: f64,
    /// `QMAXT`.
    pub qmaxt_mvar: f64,
    /// `LOSS0`, loss without flow.
    pub loss0_mw: f64,
    /// `LOSS1`, loss per power drawn.
    pub loss1: f64,
}

/// A whole case.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct BusBranchCase {
    /// Name of the case.
    pub name: String,
    /// Three-phase base power.
    pub base_mva: f64,
    /// Buses in the order of the case.
    pub buses: Vec<CaseBus>,
    /// Generators in the order of the case.
    pub generators: Vec<CaseGenerator>,
    /// Branches in the order of the case.
    pub branches: Vec<CaseBranch>,
    /// Active power costs, one per generator, then reactive ones, or none.
    pub costs: Vec<CaseCost>,
    /// DC lines in the order of the case.
    pub dc_lines: Vec<CaseDcLine>,
}

/// An element of a case by its table and row, for messages.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CaseRow {
    /// The case as a whole.
    Case,
    /// Row of the bus table, from 0.
    Bus(usize),
    /// Row of the generator table, from 0.
    Generator(usize),
    /// Row of the branch table, from 0.
    Branch(usize),
    /// Row of the cost table, from 0.
    Cost(usize),
    /// Row of the table of DC lines, from 0.
    DcLine(usize),
}

/// Why a case cannot be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CaseFault {
    /// Where.
    pub row: CaseRow,
    /// What is wrong, lower case, no full stop.
    pub reason: String,
    /// What to do about it.
    pub hint: &'static str,
}

impl fmt::Display for CaseFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.row {
            CaseRow::Case => write!(f, "case: ")?,
            CaseRow::Bus(row) => write!(f, "bus row {}: ", row + 1)?,
            CaseRow::Generator(row) => write!(f, "gen row {}: ", row + 1)?,
            CaseRow::Branch(row) => write!(f, "branch row {}: ", row + 1)?,
            CaseRow::Cost(row) => write!(f, "gencost row {}: ", row + 1)?,
            CaseRow::DcLine(row) => write!(f, "dcline row {}: ", row + 1)?,
        }
        write!(f, "{} (hint: {})", self.reason, self.hint)
    }
}

impl std::error::Error for CaseFault {}

impl CaseBranch {
    /// Whether this is a transformer: it has a ratio or a shift, or joins two voltages.
    pub fn is_transformer(&self, from_kv: f64, to_kv: f64) -> bool {
        self.ratio != 0.0 || self.shift_degree != 0.0 || from_kv != to_kv
    }

    /// The ratio with the 0 of a line read as 1.
    pub fn tap_ratio(&self) -> f64 {
        if self.ratio == 0.0 { 1.0 } else { self.ratio }
    }
}

impl CaseDcLine {
    /// Active power delivered at the to end: what is drawn at the from end less `loss0 + loss1 · pf`.
    pub fn pt_mw(&self) -> f64 {
        self.pf_mw - (self.loss0_mw + self.loss1 * self.pf_mw)
    }
}

impl BusBranchCase {
    /// Array positions by bus number.
    pub fn bus_rows(&self) -> HashMap<BusNumber, usize> {
        self.buses.iter().enumerate().map(|(row, bus)| (bus.number, row)).collect()
    }

    /// Checks what every user of a case relies on: finite figures, unique buses, existing ends, a reference.
    pub fn check(&self) -> Result<(), CaseFault> {
        if !(self.base_mva > 0.0 && self.base_mva.is_finite()) {
            return fault(
                CaseRow::Case,
                format!("baseMVA is {}", self.base_mva),
                "give a base power above 0, often 100",
            );
        }
        let rows = self.check_buses()?;
        self.check_generators(&rows)?;
        self.check_branches(&rows)?;
        self.check_dc_lines(&rows)?;
        let generators = self.generators.len();
        if ![0, generators, 2 * generators].contains(&self.costs.len()) {
            let reason = format!("{} cost rows for {generators} generators", self.costs.len());
            return fault(CaseRow::Case, reason, "give one row per generator, or two with reactive costs");
        }
        Ok(())
    }

    fn check_buses(&self) -> Result<HashMap<BusNumber, usize>, CaseFault> {
        let mut rows = HashMap::with_capacity(self.buses.len());
        for (row, bus) in self.buses.iter().enumerate() {
            let at = CaseRow::Bus(row);
            if let Some(first) = rows.insert(bus.number, row) {
                let reason = format!("bus number {} is already used in bus row {}", bus.number, first + 1);
                return fault(at, reason, "bus numbers must be unique");
            }
            let figures = [
                ("Pd", bus.pd_mw),
                ("Qd", bus.qd_mvar),
                ("Gs", bus.gs_mw),
                ("Bs", bus.bs_mvar),
                ("Vm", bus.vm_pu),
                ("Va", bus.va_degree),
                ("baseKV", bus.base_kv),
            ];
            finite(at, &figures)?;
            if bus.base_kv < 0.0 || bus.vm_pu < 0.0 || bus.vmax_pu.is_nan() || bus.vmin_pu.is_nan() {
                return fault(
                    at,
                    "a voltage is negative or not a number".into(),
                    "look at Vm, baseKV, Vmax, Vmin",
                );
            }
        }
        if !self.buses.iter().any(|bus| bus.kind == CaseBusType::Reference) {
            return fault(CaseRow::Case, "no reference bus".into(), "give one bus the type 3");
        }
        Ok(rows)
    }

    fn check_generators(&self, rows: &HashMap<BusNumber, usize>) -> Result<(), CaseFault> {
        for (row, generator) in self.generators.iter().enumerate() {
            let at = CaseRow::Generator(row);
            known(rows, generator.bus, at)?;
            let figures = [
                ("Pg", generator.pg_mw),
                ("Qg", generator.qg_mvar),
                ("Vg", generator.vg_pu),
                ("mBase", generator.mbase_mva),
            ];
            finite(at, &figures)?;
            let limits = [generator.qmax_mvar, generator.qmin_mvar, generator.pmax_mw, generator.pmin_mw];
            if limits.iter().any(|limit| limit.is_nan()) {
                return fault(
                    at,
                    "a limit is not a number".into(),
                    "write Inf for a limit that does not exist",
                );
            }
            if generator.in_service && generator.vg_pu <= 0.0 {
                return fault(
                    at,
                    format!("Vg is {}", generator.vg_pu),
                    "give a voltage set point above 0 p.u.",
                );
            }
        }
        Ok(())
    }

    fn check_branches(&self, rows: &HashMap<BusNumber, usize>) -> Result<(), CaseFault> {
        for (row, branch) in self.branches.iter().enumerate() {
            let at = CaseRow::Branch(row);
            known(rows, branch.from, at)?;
            known(rows, branch.to, at)?;
            if branch.from == branch.to {
                return fault(at, format!("both ends are at bus {}", branch.from), "remove the branch");
            }
            let figures = [
                ("r", branch.r_pu),
                ("x", branch.x_pu),
                ("b", branch.b_pu),
                ("ratio", branch.ratio),
                ("angle", branch.shift_degree),
            ];
            finite(at, &figures)?;
            if [branch.rate_a_mva, branch.rate_b_mva, branch.rate_c_mva].iter().any(|rate| rate.is_nan()) {
                return fault(
                    at,
                    "a rating is not a number".into(),
                    "write 0 for a rating that does not exist",
                );
            }
            if branch.ratio < 0.0 {
                return fault(
                    at,
                    format!("ratio is {}", branch.ratio),
                    "write 0 for a line, else a positive ratio",
                );
            }
            if branch.in_service && branch.r_pu == 0.0 && branch.x_pu == 0.0 {
                let hint = "merge the two buses or give the branch a small reactance";
                return fault(at, "neither resistance nor reactance".into(), hint);
            }
        }
        Ok(())
    }
}

impl BusBranchCase {
    fn check_dc_lines(&self, rows: &HashMap<BusNumber, usize>) -> Result<(), CaseFault> {
        for (row, line) in self.dc_lines.iter().enumerate() {
            let at = CaseRow::DcLine(row);
            known(rows, line.from, at)?;
            known(rows, line.to, at)?;
            let figures = [
                ("Pf", line.pf_mw),
                ("Qf", line.qf_mvar),
                ("Qt", line.qt_mvar),
                ("Vf", line.vf_pu),
                ("Vt", line.vt_pu),
                ("loss0", line.loss0_mw),
                ("loss1", line.loss1),
            ];
            finite(at, &figures)?;
            let limits = [
                (line.qminf_mvar, line.qmaxf_mvar),
                (line.qmint_mvar, line.qmaxt_mvar),
                (line.pmin_mw, line.pmax_mw),
            ];
            if limits.iter().any(|(low, high)| low.is_nan() || high.is_nan()) {
                return fault(
                    at,
                    "a limit is not a number".into(),
                    "write Inf for a limit that does not exist",
                );
            }
            if line.in_service && !(line.vf_pu > 0.0 && line.vt_pu > 0.0) {
                let reason = format!("Vf is {}, Vt is {}", line.vf_pu, line.vt_pu);
                return fault(at, reason, "give voltage set points above 0 p.u.");
            }
        }
        Ok(())
    }
}

fn fault<T>(row: CaseRow, reason: String, hint: &'static str) -> Result<T, CaseFault> {
    Err(CaseFault { row, reason, hint })
}

fn finite(row: CaseRow, figures: &[(&str, f64)]) -> Result<(), CaseFault> {
    match figures.iter().find(|(_, value)| !value.is_finite()) {
        Some((name, value)) => fault(row, format!("{name} is {value}"), "give a finite number"),
        None => Ok(()),
    }
}

fn known(rows: &HashMap<BusNumber, usize>, bus: BusNumber, row: CaseRow) -> Result<(), CaseFault> {
    if rows.contains_key(&bus) {
        return Ok(());
    }
    fault(row, format!("bus {bus} does not exist"), "every end must be a number of the bus table")
}
