//! Asks a service who a client is before its request goes on.

use std::time::Duration;

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

proxy_wasm::main! {{
    proxy_wasm::set_http_context(|_, _| Box::new(Authenticate));
}}

struct Authenticate;

impl HttpContext for Authenticate {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        let token = self.get_http_request_header("authorization").unwrap_or_default();
        let headers = vec![
            (":method", "GET"),
            (":path", "/who"),
            (":authority", "auth.internal"),
            ("authorization", &token),
        ];
        match self.dispatch_http_call("auth", headers, None, vec![], Duration::from_secs(1)) {
            Ok(_) => Action::Pause,
            Err(_) => {
                self.send_http_response(503, vec![], Some(b"nobody to ask"));
                Action::Pause
            }
        }
    }

    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        self.set_http_response_header("x-filtered", Some("authenticate"));
        Action::Continue
    }
}

impl Context for Authenticate {
    fn on_http_call_response(&mut self, _: u32, headers: usize, body_size: usize, _: usize) {
        let status = self.get_http_call_response_header(":status");
        match (headers, status.as_deref()) {
            (0, _) => self.send_http_response(503, vec![], Some(b"no answer")),
            (_, Some("200")) => {
                let user = self.get_http_call_response_body(0, body_size).unwrap_or_default();
                self.set_http_request_header_bytes("x-user", Some(&user));
                self.resume_http_request();
            }
            _ => self.send_http_response(401, vec![("www-authenticate", "Bearer")], None),
        }
    }
}
