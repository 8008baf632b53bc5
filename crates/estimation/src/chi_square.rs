//! Quantiles of the chi-square distribution.
//!
//! `F(x; k) = P(k/2, x/2)` with the regularised lower incomplete gamma function (NIST DLMF 8.2.4), by its series
//! (8.11.4) below and its continued fraction (8.9.2, modified Lentz) above `a + 1`; inverted by
//! bisection.

/// Terms of the series or the continued fraction; some √a are needed.
const MAX_TERMS: u32 = 100_000;
/// Relative size of the last term.
const EPSILON: f64 = 1e-15;
/// Halvings of the bracket: more than a double resolves.
const MAX_HALVINGS: u32 = 200;

/// The value that a chi-square variable with `degrees` of freedom stays below with probability `confidence`.
///
/// `None` for no degree of freedom or a confidence outside of `0 < confidence < 1`.
pub fn chi_square_quantile(confidence: f64, degrees: u32) -> Option<f64> {
    if degrees == 0 || !(0.0 < confidence && confidence < 1.0) {
        return None;
    }
    let a = f64::from(degrees) / 2.0;
    let (mut low, mut high) = (0.0, f64::from(degrees).max(1.0));
    while lower_gamma(a, high / 2.0) < confidence {
        low = high;
        high *= 2.0;
    }
    for _ in 0..MAX_HALVINGS {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            break;
        }
        if lower_gamma(a, middle / 2.0) < confidence {
            low = middle;
        } else {
            high = middle;
        }
    }
    Some(0.5 * (low + high))
}

/// Regularised lower incomplete gamma function P(a, x).
fn lower_gamma(a: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    let front = (a * x.ln() - x - ln_gamma(a)).exp();
    if x < a + 1.0 { front * series(a, x) } else { 1.0 - front * fraction(a, x) }
}

fn series(a: f64, x: f64) -> f64 {
    let mut term = 1.0 / a;
    let mut sum = term;
    for n in 1..=MAX_TERMS {
        term *= x / (a + f64::from(n));
        sum += term;
        if term < sum * EPSILON {
            break;
        }
    }
    sum
}

fn fraction(a: f64, x: f64) -> f64 {
    let tiny = f64::MIN_POSITIVE / EPSILON;
    let mut b = x + 1.0 - a;
    let mut c = 1.0 / tiny;
    let mut d = 1.0 / b;
    let mut value = d;
    for n in 1..=MAX_TERMS {
        let n = f64::from(n);
        let term = -n * (n - a);
        b += 2.0;
        d = 1.0 / guarded(term * d + b, tiny);
        c = guarded(b + term / c, tiny);
        value *= d * c;
        if (d * c - 1.0).abs() < EPSILON {
            break;
        }
    }
    value
}

fn guarded(x: f64, tiny: f64) -> f64 {
    if x.abs() < tiny { tiny } else { x }
}

/// ln Γ(a) for a > 0: the Stirling series (NIST DLMF 5.11.1) after the argument is raised by the recurrence.
fn ln_gamma(a: f64) -> f64 {
    const LARGE: f64 = 20.0;
    let (mut a, mut shift) = (a, 0.0);
    while a < LARGE {
        shift += a.ln();
        a += 1.0;
    }
    let r = 1.0 / a;
    let r2 = r * r;
    let tail = r * (1.0 / 12.0 - r2 * (1.0 / 360.0 - r2 * (1.0 / 1260.0 - r2 * (1.0 / 1680.0))));
    (a - 0.5) * a.ln() - a + 0.5 * (2.0 * std::f64::consts::PI).ln() + tail - shift
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::chi_square_quantile;

    /// scipy 1.17.1, `scipy.stats.chi2.ppf(confidence, degrees)`.
    #[test]
    fn agrees_with_scipy() {
        let check = |confidence: f64, degrees: u32, want: f64| {
            let got = chi_square_quantile(confidence, degrees).unwrap();
            assert!((got / want - 1.0).abs() < 1e-10, "{confidence} {degrees}: got {got}, want {want}");
        };
        check(0.95, 1, 3.841458820694124);
        check(0.99, 1, 6.6348966010212145);
        check(0.01, 1, 0.00015708785790970184);
        check(0.5, 2, 1.386294361119891);
        check(0.95, 3, 7.814727903251179);
        check(0.99, 10, 23.209251158954356);
        check(0.95, 37, 52.192319730102895);
        check(0.99, 100, 135.80672317102676);
        check(0.05, 200, 168.27855443662838);
        check(0.99, 1000, 1106.9689943522174);
        check(0.999, 20000, 20623.750449079074);
    }

    #[test]
    fn nothing_without_freedom_or_outside_of_probability() {
        for (confidence, degrees) in [(0.95, 0), (0.0, 3), (1.0, 3), (f64::NAN, 3)] {
            assert_eq!(chi_square_quantile(confidence, degrees), None);
        }
    }
}
