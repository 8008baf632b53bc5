//! Numerical observability (Monticelli and Wu, "Network observability: theory", IEEE Trans. PAS-104(5), 1985).
//!
//! Active measurements see angles, reactive ones see magnitudes. Each half is a linear network in which branch `k`
//! has an arbitrary susceptance `w(k)`:
//!
//! ```text
//! flow = w(k) (t(f) - t(t))        injection = Σ flow out        own voltage or angle = t(i)
//! G t = 0 has solutions beside t = 0  <=>  a pivot of G = HᵀH vanishes
//! ```
//!
//! A solution `t` is made by giving the vanished pivots distinct values. A branch across which the angles of `t`
//! differ carries a flow that no measurement sees; a bus with a magnitude in `t` is not seen either. Injections at
//! the ends of such branches are dropped as they tell nothing about the rest, and the test is repeated until nothing
//! is dropped. What hangs together then is an observable part. One part per island is kept, for parts without a
//! common angle cannot be laid side by side.

use sparse::{Csc, Lu};

use crate::{End, Kind};

/// A pivot at or below this share of its diagonal vanished.
const ZERO_PIVOT: f64 = 1e-10;
/// A difference in `t` above this is one; the values given to vanished pivots are between 1 and 2.
const DIFFERENT: f64 = 1e-5;

/// The island as observability sees it; everything counts in the island.
pub(crate) struct View<'a> {
    pub(crate) buses: usize,
    /// Ends of every branch.
    pub(crate) ends: &'a [[usize; 2]],
    pub(crate) rows: &'a [Row],
    /// Bus to prefer when two parts are of the same size.
    pub(crate) preferred: usize,
}

/// One measurement or constraint; indices count in the island.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Row {
    Magnitude(usize),
    Angle(usize),
    Injection { bus: usize, half: Half },
    Flow { branch: usize, end: End, half: Half },
}

/// Active power sees angles, reactive power sees magnitudes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Half {
    Active,
    Reactive,
}

/// Which buses of an island belong to the part that is estimated, and which rows serve it.
pub(crate) struct Observed {
    pub(crate) bus: Vec<bool>,
    pub(crate) row: Vec<bool>,
}

impl Row {
    /// Translates a measurement, given the place of buses and branches in the island.
    pub(crate) fn new(kind: Kind, bus: impl Fn(usize) -> usize, branch: impl Fn(usize) -> usize) -> Self {
        match kind {
            Kind::Vm(b) => Self::Magnitude(bus(b.at())),
            Kind::Va(b) => Self::Angle(bus(b.at())),
            Kind::PInjection(b) => Self::Injection { bus: bus(b.at()), half: Half::Active },
            Kind::QInjection(b) => Self::Injection { bus: bus(b.at()), half: Half::Reactive },
            Kind::PFlow(b, end) => Self::Flow { branch: branch(b.at()), end, half: Half::Active },
            Kind::QFlow(b, end) => Self::Flow { branch: branch(b.at()), end, half: Half::Reactive },
        }
    }

    const fn half(self) -> Half {
        match self {
            Self::Angle(_) => Half::Active,
            Self::Magnitude(_) => Half::Reactive,
            Self::Injection { half, .. } | Self::Flow { half, .. } => half,
        }
    }
}

/// Finds the observable part.
pub(crate) fn observe(view: &View<'_>) -> Observed {
    let mut seen = vec![true; view.buses];
    let mut live = vec![true; view.ends.len()];
    let mut row_serves = vec![true; view.rows.len()];
    loop {
        let magnitudes = unseen_direction(view, Half::Reactive, &live, &row_serves);
        let angles = unseen_direction(view, Half::Active, &live, &row_serves);
        let mut dropped = false;
        for (bus, t) in magnitudes.iter().enumerate() {
            if seen[bus] && t.abs() > DIFFERENT {
                seen[bus] = false;
                dropped = true;
            }
        }
        for (branch, &[f, t]) in view.ends.iter().enumerate() {
            let hidden = !seen[f] || !seen[t] || (angles[f] - angles[t]).abs() > DIFFERENT;
            if live[branch] && hidden {
                live[branch] = false;
                dropped = true;
            }
        }
        if !dropped {
            break;
        }
        drop_rows(view, &seen, &live, &mut row_serves);
    }
    keep_one_part(view, &seen, &live, &row_serves)
}

