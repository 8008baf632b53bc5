//! A disk that behaves as badly as a disk may.
//!
//! - A file's content is durable up to its last sync. Of later writes each block of 512 bytes survives a loss of power
//!   or not, on its own; the length is the old one, the new one or between; space that was never filled holds zeros or noise.
//! - Names are durable up to the last sync of the folder. Of later creations, renames and removals each survives or not.
//! - A sync that fails leaves the blocks it did not write marked as clean: a later sync that succeeds does not write them.
//! - A full disk and a failing device take a part of a write.

use crate::disk::{Disk, DiskFile, FolderLock, Mode};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::TryLockError;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const BLOCK: usize = 512;

/// xorshift64*, Vigna 2016.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The same numbers for the same seed.
    pub fn new(seed: u64) -> Self {
        let mut random = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        random.below(2);
        random
    }

    /// A number below the bound.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) % bound.max(1)
    }

    /// A place in something of that length.
    pub fn index(&mut self, bound: usize) -> usize {
        usize::try_from(self.below(bound as u64)).unwrap()
    }

    /// True once in so many times.
    pub fn one_in(&mut self, chances: u64) -> bool {
        self.below(chances) == 0
    }
}

#[derive(Default)]
struct Inode {
    live: Vec<u8>,
    durable: Vec<u8>,
    /// Blocks that the next sync writes.
    dirty: BTreeSet<usize>,
}

/// A change of names that is not durable yet.
#[derive(Clone)]
enum Naming {
    Put(String, usize),
    Move(String, String, usize),
    Take(String),
}

struct State {
    random: Random,
    inodes: Vec<Inode>,
    live: BTreeMap<String, usize>,
    durable: BTreeMap<String, usize>,
    pending: Vec<Naming>,
    /// Operations until the power goes.
    left: Option<u64>,
    off: bool,
    full: bool,
    /// One operation in so many fails; 0 for none.
    failing: u64,
    operations: u64,
    /// Nothing happens to the disk meanwhile.
    quiet: bool,
}

/// What became of the disk, for the count of what a run has seen.
#[derive(Clone)]
pub struct SimDisk(Arc<Mutex<State>>);

struct SimFile {
    state: Arc<Mutex<State>>,
    inode: usize,
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

impl SimDisk {
    /// An empty disk that is well.
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            random: Random::new(seed ^ 0xd15c),
            inodes: Vec::new(),
            live: BTreeMap::new(),
            durable: BTreeMap::new(),
            pending: Vec::new(),
            left: None,
            off: false,
            full: false,
            failing: 0,
            operations: 0,
            quiet: false,
        })))
    }

    /// The power goes after so many more operations.
    pub fn lose_power_after(&self, operations: Option<u64>) {
        lock(&self.0).left = operations;
    }

    /// The power is gone.
    pub fn is_off(&self) -> bool {
        lock(&self.0).off
    }

    /// No file grows.
    pub fn set_full(&self, full: bool) {
        lock(&self.0).full = full;
    }

    /// One operation in so many fails; 0 for none.
    pub fn set_failing(&self, one_in: u64) {
        lock(&self.0).failing = one_in;
    }

    /// Nothing fails at the moment.
    pub fn is_well(&self) -> bool {
        let state = lock(&self.0);
        !state.off && !state.full && state.failing == 0
    }

    /// Between the calls with true and false nothing fails.
    pub fn set_quiet(&self, quiet: bool) {
        lock(&self.0).quiet = quiet;
    }

    /// Everything that is not durable survives or not; then the power is back and the disk is well.
    pub fn restart(&self) {
        lock(&self.0).restart();
    }

    /// Flips one durable bit; the name of the file it is in.
    pub fn rot(&self) -> Option<String> {
        lock(&self.0).rot()
    }

    /// Sum over names and contents, and the number of operations.
    pub fn digest(&self) -> (u32, u64) {
        let state = lock(&self.0);
        let parts: Vec<&[u8]> = state
            .live
            .iter()
            .flat_map(|(name, inode)| [name.as_bytes(), state.inodes[*inode].live.as_slice()])
            .collect();
        (crate::crc::crc32c(&parts), state.operations)
    }
}

impl State {
    /// Counts an operation; says whether it may happen, and otherwise how it fails.
    fn operate(&mut self) -> io::Result<()> {
        if self.quiet {
            return Ok(());
        }
        self.operations += 1;
        if let Some(left) = &mut self.left {
            match left.checked_sub(1) {
                Some(less) => *left = less,
                None => self.off = true,
            }
        }
        if self.off {
            return Err(io::Error::other("the power is gone"));
        }
        if self.failing > 0 && self.random.one_in(self.failing) {
            return Err(io::Error::from_raw_os_error(5));
        }
        Ok(())
    }

    fn write(&mut self, inode: usize, bytes: &[u8]) {
        let file = &mut self.inodes[inode];
        let start = file.live.len();
        file.live.extend(bytes);
        file.dirty.extend(start / BLOCK..file.live.len().div_ceil(BLOCK));
    }

    fn restart(&mut self) {
        // All, nothing or any part of what was not synced: what a crash of the process, of the machine or worse leaves.
        let mood = self.random.below(4);
        let pending = std::mem::take(&mut self.pending);
        for change in pending {
            if !self.survives(mood) {
                continue;
            }
            match change {
                Naming::Put(name, inode) => drop(self.durable.insert(name, inode)),
                Naming::Take(name) => drop(self.durable.remove(&name)),
                Naming::Move(from, to, inode) => {
                    self.durable.remove(&from);
                    self.durable.insert(to, inode);
                }
            }
        }
        for at in 0..self.inodes.len() {
            self.settle(at, mood);
        }
        self.live = self.durable.clone();
        (self.left, self.off, self.full, self.failing) = (None, false, false, 0);
    }

