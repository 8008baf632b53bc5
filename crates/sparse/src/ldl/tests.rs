//! Against dense elimination with partial pivoting, written in `crate::tests`, against elimination of the pattern alone,
//! and against LAPACK: `cases/*.txt`, made by `interop/ldl_cases.py`.
#![allow(clippy::unwrap_used, clippy::needless_range_loop)]

use proptest::prelude::*;

use super::*;
use crate::PatternBuilder;
use crate::tests::{Dense, dense, dense_solve, transposed};

type Entries = Vec<(usize, usize, f64)>;

/// Both sides may be off by their rounding times the condition of the matrix.
const ROUNDING: f64 = 4.0 * f64::EPSILON;

/// Name, data, and how entries grow: where a quasi-definite matrix is eliminated by pivots of 1e-3, by 1e3, and the
/// inverse takes the square of that (Gill, Saunders, Shinnerl, "On the stability of Cholesky factorization for symmetric
/// quasidefinite systems", SIMAX 17(1), 1996). Refinement makes up for it in a solution.
const LAPACK: [(&str, &str, f64); 3] = [
    ("susceptance of case118", include_str!("cases/susceptance118.txt"), 1.0),
    ("equality-constrained estimate", include_str!("cases/quasidefinite.txt"), 1e3),
    ("mesh of conductances", include_str!("cases/mesh.txt"), 1.0),
];

/// Both triangles from one.
fn mirrored(entries: &[(usize, usize, f64)]) -> Entries {
    let other = entries.iter().filter(|(row, col, _)| row != col).map(|&(row, col, value)| (col, row, value));
    entries.iter().copied().chain(other).collect()
}

fn factored(matrix: &Csc) -> Ldl {
    let mut ldl = Ldl::new(Arc::new(LdlPattern::analyse(matrix).unwrap()));
    ldl.factor(matrix, &PivotRule::default()).unwrap();
    ldl
}

fn assert_close(got: &[f64], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len());
    let size = 1.0 + want.iter().fold(0.0_f64, |max, w| max.max(w.abs()));
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        assert!((g - w).abs() <= tolerance * size, "entry {i}: got {g}, want {w}");
    }
}

/// Inverse, a column for each unit vector.
fn dense_inverse(a: &Dense) -> Dense {
    let unit = |at: usize| (0..a.len()).map(|i| f64::from(u8::from(i == at))).collect();
    let columns = (0..a.len()).map(|at| dense_solve(a.clone(), unit(at)).unwrap()).collect();
    transposed(&columns)
}

/// The first `split` rows are positive definite, the others negative definite, whatever couples them: quasi-definite.
fn quasi_definite() -> impl Strategy<Value = (usize, usize, Entries)> {
    (1usize..25).prop_flat_map(|n| {
        let any = proptest::collection::vec((0..n, 0..n, -1.0f64..1.0), 0..4 * n);
        (Just(n), 0..=n, any).prop_map(|(n, split, any)| {
            let mut entries: Entries = Vec::new();
            let mut weight = vec![0.5; n];
            for (a, b, value) in any {
                let (row, col) = (a.min(b), a.max(b));
                if row == col {
                    continue;
                }
                entries.push((row, col, value));
                // Dominance inside each of both blocks; coupling between them needs none.
                if (row < split) == (col < split) {
                    weight[row] += value.abs();
                    weight[col] += value.abs();
                }
            }
            for (row, weight) in weight.into_iter().enumerate() {
                entries.push((row, row, if row < split { weight } else { -weight }));
            }
            (n, split, mirrored(&entries))
        })
    })
}

