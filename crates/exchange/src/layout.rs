//! Places for substations in a picture of the grid, from the graph alone, always the same for the same network.
//!
//! Stress majorisation (Gansner, Koren, North 2004) moves each place to the weighted mean of where its partners want
//! it, so that distances in the picture come near to distances in the graph:
//!
//! ```text
//! stress = Σ w_ij (|x_i - x_j| - d_ij)²        w_ij = d_ij^-2
//! x_i   := Σ_j w_ij (x_j + d_ij (x_i - x_j) / |x_i - x_j|) / Σ_j w_ij
//! ```
//!
//! It starts from pivot multidimensional scaling (Brandes, Pich 2007). Up to [`EXACT_NODES`] substations all pairs
//! are partners, O(n²) memory and time per round; beyond, only neighbours and the pivots are.

use std::collections::{BTreeSet, HashMap, VecDeque};

use model::{Network, SubstationIdx, TerminalIdx};

/// Up to this many substations every pair counts.
pub const EXACT_NODES: usize = 2_000;

const PIVOTS: usize = 40;
const POWER_ROUNDS: usize = 60;
const SEPARATION_ROUNDS: usize = 60;
const MARGIN: f64 = 0.04;
/// How much wider than high the result may be stretched against its own shape, and the other way round.
const MAX_STRETCH: f64 = 2.5;

type Point = [f64; 2];

/// Gives every substation of a network its place.
pub fn place(network: &mut Network) {
    let count = network.substations().len();
    let edges = edges(network);
    for (index, [x, y]) in SubstationIdx::all(count).zip(positions(count, &edges)) {
        network.place(index, x, y);
    }
}

/// Pairs of substations that a line or transformer joins, each once.
fn edges(network: &Network) -> Vec<[usize; 2]> {
    let place = |terminal: TerminalIdx| network.substation_of(network.node_of(terminal)).at();
    let lines = network.lines().iter().map(|line| line.terminals);
    let transformers = network.transformers().iter().map(|t| [t.ends[0].terminal, t.ends[1].terminal]);
    let found: BTreeSet<[usize; 2]> = lines
        .chain(transformers)
        .map(|ends| ends.map(place))
        .map(|[a, b]| [a.min(b), a.max(b)])
        .filter(|[a, b]| a != b)
        .collect();
    found.into_iter().collect()
}

/// Places in the unit square for a graph of `count` nodes.
fn positions(count: usize, edges: &[[usize; 2]]) -> Vec<Point> {
    if count <= 1 {
        return vec![[0.5, 0.5]; count];
    }
    let mut neighbours = vec![Vec::new(); count];
    for [a, b] in edges {
        neighbours[*a].push(*b);
        neighbours[*b].push(*a);
    }
    let pivots = pivots(&neighbours);
    let mut places = pivot_scaling(&pivots);
    let partners = partners(&neighbours, &pivots);
    let rounds = if count <= 300 { 300 } else { 40 };
    for _ in 0..rounds {
        majorise(&mut places, &partners);
    }
    turn(&mut places);
    fit(&mut places);
    separate(&mut places);
    places
}

/// Steps from one node to all others; nodes of other components count as a little farther than the farthest.
fn distances(neighbours: &[Vec<usize>], start: usize) -> Vec<f64> {
    let mut steps = vec![u32::MAX; neighbours.len()];
    steps[start] = 0;
    let mut queue = VecDeque::from([start]);
    let mut farthest = 0;
    while let Some(node) = queue.pop_front() {
        farthest = steps[node];
        for next in &neighbours[node] {
            if steps[*next] == u32::MAX {
                steps[*next] = farthest + 1;
                queue.push_back(*next);
            }
        }
    }
    steps.into_iter().map(|step| f64::from(if step == u32::MAX { farthest + 2 } else { step })).collect()
}

/// A pivot and its distances to all nodes.
struct Pivot {
    node: usize,
    distances: Vec<f64>,
}

