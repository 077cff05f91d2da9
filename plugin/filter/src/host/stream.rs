//! What a host knows of the stream at hand.

use super::origin::Origin;
use crate::headers::Headers;

/// One request and its response, as the host sees them.
pub trait Stream {
    /// Whether a request can still be answered when the last of it has come.
    fn answers_late(&self) -> bool {
        true
    }

    /// Whether a request can be run again from its start, as one that has just come.
    fn can_rerun(&self) -> bool {
        false
    }

    /// Puts the request at hand back as it came, with these headers and so many bytes of a body, for it to
    /// be run again. `false`: it stays as it is, since not all of its body was kept, or since no route
    /// would lead it to the cluster that this header names.
    fn prepare_rerun(&self, _request: &Headers, _body: usize, _to: (&'static str, &str)) -> bool {
        false
    }

    /// The upstream cluster of the route; `None`: it is not known. One that is known to have no name
    /// is empty.
    fn cluster(&self) -> Option<Vec<u8>>;

    /// The name of the route, likewise.
    fn route(&self) -> Option<Vec<u8>>;

    /// The number of the client's connection, which is higher than those of all before it; `None`: it
    /// is not known.
    fn connection(&self) -> Option<u64>;

    /// Who has sent the request.
    fn peer(&self) -> Peer;

    /// How the response came about, or the lack of one.
    fn origin(&self) -> Origin;

    /// The first value of a header of the response.
    fn response_header(&self, name: &'static str) -> Option<Vec<u8>>;

    /// All headers of the response.
    fn response_headers(&self) -> Headers;

    /// The first value of a trailer of the response, once it has ended.
    fn response_trailer(&self, name: &'static str) -> Option<Vec<u8>>;
}

/// Who has sent a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Peer {
    /// The host knows of no peers: it is called from where it runs, or looks after that itself.
    #[default]
    Unknown,
    /// By Envoy's `source.address`: an IP address and a port (`127.0.0.1:40312`, `[::1]:40312`), or the
    /// name of a Unix domain socket. The port is zero if the address was taken from a header.
    At(Vec<u8>),
    /// The host knows, and withholds it.
    Withheld,
}
