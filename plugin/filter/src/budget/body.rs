//! A body as it is copied: in pieces, which stay where they are.
//!
//! A buffer that doubles takes up to three times its bytes while it grows, and leaves holes of
//! every size behind. Pieces that come in a good size are kept as they come, and small ones are
//! put together, so that a body that comes byte by byte takes little more than one that does not.

/// The largest piece that is made of others.
const LARGEST: usize = 16 * 1024;
/// What a piece takes beside its bytes: its place in the list, and the allocator's own.
const PLACE: usize = 48;
/// The room that small pieces may come with: see `headers::spare`.
const SMALL: usize = 1024;

/// The bytes of a body, so far.
#[derive(Debug, Default)]
pub(crate) struct Body {
    pieces: Vec<Vec<u8>>,
    len: usize,
}

impl Body {
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// How much memory one more piece of this length takes, at most.
    pub(super) fn growth(&self, len: usize) -> usize {
        if self.fits(len) {
            0
        } else if self.stands_alone(len) {
            len.max(SMALL).saturating_add(PLACE)
        } else {
            self.room_for(len).saturating_add(PLACE)
        }
    }

    /// Adds a piece; how much memory that takes.
    pub(super) fn push(&mut self, mut piece: Vec<u8>) -> usize {
        let len = piece.len();
        let more = if self.fits(len) {
            if let Some(last) = self.pieces.last_mut() {
                last.extend_from_slice(&piece);
            }
            0
        } else {
            if self.stands_alone(len) {
                piece.shrink_to(len.max(SMALL));
            } else {
                piece.reserve_exact(self.room_for(len).saturating_sub(len));
            }
            let more = piece.capacity().saturating_add(PLACE);
            self.pieces.push(piece);
            more
        };
        self.len = self.len.saturating_add(len);
        more
    }

    pub(crate) fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        self.pieces.iter().map(Vec::as_slice)
    }

    /// All of it in one. What came in one is not copied.
    pub(crate) fn into_bytes(mut self) -> Vec<u8> {
        if self.pieces.len() <= 1 {
            return self.pieces.pop().unwrap_or_default();
        }
        let mut bytes = Vec::with_capacity(self.len);
        for piece in self.pieces {
            bytes.extend_from_slice(&piece);
        }
        bytes
    }

    fn fits(&self, len: usize) -> bool {
        let spare = |last: &Vec<u8>| last.capacity().saturating_sub(last.len());
        len == 0 || self.pieces.last().is_some_and(|last| len <= spare(last))
    }

    /// Whether a piece of this length is kept as it comes: there are not many of those.
    fn stands_alone(&self, len: usize) -> bool {
        len >= self.len.min(LARGEST)
    }

    /// The room of a piece that begins with so many bytes, and takes others in.
    fn room_for(&self, len: usize) -> usize {
        len.max(self.len.min(LARGEST))
    }
}