    fn survives(&mut self, mood: u64) -> bool {
        match mood {
            0 => true,
            1 => false,
            _ => self.random.one_in(2),
        }
    }

    fn settle(&mut self, at: usize, mood: u64) {
        let mut file = std::mem::take(&mut self.inodes[at]);
        if file.live.len() != file.durable.len() && self.survives(mood) {
            let (low, high) =
                (file.live.len().min(file.durable.len()), file.live.len().max(file.durable.len()));
            let len = if mood > 2 { low + self.random.index(high - low + 1) } else { file.live.len() };
            let noise = mood > 2 && self.random.one_in(2);
            file.durable.truncate(len);
            while file.durable.len() < len {
                file.durable.push(if noise { self.random.below(256) as u8 } else { 0 });
            }
        }
        for block in std::mem::take(&mut file.dirty) {
            if self.survives(mood) {
                copy_block(&mut file, block);
            }
        }
        file.live = file.durable.clone();
        self.inodes[at] = file;
    }

    fn rot(&mut self) -> Option<String> {
        let names: Vec<(String, usize)> =
            self.durable.iter().map(|(name, inode)| (name.clone(), *inode)).collect();
        let full: Vec<_> = names.into_iter().filter(|(_, at)| !self.inodes[*at].durable.is_empty()).collect();
        if full.is_empty() {
            return None;
        }
        let (name, inode) = full[self.random.index(full.len())].clone();
        let bit = self.random.index(self.inodes[inode].durable.len() * 8);
        let file = &mut self.inodes[inode];
        file.durable[bit / 8] ^= 1 << (bit % 8);
        file.live = file.durable.clone();
        Some(format!("{name} bit {bit}"))
    }
}

/// Makes what a file holds in a block durable, as far as the durable length reaches.
fn copy_block(file: &mut Inode, block: usize) {
    let end = ((block + 1) * BLOCK).min(file.live.len()).min(file.durable.len());
    let start = (block * BLOCK).min(end);
    file.durable[start..end].copy_from_slice(&file.live[start..end]);
}

impl Disk for SimDisk {
    fn create_folder(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self, _: &Path) -> Result<FolderLock, TryLockError> {
        Ok(Box::new(()))
    }

    fn names(&self, _: &Path) -> io::Result<Vec<String>> {
        let mut state = lock(&self.0);
        state.operate()?;
        Ok(state.live.keys().cloned().collect())
    }

    fn open(&self, path: &Path, mode: Mode) -> io::Result<Box<dyn DiskFile>> {
        let (name, mut state) = (name(path), lock(&self.0));
        state.operate()?;
        let known = state.live.get(&name).copied();
        let inode = match (known, mode) {
            (None, Mode::Read) => return Err(ErrorKind::NotFound.into()),
            (Some(_), Mode::New) => return Err(ErrorKind::AlreadyExists.into()),
            (Some(inode), Mode::Read | Mode::Edit) => inode,
            (Some(inode), Mode::Replace) => {
                state.inodes[inode].live.clear();
                inode
            }
            (None, Mode::New | Mode::Replace | Mode::Edit) => {
                if state.full {
                    return Err(ErrorKind::StorageFull.into());
                }
                let inode = state.inodes.len();
                state.inodes.push(Inode::default());
                state.live.insert(name.clone(), inode);
                state.pending.push(Naming::Put(name, inode));
                inode
            }
        };
        Ok(Box::new(SimFile { state: Arc::clone(&self.0), inode }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (from, to, mut state) = (name(from), name(to), lock(&self.0));
        state.operate()?;
        let inode = state.live.remove(&from).ok_or(ErrorKind::NotFound)?;
        state.live.insert(to.clone(), inode);
        state.pending.push(Naming::Move(from, to, inode));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let (name, mut state) = (name(path), lock(&self.0));
        state.operate()?;
        state.live.remove(&name).ok_or(ErrorKind::NotFound)?;
        state.pending.push(Naming::Take(name));
        Ok(())
    }

    fn sync_folder(&self, _: &Path) -> io::Result<()> {
        let mut state = lock(&self.0);
        state.operate()?;
        state.durable = state.live.clone();
        state.pending.clear();
        Ok(())
    }
}

impl DiskFile for SimFile {
    fn len(&self) -> io::Result<u64> {
        let mut state = lock(&self.state);
        state.operate()?;
        Ok(state.inodes[self.inode].live.len() as u64)
    }

    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let mut state = lock(&self.state);
        state.operate()?;
        let start = usize::try_from(offset).unwrap();
        let content = state.inodes[self.inode].live.get(start..start + bytes.len());
        bytes.copy_from_slice(content.ok_or(ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut state = lock(&self.state);
        let full = if state.full { Err(ErrorKind::StorageFull.into()) } else { Ok(()) };
        let result = state.operate().and(full);
        let taken = match &result {
            Ok(()) => bytes.len(),
            Err(_) => state.random.index(bytes.len() + 1),
        };
        state.write(self.inode, &bytes[..taken]);
        result
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        let mut state = lock(&self.state);
        state.operate()?;
        let len = usize::try_from(len).unwrap();
        let file = &mut state.inodes[self.inode];
        file.live.resize(len, 0);
        file.dirty.insert(len / BLOCK);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = lock(&self.state);
        let result = state.operate();
        if state.off {
            return result;
        }
        let mut file = std::mem::take(&mut state.inodes[self.inode]);
        let len = file.live.len();
        if result.is_ok() || state.random.one_in(2) {
            file.durable.resize(len, 0);
        }
        for block in std::mem::take(&mut file.dirty) {
            if result.is_ok() || state.random.one_in(2) {
                copy_block(&mut file, block);
            }
        }
        state.inodes[self.inode] = file;
        result
    }
}
