//! Unpacks what was deflated (RFC 1951), in as little code as that takes: no library's is so short.
//!
//! What the build script has packed is all that is ever unpacked. Anything else comes out as something
//! else, or cut short, and does no harm.

/// How long a code may be, in bits.
const LONGEST: usize = 15;

/// In which order the lengths of the codes come by which lengths are told.
const ORDER: [u8; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// The longest text that is unpacked.
const LONGEST_TEXT: usize = 1 << 18;

/// A text that was deflated; `None`: it is damaged, or too long.
pub(super) fn inflate(packed: &[u8]) -> Option<Vec<u8>> {
    let mut bits = Bits { rest: packed, held: 0, len: 0 };
    let mut text = Vec::new();
    loop {
        let is_last = bits.take(1)? == 1;
        // The other kinds are for what cannot be packed, and for the shortest texts.
        if bits.take(2)? != 2 {
            return None;
        }
        let (texts, distances) = bits.codes()?;
        loop {
            let symbol = texts.read(&mut bits)?;
            if let Ok(byte) = u8::try_from(symbol) {
                text.push(byte);
            } else if symbol == 256 {
                break;
            } else {
                let len = match symbol {
                    285 => 258,
                    _ => bits.number(symbol.checked_sub(257)?, 4, 3)?,
                };
                let distance = distances.read(&mut bits)?;
                let distance = bits.number(distance, 2, 1)?;
                for _ in 0..len {
                    let from = text.len().checked_sub(distance)?;
                    text.push(*text.get(from)?);
                }
            }
            if text.len() > LONGEST_TEXT {
                return None;
            }
        }
        if is_last {
            return Some(text);
        }
    }
}

/// Bits, from the lowest of each byte on.
struct Bits<'a> {
    rest: &'a [u8],
    held: u32,
    len: u32,
}

impl Bits<'_> {
    /// The next few, at most 16, as a number.
    fn take(&mut self, wanted: u32) -> Option<usize> {
        while self.len < wanted {
            let (byte, rest) = self.rest.split_first()?;
            self.held |= u32::from(*byte) << (self.len & 31);
            self.len = self.len.wrapping_add(8);
            self.rest = rest;
        }
        let taken = self.held & (1_u32 << (wanted & 31)).wrapping_sub(1);
        self.held >>= wanted & 31;
        self.len = self.len.wrapping_sub(wanted);
        usize::try_from(taken).ok()
    }

    /// A length or a distance: the symbols of a step, so many of them, are followed by as many bits, and
    /// each step has one bit more than the one before.
    fn number(&mut self, symbol: usize, in_step: usize, first: usize) -> Option<usize> {
        if symbol < 2 * in_step {
            return Some(symbol.wrapping_add(first));
        }
        let extra = u32::try_from(symbol.checked_div(in_step)?.wrapping_sub(1)).ok()? & 15;
        let begin = in_step.wrapping_add(symbol.checked_rem(in_step)?) << extra;
        Some(begin.wrapping_add(first).wrapping_add(self.take(extra)?))
    }

    /// The codes of bytes and lengths, and those of distances.
    fn codes(&mut self) -> Option<(Codes, Codes)> {
        let texts = self.take(5)?.wrapping_add(257);
        let all = self.take(5)?.wrapping_add(1).wrapping_add(texts);
        let told = self.take(4)?.wrapping_add(4);
        let mut lengths = [0; ORDER.len()];
        for place in ORDER.iter().take(told) {
            *lengths.get_mut(usize::from(*place))? = u8::try_from(self.take(3)?).ok()?;
        }
        let codes = Codes::new(&lengths);
        let mut lengths = Vec::with_capacity(all);
        while lengths.len() < all {
            let symbol = codes.read(self)?;
            let (times, length) = match symbol {
                16 => (self.take(2)?.wrapping_add(3), *lengths.last()?),
                17 => (self.take(3)?.wrapping_add(3), 0),
                18 => (self.take(7)?.wrapping_add(11), 0),
                length => (1, u8::try_from(length).ok()?),
            };
            lengths.extend(std::iter::repeat_n(length, times));
        }
        let (texts, distances) = lengths.split_at_checked(texts)?;
        Some((Codes::new(texts), Codes::new(distances)))
    }
}

/// The symbols by their codes: of each length how many, and all in the order of their codes.
struct Codes {
    counts: [usize; LONGEST + 1],
    symbols: Vec<usize>,
}

impl Codes {
    fn new(lengths: &[u8]) -> Self {
        let (mut counts, mut symbols) = ([0_usize; LONGEST + 1], Vec::new());
        for (length, count) in counts.iter_mut().enumerate().skip(1) {
            let of = |(symbol, it): (usize, &u8)| (usize::from(*it) == length).then_some(symbol);
            let before = symbols.len();
            symbols.extend(lengths.iter().enumerate().filter_map(of));
            *count = symbols.len().wrapping_sub(before);
        }
        Self { counts, symbols }
    }

    fn read(&self, bits: &mut Bits<'_>) -> Option<usize> {
        let (mut code, mut first, mut place) = (0_usize, 0_usize, 0_usize);
        for count in self.counts.iter().skip(1) {
            code |= bits.take(1)?;
            let beyond = code.wrapping_sub(first);
            if beyond < *count {
                return self.symbols.get(place.wrapping_add(beyond)).copied();
            }
            place = place.wrapping_add(*count);
            first = first.wrapping_add(*count) << 1;
            code <<= 1;
        }
        None
    }
}
