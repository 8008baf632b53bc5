//! Symbolic phase: which groups are coupled after elimination, and the walk that opens and closes them.

use std::ops::Range;

use crate::block::BlockPattern;

/// The most nodes of a group: blocks are at most 6×6.
pub const MOST_NODES: usize = 3;

/// Groups in the order in which they are opened, and their nodes in the same order.
///
/// "Position" counts nodes and "index" counts groups as the walk opens them; "node" and "group" count as the caller does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupPattern {
    /// Position of each node.
    position: Vec<u32>,
    /// First position of each index, and the end of the last.
    start: Vec<u32>,
    above_ptr: Vec<u32>,
    above: Vec<u32>,
    /// Indices in the order in which they are closed.
    closing: Vec<u32>,
    /// How many were closed before the next index is opened.
    closed: Vec<u32>,
}

impl GroupPattern {
    /// Orders groups that are coupled by `edges` (undirected; doubles and loops are fine) and fills in. `group` says which
    /// group each node belongs to.
    ///
    /// Near O(fill); allocates.
    ///
    /// # Panics
    /// When a group has more than [`MOST_NODES`] nodes, or an edge names a group that is not below `groups`.
    pub fn new(groups: usize, group: &[u32], edges: &[[u32; 2]]) -> Self {
        let blocks = BlockPattern::new(groups, edges);
        let walk = Walk::new(&blocks);
        let mut size = vec![0u32; groups];
        for &g in group {
            size[g as usize] += 1;
        }
        assert!(
            size.iter().all(|&size| size as usize <= MOST_NODES),
            "a group has at most {MOST_NODES} nodes"
        );
        let mut start = vec![0u32];
        let (mut above_ptr, mut above) = (vec![0u32], Vec::new());
        for &place in &walk.opened {
            let (row, group) = (place as usize, blocks.order()[place as usize]);
            start.push(start[start.len() - 1] + size[group as usize]);
            let right = blocks.diagonal()[row] as usize + 1..blocks.row_ptr()[row + 1] as usize;
            above.extend(blocks.columns()[right].iter().map(|&column| walk.index[column as usize]));
            above_ptr.push(above.len() as u32);
        }
        let index = |g: u32| walk.index[blocks.position()[g as usize] as usize];
        let mut next = start.clone();
        let position = group.iter().map(|&g| {
            let next = &mut next[index(g) as usize];
            *next += 1;
            *next - 1
        });
        Self {
            position: position.collect(),
            start,
            above_ptr,
            above,
            closing: walk.closing,
            closed: walk.closed,
        }
    }

    /// Number of groups.
    pub fn groups(&self) -> usize {
        self.closing.len()
    }

    /// Number of nodes.
    pub fn nodes(&self) -> usize {
        self.position.len()
    }

    /// Position of each node.
    pub fn position(&self) -> &[u32] {
        &self.position
    }

    /// Positions of the nodes of an index.
    #[inline(always)]
    pub fn range(&self, index: usize) -> Range<usize> {
        self.start[index] as usize..self.start[index + 1] as usize
    }

    /// Index of the group at a position; O(log groups).
    pub fn index_of(&self, position: u32) -> usize {
        self.start.partition_point(|&start| start <= position) - 1
    }

    /// Slots of the couplings of an index with those above it.
    #[inline(always)]
    pub(super) fn slots(&self, index: usize) -> Range<usize> {
        self.above_ptr[index] as usize..self.above_ptr[index + 1] as usize
    }

    /// The ancestor at each slot.
    #[inline(always)]
    pub(super) fn above(&self) -> &[u32] {
        &self.above
    }

    /// Indices in the order in which they are closed.
    pub fn closing(&self) -> &[u32] {
        &self.closing
    }

    /// Where in [`Self::closing`] the walk stands after it has opened `index` and closed all whose subtree is complete.
    #[inline(always)]
    pub fn closed_after(&self, index: usize) -> usize {
        self.closed[index] as usize
    }
}

/// Depth first through the elimination tree: what hangs on a group follows it, the largest subtree last.
struct Walk {
    /// Position in the pattern of the blocks, by index.
    opened: Vec<u32>,
    /// The reverse.
    index: Vec<u32>,
    closing: Vec<u32>,
    closed: Vec<u32>,
}

impl Walk {
    fn new(blocks: &BlockPattern) -> Self {
        let n = blocks.nodes();
        let mut size = vec![1u32; n];
        let mut children = vec![Vec::new(); n];
        let mut stack = Vec::new();
        // The order of elimination has children before their parents.
        for k in 0..n as u32 {
            match blocks.parent(k) {
                Some(parent) => {
                    size[parent as usize] += size[k as usize];
                    children[parent as usize].push(k);
                }
                None => stack.push((k, false)),
            }
        }
        for list in &mut children {
            list.sort_by_key(|&k| (size[k as usize], k));
        }
        let mut walk =
            Self { opened: Vec::new(), index: vec![0; n], closing: Vec::new(), closed: Vec::new() };
        while let Some((k, leaving)) = stack.pop() {
            if leaving {
                walk.closing.push(walk.index[k as usize]);
                if let Some(closed) = walk.closed.last_mut() {
                    *closed = walk.closing.len() as u32;
                }
                continue;
            }
            walk.index[k as usize] = walk.opened.len() as u32;
            walk.opened.push(k);
            walk.closed.push(walk.closing.len() as u32);
            stack.push((k, true));
            stack.extend(children[k as usize].iter().rev().map(|&child| (child, false)));
        }
        walk
    }
}
