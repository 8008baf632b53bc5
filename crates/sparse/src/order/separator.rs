//! Two parts of a graph and the nodes between them.
//!
//! The graph is coarsened until it is small, parted there from several starts, and the separator is projected back and
//! refined on every level. Refinement is that of Fiduccia and Mattheyses, "A linear-time heuristic for improving network
//! partitions", 19th DAC, 1982, on vertex separators (Ashcraft and Liu, "A partition improvement algorithm for generalized
//! nested dissection", Boeing BCSTECH-94-020, 1994; Hendrickson and Rothberg 1998): a node `v` of the separator that goes
//! to one side draws its neighbours of the other side into the separator,
//!
//! ```text
//! gain(v, side) = w(v) - Σ { w(u) : u next to v, u on the other side }
//! ```
//!
//! The best move is taken even where it loses, each node at most once per pass, and the best state met is kept.

use std::collections::BinaryHeap;

use super::graph::{Dice, Graph};

/// The separator, as a side.
pub(super) const BETWEEN: u8 = 2;
/// A graph of this many nodes is parted directly.
const COARSEST: usize = 40;
/// Coarsening ends when a level keeps more than this share of the nodes.
const LEAST_SHRINKING: f64 = 0.95;
/// Ways down and back, of which the best separator is taken: luck in the matching decides as much as refinement does.
const TRIES: usize = 2;
/// Starts on the coarsest graph.
const STARTS: usize = 8;
/// Passes of refinement per level.
const PASSES: usize = 8;
/// Moves without a better state after which a pass ends.
const PATIENCE: usize = 120;
/// Neither side may weigh more than this share of all.
const HEAVIEST_SIDE: f64 = 0.66;

/// A side for every node: 0, 1 or [`BETWEEN`]. No edge joins side 0 and side 1.
pub(super) fn separate(graph: &Graph, dice: &mut Dice) -> Vec<u8> {
    let tries = (0..TRIES).map(|_| {
        let parting = Parting::new(graph, one_separation(graph, dice));
        (parting.score(), parting.side)
    });
    tries.min_by_key(|(score, _)| *score).map(|(_, side)| side).unwrap_or_default()
}

/// One way down to the coarsest graph and back.
fn one_separation(graph: &Graph, dice: &mut Dice) -> Vec<u8> {
    let mut levels: Vec<(Graph, Vec<u32>)> = Vec::new();
    loop {
        let fine = levels.last().map_or(graph, |(graph, _)| graph);
        if fine.len() <= COARSEST {
            break;
        }
        let level = fine.coarser(COARSEST, dice);
        let stuck = level.0.len() as f64 > LEAST_SHRINKING * fine.len() as f64;
        levels.push(level);
        if stuck {
            break;
        }
    }
    let coarsest = levels.last().map_or(graph, |(graph, _)| graph);
    let mut side = best_start(coarsest, dice);
    for level in (0..levels.len()).rev() {
        let coarse_of = &levels[level].1;
        let fine = if level == 0 { graph } else { &levels[level - 1].0 };
        let projected = coarse_of.iter().map(|&coarse| side[coarse as usize]).collect();
        let mut parting = Parting::new(fine, projected);
        parting.refine();
        side = parting.side;
    }
    side
}

/// The best of several starts, each grown from one node and refined.
fn best_start(graph: &Graph, dice: &mut Dice) -> Vec<u8> {
    let starts = (0..STARTS).map(|_| {
        let mut parting = Parting::new(graph, vec![1; graph.len()]);
        parting.grow(dice);
        parting.refine();
        (parting.score(), parting.side)
    });
    starts.min_by_key(|(score, _)| *score).map(|(_, side)| side).unwrap_or_default()
}

/// Smaller is better: what the heavier side has too much, the weight of the separator, the difference of the sides.
type Score = (u64, u64, u64);

/// The state of a refinement.
struct Parting<'a> {
    graph: &'a Graph,
    side: Vec<u8>,
    /// Weights of both sides and of the separator.
    weight: [u64; 3],
    heaviest: u64,
    /// Of nodes of the separator: gain of a move to side 0 and to side 1.
    gain: [Vec<i64>; 2],
    /// The pass in which a node was moved last.
    moved: Vec<u32>,
    pass: u32,
    /// Candidates by gain; entries whose gain is no longer true are skipped.
    heaps: [BinaryHeap<(i64, std::cmp::Reverse<u32>)>; 2],
    /// Changes since the pass began: node and side before.
    log: Vec<(u32, u8)>,
}

impl<'a> Parting<'a> {
    fn new(graph: &'a Graph, side: Vec<u8>) -> Self {
        let n = graph.len();
        let mut weight = [0; 3];
        for (&side, &own) in side.iter().zip(&graph.weight) {
            weight[side as usize] += u64::from(own);
        }
        let largest = graph.weight.iter().copied().max().unwrap_or(0);
        let heaviest = (HEAVIEST_SIDE * graph.total() as f64) as u64;
        Self {
            graph,
            side,
            weight,
            heaviest: heaviest.max(graph.total() / 2 + u64::from(largest)),
            gain: [vec![0; n], vec![0; n]],
            moved: vec![0; n],
            pass: 0,
            heaps: [BinaryHeap::new(), BinaryHeap::new()],
            log: Vec::new(),
        }
    }

