//! Unbalanced power flow: phases, neutrals and ground, on the calculation model [`topology::phases`].
//!
//! With the admittance matrix `Y` of all linear equipment, the currents `J` that sources inject and the currents
//! `i_b(v)` of loads and converters, Kirchhoff's law at every node is
//!
//! ```text
//! Y v + Σ i_b(v) = J
//! ```
//!
//! Two methods solve it. The **fixed point** (Dugan, "Distribution System Simulator", and Kersting, *Distribution
//! System Modeling and Analysis*, chapter 10, in the form with the matrix) factorises once and iterates currents:
//!
//! ```text
//! Y' v⁺ = J - Σ (i_b(v) - y_b v)      Y' = Y + Σ y_b,   y_b: the linear part of a load, ∂i_b/∂v
//! ```
//!
//! It contracts with the ratio of load to short-circuit power, a few percent in most grids. Where it does not, **Newton**
//! (Garcia, Pereira, Carneiro, da Costa, Martins, "Three-phase power flow calculations using the current injection
//! method", IEEE Trans. Power Systems 15(2), 2000) takes `∂i_b/∂v*` in too.
//!
//! A solution counts when no voltage changed by more than the tolerance, per unit of its nominal voltage, and a last
//! step in residual form has confirmed it, which also removes the rounding of stiff parts. What is not solved is NaN.
//!
//! - `pivoting`: the way around factors that do not serve.
//! - `system`: numbers and order of the unknowns, `Y'` on a fixed pattern. `fixed_point`, `newton`: the methods.
//! - [`PhaseSolver`]: all of it, with its memory. [`solve_controlled`]: with taps and capacitors that move.
//! - `flows`: currents and powers of equipment.

pub mod batch;
mod control;
mod fixed_point;
mod flows;
mod newton;
mod pivoting;
mod solver;
mod system;

pub use control::{ControlOutcome, PhaseControls, solve_controlled};
pub use flows::{EndFlow, element_flow, source_power};
pub use solver::{Method, PhaseOptions, PhaseOutcome, PhaseReason, PhaseSolution, PhaseSolver, PhaseStart};
