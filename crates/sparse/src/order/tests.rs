//! Orders against elimination of the pattern itself, against theory on meshes, and against METIS: `cases/metis.txt`, made
//! by `interop/order_cases.py`.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::graph::{Dice, Graph};
use super::separator::{BETWEEN, separate};
use super::*;

const METIS: &str = include_str!("cases/metis.txt");
/// What we may fill in beyond METIS.
const BESIDE_METIS: f64 = 1.06;

type Edges = Vec<(usize, usize)>;

fn pattern(n: usize, edges: &Edges) -> Csc {
    Csc::square(n, &edges.iter().map(|&(a, b)| (a, b, 1.0)).collect::<Vec<_>>())
}

/// `k × k` nodes, each joined to its four neighbours.
fn mesh(k: usize) -> Csc {
    let across = (0..k * k).filter(|node| node % k + 1 < k).map(|node| (node, node + 1));
    let down = (0..k * (k - 1)).map(|node| (node, node + k));
    pattern(k * k, &across.chain(down).collect())
}

/// Eliminates node by node on sets: what [`fill`] counts without doing it.
fn eliminated(n: usize, edges: &Edges, order: &[usize]) -> Fill {
    let mut near = vec![BTreeSet::new(); n];
    for &(a, b) in edges.iter().filter(|(a, b)| a != b) {
        near[a].insert(b);
        near[b].insert(a);
    }
    let mut count = Fill::default();
    for &node in order {
        let clique = std::mem::take(&mut near[node]);
        count.entries += clique.len() as u64;
        count.operations += (clique.len() * clique.len()) as u64;
        for &a in &clique {
            near[a].extend(clique.iter().filter(|&&b| b != a));
            near[a].remove(&node);
        }
    }
    count
}

/// Graphs large enough to be dissected: points on a line that know some of those close by, and a few far away.
fn graphs() -> impl Strategy<Value = (usize, Edges)> {
    (1usize..500).prop_flat_map(|n| {
        let close = prop::collection::vec((0..n, 0usize..12), 0..3 * n);
        let far = prop::collection::vec((0..n, 0..n), 0..20);
        (Just(n), close, far).prop_map(|(n, close, far)| {
            let close = close.into_iter().map(|(a, step)| (a, (a + step).min(n - 1)));
            (n, close.chain(far).collect())
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn every_order_is_one_and_its_fill_is_counted((n, edges) in graphs()) {
        let matrix = pattern(n, &edges);
        for order in [minimum_degree(&matrix), nested_dissection(&matrix), fill_reducing(&matrix)] {
            prop_assert!(is_permutation(&order, n));
            prop_assert_eq!(fill(&matrix, &order), Some(eliminated(n, &edges, &order)));
        }
    }

    #[test]
    fn a_separator_separates((n, edges) in graphs()) {
        let (ptr, adjacent) = graph_of(&pattern(n, &edges)).unwrap();
        let side = separate(&Graph::new(&ptr, &adjacent), &mut Dice::new());
        prop_assert_eq!(side.len(), n);
        for (a, range) in ptr.windows(2).enumerate() {
            for &b in &adjacent[range[0]..range[1]] {
                let pair = [side[a], side[b as usize]];
                prop_assert!(pair[0] == pair[1] || pair.contains(&BETWEEN), "edge {a} {b}: {pair:?}");
            }
        }
    }
}

#[test]
fn graphs_without_shape_have_an_order() {
    let check = |name: &str, n: usize, edges: Edges, most: u64| {
        let matrix = pattern(n, &edges);
        let order = nested_dissection(&matrix);
        let entries = fill(&matrix, &order).unwrap_or_else(|| panic!("{name}: no permutation")).entries;
        assert!(entries <= most, "{name}: {entries} entries");
    };
    check("nothing", 0, Vec::new(), 0);
    check("one node", 1, vec![(0, 0)], 0);
    check("no edges", 3000, Vec::new(), 0);
    check("star", 3000, (1..3000).map(|node| (0, node)).collect(), 2999);
    // Nested dissection of a path leaves at most two entries per node.
    check("path", 3000, (1..3000).map(|node| (node - 1, node)).collect(), 6000);
    let all = (0..300).flat_map(|a| (0..a).map(move |b| (a, b)));
    check("complete", 300, all.collect(), 300 * 299 / 2);
    let halves = (0..150).flat_map(|a| (150..300).map(move |b| (a, b)));
    check("two halves", 300, halves.collect(), 150 * 150 + 150 * 149 / 2);
}

#[test]
fn meshes_are_filled_as_theory_and_metis_say() {
    let lines = METIS.lines().filter(|line| !line.starts_with('#'));
    let mut meshes = 0;
    for line in lines {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [k, entries, operations] = [1, 2, 3].map(|at| words[at].parse::<f64>().unwrap());
        let matrix = mesh(k as usize);
        let Fill { entries: own, operations: own_operations } =
            fill(&matrix, &nested_dissection(&matrix)).unwrap();
        assert!(own as f64 <= BESIDE_METIS * entries, "{line}: {own} entries");
        // Operations go with the square.
        let bound = BESIDE_METIS * BESIDE_METIS * operations;
        assert!(own_operations as f64 <= bound, "{line}: {own_operations} operations");
        // George and Liu, "Computer solution of large sparse positive definite systems", 1981, theorems 8.1.2 and 8.1.3, of
        // a mesh with diagonals: 31/4 k² log₂ k entries and 829/84 k³ operations, counted once for both triangles.
        assert!(own as f64 <= 7.75 * k * k * k.log2(), "{line}: {own} entries");
        assert!(own_operations as f64 <= 829.0 / 42.0 * k * k * k, "{line}: {own_operations} operations");
        meshes += 1;
    }
    assert_eq!(meshes, 5);
}

#[test]
fn the_cheaper_order_is_taken() {
    let cost = |matrix: &Csc, order: &[usize]| fill(matrix, order).unwrap().operations;
    // A large mesh: dissection, by a seventh at least.
    let large = mesh(200);
    let [own, other] = [fill_reducing(&large), minimum_degree(&large)].map(|order| cost(&large, &order));
    assert!(own as f64 <= 0.88 * other as f64, "{own} operations, {other} by minimum degree");
    // A small one: minimum degree, without a trial.
    let small = mesh(30);
    assert_eq!(fill_reducing(&small), minimum_degree(&small));
    assert!(cost(&small, &nested_dissection(&small)) > cost(&small, &minimum_degree(&small)));
}

#[test]
fn an_order_that_is_none_has_no_fill() {
    let matrix = mesh(3);
    assert_eq!(fill(&matrix, &[0, 1, 2]), None);
    assert_eq!(fill(&matrix, &[0; 9]), None);
    let tall = crate::PatternBuilder::new(3, 2).build().0;
    assert_eq!(fill(&tall, &[0, 1]), None);
    assert_eq!(fill_reducing(&tall), [0, 1]);
}
