//! A request, as far as it is matched.

/// What a request is matched by. What is not known matches nothing.
pub trait Request {
    /// The authority that it is for.
    fn authority(&self) -> Option<&[u8]>;
    /// Its path, with the query.
    fn path(&self) -> Option<&[u8]>;
    /// Its method.
    fn method(&self) -> Option<&[u8]>;
    /// The upstream cluster, if any match asks for it and the proxy knows it.
    fn cluster(&self) -> Option<&[u8]>;
    /// All values of a header, whose name is in lower case.
    fn values<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]>;
}
