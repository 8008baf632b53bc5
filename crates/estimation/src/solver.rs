//! Splits grid and measurements into islands, keeps their symbolic work, and removes bad data.

use topology::calc::{BranchFlow, BusIdx, BusKind, Grid, IslandIdx, Voltages};

use crate::observability::{Half, Row, View, observe};
use crate::plan::Network;
use crate::problem::{Parts, Problem, Run};
use crate::{
    Checked, Estimate, Kind, Measurement, Options, Outcome, Removed, Start, Verdict, chi_square_quantile,
};

/// An island whose measured voltages all lie below this is dead.
const DEAD_BELOW_PU: f64 = 0.05;

/// Estimator which keeps observability, pattern, order and factors as long as topology and kinds of measurements
/// stay the same; the comparison costs O(buses + branches + measurements).
#[derive(Clone, Debug, Default)]
pub struct Solver {
    key: Option<Key>,
    islands: Vec<Island>,
    last: Voltages,
}

/// What the symbolic work depends on.
#[derive(Clone, PartialEq, Debug)]
struct Key {
    island_of: Vec<IslandIdx>,
    slack: Vec<bool>,
    ends: Vec<[BusIdx; 2]>,
    islands: u32,
    /// `None` for a measurement that is not usable.
    kinds: Vec<Option<Kind>>,
    zero: Vec<BusIdx>,
}

/// One island: all its buses, and the estimate over its observable part.
#[derive(Clone, Debug)]
struct Island {
    buses: Vec<usize>,
    /// All usable measurements of the island, observable or not.
    measurements: Vec<usize>,
    observable: Vec<bool>,
    problem: Option<Problem>,
}

/// Lists per island that the symbolic work starts from; places in the grid and in the caller's lists.
#[derive(Clone, Default)]
struct Lists {
    buses: Vec<usize>,
    branches: Vec<usize>,
    measurements: Vec<usize>,
    zero: Vec<usize>,
}

/// The grid's places as places in the island.
struct Places {
    bus: Vec<usize>,
    branch: Vec<usize>,
}

impl Solver {
    /// A solver that knows no topology yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Estimates every island of `grid`. `zero_injections` are buses where nothing is fed in or drawn; shunts belong
    /// to the network.
    pub fn estimate(
        &mut self,
        grid: &Grid,
        measurements: &[Measurement],
        zero_injections: &[BusIdx],
        options: &Options,
    ) -> Estimate {
        let key = Key::new(grid, measurements, zero_injections);
        if self.key.as_ref() != Some(&key) {
            self.islands = analyse(grid, &key);
            if self.last.vm_pu.len() != grid.buses.len() {
                self.last = unknown(grid.buses.len());
            }
        }
        let mut estimate = not_estimated(grid, measurements, &key);
        self.key = Some(key);
        for island in &mut self.islands {
            let outcome = island.estimate(grid, measurements, options, &self.last, &mut estimate);
            estimate.islands.push(outcome);
            let whole = outcome == Outcome::Unobservable;
            for (&bus, &observable) in island.buses.iter().zip(&island.observable) {
                if outcome != Outcome::Dead && (whole || !observable) {
                    estimate.unobservable.push(index(bus));
                }
            }
        }
        estimate.unobservable.sort_unstable();
        fill_flows(grid, &mut estimate);
        self.last.clone_from(&estimate.voltages);
        estimate
    }
}

impl Key {
    fn new(grid: &Grid, measurements: &[Measurement], zero_injections: &[BusIdx]) -> Self {
        let known = |bus: &BusIdx| bus.at() < grid.buses.len();
        let mut zero: Vec<BusIdx> = zero_injections.iter().copied().filter(known).collect();
        zero.sort_unstable();
        zero.dedup();
        Self {
            island_of: grid.buses.iter().map(|bus| bus.island).collect(),
            slack: grid.buses.iter().map(|bus| bus.kind == BusKind::Slack).collect(),
            ends: grid.branches.iter().map(|branch| [branch.from, branch.to]).collect(),
            islands: grid.islands,
            kinds: measurements.iter().map(|m| usable(grid, m).then_some(m.kind)).collect(),
            zero,
        }
    }

    /// The bus at which a measurement is taken.
    fn bus(&self, kind: Kind) -> BusIdx {
        match kind {
            Kind::Vm(bus) | Kind::Va(bus) | Kind::PInjection(bus) | Kind::QInjection(bus) => bus,
            Kind::PFlow(branch, end) | Kind::QFlow(branch, end) => {
                self.ends[branch.at()][crate::plan::end_index(end)]
            }
        }
    }
}