/// Pivots far from each other: each next one is farthest from those before.
fn pivots(neighbours: &[Vec<usize>]) -> Vec<Pivot> {
    let mut pivots: Vec<Pivot> = Vec::new();
    let mut nearest = vec![f64::INFINITY; neighbours.len()];
    let mut node = 0;
    while pivots.len() < PIVOTS.min(neighbours.len()) {
        let distances = distances(neighbours, node);
        for (least, distance) in nearest.iter_mut().zip(&distances) {
            *least = least.min(*distance);
        }
        pivots.push(Pivot { node, distances });
        node = 0;
        for at in 1..nearest.len() {
            if nearest[at] > nearest[node] {
                node = at;
            }
        }
    }
    pivots
}

/// A small offset that depends on the index only, so that no two places start together.
fn jitter(at: usize) -> Point {
    let angle = at as f64 * 2.399_963_229_728_653; // the golden angle
    [0.01 * angle.cos(), 0.01 * angle.sin()]
}

/// Pivot multidimensional scaling: the two main axes of the doubly centred squared distances.
fn pivot_scaling(pivots: &[Pivot]) -> Vec<Point> {
    let (rows, columns) = (pivots[0].distances.len(), pivots.len());
    let mut centred: Vec<f64> = Vec::with_capacity(rows * columns);
    for row in 0..rows {
        centred.extend(pivots.iter().map(|pivot| pivot.distances[row] * pivot.distances[row]));
    }
    let column_mean: Vec<f64> = (0..columns)
        .map(|column| (0..rows).map(|row| centred[row * columns + column]).sum::<f64>() / rows as f64)
        .collect();
    let mean = column_mean.iter().sum::<f64>() / columns as f64;
    for row in centred.chunks_mut(columns) {
        let row_mean = row.iter().sum::<f64>() / columns as f64;
        for (entry, column_mean) in row.iter_mut().zip(&column_mean) {
            *entry = -0.5 * (*entry - row_mean - column_mean + mean);
        }
    }
    let first = main_axis(&centred, columns, None);
    let second = main_axis(&centred, columns, Some(&first));
    let along = |row: &[f64], axis: &[f64]| row.iter().zip(axis).map(|(a, b)| a * b).sum::<f64>();
    let mut places: Vec<Point> =
        centred.chunks(columns).map(|row| [along(row, &first), along(row, &second)]).collect();
    let size = places.iter().flatten().fold(1e-9_f64, |size, value| size.max(value.abs()));
    for (at, place) in places.iter_mut().enumerate() {
        let [dx, dy] = jitter(at);
        *place = [place[0] / size + dx, place[1] / size + dy];
    }
    let reach = pivots.iter().flat_map(|pivot| &pivot.distances).fold(1.0_f64, |a, b| a.max(*b));
    places.iter_mut().flatten().for_each(|value| *value *= reach / 2.0);
    places
}

/// The main eigenvector of CᵀC by power iteration, orthogonal to `before`.
fn main_axis(centred: &[f64], columns: usize, before: Option<&[f64]>) -> Vec<f64> {
    let mut axis: Vec<f64> = (0..columns).map(|at| 1.0 + jitter(at)[0] * (at + 1) as f64).collect();
    for _ in 0..POWER_ROUNDS {
        let mut next = vec![0.0; columns];
        for row in centred.chunks(columns) {
            let along: f64 = row.iter().zip(&axis).map(|(a, b)| a * b).sum();
            next.iter_mut().zip(row).for_each(|(sum, entry)| *sum += along * entry);
        }
        if let Some(before) = before {
            let along: f64 = next.iter().zip(before).map(|(a, b)| a * b).sum();
            next.iter_mut().zip(before).for_each(|(sum, entry)| *sum -= along * entry);
        }
        let length = next.iter().map(|value| value * value).sum::<f64>().sqrt();
        if length < 1e-12 {
            break;
        }
        axis = next.into_iter().map(|value| value / length).collect();
    }
    axis
}

