//! A bus-branch case → the calculation model, without the detour over switches.

use std::collections::{HashMap, VecDeque};

use model::busbranch::{BusBranchCase, CaseBusType, CaseFault};
use model::{Diagnostic, DiagnosticKind};

use crate::calc::{Branch, BranchIdx, Bus, BusIdx, BusKind, Grid, IslandIdx};

/// Where the rows of a case went.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct CaseMap {
    /// Bus by row of the bus table; `None` if isolated or without a machine in its island.
    pub buses: Vec<Option<BusIdx>>,
    /// Branch by row of the branch table; `None` if out of service or dead.
    pub branches: Vec<Option<BranchIdx>>,
    /// Bus by row of the generator table; `None` if out of service.
    pub generators: Vec<Option<BusIdx>>,
    /// Buses of the from and to end by row of the table of DC lines; `None` if out of service or an end is dead.
    pub dc_lines: Vec<Option<[BusIdx; 2]>>,
}

/// The calculation model of a case with the way back to its rows and what was left out.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct CaseGrid {
    /// The calculation model.
    pub grid: Grid,
    /// Where the rows went.
    pub map: CaseMap,
    /// What was dropped or substituted.
    pub diagnostics: Vec<Diagnostic>,
}

/// Builds the calculation model. Every reference bus with a machine is a slack; in an island without one it is the bus
/// of the largest machine. Islands without a machine that can deliver active power are dead and dropped. Starting
/// values are those of the case.
///
/// A DC line is two sources of given active power that hold the voltages of their buses within reactive limits
/// (MATPOWER User's Manual 7.6.3): `pf` is drawn at the from end, `pf - (loss0 + loss1 · pf)` delivered at the to end.
/// Where machines and DC lines at one bus have different voltage set points the last one holds.
pub fn from_case(case: &BusBranchCase) -> Result<CaseGrid, CaseFault> {
    case.check()?;
    let mut work = Work::new(case);
    work.find_islands();
    work.find_slacks();
    let mut result = CaseGrid::default();
    work.report(&mut result.diagnostics);
    result.grid.base_mva = case.base_mva;
    work.buses(&mut result);
    work.machines(&mut result);
    work.dc_lines(&mut result);
    work.branches(&mut result);
    Ok(result)
}

struct Work<'a> {
    case: &'a BusBranchCase,
    /// Rows of the ends of each branch.
    ends: Vec<[usize; 2]>,
    live_branch: Vec<bool>,
    /// Row of the bus of each generator, `None` if out of service.
    machine: Vec<Option<usize>>,
    /// Component of each bus row, `None` for isolated buses.
    component: Vec<Option<usize>>,
    /// First slack row per component, `None` for a dead one.
    slack: Vec<Option<usize>>,
    /// Whether a row is a slack.
    is_slack: Vec<bool>,
    /// Whether a DC line ends at a row, which makes all sources there regulate.
    converts: Vec<bool>,
}

impl<'a> Work<'a> {
    fn new(case: &'a BusBranchCase) -> Self {
        let rows = case.bus_rows();
        let connected = |row: usize| case.buses[row].kind != CaseBusType::Isolated;
        let ends: Vec<[usize; 2]> =
            case.branches.iter().map(|branch| [rows[&branch.from], rows[&branch.to]]).collect();
        let live_branch = case
            .branches
            .iter()
            .zip(&ends)
            .map(|(branch, ends)| branch.in_service && ends.iter().all(|row| connected(*row)))
            .collect();
        let machine = case
            .generators
            .iter()
            .map(|generator| {
                let row = rows[&generator.bus];
                (generator.in_service && connected(row)).then_some(row)
            })
            .collect();
        let component = vec![None; case.buses.len()];
        let is_slack = vec![false; case.buses.len()];
        let mut converts = is_slack.clone();
        for line in case.dc_lines.iter().filter(|line| line.in_service) {
            converts[rows[&line.from]] = true;
            converts[rows[&line.to]] = true;
        }
        Self { case, ends, live_branch, machine, component, slack: Vec::new(), is_slack, converts }
    }

