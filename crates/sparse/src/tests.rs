//! Checks against a dense LU with partial pivoting, written here, and against identities.
#![allow(clippy::unwrap_used, clippy::needless_range_loop)]

use proptest::prelude::*;

use crate::{Csc, InverseDiagonal, Lu, LuError, Path, Singular, minimum_degree};

pub(crate) type Dense = Vec<Vec<f64>>;

pub(crate) fn dense(matrix: &Csc) -> Dense {
    let mut out = vec![vec![0.0; matrix.cols()]; matrix.rows()];
    for col in 0..matrix.cols() {
        for (row, value) in matrix.column(col) {
            out[row][col] = value;
        }
    }
    out
}

/// Gaussian elimination with partial pivoting; `None` when a pivot vanishes.
pub(crate) fn dense_solve(mut a: Dense, mut b: Vec<f64>) -> Option<Vec<f64>> {
    let n = b.len();
    for k in 0..n {
        let best = (k..n).max_by(|&i, &j| a[i][k].abs().total_cmp(&a[j][k].abs()))?;
        if a[best][k].abs() < 1e-9 {
            return None;
        }
        a.swap(k, best);
        b.swap(k, best);
        for i in k + 1..n {
            let factor = a[i][k] / a[k][k];
            for j in k..n {
                a[i][j] -= factor * a[k][j];
            }
            b[i] -= factor * b[k];
        }
    }
    for k in (0..n).rev() {
        let sum: f64 = (k + 1..n).map(|j| a[k][j] * b[j]).sum();
        b[k] = (b[k] - sum) / a[k][k];
    }
    Some(b)
}

pub(crate) fn transposed(a: &Dense) -> Dense {
    (0..a.len()).map(|i| a.iter().map(|row| row[i]).collect()).collect()
}

fn assert_close(got: &[f64], want: &[f64], tolerance: f64) {
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        assert!((g - w).abs() <= tolerance * (1.0 + w.abs()), "entry {i}: got {g}, want {w}");
    }
}

