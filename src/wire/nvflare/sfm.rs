//! SFM frames: a prefix of 16 bytes, a map of headers, a payload.

use bytes::{BufMut, Bytes, BytesMut};

use crate::wire::native::FrameError;

/// The longest frame that an NVFlare peer accepts, in bytes.
pub(crate) const MAX_FRAME: usize = (2 << 30) - (2 << 20);
/// Bytes of the prefix, which every frame has.
pub(crate) const PREFIX: usize = 16;
/// The least that the buffer grows by, in bytes.
const STEP: usize = 64 << 10;
/// Frames of cells belong to this application.
pub(crate) const APP_CELL: u16 = 1;

/// Cuts a byte stream into SFM frames, whatever chunks it comes in.
///
/// Read from the carrier into [`Frames::buffer`], then take frames with
/// [`Frames::next_frame`] until there is none. A frame keeps its prefix, so it is one
/// message of the machine. Memory grows with the bytes that have arrived, at most twofold,
/// and never by what a length merely claims.
#[derive(Debug)]
pub(crate) struct Frames {
    buffer: BytesMut,
    limit: usize,
}

impl Frames {
    /// For frames of up to `limit` bytes, at most [`MAX_FRAME`].
    #[must_use]
    pub(crate) fn with_limit(limit: usize) -> Self {
        Self {
            buffer: BytesMut::new(),
            limit: limit.min(MAX_FRAME),
        }
    }

    /// Changes the limit for frames that have not begun.
    pub(crate) fn set_limit(&mut self, limit: usize) {
        self.limit = limit.min(MAX_FRAME);
    }

    /// Where bytes from the carrier are appended.
    pub(crate) fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// The next whole frame, prefix included.
    ///
    /// # Errors
    /// When the next length is below 16 or over the limit. It stays so: close the stream.
    pub(crate) fn next_frame(&mut self) -> Result<Option<BytesMut>, FrameError> {
        let Some(length) = self.buffer.first_chunk::<4>() else {
            return Ok(None);
        };
        let len = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        if len < PREFIX || len > self.limit {
            return Err(FrameError {
                len,
                least: PREFIX,
                limit: self.limit,
            });
        }
        if self.buffer.len() < len {
            self.make_room(len);
            return Ok(None);
        }
        Ok(Some(self.buffer.split_to(len)))
    }

    /// Whether the stream may end here: nothing of a frame has arrived.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// Doubles a full buffer, but not beyond the frame: left to itself it would end up with
    /// twice the length of a large frame.
    fn make_room(&mut self, frame: usize) {
        if self.buffer.len() < self.buffer.capacity() {
            return;
        }
        let room = frame.min(self.buffer.len().saturating_mul(2).max(STEP));
        let mut larger = BytesMut::with_capacity(room);
        larger.extend_from_slice(&self.buffer);
        self.buffer = larger;
    }
}

/// What a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A message of an application.
    Data,
    /// The first frame of the side that connected.
    Hello,
    /// The answer to it.
    Ready,
    /// Asks for a pong.
    Ping,
    /// Answers a ping.
    Pong,
    /// Defined and never used, or unknown: to be ignored.
    Other(u8),
}

impl Kind {
    const fn of(byte: u8) -> Self {
        match byte {
            1 => Self::Data,
            4 => Self::Hello,
            5 => Self::Ready,
            6 => Self::Ping,
            7 => Self::Pong,
            other => Self::Other(other),
        }
    }

    const fn byte(self) -> u8 {
        match self {
            Self::Data => 1,
            Self::Hello => 4,
            Self::Ready => 5,
            Self::Ping => 6,
            Self::Pong => 7,
            Self::Other(byte) => byte,
        }
    }
}

/// One frame. Flags are not kept: they are defined and never used.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: Kind,
    /// 1 for cells, 0 for what belongs to the connection.
    pub(crate) app_id: u16,
    pub(crate) stream_id: u16,
    pub(crate) sequence: u16,
    /// A msgpack map, or nothing.
    pub(crate) headers: Bytes,
    pub(crate) payload: Bytes,
}

/// The bytes are not one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a whole SFM frame: drop it")]
pub(crate) struct Malformed;

/// Reads one whole frame, prefix included, without copying.
pub(crate) fn parse(mut frame: Bytes) -> Result<Frame, Malformed> {
    let whole = frame.len();
    let prefix = frame.first_chunk::<PREFIX>().ok_or(Malformed)?;
    let [
        a,
        b,
        c,
        d,
        h,
        i,
        kind,
        _,
        _,
        _,
        app,
        app2,
        stream,
        stream2,
        sequence,
        sequence2,
    ] = *prefix;
    let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
    let headers = usize::from(u16::from_be_bytes([h, i]));
    if length != whole || whole - PREFIX < headers {
        return Err(Malformed);
    }
    let _ = frame.split_to(PREFIX);
    Ok(Frame {
        kind: Kind::of(kind),
        app_id: u16::from_be_bytes([app, app2]),
        stream_id: u16::from_be_bytes([stream, stream2]),
        sequence: u16::from_be_bytes([sequence, sequence2]),
        headers: frame.split_to(headers),
        payload: frame,
    })
}

