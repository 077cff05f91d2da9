//! Sends a share of requests, drawn at random, to another version of a service. The share is the
//! configuration, in percent.

use std::hash::{BuildHasher, RandomState};

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType};

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| Box::new(Split { percent: 0 }));
}}

#[derive(Clone)]
struct Split {
    percent: u64,
}

impl Context for Split {}

impl RootContext for Split {
    fn on_configure(&mut self, _: usize) -> bool {
        let bytes = self.get_plugin_configuration().unwrap_or_default();
        let percent = std::str::from_utf8(&bytes).ok().and_then(|text| text.parse().ok());
        self.percent = percent.unwrap_or(101);
        self.percent <= 100
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(self.clone()))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

impl HttpContext for Split {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        // The keys of this hasher come from the host.
        if RandomState::new().hash_one(()) % 100 < self.percent {
            self.set_http_request_header("x-version", Some("next"));
        }
        Action::Continue
    }
}
