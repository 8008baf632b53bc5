//! Newton's method on one island. Equations in the head of the crate; here `i`, `j` count the buses of the island in
//! the order of elimination.
//!
//! With `s(i,j) = V(i) · conj(Y(i,j) V(j))` the blocks of `J` in `(Δθ(j), Δv(j)/v(j))` are
//!
//! ```text
//! j ≠ i:   [  Im s   Re s ]          j = i:   [ Im s(i,i) - Q(i)    P(i) + Re s(i,i) ]
//!          [ -Re s   Im s ]                   [ P(i) - Re s(i,i)    Q(i) + Im s(i,i) ]
//! ```
//!
//! The last step may keep the factors of the step before (a chord) when that suffices: near the solution the mismatch
//! then falls by the factor `2 m(k) / m(k-1)` that Newton's quadratic convergence predicts, and a solve costs a
//! fraction of a factorisation. What counts as converged is always the mismatch itself.

use std::sync::Arc;

use sparse::block::{Block, BlockLu, BlockPattern};
use sparse::lanes::{Simd, WithSimd, dispatch, fused};
use sparse::{Csc, Lu, LuError, PatternBuilder};
use topology::calc::{Branch, Bus};

use crate::admittances::Admittances;
use crate::nodal::NodalSystem;

/// A Newton step may lower a magnitude by at most this share, so that it stays positive.
const LARGEST_DROP: f64 = 0.5;
/// Relative residual of a Newton step above which the factors without pivoting are to blame for a run that stopped.
const LARGEST_BACKWARD_ERROR: f64 = 1e-9;
/// Turns of a step up to which a series of few terms is exact.
const SMALL_TURN: f64 = 0.1;
/// A chord step must promise at least this reduction.
const CHORD_RATE: f64 = 0.1;

/// What is held at a bus at present.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Held {
    /// Magnitude and angle.
    VoltageAndAngle,
    /// Active power and magnitude.
    PowerAndVoltage,
    /// Active and reactive power.
    Power,
}

/// How a Newton run ended; buses count in the island.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Run {
    Converged { steps: u32, mismatch_pu: f64 },
    Stopped { worst: usize, mismatch_pu: f64, steps: u32 },
    Singular { bus: usize },
}

/// Equations, pattern and factors of one island.
#[derive(Clone, Debug)]
pub(crate) struct Island {
    y: Admittances,
    ends: Vec<[u32; 2]>,
    lu: BlockLu,
    /// Blocks of the factors that are none of the Jacobian.
    fill: Vec<u32>,
    /// The same Jacobian for the factorisation that pivots; made when the blocks were not to be trusted.
    pivoting: Option<Box<Pivoting>>,
    step: Vec<[f64; 2]>,
    /// Voltages in rectangular coordinates.
    v: Vec<[f64; 2]>,
    /// Angles whose cosine and sine are known: a run mostly begins where the one before began.
    known_turn: Vec<(f64, [f64; 2])>,
    /// `s(i,j)` per entry of `y`, and `s(i,i)`.
    s: Vec<[f64; 2]>,
    s_diagonal: Vec<[f64; 2]>,
    /// Where the run began.
    start: [Vec<f64>; 2],
    /// Systems of the methods that split angles from magnitudes; made when first needed.
    systems: Option<Box<[NodalSystem; 2]>>,
    pub(crate) held: Vec<Held>,
    pub(crate) p_set_pu: Vec<f64>,
    pub(crate) q_set_pu: Vec<f64>,
    pub(crate) vm_pu: Vec<f64>,
    pub(crate) va_rad: Vec<f64>,
    /// Calculated net injections at the present voltages.
    pub(crate) p_pu: Vec<f64>,
    pub(crate) q_pu: Vec<f64>,
}

#[derive(Clone, Debug)]
struct Pivoting {
    matrix: Csc,
    /// Places of the block in every slot; blocks that are fill have none.
    places: Vec<(u32, [usize; 4])>,
    lu: Lu,
    rhs: Vec<f64>,
}

