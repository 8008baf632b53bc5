//! The structure of one estimate: which unknowns and rows there are, where each derivative lies in the augmented
//! matrix, and in which order it is eliminated. It depends on topology and kinds of measurements, not on values.

use sparse::{Csc, Lu, PatternBuilder, fill_reducing};

use crate::End;
use crate::observability::{Half, Row};

/// Marks a derivative by an unknown that is held (the reference angle).
pub(crate) const HELD: usize = usize::MAX;

/// Where a contribution to a row comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source {
    /// Power at a branch end (0 from, 1 to).
    End {
        branch: usize,
        end: usize,
        half: Half,
    },
    /// Power of the shunt at a bus.
    Shunt {
        bus: usize,
        half: Half,
    },
    Magnitude(usize),
    Angle(usize),
}

/// One contribution, and where its derivatives by `[θ own, θ other, v own, v other]` are summed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Term {
    pub(crate) source: Source,
    pub(crate) at: [usize; 4],
}

/// Unknowns of the buses: columns of angle and magnitude.
#[derive(Clone, Debug)]
pub(crate) struct Unknowns {
    pub(crate) angle: Vec<usize>,
    pub(crate) magnitude: Vec<usize>,
    pub(crate) count: usize,
}

/// Structure of the augmented matrix: measurements first, then unknowns, then constraints.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) measured: usize,
    pub(crate) unknowns: Unknowns,
    /// Buses at both ends of every branch.
    pub(crate) ends: Vec<[usize; 2]>,
    /// Terms of row r: `terms[term_ptr[r]..term_ptr[r + 1]]`; measurements, then constraints.
    pub(crate) term_ptr: Vec<usize>,
    pub(crate) terms: Vec<Term>,
    /// Derivatives of row r: `[grad_ptr[r]..grad_ptr[r + 1]]`, with both slots in the matrix.
    pub(crate) grad_ptr: Vec<usize>,
    pub(crate) slots: Vec<[usize; 2]>,
    /// Slots of α.
    pub(crate) alpha: Vec<usize>,
    pub(crate) matrix: Csc,
    pub(crate) lu: Lu,
}

/// Buses and branches of the part that is estimated.
pub(crate) struct Network<'a> {
    pub(crate) buses: usize,
    pub(crate) ends: &'a [[usize; 2]],
    /// Bus whose angle is held; `None` when angles are measured.
    pub(crate) reference: Option<usize>,
}

impl Unknowns {
    fn new(network: &Network<'_>) -> Self {
        let mut count = 0;
        let mut next = || {
            count += 1;
            count - 1
        };
        let (mut angle, mut magnitude) = (Vec::new(), Vec::new());
        for bus in 0..network.buses {
            angle.push(if Some(bus) == network.reference { HELD } else { next() });
            magnitude.push(next());
        }
        Self { angle, magnitude, count }
    }
}

impl Plan {
    /// Symbolic work for measurements `rows` and constraints `zero`.
    pub(crate) fn new(network: &Network<'_>, rows: &[Row], zero: &[Row]) -> Self {
        let unknowns = Unknowns::new(network);
        let mut incident = vec![Vec::new(); network.buses];
        for (branch, ends) in network.ends.iter().enumerate() {
            for (end, &bus) in ends.iter().enumerate() {
                incident[bus].push((branch, end));
            }
        }
        let (mut term_ptr, mut terms) = (vec![0], Vec::new());
        let (mut grad_ptr, mut columns) = (vec![0], Vec::new());
        for &row in rows.iter().chain(zero) {
            let start = columns.len();
            let mut place = |column: usize| {
                if column == HELD {
                    return HELD;
                }
                let found = columns[start..].iter().position(|&c| c == column);
                found.map_or_else(
                    || {
                        columns.push(column);
                        columns.len() - 1
                    },
                    |at| start + at,
                )
            };
            push_terms((network, &unknowns), &incident, row, &mut place, &mut terms);
            term_ptr.push(terms.len());
            grad_ptr.push(columns.len());
        }
        let measured = rows.len();
        let (matrix, slots, alpha) = augmented(measured, unknowns.count, &grad_ptr, &columns);
        let lu = Lu::with_order(elimination_order(measured, unknowns.count, &grad_ptr, &columns));
        let ends = network.ends.to_vec();
        Self { measured, unknowns, ends, term_ptr, terms, grad_ptr, slots, alpha, matrix, lu }
    }