proptest! {
    #[test]
    fn quasi_definite_matrices_agree_with_dense_elimination((n, split, entries) in quasi_definite()) {
        let matrix = Csc::square(n, &entries);
        let mut ldl = factored(&matrix);
        prop_assert_eq!(ldl.inertia(), Some(Inertia { positive: split, negative: n - split }));
        let inverse = dense_inverse(&dense(&matrix));
        // Three right-hand sides more than there are lanes: a full and a part pass.
        let count = LANES + 3;
        let mut many: Vec<f64> = (0..n * count).map(|at| ((at * 7 + 3) % 11) as f64 - 5.0).collect();
        let given = many.clone();
        ldl.solve_many(&mut many);
        for (b, x) in given.chunks(n).zip(many.chunks(n)) {
            let want: Vec<f64> = inverse.iter().map(|row| row.iter().zip(b).map(|(a, b)| a * b).sum()).collect();
            assert_close(x, &want, 1e-8);
            let mut one = b.to_vec();
            ldl.solve(&mut one);
            assert_close(&one, &want, 1e-8);
            let left = ldl.solve_refined(&matrix, b, &mut one, 2);
            assert_close(&one, &want, 1e-9);
            prop_assert!(left.relative < 1e-15, "{left:?}");
        }
        let mut selected = SelectedInverse::new(Arc::clone(ldl.pattern()));
        selected.compute(&ldl);
        let mut on_pattern = 0;
        for row in 0..n {
            for col in 0..n {
                if let Some(z) = selected.entry(row, col) {
                    prop_assert!((z - inverse[row][col]).abs() < 1e-8 * (1.0 + inverse[row][col].abs()));
                    on_pattern += 1;
                }
            }
        }
        prop_assert_eq!(on_pattern, n + 2 * ldl.pattern().factor_entries());
        for &(row, col, _) in &entries {
            prop_assert!(selected.entry(row, col).is_some());
        }
    }

    #[test]
    fn the_pattern_is_that_of_elimination((n, _, entries) in quasi_definite()) {
        let matrix = Csc::square(n, &entries);
        let pattern = LdlPattern::analyse(&matrix).unwrap();
        let order = pattern.elimination_order();
        let mut filled = vec![vec![false; n]; n];
        for &(row, col, _) in &entries {
            let at = |wanted: usize| order.iter().position(|&row| row == wanted).unwrap();
            filled[at(row)][at(col)] = true;
        }
        for k in 0..n {
            let below: Vec<usize> = (k + 1..n).filter(|&row| filled[row][k]).collect();
            prop_assert_eq!(&pattern.idx[pattern.column(k)], &below[..]);
            prop_assert_eq!(pattern.column_count(k), below.len());
            prop_assert_eq!(pattern.parent(k), below.first().copied());
            for &i in &below {
                for &j in &below {
                    filled[i][j] = true;
                }
            }
        }
    }

    #[test]
    fn the_lower_triangle_is_not_read((n, _, entries) in quasi_definite()) {
        let upper: Entries = entries.iter().copied().filter(|(row, col, _)| row <= col).collect();
        let misleading: Entries =
            entries.iter().map(|&(row, col, value)| (row, col, if row > col { f64::NAN } else { value })).collect();
        let mut x: Vec<Vec<f64>> = [&entries, &upper, &misleading]
            .iter()
            .map(|entries| {
                let matrix = Csc::square(n, entries);
                let mut x = vec![1.0; n];
                let mut ldl = factored(&matrix);
                ldl.solve_refined(&matrix, &vec![1.0; n], &mut x, 1);
                x
            })
            .collect();
        let last = x.pop().unwrap();
        for x in x {
            assert_close(&x, &last, 1e-9);
        }
    }

    /// Any numbers: factors or an error, and no factors after an error.
    #[test]
    fn any_values_factor_or_are_refused(values in proptest::collection::vec(any::<f64>(), 9)) {
        let places = [(0, 0), (1, 1), (2, 2), (3, 3), (0, 1), (1, 2), (2, 3), (0, 3), (0, 2)];
        let entries: Entries = places.iter().zip(&values).map(|(&(row, col), &value)| (row, col, value)).collect();
        let matrix = Csc::square(4, &entries);
        let mut ldl = Ldl::new(Arc::new(LdlPattern::analyse(&matrix).unwrap()));
        let outcome = ldl.factor(&matrix, &PivotRule::default());
        let mut x = vec![1.0; 4];
        ldl.solve(&mut x);
        prop_assert_eq!(outcome.is_ok(), ldl.inertia().is_some());
        if outcome.is_err() {
            prop_assert!(x.iter().all(|x| x.is_nan()));
        }
    }
}

/// A ring of conductances with a chord, grounded by `ground` at one node.
fn ring(n: usize, ground: f64) -> Csc {
    let mut entries: Entries = vec![(0, 0, ground)];
    for from in 0..n {
        let to = (from + 1) % n;
        let g = 1.0 + from as f64;
        entries.extend([(from, from, g), (to, to, g), (from.min(to), from.max(to), -g)]);
    }
    Csc::square(n, &mirrored(&entries))
}