fn usable(grid: &Grid, measurement: &Measurement) -> bool {
    let exists = match measurement.kind {
        Kind::Vm(bus) | Kind::Va(bus) | Kind::PInjection(bus) | Kind::QInjection(bus) => {
            bus.at() < grid.buses.len()
        }
        Kind::PFlow(branch, _) | Kind::QFlow(branch, _) => branch.at() < grid.branches.len(),
    };
    exists && measurement.value.is_finite() && measurement.sigma.is_finite() && measurement.sigma > 0.0
}

/// Observability and symbolic work of every island.
fn analyse(grid: &Grid, key: &Key) -> Vec<Island> {
    let count = key.islands as usize;
    let mut lists = vec![Lists::default(); count];
    let mut places = Places { bus: vec![0; grid.buses.len()], branch: vec![0; grid.branches.len()] };
    for (bus, island) in key.island_of.iter().enumerate() {
        if let Some(list) = lists.get_mut(island.at()) {
            places.bus[bus] = list.buses.len();
            list.buses.push(bus);
        }
    }
    let island_of = |bus: BusIdx| key.island_of.get(bus.at()).map(|island| island.at());
    for (branch, &[from, to]) in key.ends.iter().enumerate() {
        // A branch between islands, or to nowhere, carries nothing that could be estimated.
        let island = island_of(from).filter(|&island| island_of(to) == Some(island));
        if let Some(list) = island.and_then(|island| lists.get_mut(island)) {
            places.branch[branch] = list.branches.len();
            list.branches.push(branch);
        }
    }
    for (at, kind) in key.kinds.iter().enumerate() {
        let Some(kind) = *kind else { continue };
        if let Some(list) = island_of(key.bus(kind)).and_then(|island| lists.get_mut(island)) {
            list.measurements.push(at);
        }
    }
    for bus in &key.zero {
        if let Some(list) = island_of(*bus).and_then(|island| lists.get_mut(island)) {
            list.zero.push(bus.at());
        }
    }
    lists.into_iter().map(|list| Island::new(key, &places, list)).collect()
}

impl Island {
    fn new(key: &Key, places: &Places, lists: Lists) -> Self {
        let ends: Vec<[usize; 2]> =
            lists.branches.iter().map(|&b| key.ends[b].map(|bus| places.bus[bus.at()])).collect();
        let kinds = lists.measurements.iter().filter_map(|&at| key.kinds[at]);
        let mut rows: Vec<Row> =
            kinds.map(|kind| Row::new(kind, |b| places.bus[b], |b| places.branch[b])).collect();
        let measured = rows.len();
        let connected = |bus: usize| ends.iter().any(|pair| pair.contains(&bus));
        for bus in lists.zero.iter().map(|&bus| places.bus[bus]).filter(|&bus| connected(bus)) {
            rows.extend([Half::Active, Half::Reactive].map(|half| Row::Injection { bus, half }));
        }
        let preferred = lists.buses.iter().position(|&bus| key.slack[bus]).unwrap_or(0);
        let view = View { buses: lists.buses.len(), ends: &ends, rows: &rows, preferred };
        let observed = observe(&view);
        if !observed.bus.contains(&true) {
            let Lists { buses, measurements, .. } = lists;
            return Self { buses, measurements, observable: observed.bus, problem: None };
        }
        let part = Part::new(&observed.bus, &ends);
        let reference = if observed.bus[preferred] { part.bus[preferred] } else { 0 };
        let serving = |range: std::ops::Range<usize>| range.filter(|&row| observed.row[row]);
        let translate = |row: usize| part.row(rows[row]);
        let measurement_rows: Vec<usize> = serving(0..measured).collect();
        let own: Vec<Row> = measurement_rows.iter().map(|&row| translate(row)).collect();
        let zero: Vec<Row> = serving(measured..rows.len()).map(translate).collect();
        let clocked = own.iter().any(|row| matches!(row, Row::Angle(_)));
        let network =
            Network { buses: part.buses.len(), ends: &part.ends, reference: (!clocked).then_some(reference) };
        let parts = Parts {
            buses: part.buses.iter().map(|&bus| lists.buses[bus]).collect(),
            branches: part.branches.iter().map(|&branch| lists.branches[branch]).collect(),
            measurements: measurement_rows.iter().map(|&row| lists.measurements[row]).collect(),
        };
        let problem = Problem::new(parts, &network, &own, &zero);
        let Lists { buses, measurements, .. } = lists;
        Self { buses, measurements, observable: observed.bus, problem: Some(problem) }
    }

