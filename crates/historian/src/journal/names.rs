//! The numbers of the names that entries speak of: given once, never changed, so that old entries mean what they meant.
//!
//! Payload of a frame: kind (u8) · name. The number is the place among the names of its kind.

use crate::error::{HistorianError, at};
use crate::files::Folder;
use crate::frame::{scan, write_frame};
use std::collections::HashMap;

/// Kinds of names.
const KINDS: usize = 2;

pub(super) struct NamesFile {
    names: [Vec<String>; KINDS],
    numbers: [HashMap<String, u32>; KINDS],
    content: Vec<u8>,
}

impl NamesFile {
    pub(super) fn open(folder: &Folder) -> Result<Self, HistorianError> {
        let mut file = Self { names: Default::default(), numbers: Default::default(), content: Vec::new() };
        if !folder.names()?.iter().any(|name| name == "names.log") {
            return Ok(file);
        }
        let path = folder.file("names.log");
        let bytes = folder.disk.read(&path).map_err(at(&path))?;
        let found = scan(&bytes);
        // The file is replaced as a whole: whatever is no name in it is damage, and numbers behind it would be wrong.
        let what = "the names of the journal; move the folder away to begin a new one";
        let damage = || HistorianError::damaged(&path, what);
        if found.torn.is_some() || !found.damaged.is_empty() {
            return Err(damage());
        }
        for (_, payload) in &found.frames {
            let (kind, name) = payload.split_first().ok_or_else(damage)?;
            let name = std::str::from_utf8(name).map_err(|_| damage())?;
            if usize::from(*kind) >= KINDS {
                return Err(damage());
            }
            file.put(usize::from(*kind), name);
        }
        file.content = bytes;
        Ok(file)
    }

    fn put(&mut self, kind: usize, name: &str) {
        let number = u32::try_from(self.names[kind].len()).unwrap_or(u32::MAX);
        self.names[kind].push(name.to_owned());
        self.numbers[kind].insert(name.to_owned(), number);
    }

    pub(super) fn of(&self, kind: u8) -> &[String] {
        self.names.get(usize::from(kind)).map_or(&[], Vec::as_slice)
    }

    pub(super) fn number(
        &mut self,
        folder: &Folder,
        kind: u8,
        names: &[&str],
    ) -> Result<Vec<u32>, HistorianError> {
        let kind = usize::from(kind).min(KINDS - 1);
        let fresh: Vec<&str> =
            names.iter().copied().filter(|name| !self.numbers[kind].contains_key(*name)).collect();
        if !fresh.is_empty() {
            let mut content = self.content.clone();
            for name in &fresh {
                let mut payload = vec![u8::try_from(kind).unwrap_or(0)];
                payload.extend(name.as_bytes());
                write_frame(&payload, &mut content);
            }
            folder.replace(&folder.file("names.log"), &content)?;
            self.content = content;
            fresh.iter().for_each(|name| self.put(kind, name));
        }
        Ok(names.iter().filter_map(|name| self.numbers[kind].get(*name).copied()).collect())
    }
}