/// The prefix and the headers of a frame, to be followed by `payload` bytes. `None` if the
/// headers exceed 65,535 bytes or the frame exceeds [`MAX_FRAME`].
pub(crate) fn head(
    kind: Kind,
    app_id: u16,
    stream_id: u16,
    sequence: u16,
    headers: &[u8],
    payload: usize,
) -> Option<Bytes> {
    let header_len = u16::try_from(headers.len()).ok()?;
    let length = payload.checked_add(PREFIX + headers.len())?;
    if length > MAX_FRAME {
        return None;
    }
    let mut head = BytesMut::with_capacity(PREFIX + headers.len());
    head.put_u32(u32::try_from(length).ok()?);
    head.put_u16(header_len);
    head.put_u8(kind.byte());
    head.put_u8(0);
    head.put_u16(0);
    head.put_u16(app_id);
    head.put_u16(stream_id);
    head.put_u16(sequence);
    head.put_slice(headers);
    Some(head.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(payload: &[u8]) -> Vec<u8> {
        let head = head(Kind::Data, APP_CELL, 17, 2, b"\x80", payload.len()).unwrap();
        [&head[..], payload].concat()
    }

    #[test]
    fn any_chunking_gives_the_same_frames() {
        let sent = [frame(b""), frame(b"abc"), frame(&[7; 300])];
        let stream = sent.concat();
        for size in 1..stream.len() {
            let mut frames = Frames::with_limit(1 << 20);
            let mut seen = Vec::new();
            for chunk in stream.chunks(size) {
                frames.buffer().extend_from_slice(chunk);
                while let Some(frame) = frames.next_frame().unwrap() {
                    seen.push(frame);
                }
            }
            assert!(frames.is_empty());
            assert_eq!(seen, sent);
        }
    }

    #[test]
    fn a_length_that_is_not_legal_is_an_error_that_stays() {
        for len in [0, 15, 101, u32::MAX] {
            let mut frames = Frames::with_limit(100);
            frames.buffer().extend_from_slice(&len.to_be_bytes());
            let error = FrameError {
                len: len as usize,
                least: PREFIX,
                limit: 100,
            };
            assert_eq!(frames.next_frame(), Err(error));
            assert_eq!(frames.next_frame(), Err(error));
        }
    }

    #[test]
    fn the_shortest_and_the_longest_frame_are_legal() {
        let shortest = head(Kind::Ping, 0, 17, 2, &[], 0).unwrap();
        let longest = frame(&[7; 100]);
        let mut frames = Frames::with_limit(PREFIX);
        frames.buffer().extend_from_slice(&shortest);
        assert_eq!(frames.next_frame().unwrap().unwrap(), shortest);
        frames.buffer().extend_from_slice(&longest);
        frames.set_limit(longest.len() - 1);
        assert!(frames.next_frame().is_err());
        frames.set_limit(longest.len());
        assert_eq!(frames.next_frame().unwrap().unwrap(), longest);
    }

    #[test]
    fn a_stream_may_not_end_within_a_frame() {
        let mut frames = Frames::with_limit(100);
        frames.buffer().extend_from_slice(&[0]);
        assert!(!frames.is_empty());
    }

    #[test]
    fn a_buffer_with_room_is_not_copied() {
        let mut frames = Frames::with_limit(MAX_FRAME);
        frames.buffer().reserve(1 << 10);
        frames.buffer().extend_from_slice(&frame(&[0; 300])[..100]);
        let place = frames.buffer().as_ptr();
        assert_eq!(frames.next_frame(), Ok(None));
        assert_eq!(frames.buffer().as_ptr(), place);
    }

    #[test]
    fn memory_follows_what_arrived_and_ends_at_the_length_of_the_frame() {
        let sent = frame(&vec![1; 3 << 20]);
        let mut frames = Frames::with_limit(MAX_FRAME);
        frames.buffer().extend_from_slice(&sent[..PREFIX]);
        assert_eq!(frames.next_frame(), Ok(None));
        assert!(frames.buffer().capacity() <= STEP);
        let mut rest = &sent[PREFIX..];
        while !rest.is_empty() {
            let room = (frames.buffer().capacity() - frames.buffer().len()).clamp(1, rest.len());
            let (now, later) = rest.split_at(room);
            frames.buffer().extend_from_slice(now);
            rest = later;
            assert!(frames.buffer().capacity() <= sent.len());
            if !rest.is_empty() {
                assert_eq!(frames.next_frame(), Ok(None));
            }
        }
        assert_eq!(frames.next_frame().unwrap().unwrap(), sent);
    }

    #[test]
    fn what_is_not_one_whole_frame_does_not_parse() {
        let whole = frame(b"abc");
        let parsed = parse(Bytes::from(whole.clone())).unwrap();
        assert_eq!(
            (&parsed.headers[..], &parsed.payload[..]),
            (&b"\x80"[..], &b"abc"[..])
        );
        assert_eq!((parsed.stream_id, parsed.sequence), (17, 2));
        for len in 0..whole.len() {
            assert!(parse(Bytes::copy_from_slice(&whole[..len])).is_err());
        }
        let mut lies = whole;
        lies[5] = 5;
        assert!(parse(lies.into()).is_err());
    }

    #[test]
    fn headers_and_frames_have_limits() {
        assert_eq!(MAX_FRAME, 2_145_386_496, "2 GiB less 2 MiB");
        assert!(head(Kind::Data, 1, 1, 1, &[0; 65_536], 0).is_none());
        assert!(head(Kind::Data, 1, 1, 1, &[], MAX_FRAME - PREFIX).is_some());
        assert!(head(Kind::Data, 1, 1, 1, &[], MAX_FRAME - PREFIX + 1).is_none());
        assert!(head(Kind::Data, 1, 1, 1, &[], usize::MAX).is_none());
    }
}