/// Which factorisation serves a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Linear {
    Blocks,
    Pivoting,
}

impl Island {
    /// Symbolic work for branches between the given ends, which count in the pattern's order of elimination.
    pub(crate) fn new(pattern: BlockPattern, ends: Vec<[u32; 2]>) -> Self {
        let n = pattern.nodes();
        let y = Admittances::new(&pattern, &ends);
        let entries = y.y.len();
        let mut own = vec![false; pattern.blocks()];
        pattern.diagonal().iter().chain(&y.slot).for_each(|&slot| own[slot as usize] = true);
        let fill = (0u32..).zip(own).filter(|(_, own)| !own).map(|(slot, _)| slot).collect();
        let pattern = Arc::new(pattern);
        Self {
            y,
            ends,
            lu: BlockLu::new(pattern),
            fill,
            pivoting: None,
            step: vec![[0.0; 2]; n],
            v: vec![[0.0; 2]; n],
            known_turn: vec![(0.0, [1.0, 0.0]); n],
            s: vec![[0.0; 2]; entries],
            s_diagonal: vec![[0.0; 2]; n],
            start: [vec![0.0; n], vec![0.0; n]],
            systems: None,
            held: vec![Held::Power; n],
            p_set_pu: vec![0.0; n],
            q_set_pu: vec![0.0; n],
            vm_pu: vec![1.0; n],
            va_rad: vec![0.0; n],
            p_pu: vec![0.0; n],
            q_pu: vec![0.0; n],
        }
    }