/// A direction of the state that no serving row of this half sees; zero where everything is seen.
fn unseen_direction(view: &View<'_>, half: Half, live: &[bool], serves: &[bool]) -> Vec<f64> {
    let incident = incidence(view, live);
    let mut entries: Vec<(usize, usize, f64)> = (0..view.buses).map(|bus| (bus, bus, 0.0)).collect();
    let mut gradient: Vec<(usize, f64)> = Vec::new();
    for (row, _) in view.rows.iter().zip(serves).filter(|(row, serves)| **serves && row.half() == half) {
        gradient.clear();
        push_gradient(view, *row, &incident, &mut gradient);
        for &(i, a) in &gradient {
            for &(j, b) in &gradient {
                entries.push((i, j, a * b));
            }
        }
    }
    let gain = Csc::square(view.buses, &entries);
    let mut lu = Lu::new(&gain);
    let mut direction = vec![0.0; view.buses];
    // Failure is impossible on finite numbers; were it not, nothing would count as seen.
    let Ok(vanished) = lu.factor_semidefinite(&gain, ZERO_PIVOT) else {
        return (0..view.buses).map(arbitrary).collect();
    };
    for (k, column) in vanished.into_iter().enumerate() {
        direction[column] = arbitrary(k);
    }
    lu.solve(&mut direction);
    direction
}

/// Branches at every bus, with the bus at the other end.
fn incidence(view: &View<'_>, live: &[bool]) -> Vec<Vec<(usize, usize)>> {
    let mut incident = vec![Vec::new(); view.buses];
    for (branch, &[f, t]) in view.ends.iter().enumerate().filter(|(branch, _)| live[*branch]) {
        incident[f].push((branch, t));
        incident[t].push((branch, f));
    }
    incident
}

fn push_gradient(view: &View<'_>, row: Row, incident: &[Vec<(usize, usize)>], out: &mut Vec<(usize, f64)>) {
    match row {
        Row::Magnitude(bus) | Row::Angle(bus) => out.push((bus, 1.0)),
        Row::Flow { branch, .. } => {
            let [f, t] = view.ends[branch];
            out.extend([(f, arbitrary(branch)), (t, -arbitrary(branch))]);
        }
        Row::Injection { bus, .. } => {
            out.push((bus, incident[bus].iter().map(|&(branch, _)| arbitrary(branch)).sum()));
            out.extend(incident[bus].iter().map(|&(branch, other)| (other, -arbitrary(branch))));
        }
    }
}

/// Drops rows that touch an unseen bus, a dropped branch, or a bus with a dropped branch.
fn drop_rows(view: &View<'_>, seen: &[bool], live: &[bool], serves: &mut [bool]) {
    let mut whole = seen.to_vec();
    for (branch, &[f, t]) in view.ends.iter().enumerate() {
        if !live[branch] {
            (whole[f], whole[t]) = (false, false);
        }
    }
    for (row, serves) in view.rows.iter().zip(serves) {
        let sound = match *row {
            Row::Magnitude(bus) | Row::Angle(bus) => seen[bus],
            Row::Injection { bus, .. } => whole[bus],
            Row::Flow { branch, .. } => live[branch],
        };
        *serves &= sound;
    }
}

/// Keeps the largest connected part, and the rows inside it.
fn keep_one_part(view: &View<'_>, seen: &[bool], live: &[bool], serves: &[bool]) -> Observed {
    let mut part: Vec<usize> = (0..view.buses).collect();
    for (_, &[f, t]) in view.ends.iter().enumerate().filter(|(branch, _)| live[*branch]) {
        join(&mut part, f, t);
    }
    // Measured angles share one clock, so they tie parts together.
    let mut anchor = None;
    for (row, serves) in view.rows.iter().zip(serves) {
        if let (Row::Angle(bus), true) = (*row, *serves) {
            join(&mut part, *anchor.get_or_insert(bus), bus);
        }
    }
    let roots: Vec<usize> = (0..view.buses).map(|bus| root(&mut part, bus)).collect();
    let mut size = vec![0usize; view.buses];
    for (bus, &root) in roots.iter().enumerate() {
        size[root] += usize::from(seen[bus]);
    }
    let preferred = roots.get(view.preferred).copied();
    let best = (0..view.buses).max_by_key(|&r| (size[r], Some(r) == preferred, std::cmp::Reverse(r)));
    let bus: Vec<bool> =
        (0..view.buses).map(|b| seen[b] && Some(roots[b]) == best && size[roots[b]] > 0).collect();
    let row = view
        .rows
        .iter()
        .zip(serves)
        .map(|(row, &serves)| {
            serves
                && match *row {
                    Row::Magnitude(b) | Row::Angle(b) | Row::Injection { bus: b, .. } => bus[b],
                    Row::Flow { branch, .. } => live[branch] && bus[view.ends[branch][0]],
                }
        })
        .collect();
    Observed { bus, row }
}

fn root(part: &mut [usize], mut at: usize) -> usize {
    while part[at] != at {
        part[at] = part[part[at]];
        at = part[at];
    }
    at
}

fn join(part: &mut [usize], a: usize, b: usize) {
    let (a, b) = (root(part, a), root(part, b));
    part[a.max(b)] = a.min(b);
}

/// A number between 1 and 2 that repeats for no two indices: arbitrary, so that nothing cancels by chance.
fn arbitrary(index: usize) -> f64 {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    1.0 + (GOLDEN * (index as f64 + 1.0)).fract()
}
