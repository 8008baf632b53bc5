//! Minimum degree, exact, for the small parts that dissection ends in.
//!
//! The nodes around a part are eliminated after it, but count as neighbours (Pellegrini, Roman and Amestoy, "Hybridizing
//! nested dissection and halo approximate minimum degree for efficient sparse matrix ordering", Concurrency: Practice and
//! Experience 12, 2000). A part and its halo are few enough for sets of bits: eliminating a node makes its neighbours a
//! clique, which is one union of sets per neighbour.

/// Bits of a word of a set.
const WORD: usize = 64;

/// Room for one part after the other.
#[derive(Debug)]
pub(super) struct LeafOrder {
    /// Number of a node in the part and its halo, by node of the whole graph; [`u32::MAX`] outside.
    number: Vec<u32>,
    /// The part, then its halo.
    members: Vec<u32>,
    /// A set of neighbours per member, `words` each.
    sets: Vec<u64>,
    words: usize,
    degree: Vec<u32>,
}

impl LeafOrder {
    /// For parts of a graph of `nodes` nodes.
    pub(super) fn new(nodes: usize) -> Self {
        Self {
            number: vec![u32::MAX; nodes],
            members: Vec::new(),
            sets: Vec::new(),
            words: 0,
            degree: Vec::new(),
        }
    }

    /// Writes the nodes of a part into `places` in the order of their elimination. O(part² + fill of the part · its
    /// halo / 64).
    pub(super) fn put(&mut self, (ptr, adjacent): (&[usize], &[u32]), part: &[u32], places: &mut [u32]) {
        self.gather((ptr, adjacent), part);
        let mut open: Vec<u32> = (0u32..).take(part.len()).collect();
        for place in places {
            // Of equal degrees the first: parts come in the order of the caller's numbers, which keeps neighbours near.
            let least = (0..open.len()).min_by_key(|&at| self.degree[open[at] as usize]);
            let Some(least) = least else { break };
            let node = open.remove(least);
            self.eliminate(node as usize);
            *place = self.members[node as usize];
        }
        for member in self.members.drain(..) {
            self.number[member as usize] = u32::MAX;
        }
    }

    /// Numbers the part and its halo and fills their sets.
    fn gather(&mut self, (ptr, adjacent): (&[usize], &[u32]), part: &[u32]) {
        for &node in part {
            self.enter(node);
        }
        let near = |node: u32| &adjacent[ptr[node as usize]..ptr[node as usize + 1]];
        for &node in part {
            for &other in near(node) {
                self.enter(other);
            }
        }
        self.words = self.members.len().div_ceil(WORD);
        self.sets.clear();
        self.sets.resize(self.words * self.members.len(), 0);
        for (own, &node) in part.iter().enumerate() {
            for &other in near(node) {
                let other = self.number[other as usize] as usize;
                self.sets[own * self.words + other / WORD] |= 1 << (other % WORD);
                self.sets[other * self.words + own / WORD] |= 1 << (own % WORD);
            }
        }
        self.degree.clear();
        for set in self.sets.chunks_exact(self.words.max(1)) {
            self.degree.push(set.iter().map(|word| word.count_ones()).sum());
        }
    }

    fn enter(&mut self, node: u32) {
        let number = &mut self.number[node as usize];
        if *number == u32::MAX {
            *number = self.members.len() as u32;
            self.members.push(node);
        }
    }

    /// Joins the neighbours of a node and takes it out of their sets.
    fn eliminate(&mut self, node: usize) {
        let words = self.words;
        let own: Vec<u64> = self.sets[node * words..][..words].to_vec();
        for (at, &word) in own.iter().enumerate() {
            let mut rest = word;
            while rest != 0 {
                let other = at * WORD + rest.trailing_zeros() as usize;
                rest &= rest - 1;
                let set = &mut self.sets[other * words..][..words];
                set.iter_mut().zip(&own).for_each(|(set, own)| *set |= own);
                set[other / WORD] &= !(1 << (other % WORD));
                set[node / WORD] &= !(1 << (node % WORD));
                self.degree[other] = set.iter().map(|word| word.count_ones()).sum();
            }
        }
    }
}