    /// Writes the admittances of branches and shunts, in the order given to [`Self::new`].
    pub(crate) fn set_admittances<'a>(
        &mut self,
        buses: impl Iterator<Item = &'a Bus>,
        branches: impl Iterator<Item = &'a Branch>,
    ) {
        self.y.set(&self.ends, buses, branches);
    }

    /// Ends of the branches.
    pub(crate) fn ends(&self) -> &[[u32; 2]] {
        &self.ends
    }

    /// Voltage `[e, f]` of a bus as the last run left it.
    pub(crate) fn voltage(&self, at: u32) -> [f64; 2] {
        self.v[at as usize]
    }

    /// As [`Self::run`], without the second try: for a way of many runs, most of which may stop.
    pub(crate) fn run_once(&mut self, tolerance_pu: f64, max_steps: u32) -> Run {
        self.run_on(Linear::Blocks, tolerance_pu, max_steps)
    }

    /// The Newton step at the present voltages, angle and relative magnitude per bus, with the largest mismatch; `None`
    /// if the Jacobian is singular. Injections are those of the present voltages afterwards.
    pub(crate) fn newton_step(&mut self) -> (Option<&[[f64; 2]]>, (usize, f64)) {
        self.evaluate();
        let worst = self.mismatch();
        if self.solve(Linear::Blocks, false).is_ok() {
            return (Some(&self.step), worst);
        }
        self.mismatch();
        let solved = self.solve(Linear::Pivoting, false).is_ok();
        (solved.then_some(&self.step[..]), worst)
    }

    /// Injections at the present voltages and the bus with the largest mismatch, a NaN before all others.
    pub(crate) fn check(&mut self) -> (usize, f64) {
        self.evaluate();
        self.mismatch()
    }

    /// Sum of squared mismatches of the last evaluation.
    pub(crate) fn squares(&self) -> f64 {
        (0..self.vm_pu.len())
            .map(|i| {
                let p = self.p_set_pu[i] - self.p_pu[i];
                let q = self.q_set_pu[i] - self.q_pu[i];
                match self.held[i] {
                    Held::VoltageAndAngle => 0.0,
                    Held::PowerAndVoltage => p * p,
                    Held::Power => p * p + q * q,
                }
            })
            .sum()
    }

    /// The two real systems on this graph, whatever is in them; [`Self::keep_systems`] takes them back.
    pub(crate) fn take_systems(&mut self) -> [NodalSystem; 2] {
        self.systems.take().map_or_else(
            || {
                let system = NodalSystem::new(self.held.len(), &self.ends);
                [system.clone(), system]
            },
            |systems| *systems,
        )
    }

    /// Keeps patterns and factors for the next time.
    pub(crate) fn keep_systems(&mut self, systems: [NodalSystem; 2]) {
        self.systems = Some(Box::new(systems));
    }

    /// Writes a matrix of blocks on the pattern of the Jacobian: diagonal ones by bus, the others by entry of
    /// [`Self::admittances`].
    pub(crate) fn write_blocks(&mut self, diagonal: &[Block], off: &[Block]) {
        self.lu.clear();
        let pattern = Arc::clone(self.lu.pattern());
        let blocks = self.lu.blocks_mut();
        for (&slot, &block) in pattern.diagonal().iter().zip(diagonal) {
            blocks[slot as usize] = block;
        }
        for (&slot, &block) in self.y.slot.iter().zip(off) {
            blocks[slot as usize] = block;
        }
    }

    /// Solves with the matrix of [`Self::write_blocks`], or with the factors of the call before where these are `kept`.
    ///
    /// # Errors
    /// The bus at which there is no pivot.
    pub(crate) fn solve_blocks(
        &mut self,
        linear: Linear,
        kept: bool,
        right: &[[f64; 2]],
    ) -> Result<&[[f64; 2]], usize> {
        self.step.copy_from_slice(right);
        self.solve_step(linear, kept)?;
        Ok(&self.step)
    }

    /// Bus admittances in the order of elimination.
    pub(crate) fn admittances(&self) -> &Admittances {
        &self.y
    }

    /// Pattern of the Jacobian's blocks.
    pub(crate) fn pattern(&self) -> &Arc<BlockPattern> {
        self.lu.pattern()
    }

    /// Newton steps from the present voltages; with pivoting from there again when the run did not arrive and the factors
    /// without pivoting are to blame.
    pub(crate) fn run(&mut self, tolerance_pu: f64, max_steps: u32) -> Run {
        self.start[0].copy_from_slice(&self.vm_pu);
        self.start[1].copy_from_slice(&self.va_rad);
        let first = self.run_on(Linear::Blocks, tolerance_pu, max_steps);
        let blameless = match first {
            Run::Converged { .. } => true,
            Run::Stopped { .. } => self.backward_error() <= LARGEST_BACKWARD_ERROR,
            Run::Singular { .. } => false,
        };
        if blameless {
            return first;
        }
        self.vm_pu.copy_from_slice(&self.start[0]);
        self.va_rad.copy_from_slice(&self.start[1]);
        self.run_on(Linear::Pivoting, tolerance_pu, max_steps)
    }

    /// Relative residual of the linear system at the present voltages when its factors do not pivot; infinite where
    /// there are none.
    fn backward_error(&mut self) -> f64 {
        self.evaluate();
        self.mismatch();
        self.differentiate();
        let matrix: Vec<Block> = self.lu.blocks().to_vec();
        let mut x = self.step.clone();
        if self.lu.factor().is_err() {
            return f64::INFINITY;
        }
        self.lu.solve(&mut x);
        let pattern = self.lu.pattern();
        let (mut error, mut scale): (f64, f64) = (0.0, 0.0);
        for (i, rhs) in self.step.iter().enumerate() {
            let range = pattern.row_ptr()[i] as usize..pattern.row_ptr()[i + 1] as usize;
            let mut product = [0.0; 2];
            for (a, &j) in matrix[range.clone()].iter().zip(&pattern.columns()[range]) {
                let x = x[j as usize];
                for row in 0..2 {
                    let terms = [a[2 * row] * x[0], a[2 * row + 1] * x[1]];
                    product[row] += terms[0] + terms[1];
                    scale = scale.max(terms[0].abs()).max(terms[1].abs());
                }
            }
            error = error.max((product[0] - rhs[0]).abs()).max((product[1] - rhs[1]).abs());
        }
        if error.is_finite() && scale > 0.0 { error / scale } else { f64::INFINITY }
    }

    fn run_on(&mut self, linear: Linear, tolerance_pu: f64, max_steps: u32) -> Run {
        let mut steps = 0;
        // The first step has no factors to keep: the rate is infinite.
        let mut last_pu = 0.0;
        let mut after_full_step = true;
        self.take_polar();
        loop {
            self.flow();
            let (worst, mismatch_pu) = self.mismatch();
            if mismatch_pu <= tolerance_pu {
                return Run::Converged { steps, mismatch_pu };
            }
            if steps >= max_steps || !mismatch_pu.is_finite() {
                return Run::Stopped { worst, mismatch_pu, steps };
            }
            // After a full step a chord contracts at twice the ratio of that step, after a chord as it did.
            let rate = mismatch_pu / last_pu * if after_full_step { 2.0 } else { 1.0 };
            let chord = rate <= CHORD_RATE && mismatch_pu * rate <= tolerance_pu;
            if let Err(bus) = self.solve(linear, chord) {
                return Run::Singular { bus };
            }
            self.advance();
            after_full_step = !chord;
            last_pu = mismatch_pu;
            steps += 1;
        }
    }

    /// Replaces the mismatch in `step` by the Newton step.
    fn solve(&mut self, linear: Linear, chord: bool) -> Result<(), usize> {
        if !chord {
            self.differentiate();
        }
        self.solve_step(linear, chord)
    }

    /// Replaces `step` by the solution, with new factors unless those of the step before are kept.
    fn solve_step(&mut self, linear: Linear, chord: bool) -> Result<(), usize> {
        match linear {
            Linear::Blocks => {
                if !chord {
                    self.lu.factor().map_err(|distrusted| distrusted.node)?;
                }
                self.lu.solve(&mut self.step);
                Ok(())
            }
            Linear::Pivoting => {
                let Self { pivoting, y, lu, .. } = self;
                let pivoting = pivoting.get_or_insert_with(|| Box::new(Pivoting::new(y, lu.pattern())));
                pivoting.solve(lu.blocks(), chord, &mut self.step)
            }
        }
    }

    /// `s(i,j)` and the calculated injections.
    fn evaluate(&mut self) {
        self.take_polar();
        self.flow();
    }

    /// Rectangular voltages from the polar ones.
    fn take_polar(&mut self) {
        let known = self.known_turn.iter_mut();
        for (((v, &vm), &va), (angle, turn)) in
            self.v.iter_mut().zip(&self.vm_pu).zip(&self.va_rad).zip(known)
        {
            if va != *angle {
                let (sin, cos) = va.sin_cos();
                (*angle, *turn) = (va, [cos, sin]);
            }
            *v = turn.map(|part| vm * part);
        }
    }

    /// `s(i,j)` and the calculated injections, of the rectangular voltages.
    fn flow(&mut self) {
        let Self { y, v, s, s_diagonal, p_pu, q_pu, .. } = self;
        dispatch(Flow { y, v, s, s_diagonal, p_pu, q_pu });
    }

    /// Fills the right-hand side and returns the bus with the largest mismatch, a NaN before all others.
    fn mismatch(&mut self) -> (usize, f64) {
        let mut worst = (0, 0.0);
        let set = self.p_set_pu.iter().zip(&self.q_set_pu);
        let calculated = self.p_pu.iter().zip(&self.q_pu);
        let rows = self.step.iter_mut().zip(&self.held).zip(set.zip(calculated));
        for (i, ((step, held), ((p_set, q_set), (p, q)))) in rows.enumerate() {
            let (p, q) = match held {
                Held::VoltageAndAngle => (0.0, 0.0),
                Held::PowerAndVoltage => (p_set - p, 0.0),
                Held::Power => (p_set - p, q_set - q),
            };
            *step = [p, q];
            let size = p.abs().max(q.abs());
            if p.is_nan() || q.is_nan() {
                return (i, f64::NAN);
            }
            if size > worst.1 {
                worst = (i, size);
            }
        }
        worst
    }

    /// The Jacobian at the voltages of the last [`Self::evaluate`], into the blocks of `lu`.
    fn differentiate(&mut self) {
        let Self { y, lu, fill, s, s_diagonal, held, p_pu, q_pu, .. } = self;
        let pattern = Arc::clone(lu.pattern());
        let diagonal = pattern.diagonal();
        let blocks = lu.blocks_mut();
        dispatch(|| {
            for &slot in fill.iter() {
                blocks[slot as usize] = [0.0; 4];
            }
            differentiate((y, diagonal, held), (s, s_diagonal), (p_pu, q_pu), blocks);
        });
    }

    /// Takes the step, in polar and rectangular voltages.
    fn advance(&mut self) {
        let (mut deepest, mut widest): (f64, f64) = (0.0, 0.0);
        for step in &self.step {
            // A number that is none shows in the next mismatch.
            deepest = if step[1] < deepest { step[1] } else { deepest };
            widest = if step[0].abs() > widest { step[0].abs() } else { widest };
        }
        let share = if deepest < -LARGEST_DROP { LARGEST_DROP / -deepest } else { 1.0 };
        let small = share * widest <= SMALL_TURN;
        for (i, step) in self.step.iter().enumerate() {
            let (turn, grown) = (share * step[0], 1.0 + share * step[1]);
            self.va_rad[i] += turn;
            self.vm_pu[i] *= grown;
            if small {
                let ([e, f], [cos, sin]) = (self.v[i], small_turn(turn));
                self.v[i] = [grown * (e * cos - f * sin), grown * (e * sin + f * cos)];
            }
        }
        if !small {
            self.take_polar();
        }
    }
}