    fn find_islands(&mut self) {
        let mut neighbours = vec![Vec::new(); self.case.buses.len()];
        for (ends, _) in self.ends.iter().zip(&self.live_branch).filter(|(_, live)| **live) {
            neighbours[ends[0]].push(ends[1]);
            neighbours[ends[1]].push(ends[0]);
        }
        for start in 0..self.case.buses.len() {
            if self.component[start].is_some() || self.case.buses[start].kind == CaseBusType::Isolated {
                continue;
            }
            let island = self.slack.len();
            self.slack.push(None);
            self.component[start] = Some(island);
            let mut queue = VecDeque::from([start]);
            while let Some(row) = queue.pop_front() {
                for next in &neighbours[row] {
                    if self.component[*next].is_none() {
                        self.component[*next] = Some(island);
                        queue.push_back(*next);
                    }
                }
            }
        }
    }

    fn find_slacks(&mut self) {
        let mut best = vec![(false, f64::NEG_INFINITY); self.slack.len()];
        for (generator, row) in self.case.generators.iter().zip(&self.machine) {
            let Some(row) = *row else { continue };
            let Some(island) = self.component[row] else { continue };
            let reference = self.case.buses[row].kind == CaseBusType::Reference;
            if !(reference || generator.pmax_mw > 0.0) {
                continue;
            }
            self.is_slack[row] |= reference;
            let (has_reference, size) = best[island];
            let better = !has_reference && (reference || generator.pmax_mw > size);
            if better || self.slack[island].is_none() {
                best[island] = (reference, generator.pmax_mw);
                self.slack[island] = Some(row);
            }
        }
        for row in self.slack.iter().flatten() {
            self.is_slack[*row] = true;
        }
    }

    fn report(&self, diagnostics: &mut Vec<Diagnostic>) {
        for (row, bus) in self.case.buses.iter().enumerate() {
            let element = format!("bus {}", bus.number);
            let Some(island) = self.component[row] else { continue };
            let (kind, text) = match self.slack[island] {
                None => (DiagnosticKind::Dropped, "no machine in its island delivers power"),
                Some(_) if bus.kind == CaseBusType::Reference && !self.is_slack[row] => (
                    DiagnosticKind::Substituted,
                    "no machine at it; another one is the reference of its island",
                ),
                Some(slack) if bus.kind != CaseBusType::Reference && slack == row => {
                    (DiagnosticKind::Substituted, "its machine is the reference of an island without one")
                }
                Some(_) => continue,
            };
            diagnostics.push(Diagnostic { kind, element, line: None, text: text.into() });
        }
    }

    fn buses(&self, result: &mut CaseGrid) {
        let mut islands = vec![None; self.slack.len()];
        let mut count = 0_u32;
        let base = self.case.base_mva;
        for (row, bus) in self.case.buses.iter().enumerate() {
            let live = self.component[row].filter(|island| self.slack[*island].is_some());
            let Some(component) = live else {
                result.map.buses.push(None);
                continue;
            };
            let island = *islands[component].get_or_insert_with(|| {
                count += 1;
                IslandIdx(count - 1)
            });
            let index = BusIdx(crate::index(result.grid.buses.len()));
            result.map.buses.push(Some(index));
            let slack = self.is_slack[row];
            result.grid.buses.push(Bus {
                name: bus.name.clone().unwrap_or_else(|| bus.number.to_string()),
                kind: if slack { BusKind::Slack } else { BusKind::Pq },
                island,
                base_kv: bus.base_kv,
                p_pu: -bus.pd_mw / base,
                q_pu: -bus.qd_mvar / base,
                q_gen_min_pu: 0.0,
                q_gen_max_pu: 0.0,
                q_load_pu: bus.qd_mvar / base,
                g_shunt_pu: bus.gs_mw / base,
                b_shunt_pu: bus.bs_mvar / base,
                vm_pu: if bus.vm_pu > 0.0 { bus.vm_pu } else { 1.0 },
                va_rad: bus.va_degree.to_radians(),
            });
        }
        result.grid.islands = count;
    }