#[test]
fn new_values_on_the_old_pattern() {
    let first = ring(30, 1.0);
    let mut ldl = factored(&first);
    let mut second = first.clone();
    second.values_mut().iter_mut().for_each(|value| *value *= 3.0);
    let place = ldl.lower.as_ptr();
    ldl.factor(&second, &PivotRule::default()).unwrap();
    assert_eq!(place, ldl.lower.as_ptr());
    let mut x = vec![1.0; 30];
    let left = ldl.solve_refined(&second, &vec![1.0; 30], &mut x, 0);
    assert!(left.relative < 1e-15, "{left:?}");
}

#[test]
fn factors_of_one_pattern_share_it() {
    let matrix = ring(10, 1.0);
    let pattern = Arc::new(LdlPattern::analyse(&matrix).unwrap());
    let mut factors = vec![Ldl::new(Arc::clone(&pattern)); 3];
    for ldl in &mut factors {
        ldl.factor(&matrix, &PivotRule::default()).unwrap();
    }
    assert_eq!(Arc::strong_count(&pattern), 4);
}

#[test]
fn a_singular_matrix_is_refused_and_named() {
    let matrix = ring(12, 0.0);
    let mut ldl = Ldl::new(Arc::new(LdlPattern::analyse(&matrix).unwrap()));
    let fault = ldl.factor(&matrix, &PivotRule::default()).unwrap_err();
    let LdlError::Weak(weak) = fault else { panic!("{fault}") };
    // Any row of a floating network can be the one that is left over; it is the last one eliminated.
    assert_eq!(weak.row, *ldl.pattern().elimination_order().last().unwrap());
    assert!(weak.pivot.abs() <= 1e-12 * weak.largest && weak.replaced_by.is_none());
    assert_eq!(ldl.weak_pivots(), &[weak]);
    assert_eq!(ldl.inertia(), None);
    let mut x = vec![1.0; 12];
    ldl.solve(&mut x);
    assert!(x.iter().all(|x| x.is_nan()));
    ldl.solve_many(&mut x);
    let mut selected = SelectedInverse::new(Arc::clone(ldl.pattern()));
    selected.compute(&ldl);
    assert!(selected.entry(0, 0).unwrap().is_nan());
}

#[test]
fn a_replaced_pivot_is_reported() {
    // Two floating rings: two pivots vanish.
    let one = ring(6, 0.0);
    let mut entries: Entries = Vec::new();
    for col in 0..6 {
        for (row, value) in one.column(col) {
            entries.extend([(row, col, value), (row + 6, col + 6, value)]);
        }
    }
    let matrix = Csc::square(12, &entries);
    let mut ldl = Ldl::new(Arc::new(LdlPattern::analyse(&matrix).unwrap()));
    let rule = PivotRule { weak: OnWeak::Replace { share: 0.5 }, ..PivotRule::default() };
    ldl.factor(&matrix, &rule).unwrap();
    assert_eq!(ldl.weak_pivots().len(), 2);
    for weak in ldl.weak_pivots() {
        assert_eq!(weak.replaced_by.map(f64::abs), Some(0.5 * weak.largest));
    }
    let rows: Vec<bool> = ldl.weak_pivots().iter().map(|weak| weak.row < 6).collect();
    assert_ne!(rows[0], rows[1], "one of each ring");
    // Balanced injections have a solution, and the residual shows that this is one.
    let b: Vec<f64> = (0..12)
        .map(|at| {
            if at % 6 == 0 {
                1.0
            } else if at % 6 == 3 {
                -1.0
            } else {
                0.0
            }
        })
        .collect();
    let mut x = vec![0.0; 12];
    let left = ldl.solve_refined(&matrix, &b, &mut x, 0);
    assert!(left.relative < 1e-14, "{left:?}");
    // A good matrix of the same pattern clears the report.
    let mut grounded = matrix.clone();
    for col in 0..12 {
        let at = grounded.col_ptr()[col] + grounded.column(col).position(|(row, _)| row == col).unwrap();
        grounded.values_mut()[at] += 1.0;
    }
    ldl.factor(&grounded, &rule).unwrap();
    assert_eq!(ldl.weak_pivots(), &[]);
}

