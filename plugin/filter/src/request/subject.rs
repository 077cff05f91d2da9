//! A request as configurations match it.

use crate::headers::{Facts, Headers};
use config::matching::Request;

/// What a request is matched by.
pub(crate) struct Subject<'a> {
    pub(crate) headers: &'a Headers,
    pub(crate) facts: &'a Facts<'a>,
    /// The upstream cluster, if any match asks for it and the proxy knows it.
    pub(crate) cluster: Option<&'a [u8]>,
}

impl Request for Subject<'_> {
    #[inline]
    fn authority(&self) -> Option<&[u8]> {
        self.facts.authority
    }

    #[inline]
    fn path(&self) -> Option<&[u8]> {
        self.facts.path
    }

    #[inline]
    fn method(&self) -> Option<&[u8]> {
        self.facts.method
    }

    #[inline]
    fn cluster(&self) -> Option<&[u8]> {
        self.cluster
    }

    #[inline]
    fn values<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        self.headers.all(name)
    }
}