    fn score(&self) -> Score {
        let heavier = self.weight[0].max(self.weight[1]);
        (heavier.saturating_sub(self.heaviest), self.weight[2], heavier - self.weight[0].min(self.weight[1]))
    }

    fn refine(&mut self) {
        for _ in 0..PASSES {
            if !self.improve() {
                break;
            }
        }
    }

    /// Side 0 takes the cheapest node of its border until it has its half. All nodes are on side 1 before.
    fn grow(&mut self, dice: &mut Dice) {
        self.begin_pass();
        let n = self.graph.len();
        let start = if n == 0 { 0 } else { dice.below(n) };
        let mut seeds = (start..n).chain(0..start);
        while self.weight[0] < self.weight[1] {
            if let Some(node) = self.best(0) {
                self.shift(node, 0);
                continue;
            }
            // Nothing at the border: the first node, or what is left is another component.
            let Some(seed) = seeds.find(|&node| self.side[node] == 1) else { return };
            self.draw(seed as u32, 1);
        }
    }

    /// One pass; whether it found a better state, which is then the present one.
    fn improve(&mut self) -> bool {
        self.begin_pass();
        let first = self.score();
        let (mut best, mut kept) = (first, 0);
        let mut waited = 0;
        while waited < PATIENCE {
            let Some((node, to)) = self.next_move() else { break };
            self.shift(node, to);
            let score = self.score();
            if score < best {
                (best, kept, waited) = (score, self.log.len(), 0);
            } else {
                waited += 1;
            }
        }
        while self.log.len() > kept {
            let Some((node, before)) = self.log.pop() else { break };
            self.put(node, before);
        }
        best < first
    }

    fn begin_pass(&mut self) {
        self.pass += 1;
        self.log.clear();
        for heap in &mut self.heaps {
            heap.clear();
        }
        for node in (0u32..).take(self.graph.len()) {
            if self.side[node as usize] == BETWEEN {
                self.enter(node);
            }
        }
    }

    /// The better of the best moves to both sides; a side that would become too heavy gets none.
    fn next_move(&mut self) -> Option<(u32, u8)> {
        let candidates = [self.best(0), self.best(1)];
        let gain = |to: u8| candidates[to as usize].map(|node| self.gain[to as usize][node as usize]);
        let fits = |to: u8| {
            candidates[to as usize].is_some_and(|node| {
                let own = u64::from(self.graph.weight[node as usize]);
                self.weight[to as usize] + own <= self.heaviest
            })
        };
        let lighter = u8::from(self.weight[1] < self.weight[0]);
        let to = match (fits(lighter), fits(1 - lighter)) {
            (true, true) if gain(1 - lighter) > gain(lighter) => 1 - lighter,
            (true, _) => lighter,
            (false, true) => 1 - lighter,
            (false, false) => return None,
        };
        candidates[to as usize].map(|node| (node, to))
    }

    /// The node with the largest gain on the way to a side; it stays among the candidates.
    fn best(&mut self, to: u8) -> Option<u32> {
        while let Some(&(gain, std::cmp::Reverse(node))) = self.heaps[to as usize].peek() {
            let at = node as usize;
            let open = self.side[at] == BETWEEN && self.moved[at] != self.pass;
            if open && self.gain[to as usize][at] == gain {
                return Some(node);
            }
            self.heaps[to as usize].pop();
        }
        None
    }

    /// Moves a node of the separator to a side.
    fn shift(&mut self, node: u32, to: u8) {
        let graph = self.graph;
        self.log.push((node, BETWEEN));
        self.put(node, to);
        self.moved[node as usize] = self.pass;
        let own = i64::from(graph.weight[node as usize]);
        for &other in graph.near(node) {
            match self.side[other as usize] {
                BETWEEN => self.change(other, 1 - to, -own),
                side if side != to => self.draw(other, side),
                _ => {}
            }
        }
    }

    /// Draws a node from its side into the separator.
    fn draw(&mut self, node: u32, from: u8) {
        let graph = self.graph;
        self.log.push((node, from));
        self.put(node, BETWEEN);
        self.enter(node);
        let own = i64::from(graph.weight[node as usize]);
        for &other in graph.near(node) {
            if self.side[other as usize] == BETWEEN {
                // To the other side `other` would have drawn this node.
                self.change(other, 1 - from, own);
            }
        }
    }

    /// Makes a node of the separator a candidate.
    fn enter(&mut self, node: u32) {
        let mut gain = [i64::from(self.graph.weight[node as usize]); 2];
        for &other in self.graph.near(node) {
            let side = self.side[other as usize];
            if side != BETWEEN {
                gain[1 - side as usize] -= i64::from(self.graph.weight[other as usize]);
            }
        }
        for (to, gain) in gain.into_iter().enumerate() {
            self.gain[to][node as usize] = gain;
            if self.moved[node as usize] != self.pass {
                self.heaps[to].push((gain, std::cmp::Reverse(node)));
            }
        }
    }

    fn change(&mut self, node: u32, to: u8, by: i64) {
        let gain = &mut self.gain[to as usize][node as usize];
        *gain += by;
        if self.moved[node as usize] != self.pass {
            self.heaps[to as usize].push((*gain, std::cmp::Reverse(node)));
        }
    }

    fn put(&mut self, node: u32, side: u8) {
        let own = u64::from(self.graph.weight[node as usize]);
        let before = std::mem::replace(&mut self.side[node as usize], side);
        self.weight[before as usize] -= own;
        self.weight[side as usize] += own;
    }
}