    fn estimate(
        &mut self,
        grid: &Grid,
        measurements: &[Measurement],
        options: &Options,
        last: &Voltages,
        out: &mut Estimate,
    ) -> Outcome {
        if is_dead(measurements, &self.measurements) {
            return Outcome::Dead;
        }
        let Some(problem) = &mut self.problem else { return Outcome::Unobservable };
        problem.measure(measurements);
        start(problem, grid, options.start, last);
        let mut cleaned = clean(problem, grid, options);
        if matches!(cleaned.run, Run::Stopped { .. } | Run::Singular) && options.start != Start::Flat {
            problem.measure(measurements);
            start(problem, grid, Start::Flat, last);
            cleaned = clean(problem, grid, options);
        }
        match cleaned.run {
            Run::Settled { .. } => {
                write(problem, measurements, &cleaned, out);
                settled(problem, cleaned.steps, options)
            }
            Run::Stopped { worst, step, .. } => {
                Outcome::Stopped { worst: index(problem.buses[worst]), step, iterations: cleaned.steps }
            }
            Run::Singular => Outcome::Unobservable,
        }
    }
}

/// The observable part of an island: places in the island, and the way back.
struct Part {
    buses: Vec<usize>,
    branches: Vec<usize>,
    ends: Vec<[usize; 2]>,
    bus: Vec<usize>,
    branch: Vec<usize>,
}

impl Part {
    fn new(observable: &[bool], ends: &[[usize; 2]]) -> Self {
        let mut part = Self {
            buses: Vec::new(),
            branches: Vec::new(),
            ends: Vec::new(),
            bus: vec![0; observable.len()],
            branch: vec![0; ends.len()],
        };
        for bus in (0..observable.len()).filter(|&bus| observable[bus]) {
            part.bus[bus] = part.buses.len();
            part.buses.push(bus);
        }
        for (branch, pair) in ends.iter().enumerate() {
            if pair.iter().all(|&bus| observable[bus]) {
                part.branch[branch] = part.branches.len();
                part.branches.push(branch);
                part.ends.push(pair.map(|bus| part.bus[bus]));
            }
        }
        part
    }

    fn row(&self, row: Row) -> Row {
        match row {
            Row::Magnitude(bus) => Row::Magnitude(self.bus[bus]),
            Row::Angle(bus) => Row::Angle(self.bus[bus]),
            Row::Injection { bus, half } => Row::Injection { bus: self.bus[bus], half },
            Row::Flow { branch, end, half } => Row::Flow { branch: self.branch[branch], end, half },
        }
    }
}

/// How the repeated estimate of an island ended.
struct Cleaned {
    run: Run,
    steps: u32,
    /// Rows removed and their normalised residuals, in order.
    removed: Vec<(usize, f64)>,
}

/// Estimates, removes the largest normalised residual above the threshold, and repeats.
fn clean(problem: &mut Problem, grid: &Grid, options: &Options) -> Cleaned {
    let mut cleaned = Cleaned { run: Run::Singular, steps: 0, removed: Vec::new() };
    loop {
        cleaned.run = problem.run(grid, options.tolerance, options.max_iterations);
        match cleaned.run {
            Run::Settled { steps } => cleaned.steps += steps,
            Run::Stopped { steps, .. } => {
                cleaned.steps += steps;
                return cleaned;
            }
            Run::Singular => return cleaned,
        }
        problem.judge();
        let worst = (0..problem.measurements.len())
            .filter_map(|row| problem.normalised_residual(row).map(|residual| (row, residual)))
            .max_by(|a, b| a.1.total_cmp(&b.1));
        match worst {
            Some((row, residual))
                if residual > options.residual_threshold
                    && cleaned.removed.len() < options.max_removals as usize =>
            {
                problem.remove(row);
                cleaned.removed.push((row, residual));
            }
            Some(_) | None => return cleaned,
        }
    }
}

fn settled(problem: &Problem, iterations: u32, options: &Options) -> Outcome {
    let equations = problem.used() + problem.constraints();
    let freedom = equations.saturating_sub(problem.unknowns());
    let degrees_of_freedom = u32::try_from(freedom).unwrap_or(u32::MAX);
    Outcome::Estimated {
        iterations,
        objective: problem.objective(),
        degrees_of_freedom,
        redundancy: equations as f64 / problem.unknowns() as f64,
        chi2_threshold: chi_square_quantile(options.chi2_confidence, degrees_of_freedom),
    }
}

fn is_dead(measurements: &[Measurement], of_island: &[usize]) -> bool {
    let highest = of_island.iter().filter_map(|&at| match measurements[at].kind {
        Kind::Vm(_) => Some(measurements[at].value.abs()),
        Kind::Va(_) | Kind::PInjection(_) | Kind::QInjection(_) | Kind::PFlow(..) | Kind::QFlow(..) => None,
    });
    highest.reduce(f64::max).is_some_and(|vm_pu| vm_pu < DEAD_BELOW_PU)
}

