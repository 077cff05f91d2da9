//! One request and its response, as the filter sees them and as far as it holds them back.

use crate::event::Part;
use crate::headers::Headers;
use crate::properties::{Phase, Properties};

/// The number of a stream on its worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub(crate) u32);

/// A stream of a worker.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    /// The root context whose configuration it has.
    pub(crate) root: u32,
    pub(crate) mode: Mode,
    /// Whether its context was created in the VM.
    pub(crate) created: bool,
    pub(crate) phase: Phase,
    pub(crate) request: Message,
    pub(crate) response: Message,
    pub(crate) properties: Properties,
    /// What the filter has set by `proxy_set_property`.
    pub(crate) filter_state: Properties,
    /// Whether it was answered here.
    pub(crate) replied: bool,
    /// Whether it was cut off, or all of the response was made here.
    pub(crate) closed: bool,
}

/// Who handles a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The filter.
    #[default]
    Filtered,
    /// Nobody: it passes by a failed VM.
    Bypassed,
    /// Nobody: a failed VM refuses it.
    Refused,
}

/// One half of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Request,
    Response,
}

/// A request or a response.
#[derive(Debug, Default)]
pub(crate) struct Message {
    pub(crate) headers: Option<Headers>,
    /// Whether they are all there is.
    pub(crate) headers_end: bool,
    /// Whether they have gone on.
    pub(crate) headers_gone: bool,
    /// What of the body is before the filter, or held back.
    pub(crate) body: Vec<u8>,
    /// Whether there is such a body, be it empty.
    pub(crate) buffered: bool,
    pub(crate) trailers: Option<Headers>,
    /// What the filter may look at.
    pub(crate) visible: Visible,
    pub(crate) hold: Hold,
    /// What came while all was held back.
    pub(crate) waiting: Vec<Part>,
    /// Whether its end has come.
    pub(crate) ended: bool,
}

/// What of a message the filter may look at: what is before it, or is held back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Visible {
    pub(crate) headers: bool,
    pub(crate) body: bool,
    pub(crate) trailers: bool,
}

/// What is held back of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Hold {
    #[default]
    Nothing,
    /// The headers, and all that comes behind them waits unseen.
    All,
    /// The headers, while the body comes to the filter.
    Headers,
    /// The body so far.
    Body,
    /// The body and the trailers.
    Trailers,
}

impl Stream {
    pub(crate) fn message(&self, way: Way) -> &Message {
        match way {
            Way::Request => &self.request,
            Way::Response => &self.response,
        }
    }

    pub(crate) fn message_mut(&mut self, way: Way) -> &mut Message {
        match way {
            Way::Request => &mut self.request,
            Way::Response => &mut self.response,
        }
    }
}

impl Message {
    /// Keeps a part until the message goes on, all pieces of the body in one.
    pub(crate) fn wait(&mut self, part: Part) {
        match (self.waiting.last_mut(), part) {
            (Some(Part::Body(bytes, end)), Part::Body(more, last)) => {
                bytes.extend(more);
                *end = last;
            }
            (_, part) => self.waiting.push(part),
        }
    }

    /// How much of the body waits where the filter cannot see it, in bytes.
    pub(crate) fn unseen(&self) -> usize {
        let size = |part: &Part| if let Part::Body(bytes, _) = part { bytes.len() } else { 0 };
        self.waiting.iter().map(size).sum()
    }
}