#[test]
fn an_empty_row_and_a_missing_diagonal() {
    // Row 2 is empty; rows 0 and 1 have no diagonal: indefinite, without a pivot on this order.
    let matrix = Csc::square(3, &[(0, 1, 1.0)]);
    let mut ldl = Ldl::new(Arc::new(LdlPattern::analyse(&matrix).unwrap()));
    assert!(matches!(ldl.factor(&matrix, &PivotRule::default()), Err(LdlError::Weak(_))));
    let rule = PivotRule { tolerance: 1e-12, weak: OnWeak::Replace { share: 1.0 } };
    ldl.factor(&matrix, &rule).unwrap();
    assert_eq!(ldl.weak_pivots().len(), 2);
    let none = Csc::square(0, &[]);
    let mut ldl = factored(&none);
    ldl.solve(&mut []);
    ldl.solve_many(&mut []);
    assert_eq!(ldl.inertia(), Some(Inertia { positive: 0, negative: 0 }));
}

#[test]
fn what_does_not_fit_is_refused() {
    let matrix = ring(8, 1.0);
    let mut ldl = factored(&matrix);
    assert_eq!(ldl.factor(&ring(9, 1.0), &PivotRule::default()), Err(LdlError::Pattern));
    assert_eq!(ldl.inertia(), None);
    let (wide, _) = PatternBuilder::new(2, 3).build();
    assert!(matches!(LdlPattern::analyse(&wide), Err(LdlError::Pattern)));
    assert!(matches!(LdlPattern::with_order(&matrix, vec![0; 8]), Err(LdlError::Pattern)));
    let mut other = SelectedInverse::new(Arc::new(LdlPattern::analyse(&matrix).unwrap()));
    ldl.factor(&matrix, &PivotRule::default()).unwrap();
    other.compute(&ldl);
    assert!(other.entry(0, 0).unwrap().is_nan());
    let mut bad = matrix.clone();
    bad.values_mut()[0] = f64::NAN;
    assert_eq!(ldl.factor(&bad, &PivotRule::default()), Err(LdlError::NotFinite { row: 0 }));
}

#[test]
fn refinement_makes_up_for_a_bad_order() {
    // A pivot of 1e-9 beside entries of 1 costs nine figures; two steps bring them back.
    let matrix =
        Csc::square(3, &mirrored(&[(0, 0, 1e-9), (0, 1, 1.0), (0, 2, 0.5), (1, 1, 1.0), (2, 2, 2.0)]));
    let pattern = LdlPattern::with_order(&matrix, vec![0, 1, 2]).unwrap();
    let mut ldl = Ldl::new(Arc::new(pattern));
    ldl.factor(&matrix, &PivotRule::default()).unwrap();
    let b = [1.0, 2.0, 3.0];
    let mut x = [0.0; 3];
    let rough = ldl.solve_refined(&matrix, &b, &mut x, 0).relative;
    let refined = ldl.solve_refined(&matrix, &b, &mut x, 2).relative;
    assert!(rough > 1e-10 && refined < 1e-15, "{rough:e} {refined:e}");
}

#[test]
fn lapack_finds_the_same() {
    for (name, text, growth) in LAPACK {
        let mut entries: Entries = Vec::new();
        let (mut b, mut x, mut diagonal, mut signs) = (vec![], vec![], vec![], vec![]);
        let mut condition = 0.0;
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (kind, rest) = line.split_once(' ').unwrap();
            let figures: Vec<f64> = rest.split(' ').map(|figure| figure.parse().unwrap()).collect();
            match kind {
                "entry" => entries.push((figures[0] as usize, figures[1] as usize, figures[2])),
                "b" => b = figures,
                "x" => x = figures,
                "inverse" => diagonal = figures,
                "condition" => condition = figures[0],
                "inertia" => signs = figures,
                other => panic!("{name}: {other}"),
            }
        }
        let n = b.len();
        let matrix = Csc::square(n, &entries);
        let mut ldl = factored(&matrix);
        let (positive, negative) = (signs[0] as usize, signs[1] as usize);
        assert_eq!(ldl.inertia(), Some(Inertia { positive, negative }), "{name}");
        let mut got = b.clone();
        ldl.solve_refined(&matrix, &b, &mut got, 2);
        println!("{name}: condition {condition:.1e}");
        let tolerance = ROUNDING * condition;
        assert_close(&got, &x, tolerance);
        let mut selected = SelectedInverse::new(Arc::clone(ldl.pattern()));
        selected.compute(&ldl);
        selected.diagonal(&mut got);
        assert_close(&got, &diagonal, tolerance * growth * growth);
    }
}
