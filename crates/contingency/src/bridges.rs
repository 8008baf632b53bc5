//! Branches whose outage splits an island, by graph and not by numbers.
//!
//! R. E. Tarjan, "A note on finding the bridges of a graph", Information Processing Letters 2(6), 1974. One
//! depth-first search from the reference of every island numbers the buses:
//!
//! ```text
//! enter(v)            number of v in the order of discovery
//! low(v)  = min( enter(v), enter(w) over back edges v-w, low(c) over children c )
//! {u, v} is a bridge  ⇔  v is a child of u and low(v) > enter(u)
//! ```
//!
//! Since the search starts at a reference, what a bridge cuts off is the subtree of `v`: the buses whose numbers lie in
//! `enter(v) .. leave(v)`. A subtree with a reference of its own is not cut off, and its bridge is none here. Parallel
//! branches are different edges, so neither of them is a bridge.

use std::ops::Range;

use topology::calc::{BranchIdx, BusIdx, BusKind, Grid};

/// Branches at every bus, back to back.
#[derive(Clone, Debug, Default)]
pub(crate) struct Neighbours {
    start: Vec<u32>,
    /// Branch and the bus at its other end.
    ends: Vec<(u32, u32)>,
}

impl Neighbours {
    pub(crate) fn new(grid: &Grid) -> Self {
        let ends: Vec<[u32; 2]> = grid.branches.iter().map(|branch| [branch.from.0, branch.to.0]).collect();
        Self::of_ends(grid.buses.len(), &ends)
    }

    pub(crate) fn of_ends(n: usize, branches: &[[u32; 2]]) -> Self {
        let mut start = vec![0_u32; n + 1];
        for end in branches.as_flattened() {
            start[*end as usize + 1] += 1;
        }
        for at in 0..n {
            start[at + 1] += start[at];
        }
        let mut next = start.clone();
        let mut ends = vec![(0, 0); 2 * branches.len()];
        for (index, &[from, to]) in (0_u32..).zip(branches) {
            for (here, there) in [(from, to), (to, from)] {
                ends[next[here as usize] as usize] = (index, there);
                next[here as usize] += 1;
            }
        }
        Self { start, ends }
    }

    pub(crate) fn of(&self, bus: usize) -> &[(u32, u32)] {
        &self.ends[self.start[bus] as usize..self.start[bus + 1] as usize]
    }
}

/// The bridges of a grid and what each cuts off.
#[derive(Clone, Debug, Default)]
pub struct Bridges {
    /// Number of each bus in the order of discovery.
    pub(crate) enter: Vec<u32>,
    /// Bus by number.
    pub(crate) order: Vec<u32>,
    /// Per branch: the numbers that it cuts off, empty if it is no bridge.
    cut: Vec<(u32, u32)>,
}

impl Bridges {
    /// Searches a grid; O(buses + branches).
    pub fn new(grid: &Grid) -> Self {
        Self::without(grid, &Neighbours::new(grid), None)
    }

    /// The bridges of the grid without one branch.
    pub(crate) fn without(grid: &Grid, neighbours: &Neighbours, removed: Option<BranchIdx>) -> Self {
        let mut search = Search {
            neighbours,
            removed: removed.map_or(u32::MAX, |branch| branch.0),
            low: vec![0; grid.buses.len()],
            fed: grid.buses.iter().map(|bus| bus.kind == BusKind::Slack).collect(),
            found: Self {
                enter: vec![u32::MAX; grid.buses.len()],
                order: Vec::with_capacity(grid.buses.len()),
                cut: vec![(0, 0); grid.branches.len()],
            },
        };
        let references = grid.buses.iter().enumerate().filter(|(_, bus)| bus.kind == BusKind::Slack);
        for start in references.map(|(at, _)| at).chain(0..grid.buses.len()) {
            if search.found.enter[start] == u32::MAX {
                search.from(start);
            }
        }
        search.found
    }

