//! Unknowns in the order of elimination, and the matrix `Y'` on its fixed pattern.

use sparse::complex::{Complex, Ldl, SymmetricMatrix, SymmetricPattern, Unusable};
use topology::phases::{GROUND, PhaseGrid};

/// Share of the loads whose linear part has to have changed before the matrix takes it over.
const WORTH_LINEARISING: f64 = 0.05;

/// Marks a node that no source feeds.
pub(super) const NOT_FED: u32 = u32::MAX;

/// One number of an element and its place in the matrix.
#[derive(Clone, Copy, Debug)]
struct Stamp {
    value: u32,
    slot: u32,
}

/// A load or converter on rows of the system; the row behind the last is ground.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rows {
    pub(super) from: u32,
    pub(super) to: u32,
}

/// The linear system of a grid. Row `k` belongs to node `node_of[k]`.
#[derive(Clone, Debug)]
pub(super) struct System {
    pub(super) row_of: Vec<u32>,
    pub(super) node_of: Vec<u32>,
    pub(super) matrix: SymmetricMatrix,
    pub(super) ldl: Ldl,
    stamps: Vec<Stamp>,
    branch_slots: Vec<[u32; 3]>,
    diagonal: Vec<u32>,
    pub(super) rows: Vec<Rows>,
    /// Linear part of each branch, as it is in the matrix.
    pub(super) linear: Vec<Complex>,
    /// Currents of the sources.
    pub(super) injected: Vec<Complex>,
    /// Island by row; [`NOT_FED`] without a source.
    pub(super) island: Vec<u32>,
    pub(super) islands: u32,
    /// 1 / nominal voltage, by row; filled by the solver where no nominal voltage is known.
    pub(super) inverse_base: Vec<f64>,
}

impl System {
    /// Orders the nodes of a grid and fixes the pattern.
    pub(super) fn new(grid: &PhaseGrid) -> Self {
        let n = grid.nodes.len();
        let mut pattern = SymmetricPattern::new(n);
        each_pair(grid, |_, i, j| {
            pattern.push(i as usize, j as usize);
        });
        for branch in &grid.branches {
            if branch.from != GROUND && branch.to != GROUND {
                pattern.push(branch.from as usize, branch.to as usize);
            }
        }
        let node_of: Vec<u32> = pattern.fill_reducing().into_iter().map(narrow).collect();
        let mut row_of = vec![0; n];
        for (row, &node) in (0_u32..).zip(&node_of) {
            row_of[node as usize] = row;
        }
        let mut made = Self::placed(grid, row_of, node_of);
        for (linear, branch) in made.linear.iter_mut().zip(&grid.branches) {
            *linear = branch.linear_part();
        }
        made.refresh_islands(grid);
        made
    }

    fn placed(grid: &PhaseGrid, row_of: Vec<u32>, node_of: Vec<u32>) -> Self {
        let n = node_of.len();
        let mut pattern = SymmetricPattern::new(n);
        let mut entries = Vec::new();
        each_pair(grid, |value, i, j| {
            let entry = pattern.push(row_of[i as usize] as usize, row_of[j as usize] as usize);
            entries.push((value, entry));
        });
        let row = |node: u32| if node == GROUND { n } else { row_of[node as usize] as usize };
        let mut branch_entries = Vec::with_capacity(grid.branches.len());
        let mut rows = Vec::with_capacity(grid.branches.len());
        for branch in &grid.branches {
            let (from, to) = (row(branch.from), row(branch.to));
            let mut entry = |i: usize, j: usize| (i < n && j < n).then(|| pattern.push(i, j));
            branch_entries.push([entry(from, from), entry(to, to), entry(from, to)]);
            rows.push(Rows { from: narrow(from), to: narrow(to) });
        }
        let diagonal_entries: Vec<usize> = (0..n).map(|k| pattern.push(k, k)).collect();
        let (matrix, slots) = pattern.build();
        let slot = |entry: usize| narrow(slots[entry]);
        Self {
            stamps: entries.into_iter().map(|(value, entry)| Stamp { value, slot: slot(entry) }).collect(),
            branch_slots: branch_entries
                .into_iter()
                .map(|entries| entries.map(|entry| entry.map_or(NOT_FED, slot)))
                .collect(),
            diagonal: diagonal_entries.into_iter().map(slot).collect(),
            ldl: Ldl::new(&matrix),
            matrix,
            rows,
            linear: vec![Complex::ZERO; grid.branches.len()],
            injected: vec![Complex::ZERO; n],
            island: vec![NOT_FED; n],
            islands: 0,
            inverse_base: node_of.iter().map(|&node| 1.0 / grid.base_v(node)).collect(),
            row_of,
            node_of,
        }
    }

    /// Number of unknowns.
    pub(super) fn size(&self) -> usize {
        self.node_of.len()
    }