/// Per node the nodes that it wants a distance to.
fn partners(neighbours: &[Vec<usize>], pivots: &[Pivot]) -> Vec<Vec<(usize, f64)>> {
    let count = neighbours.len();
    if count <= EXACT_NODES {
        return (0..count)
            .map(|node| {
                let far = distances(neighbours, node).into_iter().enumerate();
                far.filter(|(other, _)| *other != node).collect()
            })
            .collect();
    }
    (0..count)
        .map(|node| {
            let near = neighbours[node].iter().map(|other| (*other, 1.0));
            let far = pivots.iter().map(|pivot| (pivot.node, pivot.distances[node]));
            near.chain(far.filter(|(other, distance)| *other != node && *distance > 1.0)).collect()
        })
        .collect()
}

fn majorise(places: &mut [Point], partners: &[Vec<(usize, f64)>]) {
    for node in 0..places.len() {
        let [x, y] = places[node];
        let (mut sum, mut weights) = ([0.0, 0.0], 0.0);
        for (other, distance) in &partners[node] {
            let [ox, oy] = places[*other];
            let (dx, dy) = (x - ox, y - oy);
            let stretch = distance / dx.hypot(dy).max(1e-9);
            let weight = 1.0 / (distance * distance);
            sum[0] += weight * (ox + dx * stretch);
            sum[1] += weight * (oy + dy * stretch);
            weights += weight;
        }
        if weights > 0.0 {
            places[node] = sum.map(|value| value / weights);
        }
    }
}

/// Turns the picture so that it is wider than high, with the first node in the upper left half.
fn turn(places: &mut [Point]) {
    let count = places.len() as f64;
    let mean = [0, 1].map(|axis| places.iter().map(|place| place[axis]).sum::<f64>() / count);
    let moment = |a: usize, b: usize| {
        places.iter().map(|place| (place[a] - mean[a]) * (place[b] - mean[b])).sum::<f64>()
    };
    let angle = 0.5 * (2.0 * moment(0, 1)).atan2(moment(0, 0) - moment(1, 1));
    let (sin, cos) = angle.sin_cos();
    for place in places.iter_mut() {
        let (x, y) = (place[0] - mean[0], place[1] - mean[1]);
        *place = [x * cos + y * sin, y * cos - x * sin];
    }
    for axis in [0, 1] {
        if places[0][axis] > 0.0 {
            places.iter_mut().for_each(|place| place[axis] = -place[axis]);
        }
    }
}

/// Fits the picture into the unit square with a margin.
fn fit(places: &mut [Point]) {
    let range = [0, 1].map(|axis| {
        let values = || places.iter().map(|place| place[axis]);
        (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max))
    });
    let spans = range.map(|(low, high)| (high - low).max(1e-9));
    let wanted = spans.map(|span| (1.0 - 2.0 * MARGIN) / span);
    let least = wanted[0].min(wanted[1]);
    for place in places.iter_mut() {
        for axis in [0, 1] {
            let (low, high) = range[axis];
            let scale = wanted[axis].min(least * MAX_STRETCH);
            place[axis] = 0.5 + (place[axis] - (low + high) / 2.0) * scale;
        }
    }
}

/// Pushes places apart that are too near to tell them apart.
fn separate(places: &mut [Point]) {
    let wanted = least_distance(places.len());
    let cell = |place: &Point| place.map(|value| (value / wanted).floor() as i64);
    for _ in 0..SEPARATION_ROUNDS {
        let mut cells: HashMap<[i64; 2], Vec<usize>> = HashMap::new();
        for (at, place) in places.iter().enumerate() {
            cells.entry(cell(place)).or_default().push(at);
        }
        let mut moved = false;
        for at in 0..places.len() {
            let [cx, cy] = cell(&places[at]);
            for (dx, dy) in (-1..=1).flat_map(|dx| (-1..=1).map(move |dy| (dx, dy))) {
                for other in cells.get(&[cx + dx, cy + dy]).into_iter().flatten().copied() {
                    moved |= other > at && push(places, [at, other], wanted);
                }
            }
        }
        if !moved {
            return;
        }
    }
}

