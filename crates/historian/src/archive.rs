//! The folder of a historian as somebody else sees it: read only, without a lock, while its owner may go on writing.
//!
//! What is seen is one moment: the manifest is the same before and after everything it names was opened, and open files
//! stay readable when the owner merges and removes them. Rows of the logs count as far as they are written.

use crate::between::{Filling, Sample};
use crate::describe::{self, Description};
use crate::disk::RealDisk;
use crate::error::{HistorianError, at};
use crate::files::{FileNo, Folder, number_in};
use crate::flush::Tables;
use crate::frame::Damage;
use crate::manifest::Manifest;
use crate::memtable::Memtable;
use crate::open::Historian;
use crate::query::Reading;
use crate::row::{NoteId, Row, SeriesId, Span};
use crate::segment::{GroupCache, Segment};
use crate::wal::Replay;
use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use timebase::Utc;

/// Looks at a folder that changes under them before giving up.
const MOST_TRIES: u32 = 50;

/// A moment of a folder.
#[derive(Debug)]
pub struct Archive {
    historian: Historian,
    points: Vec<Description>,
    damaged: Vec<Damage>,
    extent: Option<(Utc, Utc)>,
}

impl Archive {
    /// Opens what a folder holds of a span. Other segments are not opened.
    pub fn open(folder: &Path, span: Span) -> Result<Self, HistorianError> {
        let folder = Folder { disk: Arc::new(RealDisk), path: folder.to_owned() };
        let mut tries = MOST_TRIES;
        loop {
            tries -= 1;
            let moment = Moment::open(&folder, span);
            match moment {
                Ok(Some(moment)) => return moment.archive(&folder),
                Err(error) if tries == 0 || !is_gone(&error) => return Err(error),
                Ok(None) if tries == 0 => {
                    let what = "it changed each time that it was read";
                    return Err(HistorianError::damaged(&folder.file("MANIFEST"), what));
                }
                Ok(None) | Err(_) => {}
            }
        }
    }

    /// All series that were ever registered, by their numbers; the mRID stands for a name that nobody gave.
    pub fn points(&self) -> &[Description] {
        &self.points
    }

    /// Earliest and latest time of the rows in memory and in the segments opened.
    pub const fn extent(&self) -> Option<(Utc, Utc)> {
        self.extent
    }

    /// Files and parts of files that could not be read.
    pub fn damaged(&self) -> &[Damage] {
        &self.damaged
    }

    /// Calls `f` with every row of a series as a reading wants them, in order of time; returns how many damaged row
    /// groups were left out.
    pub fn rows(
        &self,
        series: SeriesId,
        (span, reading): (Span, Reading),
        f: impl FnMut(Row) -> ControlFlow<()>,
    ) -> Result<usize, HistorianError> {
        self.historian.sift(series, (span, reading), f)
    }

    /// Values of a series at instants in rising order, and how many damaged row groups were left out; corrections count.
    pub fn sample(
        &self,
        series: SeriesId,
        instants: &[Utc],
        filling: Filling,
    ) -> Result<(Vec<Sample>, usize), HistorianError> {
        self.historian.sample(series, instants, filling)
    }

    /// Who made a correction, and why.
    pub fn note_text(&self, note: NoteId) -> Option<String> {
        self.historian.note_text(note)
    }
}

/// A file that was named a moment ago and is not there: the owner has replaced it.
fn is_gone(error: &HistorianError) -> bool {
    matches!(error, HistorianError::Io { source, path }
        if source.kind() == ErrorKind::NotFound && path.extension().is_some())
}

/// What a manifest names, opened.
struct Moment {
    manifest: Manifest,
    segments: Vec<Arc<Segment>>,
    replay: Replay,
    damaged: Vec<Damage>,
}

impl Moment {
    /// `None` if the folder changed meanwhile.
    fn open(folder: &Folder, span: Span) -> Result<Option<Self>, HistorianError> {
        let path = folder.file("MANIFEST");
        let missing = || HistorianError::Io { path: path.clone(), source: ErrorKind::NotFound.into() };
        let manifest = Manifest::read(folder)?.ok_or_else(missing)?;
        let mut damaged = Vec::new();
        let segments = open_segments(folder, &manifest, span, &mut damaged)?;
        let replay = read_logs(folder, &manifest)?;
        let now = Manifest::read(folder)?.ok_or_else(missing)?;
        Ok((now == manifest).then_some(Self { manifest, segments, replay, damaged }))
    }

    fn archive(self, folder: &Folder) -> Result<Archive, HistorianError> {
        let Self { manifest, segments, replay, mut damaged } = self;
        damaged.extend(replay.damaged);
        let in_logs = replay.rows.iter().map(|row| (row.time, row.time));
        let in_segments = segments.iter().map(|segment| (segment.index.earliest(), segment.index.latest()));
        let extent = in_logs.chain(in_segments).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
        let mut active = Memtable::default();
        active.insert(&[replay.rows]);
        let historian = Historian::that_only_reads(folder, Tables::new(active, segments, manifest))?;
        let mut points: Vec<Description> = (0..)
            .zip(historian.names())
            .map(|(number, mrid)| {
                let (series, name) = (SeriesId(number), mrid.clone());
                Description { series, mrid, name, unit: String::new() }
            })
            .collect();
        for known in describe::read(folder)? {
            let at = usize::try_from(known.series.0).unwrap_or(usize::MAX);
            if let Some(point) = points.get_mut(at).filter(|point| point.mrid == known.mrid) {
                *point = known;
            }
        }
        Ok(Archive { historian, points, damaged, extent })
    }
}

fn open_segments(
    folder: &Folder,
    manifest: &Manifest,
    span: Span,
    damaged: &mut Vec<Damage>,
) -> Result<Vec<Arc<Segment>>, HistorianError> {
    let cache = Arc::new(GroupCache::default());
    let mut segments = Vec::new();
    for entry in &manifest.segments {
        let opened = Segment::open(folder, *entry).and_then(|segment| {
            // A value before the span holds into it: only what comes after is left out.
            let of_interest = segment.index.earliest() < span.to;
            if of_interest { segment.pin(&cache).map(|()| Some(segment)) } else { Ok(None) }
        });
        match opened {
            Ok(segment) => segments.extend(segment.map(Arc::new)),
            Err(HistorianError::Damaged { path, .. } | HistorianError::Parquet { path, .. }) => {
                damaged.push(Damage { path, bytes: 0..u64::MAX });
            }
            Err(error) => return Err(error),
        }
    }
    Ok(segments)
}

fn read_logs(folder: &Folder, manifest: &Manifest) -> Result<Replay, HistorianError> {
    let names = folder.names()?;
    let logs = names.iter().filter_map(|name| number_in(name, "wal-", ".log"));
    let mut logs: Vec<FileNo> = logs.filter(|number| *number >= manifest.wal_floor).collect();
    logs.sort_unstable();
    let mut replay = Replay { next_row: manifest.next_row, ..Replay::default() };
    for number in logs {
        let path = folder.wal(number);
        let bytes = folder.disk.read(&path).map_err(at(&path))?;
        replay.take_file(&path, &bytes);
    }
    Ok(replay)
}