    /// Finds which nodes hang together and which of these islands a source feeds.
    pub(super) fn refresh_islands(&mut self, grid: &PhaseGrid) {
        let mut sets = Sets::new(self.size());
        let mut coupled = |value: u32, i: u32, j: u32| {
            if i != j && grid.admittance_s[value as usize] != Complex::ZERO {
                sets.join(self.row_of[i as usize] as usize, self.row_of[j as usize] as usize);
            }
        };
        each_pair(grid, &mut coupled);
        self.island.fill(NOT_FED);
        self.islands = 0;
        let mut number = vec![NOT_FED; self.size()];
        for source in &grid.sources {
            let element = &grid.elements[source.element as usize];
            if !element.in_service {
                continue;
            }
            for &node in grid.nodes_of(element).iter().filter(|node| **node != GROUND) {
                let root = sets.root(self.row_of[node as usize] as usize);
                if number[root] == NOT_FED {
                    number[root] = self.islands;
                    self.islands += 1;
                }
            }
        }
        for row in 0..self.size() {
            self.island[row] = number[sets.root(row)];
        }
        self.refresh_injected(grid);
    }

    /// Currents of the sources: `Y_e · emf`.
    pub(super) fn refresh_injected(&mut self, grid: &PhaseGrid) {
        self.injected.fill(Complex::ZERO);
        for source in &grid.sources {
            let element = &grid.elements[source.element as usize];
            let (nodes, y) = (grid.nodes_of(element), grid.values_of(element));
            for (row, &node) in nodes.iter().enumerate().filter(|(_, node)| **node != GROUND) {
                let current = y[row * nodes.len()..].iter().zip(&source.emf_v).map(|(&y, &e)| y * e).sum();
                self.injected[self.row_of[node as usize] as usize] += current;
            }
        }
    }

    /// Fills the matrix with the numbers of the grid and factorises it.
    pub(super) fn factor(&mut self, grid: &PhaseGrid) -> Result<(), Unusable> {
        self.fill(grid);
        self.ldl.factor(&self.matrix)
    }

    /// Takes the linear part of loads at present voltages, ground behind the last, into the matrix: at nominal voltage
    /// a load that has become an impedance still is power. Returns whether that changed much.
    pub(super) fn linearise(&mut self, grid: &PhaseGrid, v: &[Complex]) -> Result<bool, Unusable> {
        let (mut changed, mut all) = (0.0, 0.0);
        let at = |rows: &Rows| v[rows.from as usize] - v[rows.to as usize];
        for ((linear, branch), rows) in self.linear.iter().zip(&grid.branches).zip(&self.rows) {
            changed += (branch.derivatives(at(rows)).0 - *linear).abs();
            all += branch.nominal_s.abs();
        }
        if changed <= WORTH_LINEARISING * all {
            return Ok(false);
        }
        for ((linear, branch), rows) in self.linear.iter_mut().zip(&grid.branches).zip(&self.rows) {
            *linear = branch.derivatives(at(rows)).0;
        }
        self.factor(grid).map(|()| true)
    }

    fn fill(&mut self, grid: &PhaseGrid) {
        self.matrix.clear();
        let values = self.matrix.values_mut();
        for stamp in &self.stamps {
            values[stamp.slot as usize] += grid.admittance_s[stamp.value as usize];
        }
        for (slots, linear) in self.branch_slots.iter().zip(&self.linear) {
            if *linear != Complex::ZERO {
                for (slot, y) in slots.iter().zip([*linear, *linear, -*linear]) {
                    if *slot != NOT_FED {
                        values[*slot as usize] += y;
                    }
                }
            }
        }
        self.hold_unfed();
    }

    /// Rows that no source feeds become `1 · v = 0`, coupled with nothing.
    fn hold_unfed(&mut self) {
        if !self.island.contains(&NOT_FED) {
            return;
        }
        for col in 0..self.size() {
            let range = self.matrix.col_ptr()[col]..self.matrix.col_ptr()[col + 1];
            for at in range {
                let row = self.matrix.row_indices()[at];
                if self.island[col] == NOT_FED || self.island[row] == NOT_FED {
                    self.matrix.values_mut()[at] = Complex::ZERO;
                }
            }
            if self.island[col] == NOT_FED {
                self.matrix.values_mut()[self.diagonal[col] as usize] = Complex::ONE;
                self.injected[col] = Complex::ZERO;
            }
        }
    }
}

/// Every number of every element that lies between two nodes, once for both directions; what lies between two
/// conductors at the same node counts twice.
fn each_pair(grid: &PhaseGrid, mut take: impl FnMut(u32, u32, u32)) {
    for element in &grid.elements {
        let nodes = grid.nodes_of(element);
        for (i, &a) in (0_u32..).zip(nodes) {
            for (j, &b) in (0..=i).zip(nodes) {
                if a == GROUND || b == GROUND {
                    continue;
                }
                let value = element.first_value + i * element.size + j;
                take(value, a, b);
                if i != j && a == b {
                    take(value, a, b);
                }
            }
        }
    }
}

/// Disjoint sets with path halving.
struct Sets(Vec<usize>);

impl Sets {
    fn new(n: usize) -> Self {
        Self((0..n).collect())
    }

    fn root(&mut self, mut k: usize) -> usize {
        while self.0[k] != k {
            self.0[k] = self.0[self.0[k]];
            k = self.0[k];
        }
        k
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.0[a.max(b)] = a.min(b);
    }
}

fn narrow(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
