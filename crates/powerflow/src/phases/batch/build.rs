//! Groups, factors and taps at the base solution.

use std::sync::Arc;

use sparse::complex::Complex;
use sparse::group::{GroupMatrix, GroupPattern, MOST_NODES};
use topology::phases::{GROUND as EARTH, PhaseGrid, ShuntBranch};

use super::lanes::{GROUND, PhaseLanes, Row, Tap};
use super::response::{Response, Shares};
use crate::phases::PhaseSolution;

/// Position by node ([`GROUND`] for those without a source), and the lanes unless the factors cannot be trusted.
pub(super) fn build(grid: &PhaseGrid, base: &PhaseSolution) -> (Vec<u32>, Option<PhaseLanes>) {
    let places = Places::new(grid, base);
    let mut matrix = GroupMatrix::new(Arc::clone(&places.pattern));
    let mut rows =
        vec![
            Row { injected: [0.0; 2], linear: [0.0; 2], base: [0.0; 2], inverse_square: 1.0, tap_end: 0 };
            places.pattern.nodes()
        ];
    for (node, &at) in places.position.iter().enumerate().filter(|(_, at)| **at != GROUND) {
        let v = base.v[node];
        let nominal = grid.base_v(node as u32);
        let nominal = if nominal.is_finite() { nominal } else { v.abs().max(f64::MIN_POSITIVE) };
        let row = &mut rows[at as usize];
        row.base = [v.re, v.im];
        row.inverse_square = 1.0 / (nominal * nominal);
    }
    add_elements(&mut matrix, grid, &places);
    add_sources(&mut rows, grid, &places);
    let mut taps = Taps { shares: Vec::new(), list: Vec::new() };
    for (index, branch) in (0u32..).zip(&grid.branches) {
        if let Some(tap) = taps.of(index, branch, base, &places) {
            add_slope(&mut matrix, &mut rows, &tap);
            taps.list.push(tap);
        }
    }
    taps.list.sort_by_key(|tap| tap.own);
    for (at, row) in (0u32..).zip(&mut rows) {
        row.tap_end = taps.list.partition_point(|tap| tap.own <= at) as u32;
    }
    let lanes = matrix.factor().map(|lu| PhaseLanes { lu, rows, taps: taps.list, shares: taps.shares });
    (places.position, lanes)
}

/// Where nodes stand.
struct Places {
    pattern: Arc<GroupPattern>,
    position: Vec<u32>,
}

impl Places {
    fn new(grid: &PhaseGrid, base: &PhaseSolution) -> Self {
        let fed: Vec<u32> =
            (0u32..).zip(&base.island).filter(|(_, island)| island.is_some()).map(|(node, _)| node).collect();
        let mut local = vec![GROUND; grid.nodes.len()];
        let (mut group, mut groups, mut filled) = (Vec::with_capacity(fed.len()), 0, 0);
        for (at, &node) in (0u32..).zip(&fed) {
            local[node as usize] = at;
            let before = at.checked_sub(1).map(|before| grid.nodes[fed[before as usize] as usize].bus);
            // Conductors of a bus stand together.
            if before != Some(grid.nodes[node as usize].bus) || filled == MOST_NODES {
                (groups, filled) = (groups + 1, 0);
            }
            group.push(groups - 1);
            filled += 1;
        }
        let of = |node: u32| if node == EARTH { GROUND } else { local[node as usize] };
        let mut edges = Vec::new();
        for element in &grid.elements {
            let nodes = grid.nodes_of(element);
            for (i, &a) in nodes.iter().enumerate() {
                edges.extend(nodes[..i].iter().map(|&b| [of(a), of(b)]));
            }
        }
        edges.extend(grid.branches.iter().map(|branch| [of(branch.from), of(branch.to)]));
        edges.retain(|[a, b]| *a != GROUND && *b != GROUND);
        for ends in &mut edges {
            *ends = ends.map(|end| group[end as usize]);
        }
        let pattern = Arc::new(GroupPattern::new(groups as usize, &group, &edges));
        for at in local.iter_mut().filter(|at| **at != GROUND) {
            *at = pattern.position()[*at as usize];
        }
        Self { pattern, position: local }
    }