impl Pivoting {
    fn new(y: &Admittances, pattern: &BlockPattern) -> Self {
        let n = pattern.nodes();
        let mut builder = PatternBuilder::new(2 * n, 2 * n);
        let mut places = Vec::with_capacity(n + y.slot.len());
        let mut push = |row: usize, col: usize, slot: u32| {
            let entry = [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(r, c)| builder.push(2 * row + r, 2 * col + c));
            places.push((slot, entry));
        };
        for i in 0..n {
            push(i, i, pattern.diagonal()[i]);
            for e in y.ptr[i] as usize..y.ptr[i + 1] as usize {
                push(i, y.col[e] as usize, y.slot[e]);
            }
        }
        let (matrix, slots) = builder.build();
        for (_, entry) in &mut places {
            *entry = entry.map(|e| slots[e]);
        }
        Self { lu: Lu::new(&matrix), matrix, places, rhs: vec![0.0; 2 * n] }
    }

    fn solve(&mut self, blocks: &[Block], chord: bool, step: &mut [[f64; 2]]) -> Result<(), usize> {
        if !chord {
            let values = self.matrix.values_mut();
            for (slot, entry) in &self.places {
                for (&place, &value) in entry.iter().zip(&blocks[*slot as usize]) {
                    values[place] = value;
                }
            }
            self.lu.update(&self.matrix).map_err(|error| match error {
                LuError::Singular(singular) => singular.column / 2,
                // The size is fixed by `new`, so this is never reached; no bus is better to name than the first.
                LuError::Shape { .. } => 0,
            })?;
        }
        self.rhs.copy_from_slice(step.as_flattened());
        self.lu.solve(&mut self.rhs);
        step.as_flattened_mut().copy_from_slice(&self.rhs);
        Ok(())
    }
}

