//! Asks a gRPC service whether a request may go on.

use std::time::Duration;

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

proxy_wasm::main! {{
    proxy_wasm::set_http_context(|_, _| Box::new(Permit));
}}

struct Permit;

impl HttpContext for Permit {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        let path = self.get_http_request_header(":path").unwrap_or_default();
        let made = self.dispatch_grpc_call(
            "permits",
            "permits.v1.Permits",
            "Check",
            vec![("x-purpose", b"test")],
            Some(path.as_bytes()),
            Duration::from_millis(300),
        );
        if made.is_err() {
            self.send_http_response(503, vec![], Some(b"nobody to ask"));
        }
        Action::Pause
    }
}

impl Context for Permit {
    fn on_grpc_call_response(&mut self, _: u32, status: u32, size: usize) {
        match (status, self.get_grpc_call_response_body(0, size)) {
            (0, Some(message)) if message == b"yes" => self.resume_http_request(),
            (0, _) => self.send_http_response(403, vec![], None),
            _ => {
                let (status, text) = self.get_grpc_status();
                let text = format!("{status} {}", text.unwrap_or_default());
                self.send_http_response(502, vec![], Some(text.as_bytes()));
            }
        }
    }
}
