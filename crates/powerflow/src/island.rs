//! Newton's method on one island. Equations in the head of the crate; here `i`, `j` count the buses of the island.

use sparse::{Csc, Lu, LuError, PatternBuilder, minimum_degree};
use topology::calc::{Branch, Bus};

/// A Newton step may lower a magnitude by at most this share, so that it stays positive.
const LARGEST_DROP: f64 = 0.5;

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
    /// Pattern of the bus admittance matrix; its values hold G.
    y: Csc,
    y_b: Vec<f64>,
    /// Slots in `y` per branch: ff, ft, tf, tt; and per bus.
    branch_slots: Vec<[usize; 4]>,
    diagonal: Vec<usize>,
    jacobian: Csc,
    /// Slots in `jacobian` per entry of `y`: ∂P/∂θ, ∂P/∂v, ∂Q/∂θ, ∂Q/∂v.
    blocks: Vec<[usize; 4]>,
    lu: Lu,
    step: Vec<f64>,
    cos: Vec<f64>,
    sin: Vec<f64>,
    /// T and S per entry of `y`.
    t: Vec<f64>,
    s: Vec<f64>,
    pub(crate) held: Vec<Held>,
    pub(crate) p_set_pu: Vec<f64>,
    pub(crate) q_set_pu: Vec<f64>,
    pub(crate) vm_pu: Vec<f64>,
    pub(crate) va_rad: Vec<f64>,
    /// Calculated net injections at the present voltages.
    pub(crate) p_pu: Vec<f64>,
    pub(crate) q_pu: Vec<f64>,
}