    /// Number of measurements and constraints.
    pub(crate) fn rows(&self) -> usize {
        self.term_ptr.len() - 1
    }
}

fn push_terms(
    (network, unknowns): (&Network<'_>, &Unknowns),
    incident: &[Vec<(usize, usize)>],
    row: Row,
    place: &mut impl FnMut(usize) -> usize,
    terms: &mut Vec<Term>,
) {
    let mut end_term = |branch: usize, end: usize, half: Half| {
        let (own, other) = (network.ends[branch][end], network.ends[branch][1 - end]);
        let columns =
            [unknowns.angle[own], unknowns.angle[other], unknowns.magnitude[own], unknowns.magnitude[other]];
        Term { source: Source::End { branch, end, half }, at: columns.map(&mut *place) }
    };
    match row {
        Row::Flow { branch, end, half } => terms.push(end_term(branch, end_index(end), half)),
        Row::Injection { bus, half } => {
            terms.extend(incident[bus].iter().map(|&(branch, end)| end_term(branch, end, half)));
            let at = [HELD, HELD, place(unknowns.magnitude[bus]), HELD];
            terms.push(Term { source: Source::Shunt { bus, half }, at });
        }
        Row::Magnitude(bus) => {
            let at = [HELD, HELD, place(unknowns.magnitude[bus]), HELD];
            terms.push(Term { source: Source::Magnitude(bus), at });
        }
        Row::Angle(bus) => {
            let at = [place(unknowns.angle[bus]), HELD, HELD, HELD];
            terms.push(Term { source: Source::Angle(bus), at });
        }
    }
}

pub(crate) const fn end_index(end: End) -> usize {
    match end {
        End::From => 0,
        End::To => 1,
    }
}

/// Row of the augmented matrix that belongs to row `r` of the equations.
pub(crate) const fn augmented_row(measured: usize, unknowns: usize, r: usize) -> usize {
    if r < measured { r } else { unknowns + r }
}

type Slots = Vec<[usize; 2]>;

fn augmented(
    measured: usize,
    unknowns: usize,
    grad_ptr: &[usize],
    columns: &[usize],
) -> (Csc, Slots, Vec<usize>) {
    let rows = grad_ptr.len() - 1;
    let size = rows + unknowns;
    let mut builder = PatternBuilder::new(size, size);
    let alpha: Vec<usize> = (0..measured).map(|r| builder.push(r, r)).collect();
    let mut entries = Vec::with_capacity(columns.len());
    for r in 0..rows {
        let row = augmented_row(measured, unknowns, r);
        for &column in &columns[grad_ptr[r]..grad_ptr[r + 1]] {
            let column = measured + column;
            entries.push([builder.push(row, column), builder.push(column, row)]);
        }
    }
    let (matrix, slots) = builder.build();
    let entries = entries.into_iter().map(|pair| pair.map(|e| slots[e])).collect();
    (matrix, entries, alpha.into_iter().map(|e| slots[e]).collect())
}

/// A fill-reducing order of the unknowns alone. A measurement goes just before its first unknown, where its pivot α is at
/// hand; a constraint just after, where elimination has filled its empty diagonal.
fn elimination_order(measured: usize, unknowns: usize, grad_ptr: &[usize], columns: &[usize]) -> Vec<usize> {
    let mut builder = PatternBuilder::new(unknowns, unknowns);
    for row in grad_ptr.windows(2) {
        let columns = &columns[row[0]..row[1]];
        for &i in columns {
            for &j in columns {
                builder.push(i, j);
            }
        }
    }
    let order = fill_reducing(&builder.build().0);
    let mut position = vec![0; unknowns];
    for (k, &column) in order.iter().enumerate() {
        position[column] = k;
    }
    let rows = grad_ptr.len() - 1;
    let mut keyed: Vec<(usize, u8, usize)> = order.iter().map(|&c| (position[c], 1, measured + c)).collect();
    for r in 0..rows {
        let first = columns[grad_ptr[r]..grad_ptr[r + 1]].iter().map(|&c| position[c]).min().unwrap_or(0);
        let rank = if r < measured { 0 } else { 2 };
        keyed.push((first, rank, augmented_row(measured, unknowns, r)));
    }
    keyed.sort_unstable();
    keyed.into_iter().map(|(_, _, index)| index).collect()
}
