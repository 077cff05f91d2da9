//! Tells in each response where it came through: the node, and what the route's metadata says.

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType};

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| Box::new(Tag { node: String::new() }));
}}

#[derive(Clone)]
struct Tag {
    node: String,
}

impl Context for Tag {}

impl RootContext for Tag {
    fn on_configure(&mut self, _: usize) -> bool {
        let node = self.get_property(vec!["xds", "node", "id"]).unwrap_or_default();
        self.node = String::from_utf8_lossy(&node).into_owned();
        true
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(self.clone()))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

impl HttpContext for Tag {
    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        let path = vec!["xds", "route_metadata", "filter_metadata", "team", "name"];
        let team = self.get_property(path).unwrap_or_else(|| b"nobody".to_vec());
        self.add_http_response_header("x-through", &self.node);
        self.add_http_response_header_bytes("x-team", &team);
        Action::Continue
    }
}
