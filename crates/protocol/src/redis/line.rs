//! Lines that end with CR LF.

/// Bytes that end a line.
const LINE_BREAK: [u8; 2] = *b"\r\n";

/// Most digits of a number that fits in any case.
const MAX_DIGITS: usize = 18;

/// Collects the first bytes of a line that arrives in pieces.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Line {
    bytes: [u8; Line::KEPT],
    /// Length without the line break, up to `KEPT`.
    length: u8,
    ends_with_cr: bool,
}

impl Line {
    /// Longer than the longest number and the longest code of an error.
    pub(super) const KEPT: usize = 32;

    /// Takes bytes up to the end of the line. Returns their number, and whether the line is complete.
    pub(super) fn read(&mut self, bytes: &[u8]) -> (usize, bool) {
        for (index, byte) in bytes.iter().enumerate() {
            if *byte == b'\n' && self.ends_with_cr {
                return (index + 1, true);
            }
            if self.ends_with_cr {
                self.push(b'\r');
            }
            self.ends_with_cr = *byte == b'\r';
            if !self.ends_with_cr {
                self.push(*byte);
            }
        }
        (bytes.len(), false)
    }

    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(usize::from(self.length)) {
            *place = byte;
            self.length += 1;
        }
    }

    /// The line without its line break. A long one is cut.
    pub(super) fn text(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Returns true if the line is longer than what is kept of it.
    pub(super) fn is_long(&self) -> bool {
        usize::from(self.length) == Self::KEPT
    }

    /// Returns the number that the line has after its first byte.
    pub(super) fn number(&self) -> Option<i64> {
        let digits = self.text().get(1..)?;
        let is_number = !self.is_long()
            && digits
                .iter()
                .enumerate()
                .all(|(index, byte)| byte.is_ascii_digit() || (index == 0 && *byte == b'-'));
        if is_number { str::from_utf8(digits).ok()?.parse().ok() } else { None }
    }
}

/// Returns the number that a line has after its first byte, and the length of the line with its line break, if the whole line is there
/// and the number is not negative.
///
/// It is inlined, since it takes fewer instructions than a call with its results would.
#[inline(always)]
pub(super) fn whole_number(line: &[u8]) -> Option<(u64, usize)> {
    let digit = |byte: u8| u64::from(byte.wrapping_sub(b'0'));
    // Nearly all numbers are this short.
    match *line {
        [_, one, b'\r', b'\n', ..] if digit(one) < 10 => Some((digit(one), 4)),
        [_, ten, one, b'\r', b'\n', ..] if digit(ten) < 10 && digit(one) < 10 => {
            Some((10 * digit(ten) + digit(one), 5))
        }
        [_, hundred, ten, one, b'\r', b'\n', ..]
            if digit(hundred) < 10 && digit(ten) < 10 && digit(one) < 10 =>
        {
            Some((100 * digit(hundred) + 10 * digit(ten) + digit(one), 6))
        }
        _ => whole_long_number(line),
    }
}

#[inline(never)]
fn whole_long_number(line: &[u8]) -> Option<(u64, usize)> {
    let mut number = 0;
    let mut end = 1;
    while let Some(byte @ b'0'..=b'9') = line.get(end)
        && end <= MAX_DIGITS
    {
        number = 10 * number + u64::from(byte - b'0');
        end += 1;
    }
    let is_whole = end > 1 && line.get(end..end + LINE_BREAK.len()) == Some(&LINE_BREAK);
    is_whole.then_some((number, end + LINE_BREAK.len()))
}