/// The distance below which two places are pushed apart.
fn least_distance(count: usize) -> f64 {
    0.4 / (count as f64).sqrt()
}

fn push(places: &mut [Point], pair: [usize; 2], wanted: f64) -> bool {
    let [a, b] = pair;
    let (mut dx, mut dy) = (places[b][0] - places[a][0], places[b][1] - places[a][1]);
    let mut distance = dx.hypot(dy);
    if distance >= wanted * 0.999 {
        return false;
    }
    if distance < 1e-9 {
        [dx, dy] = jitter(a + b);
        distance = dx.hypot(dy);
    }
    let step = (wanted - distance.min(wanted)).max(wanted * 0.01) / 2.0 / distance;
    for (node, sign) in [(a, -1.0), (b, 1.0)] {
        let place = places[node];
        places[node] = [place[0] + sign * dx * step, place[1] + sign * dy * step]
            .map(|value| value.clamp(MARGIN / 2.0, 1.0 - MARGIN / 2.0));
    }
    true
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn nearest(places: &[Point]) -> f64 {
        let mut least = f64::INFINITY;
        for (at, a) in places.iter().enumerate() {
            for b in &places[at + 1..] {
                least = least.min((a[0] - b[0]).hypot(a[1] - b[1]));
            }
        }
        least
    }

    fn check(count: usize, edges: &[[usize; 2]]) -> Vec<Point> {
        let places = positions(count, edges);
        assert_eq!(places, positions(count, edges));
        assert!(places.iter().flatten().all(|value| (0.0..=1.0).contains(value)), "{places:?}");
        assert!(nearest(&places) > 0.5 * least_distance(count), "{} of {count}", nearest(&places));
        places
    }

    #[test]
    fn every_shape_of_graph_gets_distinct_places() {
        let path: Vec<_> = (1..12).map(|at| [at - 1, at]).collect();
        let star: Vec<_> = (1..30).map(|at| [0, at]).collect();
        let complete: Vec<_> = (0..8).flat_map(|a| (a + 1..8).map(move |b| [a, b])).collect();
        let grid: Vec<_> = (0..100)
            .flat_map(|at| [(at % 10 < 9).then_some([at, at + 1]), (at < 90).then_some([at, at + 10])])
            .flatten()
            .collect();
        check(1, &[]);
        check(2, &[[0, 1]]);
        check(5, &[]);
        check(12, &path);
        check(30, &star);
        check(8, &complete);
        check(20, &path);
        let places = check(100, &grid);
        // A grid unfolds: its corners are the farthest apart.
        let far = |a: usize, b: usize| (places[a][0] - places[b][0]).hypot(places[a][1] - places[b][1]);
        assert!(far(0, 99) > 0.7 && far(9, 90) > 0.7 && far(0, 1) < 0.2);
    }

    #[test]
    fn many_nodes_take_the_cheaper_way() {
        let count = EXACT_NODES + 500;
        let ladder: Vec<_> = (1..count).map(|at| [at / 2, at]).collect();
        let places = positions(count, &ladder);
        assert!(places.iter().flatten().all(|value| (0.0..=1.0).contains(value)));
    }

    #[test]
    fn substations_are_placed() {
        let bytes = include_bytes!("../../../examples/ieee14.m");
        let (network, diagnostics) = crate::read_network(bytes, model::ExpandOptions::default()).unwrap();
        assert!(diagnostics.is_empty());
        let places: Vec<Point> = network.substations().iter().map(|place| [place.x, place.y]).collect();
        assert!(nearest(&places) > 0.07, "{places:?}");
    }
}
