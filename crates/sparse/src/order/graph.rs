//! Weighted undirected graphs, their coarsening by matching, and their parts.

/// Marks a node that has no number yet.
const NONE: u32 = u32::MAX;
/// A pair may weigh at most this many times what an average node of the coarsest graph weighs.
const HEAVIEST_PAIR: u64 = 3;

/// A graph in compressed rows.
///
/// INVARIANT: every edge is listed from both ends, with the same weight; no loops, no doubles.
#[derive(Clone, Debug, Default)]
pub(super) struct Graph {
    pub(super) ptr: Vec<usize>,
    pub(super) adjacent: Vec<u32>,
    /// How many edges of the finest graph each edge stands for.
    pub(super) edge_weight: Vec<u32>,
    /// How many nodes of the finest graph each node stands for.
    pub(super) weight: Vec<u32>,
}

/// Numbers that look random and are the same every time (Marsaglia, "Xorshift RNGs", J. Stat. Software 8(14), 2003).
#[derive(Clone, Copy, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) const fn new() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }

    /// A number below `bound`, which is not zero.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % bound
    }
}

impl Graph {
    /// Every node and edge weighs one.
    pub(super) fn new(ptr: &[usize], adjacent: &[u32]) -> Self {
        Self {
            ptr: ptr.to_vec(),
            adjacent: adjacent.to_vec(),
            edge_weight: vec![1; adjacent.len()],
            weight: vec![1; ptr.len() - 1],
        }
    }

    pub(super) fn len(&self) -> usize {
        self.weight.len()
    }

    pub(super) fn near(&self, node: u32) -> &[u32] {
        &self.adjacent[self.ptr[node as usize]..self.ptr[node as usize + 1]]
    }

    pub(super) fn total(&self) -> u64 {
        self.weight.iter().map(|&weight| u64::from(weight)).sum()
    }

    /// The subgraph of some nodes, numbered as they are listed.
    pub(super) fn part(&self, nodes: &[u32]) -> Self {
        let mut place = vec![NONE; self.len()];
        for (number, &node) in (0u32..).zip(nodes) {
            place[node as usize] = number;
        }
        let mut part = Self { ptr: vec![0], ..Self::default() };
        for &node in nodes {
            let range = self.ptr[node as usize]..self.ptr[node as usize + 1];
            for (&other, &weight) in self.adjacent[range.clone()].iter().zip(&self.edge_weight[range]) {
                if place[other as usize] != NONE {
                    part.adjacent.push(place[other as usize]);
                    part.edge_weight.push(weight);
                }
            }
            part.ptr.push(part.adjacent.len());
            part.weight.push(self.weight[node as usize]);
        }
        part
    }

    /// A graph of about half the nodes, and which of them each node belongs to; `coarsest` is the size aimed for in the
    /// end, which bounds the weight of a pair.
    ///
    /// Heavy-edge matching (Karypis and Kumar 1998): the pair that shares the heaviest edge becomes one node. Nodes of few
    /// neighbours choose first. A node without a free neighbour joins another such node of the same neighbour, without
    /// which stars would not shrink.
    pub(super) fn coarser(&self, coarsest: usize, dice: &mut Dice) -> (Self, Vec<u32>) {
        let heaviest = (HEAVIEST_PAIR * self.total() / coarsest as u64).max(2);
        let mut mate = vec![NONE; self.len()];
        let mut waiting = vec![NONE; self.len()];
        for node in self.by_degree(dice) {
            if mate[node as usize] != NONE {
                continue;
            }
            if let Some(other) = self.heaviest_free(node, &mate, heaviest) {
                (mate[node as usize], mate[other as usize]) = (other, node);
            } else if let Some(&hub) = self.near(node).first() {
                let other = std::mem::replace(&mut waiting[hub as usize], node);
                let fits = |other: u32| {
                    let pair = [node, other].map(|k| u64::from(self.weight[k as usize]));
                    mate[other as usize] == NONE && pair[0] + pair[1] <= heaviest
                };
                if other != NONE && fits(other) {
                    (mate[node as usize], mate[other as usize]) = (other, node);
                    waiting[hub as usize] = NONE;
                }
            }
        }
        self.contracted(&mate)
    }

    /// Nodes by number of neighbours, those of equal number shuffled.
    fn by_degree(&self, dice: &mut Dice) -> Vec<u32> {
        let mut nodes: Vec<u32> = (0u32..).take(self.len()).collect();
        for at in (1..nodes.len()).rev() {
            nodes.swap(at, dice.below(at + 1));
        }
        nodes.sort_by_key(|&node| self.near(node).len());
        nodes
    }

    fn heaviest_free(&self, node: u32, mate: &[u32], heaviest: u64) -> Option<u32> {
        let range = self.ptr[node as usize]..self.ptr[node as usize + 1];
        let own = u64::from(self.weight[node as usize]);
        let mut best: Option<(u32, u32, u32)> = None;
        for (&other, &edge) in self.adjacent[range.clone()].iter().zip(&self.edge_weight[range]) {
            let weight = self.weight[other as usize];
            if mate[other as usize] != NONE || own + u64::from(weight) > heaviest {
                continue;
            }
            // Of equal edges the one to the lighter node, so that weights stay alike.
            if best.is_none_or(|(most, least, _)| edge > most || (edge == most && weight < least)) {
                best = Some((edge, weight, other));
            }
        }
        best.map(|(_, _, other)| other)
    }

    fn contracted(&self, mate: &[u32]) -> (Self, Vec<u32>) {
        let mut coarse_of = vec![NONE; self.len()];
        let mut members = Vec::with_capacity(self.len());
        for (node, &mate) in (0u32..).zip(mate) {
            if coarse_of[node as usize] != NONE {
                continue;
            }
            coarse_of[node as usize] = members.len() as u32;
            if mate != NONE {
                coarse_of[mate as usize] = members.len() as u32;
            }
            members.push([node, mate]);
        }
        let mut coarse = Self { ptr: vec![0], ..Self::default() };
        let mut place = vec![usize::MAX; members.len()];
        for (own, pair) in (0u32..).zip(&members) {
            let start = coarse.adjacent.len();
            let mut weight = 0;
            for &node in pair.iter().filter(|&&node| node != NONE) {
                weight += self.weight[node as usize];
                let range = self.ptr[node as usize]..self.ptr[node as usize + 1];
                for (&other, &edge) in self.adjacent[range.clone()].iter().zip(&self.edge_weight[range]) {
                    let other = coarse_of[other as usize];
                    if other == own {
                        continue;
                    }
                    let at = &mut place[other as usize];
                    // A place before the start is that of an earlier node.
                    if *at == usize::MAX || *at < start {
                        *at = coarse.adjacent.len();
                        coarse.adjacent.push(other);
                        coarse.edge_weight.push(edge);
                    } else {
                        coarse.edge_weight[*at] += edge;
                    }
                }
            }
            coarse.weight.push(weight);
            coarse.ptr.push(coarse.adjacent.len());
        }
        (coarse, coarse_of)
    }
}
