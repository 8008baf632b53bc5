//! What the series are called, for readers of the folder: `points.csv`, one line `point,mrid,name,unit,sum` each behind a
//! header, all texts quoted. `sum` is the CRC-32C of the line before it. Points that are no longer described keep their line.

use crate::crc::crc32c;
use crate::error::{HistorianError, at};
use crate::files::Folder;
use crate::row::SeriesId;
use std::collections::BTreeMap;
use std::io::ErrorKind;

const NAME: &str = "points.csv";
const HEADER: &str = "point,mrid,name,unit,sum\n";

/// What people call a series.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Description {
    /// The series.
    pub series: SeriesId,
    /// Its mRID.
    pub mrid: String,
    /// Name of the point.
    pub name: String,
    /// Unit of its values; empty for those without.
    pub unit: String,
}

/// The descriptions of a folder; none if nobody described anything.
pub(crate) fn read(folder: &Folder) -> Result<Vec<Description>, HistorianError> {
    let path = folder.file(NAME);
    let bytes = match folder.disk.read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(at(&path)(error)),
    };
    let text = String::from_utf8(bytes).map_err(|_| HistorianError::damaged(&path, "it is no text"))?;
    let body = text.strip_prefix(HEADER).ok_or_else(|| HistorianError::damaged(&path, "header"))?;
    let line = |(number, text): (usize, &str)| {
        parse(text).ok_or_else(|| HistorianError::damaged(&path, format!("line {}", number + 2)))
    };
    body.split_inclusive('\n').enumerate().map(line).collect()
}

/// Writes the descriptions, and those of the folder for other series; nothing if that changes nothing.
pub(crate) fn write(folder: &Folder, points: &[Description]) -> Result<(), HistorianError> {
    let key = |point: &Description| (point.series, point.clone());
    // A damaged file is written anew from what is known now.
    let known = read(folder).unwrap_or_else(|error| {
        tracing::warn!(%error, "Names of the history's points are written anew");
        Vec::new()
    });
    let mut all: BTreeMap<SeriesId, Description> = known.iter().map(key).collect();
    all.extend(points.iter().map(|point| (point.series, clean(point))));
    if all.values().eq(known.iter()) {
        return Ok(());
    }
    let text: String = std::iter::once(HEADER.to_owned()).chain(all.values().map(line)).collect();
    folder.replace(&folder.file(NAME), text.as_bytes())
}

fn clean(point: &Description) -> Description {
    let clean = |text: &str| text.replace(char::is_control, " ");
    Description {
        series: point.series,
        mrid: clean(&point.mrid),
        name: clean(&point.name),
        unit: clean(&point.unit),
    }
}

fn line(point: &Description) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let Description { series, mrid, name, unit } = point;
    let body = format!("{},{},{},{}", series.0, quoted(mrid), quoted(name), quoted(unit));
    format!("{body},{:08x}\n", crc32c(&[body.as_bytes()]))
}

fn parse(text: &str) -> Option<Description> {
    let (number, mut rest) = text.split_once(',')?;
    let mut fields = [String::new(), String::new(), String::new()];
    for field in &mut fields {
        rest = rest.strip_prefix('"')?;
        loop {
            let end = rest.find('"')?;
            field.push_str(&rest[..end]);
            rest = &rest[end + 1..];
            let Some(more) = rest.strip_prefix('"') else { break };
            field.push('"');
            rest = more;
        }
        rest = rest.strip_prefix(',')?;
    }
    let [mrid, name, unit] = fields;
    let point = Description { series: SeriesId(number.parse().ok()?), mrid, name, unit };
    // Only the line that this description gives is whole: that covers the check sum too.
    (line(&point) == text).then_some(point)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::disk::RealDisk;
    use std::sync::Arc;

    fn point(series: u32, name: &str) -> Description {
        let mrid = format!("_mrid,{series}");
        Description { series: SeriesId(series), mrid, name: name.to_owned(), unit: "MW".to_owned() }
    }

    #[test]
    fn names_are_kept_and_every_flipped_bit_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let folder = Folder { disk: Arc::new(RealDisk), path: folder.path().to_owned() };
        std::fs::create_dir_all(&folder.path).unwrap();
        assert_eq!(read(&folder).unwrap(), []);
        let (one, two) = (point(3, "S4/\"P\", all"), point(0, "ü"));
        write(&folder, std::slice::from_ref(&one)).unwrap();
        write(&folder, std::slice::from_ref(&two)).unwrap();
        assert_eq!(read(&folder).unwrap(), [two.clone(), one]);
        write(&folder, &[point(3, "new\nname")]).unwrap();
        assert_eq!(read(&folder).unwrap(), [two, point(3, "new name")]);
        let good = std::fs::read(folder.file(NAME)).unwrap();
        for bit in 0..good.len() * 8 {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(folder.file(NAME), &bytes).unwrap();
            assert!(read(&folder).is_err(), "bit {bit}");
        }
    }
}