/// Writes all blocks of the Jacobian.
#[inline(always)]
fn differentiate(
    (y, diagonal, held): (&Admittances, &[u32], &[Held]),
    (s, s_diagonal): (&[[f64; 2]], &[[f64; 2]]),
    (p_pu, q_pu): (&[f64], &[f64]),
    blocks: &mut [Block],
) {
    let own = diagonal.iter().zip(s_diagonal).zip(p_pu.iter().zip(q_pu));
    for ((i, held), ((&slot, &[re, im]), (p, q))) in held.iter().enumerate().zip(own) {
        let range = y.ptr[i] as usize..y.ptr[i + 1] as usize;
        let others = s[range.clone()].iter().zip(&y.slot[range]);
        blocks[slot as usize] = match held {
            Held::VoltageAndAngle => {
                others.for_each(|(_, &slot)| blocks[slot as usize] = [0.0; 4]);
                [1.0, 0.0, 0.0, 1.0]
            }
            Held::PowerAndVoltage => {
                others.for_each(|(&[re, im], &slot)| blocks[slot as usize] = [im, re, 0.0, 0.0]);
                [im - q, p + re, 0.0, 1.0]
            }
            Held::Power => {
                others.for_each(|(&[re, im], &slot)| blocks[slot as usize] = [im, re, -re, im]);
                [im - q, p + re, p - re, q + im]
            }
        };
    }
}

