//! Tags: marks that people hang on a point. A hold tag stops every command; the others inform.

use signal::PointId;
use std::collections::BTreeMap;
use timebase::Utc;

/// What a tag does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TagKind {
    /// No command may pass.
    Hold,
    /// Commands pass; the operator is warned.
    Caution,
    /// A note.
    Information,
}

impl TagKind {
    /// Every kind with its name in the store and in the API.
    pub const ALL: [(Self, &'static str); 3] =
        [(Self::Hold, "hold"), (Self::Caution, "caution"), (Self::Information, "information")];

    /// The name in the store and in the API.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("information", |(_, name)| name)
    }

    /// The kind with that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind)
    }
}

/// One tag on one point.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tag {
    /// Identity, given by the list.
    pub id: u64,
    /// The point that carries it.
    pub point: PointId,
    /// What it does.
    pub kind: TagKind,
    /// Why it hangs there.
    pub text: String,
    /// Who hung it.
    pub by: String,
    /// Since when.
    pub at: Utc,
}

/// The tags in force.
#[derive(Clone, Debug, Default)]
pub struct TagList {
    tags: BTreeMap<u64, Tag>,
    last_id: u64,
}

impl TagList {
    /// Most tags on one point.
    pub const MAX_PER_POINT: usize = 32;

    /// The list that the store held.
    pub fn restore(tags: Vec<Tag>) -> Self {
        let last_id = tags.iter().map(|tag| tag.id).max().unwrap_or(0);
        Self { tags: tags.into_iter().map(|tag| (tag.id, tag)).collect(), last_id }
    }

    /// The tags of a point, oldest first.
    pub fn of(&self, point: PointId) -> impl Iterator<Item = &Tag> {
        self.tags.values().filter(move |tag| tag.point == point)
    }

    /// The tag that forbids commands to a point, if one does.
    pub fn hold(&self, point: PointId) -> Option<&Tag> {
        self.of(point).find(|tag| tag.kind == TagKind::Hold)
    }

    /// Hangs a tag; its identity is given here. `None` when the point carries too many.
    pub fn place(&mut self, mut tag: Tag) -> Option<Tag> {
        if self.of(tag.point).count() >= Self::MAX_PER_POINT {
            return None;
        }
        self.last_id += 1;
        tag.id = self.last_id;
        self.tags.insert(tag.id, tag.clone());
        Some(tag)
    }

    /// Takes a tag off.
    pub fn remove(&mut self, id: u64) -> Option<Tag> {
        self.tags.remove(&id)
    }
}