/// Diagonally weighted random matrix; the weight makes the condition moderate, not the pivots trivial.
fn entries() -> impl Strategy<Value = (usize, Vec<(usize, usize, f64)>)> {
    (1usize..25).prop_flat_map(|n| {
        let any = proptest::collection::vec((0..n, 0..n, -1.0f64..1.0), 0..4 * n);
        let shift = 0..n;
        (Just(n), any, shift).prop_map(|(n, mut list, shift)| {
            // A shifted diagonal forces pivots off the diagonal.
            list.extend((0..n).map(|i| (i, (i + shift) % n, 3.0)));
            (n, list)
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn agrees_with_dense((n, list) in entries(), scale in 0.5f64..2.0) {
        let mut matrix = Csc::square(n, &list);
        let b: Vec<f64> = (0..n).map(|i| 1.0 + i as f64).collect();
        let mut lu = Lu::new(&matrix);
        let full = dense(&matrix);
        let Some(want) = dense_solve(full.clone(), b.clone()) else { return Ok(()) };
        prop_assume!(want.iter().all(|x| x.abs() < 1e4));
        lu.factor(&matrix).unwrap();
        let mut x = b.clone();
        lu.solve(&mut x);
        assert_close(&x, &want, 1e-6);
        let mut x = b.clone();
        lu.solve_transposed(&mut x);
        if let Some(want) = dense_solve(transposed(&full), b.clone()) {
            assert_close(&x, &want, 1e-6);
        }
        // New values on the old pattern: scaled columns keep it regular.
        for (k, v) in matrix.values_mut().iter_mut().enumerate() {
            *v *= scale + 0.01 * (k % 3) as f64;
        }
        let Some(want) = dense_solve(dense(&matrix), b.clone()) else { return Ok(()) };
        prop_assume!(want.iter().all(|x| x.abs() < 1e4));
        lu.update(&matrix).unwrap();
        let (mut x, mut work) = (vec![0.0; n], vec![0.0; n]);
        let error = lu.solve_refined(&matrix, &b, &mut x, &mut work, 1);
        prop_assert!(error < 1e-6);
        assert_close(&x, &want, 1e-6);
    }

    #[test]
    fn inverse_diagonal_agrees_with_dense((n, mut list) in entries()) {
        list.extend((0..n).map(|i| (i, i, 0.7)));
        let matrix = Csc::square(n, &list);
        let mut lu = Lu::new(&matrix);
        prop_assume!(lu.factor(&matrix).is_ok());
        let mut got = vec![0.0; n];
        InverseDiagonal::default().compute(&lu, &mut got);
        for i in 0..n {
            let mut unit = vec![0.0; n];
            unit[i] = 1.0;
            let Some(want) = dense_solve(dense(&matrix), unit) else { return Ok(()) };
            prop_assume!(want.iter().all(|x| x.abs() < 1e3));
            assert_close(&got[i..=i], &want[i..=i], 1e-6);
        }
    }

    #[test]
    fn order_is_a_permutation((n, list) in entries()) {
        let mut order = minimum_degree(&Csc::square(n, &list));
        order.sort_unstable();
        prop_assert_eq!(order, (0..n).collect::<Vec<_>>());
    }
}

#[test]
fn singular_matrices_name_a_column() {
    let check = |n: usize, list: &[(usize, usize, f64)], columns: &[usize]| {
        let matrix = Csc::square(n, list);
        match Lu::new(&matrix).factor(&matrix) {
            Err(LuError::Singular(Singular { column })) => {
                assert!(columns.contains(&column), "column {column}")
            }
            other => panic!("{other:?}"),
        }
    };
    check(2, &[(0, 0, 1.0)], &[1]);
    check(2, &[(0, 0, 1.0), (1, 1, 0.0)], &[1]);
    check(2, &[(0, 0, 1.0), (0, 1, 2.0), (1, 0, 2.0), (1, 1, 4.0)], &[0, 1]);
    check(2, &[(0, 0, f64::NAN), (1, 1, 1.0)], &[0]);
    check(1, &[(0, 0, f64::INFINITY)], &[0]);
}

#[test]
fn update_pivots_anew_when_the_old_pivot_vanishes() {
    let values = |d: f64| Csc::square(2, &[(0, 0, d), (0, 1, 1.0), (1, 0, 1.0), (1, 1, d)]);
    let mut lu = Lu::new(&values(2.0));
    let check = |lu: &mut Lu, d: f64, path: Path| {
        assert_eq!(lu.update(&values(d)), Ok(path), "diagonal {d}");
        let mut x = vec![1.0, 0.0];
        lu.solve(&mut x);
        assert_close(&x, &[d / (d * d - 1.0), -1.0 / (d * d - 1.0)], 1e-12);
    };
    check(&mut lu, 2.0, Path::Pivoted);
    check(&mut lu, 3.0, Path::Refactored);
    check(&mut lu, 0.0, Path::Pivoted);
    check(&mut lu, 1e-9, Path::Refactored);
    check(&mut lu, 5.0, Path::Refactored);
}

#[test]
fn a_new_size_or_an_empty_factor_is_no_result() {
    let matrix = Csc::square(2, &[(0, 0, 1.0), (1, 1, 1.0)]);
    let mut lu = Lu::with_order(vec![0, 1, 2]);
    assert_eq!(lu.update(&matrix), Err(LuError::Shape { want: 3, got: 2 }));
    let mut b = vec![1.0; 3];
    lu.solve(&mut b);
    assert!(b.iter().all(|x| x.is_nan()));
}

#[test]
fn semidefinite_replaces_vanishing_pivots() {
    // Laplacians of graphs: one zero pivot per connected part.
    let check = |n: usize, edges: &[(usize, usize)], parts: usize| {
        let mut list: Vec<_> = (0..n).map(|i| (i, i, 0.0)).collect();
        for (e, &(i, j)) in edges.iter().enumerate() {
            let w = 1.0 + 0.37 * e as f64;
            list.extend([(i, i, w), (j, j, w), (i, j, -w), (j, i, -w)]);
        }
        let matrix = Csc::square(n, &list);
        let replaced = Lu::new(&matrix).factor_semidefinite(&matrix, 1e-9).unwrap();
        assert_eq!(replaced.len(), parts);
    };
    check(1, &[], 1);
    check(3, &[(0, 1), (1, 2)], 1);
    check(5, &[(0, 1), (1, 2), (2, 0), (3, 4)], 2);
    check(4, &[], 4);
}

#[test]
fn duplicates_share_a_slot() {
    let matrix = Csc::square(2, &[(1, 0, 1.0), (0, 0, 4.0), (1, 0, 2.0), (1, 1, 5.0)]);
    assert_eq!(matrix.col_ptr(), &[0, 2, 3]);
    assert_eq!(matrix.values(), &[4.0, 3.0, 5.0]);
    let mut y = vec![0.0; 2];
    matrix.mul_transposed_add(2.0, &[1.0, 1.0], &mut y);
    assert_eq!(y, vec![14.0, 10.0]);
}
