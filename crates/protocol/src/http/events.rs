//! Server-sent events, as in "Server-sent events" of the HTML standard.

/// Beginning of a line with data. Only the first line of a stream may have a byte order mark.
const FIELD: &[u8] = b"\xef\xbb\xbfdata";
const BYTE_ORDER_MARK: usize = 3;

/// Finds the ends of events: empty lines after lines of which at least one has data. Other empty lines end no event, like those after
/// a comment that keeps a connection open.
#[derive(Debug, Default)]
pub(super) struct Events {
    /// Number of bytes of `FIELD` that the line begins with, or `None` if it has another byte.
    field: Option<usize>,
    in_stream: bool,
    /// The line has bytes.
    in_line: bool,
    has_data: bool,
    ends_with_cr: bool,
    /// End of an event whose last byte is CR. An LF after it belongs to the event.
    end: Option<u64>,
}

impl Events {
    /// Reads data that begins at this offset of the stream. Calls `ended` with the offset of each end.
    pub(super) fn read(&mut self, data: &[u8], offset: u64, mut ended: impl FnMut(u64)) {
        if !self.in_stream && !data.is_empty() {
            self.in_stream = true;
            self.field = Some(if data[0] == FIELD[0] { 0 } else { BYTE_ORDER_MARK });
        }
        for (byte, after) in data.iter().copied().zip(offset + 1..) {
            if self.ends_with_cr {
                self.ends_with_cr = false;
                let end = self.end.take();
                if byte == b'\n' {
                    if end.is_some() {
                        ended(after);
                    }
                    continue;
                }
                if let Some(end) = end {
                    ended(end);
                }
            }
            match (byte, self.field) {
                (b'\r' | b'\n', field) => {
                    self.has_data |= field == Some(FIELD.len());
                    self.ends_with_cr = byte == b'\r';
                    if !self.in_line && std::mem::take(&mut self.has_data) {
                        if self.ends_with_cr { self.end = Some(after) } else { ended(after) }
                    }
                    (self.in_line, self.field) = (false, Some(BYTE_ORDER_MARK));
                    continue;
                }
                (b':', Some(matched)) if matched == FIELD.len() => (self.has_data, self.field) = (true, None),
                (_, Some(matched)) => {
                    self.field = (FIELD.get(matched) == Some(&byte)).then_some(matched + 1);
                }
                (_, None) => {}
            }
            self.in_line = true;
        }
    }

    /// Returns the end of the last event if it has not been reported.
    pub(super) fn finish(&mut self) -> Option<u64> {
        self.end.take()
    }
}