    fn machines(&self, result: &mut CaseGrid) {
        let base = self.case.base_mva;
        for (generator, row) in self.case.generators.iter().zip(&self.machine) {
            let index = row.and_then(|row| result.map.buses[row]);
            result.map.generators.push(index);
            let (Some(row), Some(index)) = (*row, index) else { continue };
            let bus = &mut result.grid.buses[index.at()];
            let regulating = match self.case.buses[row].kind {
                CaseBusType::Pv | CaseBusType::Reference => true,
                CaseBusType::Pq | CaseBusType::Isolated => bus.kind == BusKind::Slack || self.converts[row],
            };
            bus.p_pu += generator.pg_mw / base;
            if regulating {
                if bus.kind == BusKind::Pq {
                    bus.kind = BusKind::Pv;
                }
                bus.vm_pu = generator.vg_pu;
                bus.q_gen_min_pu += generator.qmin_mvar / base;
                bus.q_gen_max_pu += generator.qmax_mvar / base;
            } else {
                bus.q_pu += generator.qg_mvar / base;
            }
        }
    }

    fn dc_lines(&self, result: &mut CaseGrid) {
        let rows = self.case.bus_rows();
        let base = self.case.base_mva;
        for (number, line) in (1..).zip(&self.case.dc_lines) {
            let ends = [line.from, line.to].map(|end| result.map.buses[rows[&end]]);
            let live = match ends {
                [Some(from), Some(to)] if line.in_service => Some([from, to]),
                _ => None,
            };
            result.map.dc_lines.push(live);
            let Some([from, to]) = live else {
                let text = if line.in_service { "an end is not energised" } else { "out of service" };
                let element = format!("dc line {number} from {} to {}", line.from, line.to);
                let kind = DiagnosticKind::Dropped;
                result.diagnostics.push(Diagnostic { kind, element, line: None, text: text.into() });
                continue;
            };
            let converters = [
                (from, -line.pf_mw, line.vf_pu, [line.qminf_mvar, line.qmaxf_mvar]),
                (to, line.pt_mw(), line.vt_pu, [line.qmint_mvar, line.qmaxt_mvar]),
            ];
            for (bus, p_mw, v_pu, limits) in converters {
                let bus = &mut result.grid.buses[bus.at()];
                bus.p_pu += p_mw / base;
                bus.vm_pu = v_pu;
                if bus.kind == BusKind::Pq {
                    bus.kind = BusKind::Pv;
                }
                bus.q_gen_min_pu += limits[0] / base;
                bus.q_gen_max_pu += limits[1] / base;
            }
        }
    }

    fn branches(&self, result: &mut CaseGrid) {
        let mut parallel: HashMap<_, u32> = HashMap::new();
        for (row, branch) in self.case.branches.iter().enumerate() {
            let count = parallel.entry((branch.from, branch.to)).or_default();
            *count += 1;
            let suffix = if *count > 1 { format!("#{count}") } else { String::new() };
            let ends = self.ends[row].map(|end| result.map.buses[end]);
            let [Some(from), Some(to)] = ends else {
                result.map.branches.push(None);
                continue;
            };
            if !self.live_branch[row] {
                result.map.branches.push(None);
                continue;
            }
            result.map.branches.push(Some(BranchIdx(crate::index(result.grid.branches.len()))));
            let rated = branch.rate_a_mva.is_finite() && branch.rate_a_mva > 0.0;
            result.grid.branches.push(Branch {
                name: format!("{}-{}{suffix}", branch.from, branch.to),
                from,
                to,
                r_pu: branch.r_pu,
                x_pu: branch.x_pu,
                g_pu: 0.0,
                b_pu: branch.b_pu,
                ratio: branch.tap_ratio(),
                shift_rad: branch.shift_degree.to_radians(),
                rate_mva: if rated { branch.rate_a_mva } else { 0.0 },
            });
        }
    }
}

#[cfg(test)]
mod tests;
