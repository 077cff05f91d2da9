//! The terminal's second screen: drawn on while it is open, and left as it was found.

use std::io::{self, Write};

const OPEN: &[u8] = b"\x1b[?1049h\x1b[?25l";
const CLOSE: &[u8] = b"\x1b[?25h\x1b[?1049l";
const HOME: &[u8] = b"\x1b[H";
const CLEAR_REST_OF_LINE: &[u8] = b"\x1b[K\r\n";
const CLEAR_REST: &[u8] = b"\x1b[J";

/// Dropped, it gives the terminal back, whatever ended the drawing.
pub(super) struct Screen<W: Write>(W);

impl<W: Write> Screen<W> {
    pub(super) fn open(mut out: W) -> io::Result<Self> {
        out.write_all(OPEN)?;
        Ok(Self(out))
    }

    /// Draws over what is there, without clearing it first, which would flicker.
    pub(super) fn draw(&mut self, picture: &[u8]) -> io::Result<()> {
        self.0.write_all(HOME)?;
        for line in picture.split(|byte| *byte == b'\n') {
            self.0.write_all(line)?;
            self.0.write_all(CLEAR_REST_OF_LINE)?;
        }
        self.0.write_all(CLEAR_REST)?;
        self.0.flush()
    }
}

impl<W: Write> Drop for Screen<W> {
    fn drop(&mut self) {
        // There is nobody left to tell if the terminal is gone.
        let _ = self.0.write_all(CLOSE).and_then(|()| self.0.flush());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_terminal_is_given_back_even_by_a_panic() {
        let mut written = Vec::new();
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut screen = Screen::open(&mut written).unwrap();
            screen.draw(b"one\ntwo").unwrap();
            panic!("in the middle of it");
        }));
        assert!(result.is_err());
        assert!(written.starts_with(OPEN));
        assert!(written.ends_with(CLOSE));
        assert_eq!(written.windows(3).filter(|bytes| bytes == b"\x1b[K").count(), 2);
    }
}