    fn of(&self, node: u32) -> u32 {
        if node == EARTH { GROUND } else { self.position[node as usize] }
    }
}

fn add(matrix: &mut GroupMatrix, row: u32, col: u32, block: [f64; 4]) {
    if row != GROUND && col != GROUND {
        let has_place = matrix.add(row, col, block);
        debug_assert!(has_place, "the pattern was made of the same elements");
    }
}

fn add_elements(matrix: &mut GroupMatrix, grid: &PhaseGrid, places: &Places) {
    for element in &grid.elements {
        let (nodes, y) = (grid.nodes_of(element), grid.values_of(element));
        for (&a, y) in nodes.iter().zip(y.chunks(nodes.len().max(1))) {
            for (&b, y) in nodes.iter().zip(y) {
                add(matrix, places.of(a), places.of(b), [y.re, -y.im, y.im, y.re]);
            }
        }
    }
}

fn add_sources(rows: &mut [Row], grid: &PhaseGrid, places: &Places) {
    for source in &grid.sources {
        let element = &grid.elements[source.element as usize];
        let (nodes, y) = (grid.nodes_of(element), grid.values_of(element));
        for (&node, y) in nodes.iter().zip(y.chunks(nodes.len().max(1))) {
            let current: Complex = y.iter().zip(&source.emf_v).map(|(&y, &e)| y * e).sum();
            let at = places.of(node);
            if at != GROUND {
                let row = &mut rows[at as usize];
                row.injected = [row.injected[0] + current.re, row.injected[1] + current.im];
                row.linear = [row.linear[0] + current.re, row.linear[1] + current.im];
            }
        }
    }
}

/// Adds `D_b` to the matrix and `D_b v` at the base solution to the currents.
fn add_slope(matrix: &mut GroupMatrix, rows: &mut [Row], tap: &Tap) {
    let negative = tap.slope.map(|x| -x);
    for (row, col, block) in [
        (tap.own, tap.own, tap.slope),
        (tap.other, tap.other, tap.slope),
        (tap.own, tap.other, negative),
        (tap.other, tap.own, negative),
    ] {
        add(matrix, row, col, block);
    }
    let base = |at: u32| if at == GROUND { [0.0; 2] } else { rows[at as usize].base };
    let (own, other) = (base(tap.own), base(tap.other));
    let across = [own[0] - other[0], own[1] - other[1]];
    let [a, b, c, d] = tap.slope;
    let current = [a * across[0] + b * across[1], c * across[0] + d * across[1]];
    for (at, sign) in [(tap.own, 1.0), (tap.other, -1.0)].into_iter().filter(|(at, _)| *at != GROUND) {
        let linear = &mut rows[at as usize].linear;
        *linear = [linear[0] + sign * current[0], linear[1] + sign * current[1]];
    }
}

struct Taps {
    shares: Vec<Shares>,
    list: Vec<Tap>,
}

impl Taps {
    /// `None` for a branch between nodes without a source: it has no voltage.
    fn of(&mut self, index: u32, branch: &ShuntBranch, base: &PhaseSolution, places: &Places) -> Option<Tap> {
        let ends = [branch.from, branch.to].map(|node| places.of(node));
        // Groups are numbered from the sources outward. The current is odd in the voltage across, so that which end
        // is which does not matter.
        let [own, other] = match ends {
            [GROUND, GROUND] => return None,
            [GROUND, own] | [own, GROUND] => [own, GROUND],
            [a, b] => [a.max(b), a.min(b)],
        };
        let at = |node: u32| if node == EARTH { Complex::ZERO } else { base.v[node as usize] };
        let mut across = at(branch.from) - at(branch.to);
        if ends[0] != own {
            across = Complex::ZERO - across;
        }
        let (a, b) = branch.derivatives(across);
        let slope = [a.re + b.re, b.im - a.im, a.im + b.im, a.re - b.re];
        let mut unit = *branch;
        unit.set_power(Complex::new(1.0, 0.0));
        let unit = unit.current(across);
        let response = Response::of(branch, &mut self.shares);
        Some(Tap { branch: index, own, other, response, unit: [unit.re, unit.im], slope })
    }
}
