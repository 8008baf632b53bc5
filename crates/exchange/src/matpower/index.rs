//! Parts of arrays: which are meant, taking them, putting something there, removing them.

use super::value::{Array, Fault, MAX_FIGURES};

/// Places of an array, counted from 0.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Indices {
    /// Places counted column after column; `upright` if the result is a column.
    Linear { places: Vec<usize>, upright: bool },
    /// Rows and columns; which of them are all.
    Both { rows: Vec<usize>, columns: Vec<usize>, all: [bool; 2] },
}

/// Places that an index names; all of `count` if there is none.
fn places(index: Option<&Array>, count: usize) -> Result<Vec<usize>, Fault> {
    let Some(index) = index else { return Ok((0..count).collect()) };
    if index.logical {
        if index.figures.len() > count {
            return Err(format!("{} truths for {count} places", index.figures.len()));
        }
        let found = (0..index.figures.len()).filter(|at| index.by_column(*at) != 0.0);
        return Ok(found.collect());
    }
    let place = |at: usize| {
        let figure = index.by_column(at);
        if figure.fract() == 0.0 && (1.0..=MAX_FIGURES as f64).contains(&figure) {
            // Exact: whole, and below the bound.
            Ok(figure as usize - 1)
        } else {
            Err(format!("{figure} is no index"))
        }
    };
    (0..index.figures.len()).map(place).collect()
}

impl Indices {
    pub(super) fn linear(index: Option<&Array>, array: &Array) -> Result<Self, Fault> {
        let upright = match index {
            None => true,
            Some(index) if index.is_vector() && array.is_vector() => {
                array.rows != 1 || array.columns == 1 && index.columns == 1
            }
            Some(index) => index.columns == 1 || index.logical,
        };
        Ok(Self::Linear { places: places(index, array.figures.len())?, upright })
    }

    pub(super) fn both(rows: Option<&Array>, columns: Option<&Array>, array: &Array) -> Result<Self, Fault> {
        let all = [rows.is_none(), columns.is_none()];
        Ok(Self::Both { rows: places(rows, array.rows)?, columns: places(columns, array.columns)?, all })
    }
}

fn beyond(place: usize, count: usize) -> Fault {
    format!("index {} of {count}", place + 1)
}

/// `array(indices)`.
pub(super) fn pick(array: &Array, indices: &Indices) -> Result<Array, Fault> {
    match indices {
        Indices::Linear { places, upright } => {
            if let Some(place) = places.iter().find(|place| **place >= array.figures.len()) {
                return Err(beyond(*place, array.figures.len()));
            }
            let figures = places.iter().map(|place| array.by_column(*place)).collect();
            let found = if *upright { Array::column(figures) } else { Array::row(figures) };
            Ok(found.with_logical(array.logical))
        }
        Indices::Both { rows, columns, .. } => {
            let outside = |places: &[usize], count| places.iter().copied().find(|place| *place >= count);
            if let Some(place) = outside(rows, array.rows) {
                return Err(format!("row {}", beyond(place, array.rows)));
            }
            if let Some(place) = outside(columns, array.columns) {
                return Err(format!("column {}", beyond(place, array.columns)));
            }
            let count = rows.len().saturating_mul(columns.len());
            if count > MAX_FIGURES {
                return Err(format!("{count} places; at most {MAX_FIGURES} figures are computed"));
            }
            let mut figures = Vec::with_capacity(count);
            for row in rows {
                figures.extend(columns.iter().map(|column| array.figures[row * array.columns + column]));
            }
            Ok(Array { rows: rows.len(), columns: columns.len(), figures, logical: array.logical })
        }
    }
}

/// `array(indices) = value`; the array grows with zeros if it has to.
pub(super) fn assign(array: &mut Array, indices: &Indices, value: &Array) -> Result<(), Fault> {
    let fits = |count: usize| {
        let given = value.figures.len();
        if given == 1 || given == count { Ok(()) } else { Err(format!("{given} figures for {count} places")) }
    };
    match indices {
        Indices::Linear { places, .. } => {
            fits(places.len())?;
            for (nth, place) in places.iter().enumerate() {
                if *place >= array.figures.len() {
                    return Err(beyond(*place, array.figures.len()));
                }
                let figure = if value.figures.len() == 1 { value.figures[0] } else { value.by_column(nth) };
                let (row, column) = (place % array.rows, place / array.rows);
                array.figures[row * array.columns + column] = figure;
            }
        }
        Indices::Both { rows, columns, .. } => {
            fits(rows.len() * columns.len())?;
            let vectors = value.is_vector() && (rows.len() == 1 || columns.len() == 1);
            if value.figures.len() != 1
                && !vectors
                && (value.rows, value.columns) != (rows.len(), columns.len())
            {
                let (r, c) = (rows.len(), columns.len());
                return Err(format!("{}x{} for {r}x{c} places", value.rows, value.columns));
            }
            let needed =
                |places: &[usize], have: usize| places.iter().map(|at| at + 1).max().unwrap_or(0).max(have);
            grow(array, needed(rows, array.rows), needed(columns, array.columns))?;
            let mut figures = value.figures.iter().cycle();
            for row in rows {
                for (column, figure) in columns.iter().zip(&mut figures) {
                    array.figures[row * array.columns + column] = *figure;
                }
            }
        }
    }
    Ok(())
}

fn grow(array: &mut Array, rows: usize, columns: usize) -> Result<(), Fault> {
    if rows.saturating_mul(columns) > MAX_FIGURES.max(array.figures.len()) {
        return Err(format!("an array of {rows}x{columns}; at most {MAX_FIGURES} figures are computed"));
    }
    if columns > array.columns {
        let mut figures = Vec::with_capacity(rows * columns);
        for row in 0..array.rows {
            figures.extend_from_slice(&array.figures[row * array.columns..(row + 1) * array.columns]);
            figures.resize((row + 1) * columns, 0.0);
        }
        (array.figures, array.columns) = (figures, columns);
    }
    array.figures.resize(rows * array.columns, 0.0);
    array.rows = rows;
    Ok(())
}

/// `array(indices) = []` for whole rows or whole columns.
pub(super) fn remove(array: &mut Array, indices: &Indices, lines: &mut Vec<u32>) -> Result<(), Fault> {
    let keep = |places: &[usize], count: usize| {
        let mut keep = vec![true; count];
        for place in places {
            *keep.get_mut(*place).ok_or_else(|| beyond(*place, count))? = false;
        }
        Ok::<Vec<bool>, Fault>(keep)
    };
    match indices {
        Indices::Both { rows, all: [_, true], .. } => {
            let keep = keep(rows, array.rows)?;
            let mut row = 0;
            let columns = array.columns.max(1);
            array.figures.retain(|_| {
                row += 1;
                keep[(row - 1) / columns]
            });
            let mut row = 0;
            lines.retain(|_| {
                row += 1;
                keep[row - 1]
            });
            array.rows = lines.len();
            Ok(())
        }
        Indices::Both { columns, all: [true, false], .. } => {
            let keep = keep(columns, array.columns)?;
            let mut at = 0;
            array.figures.retain(|_| {
                at += 1;
                keep[(at - 1) % keep.len()]
            });
            array.columns = keep.iter().filter(|keep| **keep).count();
            Ok(())
        }
        Indices::Linear { .. } | Indices::Both { .. } => Err("only whole rows or columns are removed".into()),
    }
}
