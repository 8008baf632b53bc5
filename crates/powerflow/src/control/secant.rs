//! The secant for one setting `x` with the residual `r`:
//!
//! ```text
//! slope = (r - r_last) / (x - x_last)         x += -r / slope
//! ```
//!
//! The first slope is an estimate; a later one that has the other sign or is far off is not believed, because other
//! settings moved as well.

/// A slope outside of this factor around the estimate is not believed.
const BELIEVED: f64 = 1e3;

/// State of one setting.
#[derive(Clone, Copy, Debug)]
pub(super) struct Secant {
    estimate: f64,
    slope: f64,
    largest: f64,
    last: Option<[f64; 2]>,
}

impl Secant {
    /// With an estimate of the slope, which has the right sign, and the largest step.
    pub(super) const fn new(estimate: f64, largest: f64) -> Self {
        Self { estimate, slope: estimate, largest, last: None }
    }

    /// The next setting.
    pub(super) fn next(&mut self, x: f64, r: f64) -> f64 {
        if let Some([x_last, r_last]) = self.last {
            let slope = (r - r_last) / (x - x_last);
            let ratio = slope / self.estimate;
            if (1.0 / BELIEVED..BELIEVED).contains(&ratio) {
                self.slope = slope;
            }
        }
        self.last = Some([x, r]);
        x + (-r / self.slope).clamp(-self.largest, self.largest)
    }
}