fn start(problem: &mut Problem, grid: &Grid, start: Start, last: &Voltages) {
    let slack = problem.buses.iter().map(|&b| &grid.buses[b]).find(|bus| bus.kind == BusKind::Slack);
    // The reference keeps its angle of the grid: that of the slack where there is one.
    let reference = slack.or_else(|| problem.buses.first().map(|&b| &grid.buses[b])).map(|bus| bus.va_rad);
    let reference_rad = reference.filter(|angle| angle.is_finite()).unwrap_or(0.0);
    let sound = |[vm, va]: [f64; 2]| vm.is_finite() && vm > DEAD_BELOW_PU && va.is_finite();
    for (at, &bus) in problem.buses.iter().enumerate() {
        let given = match start {
            Start::Flat => [1.0, reference_rad],
            Start::FromGrid => [grid.buses[bus].vm_pu, grid.buses[bus].va_rad],
            Start::Warm => last.at(index(bus)),
        };
        let [vm_pu, va_rad] = if sound(given) { given } else { [1.0, reference_rad] };
        (problem.vm_pu[at], problem.va_rad[at]) = (vm_pu, va_rad);
    }
    problem.hold_reference(reference_rad);
}

fn write(problem: &Problem, measurements: &[Measurement], cleaned: &Cleaned, out: &mut Estimate) {
    for (at, &bus) in problem.buses.iter().enumerate() {
        out.voltages.vm_pu[bus] = problem.vm_pu[at];
        out.voltages.va_rad[bus] = problem.va_rad[at];
    }
    for (row, &at) in problem.measurements.iter().enumerate() {
        out.measurements[at].estimated = problem.computed[row];
        out.measurements[at].normalised_residual = problem.normalised_residual(row);
        out.measurements[at].verdict = Verdict::Used;
    }
    for (order, &(row, normalised_residual)) in (0u32..).zip(&cleaned.removed) {
        let index = problem.measurements[row];
        out.measurements[index].normalised_residual = Some(normalised_residual);
        out.measurements[index].verdict = Verdict::Removed(order);
        out.removed.push(Removed { id: measurements[index].id, index, normalised_residual, order });
    }
}

/// Flows where both ends are estimated, and injections where all branches are.
fn fill_flows(grid: &Grid, estimate: &mut Estimate) {
    let voltages = &estimate.voltages;
    for (at, bus) in grid.buses.iter().enumerate() {
        let v2 = voltages.vm_pu[at] * voltages.vm_pu[at];
        estimate.p_injection_pu[at] = bus.g_shunt_pu * v2;
        estimate.q_injection_pu[at] = -bus.b_shunt_pu * v2;
    }
    for (branch, flow) in grid.branches.iter().zip(&mut estimate.flows) {
        let (from, to) = (branch.from, branch.to);
        if from.at() >= grid.buses.len() || to.at() >= grid.buses.len() {
            continue;
        }
        *flow = branch.flow(voltages.at(from), voltages.at(to));
        estimate.p_injection_pu[from.at()] += flow.p_from_pu;
        estimate.q_injection_pu[from.at()] += flow.q_from_pu;
        estimate.p_injection_pu[to.at()] += flow.p_to_pu;
        estimate.q_injection_pu[to.at()] += flow.q_to_pu;
    }
}

fn not_estimated(grid: &Grid, measurements: &[Measurement], key: &Key) -> Estimate {
    let nan = vec![f64::NAN; grid.buses.len()];
    let flow = BranchFlow { p_from_pu: f64::NAN, q_from_pu: f64::NAN, p_to_pu: f64::NAN, q_to_pu: f64::NAN };
    let checked = |(measurement, kind): (&Measurement, &Option<Kind>)| Checked {
        id: measurement.id,
        estimated: f64::NAN,
        normalised_residual: None,
        verdict: if kind.is_some() { Verdict::NotObservable } else { Verdict::Rejected },
    };
    Estimate {
        voltages: unknown(grid.buses.len()),
        islands: Vec::with_capacity(grid.islands as usize),
        unobservable: Vec::new(),
        flows: vec![flow; grid.branches.len()],
        p_injection_pu: nan.clone(),
        q_injection_pu: nan,
        measurements: measurements.iter().zip(&key.kinds).map(checked).collect(),
        removed: Vec::new(),
    }
}

fn unknown(buses: usize) -> Voltages {
    Voltages { vm_pu: vec![f64::NAN; buses], va_rad: vec![f64::NAN; buses] }
}

fn index(bus: usize) -> BusIdx {
    BusIdx(u32::try_from(bus).unwrap_or(u32::MAX))
}