impl Island {
    /// Symbolic work for `n` buses and branches between the given ends.
    pub(crate) fn new(n: usize, ends: &[[usize; 2]]) -> Self {
        let mut builder = PatternBuilder::new(n, n);
        let diagonal: Vec<usize> = (0..n).map(|i| builder.push(i, i)).collect();
        let branches: Vec<[usize; 4]> = ends
            .iter()
            .map(|&[f, t]| [builder.push(f, f), builder.push(f, t), builder.push(t, f), builder.push(t, t)])
            .collect();
        let (y, slots) = builder.build();
        let (jacobian, blocks) = jacobian_pattern(&y);
        let order = minimum_degree(&y).into_iter().flat_map(|i| [2 * i, 2 * i + 1]).collect();
        let entries = y.values().len();
        Self {
            y_b: vec![0.0; entries],
            branch_slots: branches.into_iter().map(|entry| entry.map(|e| slots[e])).collect(),
            diagonal: diagonal.into_iter().map(|e| slots[e]).collect(),
            lu: Lu::with_order(order),
            t: vec![0.0; entries],
            s: vec![0.0; entries],
            y,
            jacobian,
            blocks,
            step: vec![0.0; 2 * n],
            cos: vec![0.0; n],
            sin: vec![0.0; n],
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
        self.y.clear();
        self.y_b.fill(0.0);
        let g = self.y.values_mut();
        for (bus, &slot) in buses.zip(&self.diagonal) {
            g[slot] += bus.g_shunt_pu;
            self.y_b[slot] += bus.b_shunt_pu;
        }
        for (branch, slots) in branches.zip(&self.branch_slots) {
            let y = branch.admittance();
            for (part, &slot) in [y.ff, y.ft, y.tf, y.tt].into_iter().zip(slots) {
                g[slot] += part[0];
                self.y_b[slot] += part[1];
            }
        }
    }

    /// Newton steps from the present voltages.
    pub(crate) fn run(&mut self, tolerance_pu: f64, max_steps: u32) -> Run {
        let mut steps = 0;
        loop {
            self.evaluate();
            let (worst, mismatch_pu) = self.mismatch();
            if mismatch_pu <= tolerance_pu {
                return Run::Converged { steps, mismatch_pu };
            }
            if steps >= max_steps || !mismatch_pu.is_finite() {
                return Run::Stopped { worst, mismatch_pu, steps };
            }
            self.differentiate();
            match self.lu.update(&self.jacobian) {
                Ok(_) => {}
                Err(LuError::Singular(singular)) => return Run::Singular { bus: singular.column / 2 },
                Err(LuError::Shape { .. }) => return Run::Stopped { worst, mismatch_pu, steps },
            }
            self.lu.solve(&mut self.step);
            self.advance();
            steps += 1;
        }
    }

    /// T, S and the calculated injections.
    fn evaluate(&mut self) {
        for (i, &angle) in self.va_rad.iter().enumerate() {
            (self.sin[i], self.cos[i]) = angle.sin_cos();
        }
        self.p_pu.fill(0.0);
        self.q_pu.fill(0.0);
        let (g, rows, ptr) = (self.y.values(), self.y.row_indices(), self.y.col_ptr());
        for j in 0..self.vm_pu.len() {
            let (cos_j, sin_j, v_j) = (self.cos[j], self.sin[j], self.vm_pu[j]);
            for (e, &i) in (ptr[j]..).zip(&rows[ptr[j]..ptr[j + 1]]) {
                let cos = self.cos[i] * cos_j + self.sin[i] * sin_j;
                let sin = self.sin[i] * cos_j - self.cos[i] * sin_j;
                self.t[e] = g[e] * cos + self.y_b[e] * sin;
                self.s[e] = g[e] * sin - self.y_b[e] * cos;
                let product = self.vm_pu[i] * v_j;
                self.p_pu[i] += product * self.t[e];
                self.q_pu[i] += product * self.s[e];
            }
        }
    }

    /// Fills the right-hand side and returns the bus with the largest mismatch, a NaN before all others.
    fn mismatch(&mut self) -> (usize, f64) {
        let mut worst = (0, 0.0);
        for i in 0..self.vm_pu.len() {
            let p = self.p_set_pu[i] - self.p_pu[i];
            let q = self.q_set_pu[i] - self.q_pu[i];
            let (p, q) = match self.held[i] {
                Held::VoltageAndAngle => (0.0, 0.0),
                Held::PowerAndVoltage => (p, 0.0),
                Held::Power => (p, q),
            };
            self.step[2 * i] = p;
            self.step[2 * i + 1] = q;
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

    /// The Jacobian at the voltages of the last [`Self::evaluate`].
    fn differentiate(&mut self) {
        let (rows, ptr) = (self.y.row_indices(), self.y.col_ptr());
        let out = self.jacobian.values_mut();
        for j in 0..self.vm_pu.len() {
            for (e, &i) in (ptr[j]..).zip(&rows[ptr[j]..ptr[j + 1]]) {
                let v_i = self.vm_pu[i];
                let [p_angle, p_vm, q_angle, q_vm] = if i == j {
                    let (g, b) = (self.y.values()[e], self.y_b[e]);
                    let (p, q) = (self.p_pu[i], self.q_pu[i]);
                    [-q - b * v_i * v_i, p / v_i + g * v_i, p - g * v_i * v_i, q / v_i - b * v_i]
                } else {
                    let (t, s) = (v_i * self.t[e], v_i * self.s[e]);
                    [self.vm_pu[j] * s, t, -self.vm_pu[j] * t, s]
                };
                let one = if i == j { 1.0 } else { 0.0 };
                let block = match self.held[i] {
                    Held::VoltageAndAngle => [one, 0.0, 0.0, one],
                    Held::PowerAndVoltage => [p_angle, p_vm, 0.0, one],
                    Held::Power => [p_angle, p_vm, q_angle, q_vm],
                };
                for (&slot, value) in self.blocks[e].iter().zip(block) {
                    out[slot] = value;
                }
            }
        }
    }

    fn advance(&mut self) {
        let mut share: f64 = 1.0;
        for (i, &vm) in self.vm_pu.iter().enumerate() {
            let drop = -self.step[2 * i + 1];
            if drop > LARGEST_DROP * vm {
                share = share.min(LARGEST_DROP * vm / drop);
            }
        }
        for (i, (vm, va)) in self.vm_pu.iter_mut().zip(&mut self.va_rad).enumerate() {
            *va += share * self.step[2 * i];
            *vm += share * self.step[2 * i + 1];
        }
    }
}

/// Two equations and two unknowns per bus, one 2×2 block per entry of `y`.
fn jacobian_pattern(y: &Csc) -> (Csc, Vec<[usize; 4]>) {
    let mut builder = PatternBuilder::new(2 * y.rows(), 2 * y.cols());
    let mut blocks = Vec::with_capacity(y.values().len());
    for j in 0..y.cols() {
        for (i, _) in y.column(j) {
            let (p, q, angle, vm) = (2 * i, 2 * i + 1, 2 * j, 2 * j + 1);
            blocks.push([
                builder.push(p, angle),
                builder.push(p, vm),
                builder.push(q, angle),
                builder.push(q, vm),
            ]);
        }
    }
    let (jacobian, slots) = builder.build();
    (jacobian, blocks.into_iter().map(|block| block.map(|e| slots[e])).collect())
}
