//! Something made of files, made anew when they change.

use super::{ServerFiles, TlsError, TlsFiles};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// The files are looked at this often at most.
const LOOK: Duration = Duration::from_secs(1);

/// What TLS is made of.
#[derive(Clone, Debug)]
pub(super) struct Sources {
    pub(super) ca: Option<PathBuf>,
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
    pub(super) crl: Option<PathBuf>,
}

impl From<&TlsFiles> for Sources {
    fn from(files: &TlsFiles) -> Self {
        let TlsFiles { ca, certificate, key, crl } = files.clone();
        Self { ca: Some(ca), certificate, key, crl }
    }
}

impl From<&ServerFiles> for Sources {
    fn from(files: &ServerFiles) -> Self {
        let ServerFiles { certificate, key, client_ca, crl } = files.clone();
        Self { ca: client_ca, certificate, key, crl }
    }
}

/// Time of the last change and length of each file; `None` for one that is not there.
type Prints = Vec<Option<(SystemTime, u64)>>;

impl Sources {
    fn prints(&self) -> Prints {
        let files = [self.ca.as_ref(), Some(&self.certificate), Some(&self.key), self.crl.as_ref()];
        let print = |file: &PathBuf| {
            let found = std::fs::metadata(file).ok()?;
            Some((found.modified().ok()?, found.len()))
        };
        files.into_iter().flatten().map(print).collect()
    }
}

type Make<T> = fn(&Sources) -> Result<T, TlsError>;

pub(super) struct Live<T> {
    sources: Sources,
    make: Make<T>,
    state: Mutex<State<T>>,
}

struct State<T> {
    made: Arc<T>,
    prints: Prints,
    looked: Instant,
}

impl<T> Live<T> {
    pub(super) fn new(sources: Sources, make: Make<T>) -> Result<Self, TlsError> {
        // The prints first: a change while the files are read is seen by the next look.
        let prints = sources.prints();
        let made = Arc::new(make(&sources)?);
        let state = Mutex::new(State { made, prints, looked: Instant::now() });
        Ok(Self { sources, make, state })
    }

    /// As the files are now. What they hold may be half written or wrong: then what was good before stays in force, and
    /// the next change is tried again.
    pub(super) fn now(&self) -> Arc<T> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.looked.elapsed() < LOOK {
            return Arc::clone(&state.made);
        }
        state.looked = Instant::now();
        let prints = self.sources.prints();
        if prints != state.prints {
            state.prints = prints;
            match (self.make)(&self.sources) {
                Ok(made) => state.made = Arc::new(made),
                Err(error) => tracing::warn!(%error, "Certificates not read anew, the former stay"),
            }
        }
        Arc::clone(&state.made)
    }
}