/// `s(i,j)` and the calculated injections, to be dispatched.
struct Flow<'a> {
    y: &'a Admittances,
    v: &'a [[f64; 2]],
    s: &'a mut [[f64; 2]],
    s_diagonal: &'a mut [[f64; 2]],
    p_pu: &'a mut [f64],
    q_pu: &'a mut [f64],
}

impl WithSimd for Flow<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        if const { fused::<S>() } { self.run::<true>() } else { self.run::<false>() }
    }
}

impl Flow<'_> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let Self { y, v, s: mut rest, s_diagonal, p_pu, q_pu } = self;
        for (i, &v_i) in v.iter().enumerate() {
            let own = times_conjugate::<FUSED>(v_i, y.diagonal[i], v_i);
            let mut sum = own;
            let range = y.ptr[i] as usize..y.ptr[i + 1] as usize;
            let (row, behind) = rest.split_at_mut(range.len());
            rest = behind;
            for ((&y, &j), s) in y.y[range.clone()].iter().zip(&y.col[range]).zip(row) {
                *s = times_conjugate::<FUSED>(v_i, y, v[j as usize]);
                sum[0] += s[0];
                sum[1] += s[1];
            }
            s_diagonal[i] = own;
            [p_pu[i], q_pu[i]] = sum;
        }
    }
}

/// Cosine and sine of an angle up to [`SMALL_TURN`], to the last digit: Taylor's series with a rest below 3e-17.
#[inline(always)]
fn small_turn(angle: f64) -> [f64; 2] {
    let x = angle * angle;
    // Products with the inverses of 2, 12, 30, … cost a fraction of the quotients.
    let term = |inverse: f64, rest: f64| 1.0 - x * inverse * rest;
    let cos = term(1.0 / 2.0, term(1.0 / 12.0, term(1.0 / 30.0, term(1.0 / 56.0, 1.0))));
    let sin = angle * term(1.0 / 6.0, term(1.0 / 20.0, term(1.0 / 42.0, term(1.0 / 72.0, 1.0))));
    [cos, sin]
}

/// `a · conj(y b)`.
#[inline(always)]
fn times_conjugate<const FUSED: bool>(a: [f64; 2], y: [f64; 2], b: [f64; 2]) -> [f64; 2] {
    let current = [plus::<FUSED>(y[0], b[0], -(y[1] * b[1])), plus::<FUSED>(y[0], b[1], y[1] * b[0])];
    [
        plus::<FUSED>(a[0], current[0], a[1] * current[1]),
        plus::<FUSED>(a[1], current[0], -(a[0] * current[1])),
    ]
}

/// `a b + sum`. Not a closure, which would not be compiled for the instruction set of its surroundings.
#[inline(always)]
fn plus<const FUSED: bool>(a: f64, b: f64, sum: f64) -> f64 {
    if FUSED { a.mul_add(b, sum) } else { a * b + sum }
}