    /// Whether the outage of this branch splits its island.
    pub fn is_bridge(&self, branch: BranchIdx) -> bool {
        self.cut.get(branch.at()).is_some_and(|(first, end)| first < end)
    }

    /// Numbers that a bridge cuts off.
    pub(crate) fn cut_range(&self, branch: BranchIdx) -> Range<u32> {
        self.cut.get(branch.at()).map_or(0..0, |(first, end)| *first..*end)
    }

    /// Buses that a bridge cuts off from the reference; none if it is no bridge.
    pub fn cut_off(&self, branch: BranchIdx) -> impl Iterator<Item = BusIdx> + '_ {
        let range = self.cut_range(branch);
        self.order[range.start as usize..range.end as usize].iter().map(|bus| BusIdx(*bus))
    }
}

struct Search<'a> {
    neighbours: &'a Neighbours,
    removed: u32,
    low: Vec<u32>,
    /// Whether a reference is in the subtree of a bus.
    fed: Vec<bool>,
    found: Bridges,
}

impl Search<'_> {
    /// Iterative, because a feeder can be as deep as it is long.
    fn from(&mut self, start: usize) {
        // Bus, branch that led here, next neighbour.
        let mut stack = vec![(start, u32::MAX, 0_usize)];
        self.discover(start);
        while let Some(&mut (bus, came_by, ref mut next)) = stack.last_mut() {
            let Some(&(branch, other)) = self.neighbours.of(bus).get(*next) else {
                stack.pop();
                if let Some(&(parent, _, _)) = stack.last() {
                    self.close([parent, bus], came_by);
                }
                continue;
            };
            *next += 1;
            if branch == came_by || branch == self.removed {
                continue;
            }
            let other = other as usize;
            if self.found.enter[other] == u32::MAX {
                self.discover(other);
                stack.push((other, branch, 0));
            } else {
                self.low[bus] = self.low[bus].min(self.found.enter[other]);
            }
        }
    }

    fn discover(&mut self, bus: usize) {
        let number = u32::try_from(self.found.order.len()).unwrap_or(u32::MAX);
        self.found.enter[bus] = number;
        self.low[bus] = number;
        self.found.order.push(u32::try_from(bus).unwrap_or(u32::MAX));
    }

    fn close(&mut self, [parent, child]: [usize; 2], by: u32) {
        self.low[parent] = self.low[parent].min(self.low[child]);
        self.fed[parent] |= self.fed[child];
        if self.low[child] > self.found.enter[parent] && !self.fed[child] {
            let end = u32::try_from(self.found.order.len()).unwrap_or(u32::MAX);
            self.found.cut[by as usize] = (self.found.enter[child], end);
        }
    }
}

/// Work space for finding what a set of branches cuts off.
#[derive(Clone, Debug)]
pub(crate) struct Reach {
    mark: Vec<u32>,
    epoch: u32,
}

impl Reach {
    pub(crate) fn new(buses: usize) -> Self {
        Self { mark: vec![0; buses], epoch: 0 }
    }

    /// The buses that hang together with `start` without the branches `out` (ascending), unless a reference is
    /// among them.
    pub(crate) fn cut_off(
        &mut self,
        neighbours: &Neighbours,
        start: u32,
        out: &[u32],
        is_reference: &dyn Fn(u32) -> bool,
    ) -> Option<Vec<u32>> {
        if is_reference(start) {
            return None;
        }
        self.epoch += 1;
        self.mark[start as usize] = self.epoch;
        let mut found = vec![start];
        let mut next = 0;
        while let Some(&bus) = found.get(next) {
            next += 1;
            for &(branch, other) in neighbours.of(bus as usize) {
                if self.mark[other as usize] == self.epoch || out.binary_search(&branch).is_ok() {
                    continue;
                }
                if is_reference(other) {
                    return None;
                }
                self.mark[other as usize] = self.epoch;
                found.push(other);
            }
        }
        Some(found)
    }
}
