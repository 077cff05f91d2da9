//! What comes out of a worker.

use crate::callout::Call;
use crate::headers::Headers;
use crate::reply::LocalReply;
use crate::stream::StreamId;

/// Something that the caller has to do, or may want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A part of a request goes on to the service.
    Request(StreamId, Part),
    /// A part of a response goes on to the client.
    Response(StreamId, Part),
    /// The route of a request is to be chosen anew, from its headers as they are now. Comes
    /// before these headers do; what the stream's properties say of the old route holds until
    /// the caller sets them.
    RouteCleared(StreamId),
    /// A stream is answered by the filter, or by the host in its stead. The response that it
    /// makes follows; nothing more of the request goes on, and nothing that the service may
    /// still answer is wanted.
    LocalReply(StreamId, LocalReply),
    /// A stream is cut off. It still has to be ended.
    Reset(StreamId),
    /// The filter makes a call.
    Call(Call),
    /// The VM is gone, and with it all its contexts and calls. What becomes of its streams
    /// follows.
    VmFailed(String),
}

/// A part of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Headers, and whether they are all there is.
    Headers(Headers, bool),
    /// A piece of the body, and whether it is the last of the message.
    Body(Vec<u8>, bool),
    /// Trailers, the last of the message.
    Trailers(Headers),
}
