//! How the answers of calls reach the filter.

use super::Worker;
use crate::callout::CallAnswer;
use crate::reply;
use crate::state::{Answer, GrpcAnswer, PendingCall, Protocol};

const GRPC_UNKNOWN: u32 = 2;
const GRPC_INTERNAL: u32 = 13;
const GRPC_UNAVAILABLE: u32 = 14;

impl Worker {
    /// Tells the root context that owns a call of its answer.
    pub(super) fn hand_over(&mut self, token: u32, answer: CallAnswer) {
        let Some(PendingCall { root, protocol }) = self.state_mut().calls.remove(&token) else {
            return;
        };
        match protocol {
            Protocol::Http => self.hand_over_http(root, token, answer),
            Protocol::Grpc => self.hand_over_grpc(root, token, answer),
        }
    }

    fn hand_over_http(&mut self, root: u32, token: u32, answer: CallAnswer) {
        let answer = match answer {
            CallAnswer::Response { headers, body, trailers } => Answer { headers, body, trailers },
            CallAnswer::Failed => Answer::default(),
        };
        let parameters = (
            root,
            token,
            number(answer.headers.len()),
            number(answer.body.len()),
            number(answer.trailers.len()),
        );
        self.state_mut().answer = Some(answer);
        self.call(root, |callbacks| &callbacks.http_call_response, parameters);
        self.state_mut().answer = None;
    }

    fn hand_over_grpc(&mut self, root: u32, token: u32, answer: CallAnswer) {
        let answer = grpc_answer(answer);
        let (status, size) = (answer.status, number(answer.message.len()));
        self.state_mut().grpc_answer = Some(answer);
        match status {
            0 => self.call(root, |callbacks| &callbacks.grpc_receive, (root, token, size)),
            _ => self.call(root, |callbacks| &callbacks.grpc_close, (root, token, status)),
        };
        self.state_mut().grpc_answer = None;
    }
}

fn number(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// What an HTTP response says as one of gRPC.
fn grpc_answer(answer: CallAnswer) -> GrpcAnswer {
    let failed =
        |status, text: &[u8]| GrpcAnswer { status, text: text.to_vec(), message: Vec::new() };
    let CallAnswer::Response { headers, body, trailers } = answer else {
        return failed(GRPC_UNAVAILABLE, b"");
    };
    let of_either = |name: &str| trailers.get(name).or_else(|| headers.get(name));
    let told = of_either("grpc-status");
    let status = match told {
        Some(status) => std::str::from_utf8(status).ok().and_then(|status| status.parse().ok()),
        None => headers.text(":status").and_then(|it| it.parse().ok()).map(reply::grpc_status),
    };
    let status = status.unwrap_or(GRPC_UNKNOWN);
    if status != 0 {
        let text = of_either("grpc-message").unwrap_or_default();
        // Envoy puts the details of the response behind what the service says.
        let details: &[u8] = if told.is_some() { b"{via_upstream}" } else { b"" };
        return failed(status, &[text, details].concat());
    }
    match message(&body) {
        Some(message) => GrpcAnswer { status, text: Vec::new(), message: message.to_vec() },
        None => failed(GRPC_INTERNAL, b""),
    }
}

/// The one message of a body, which has to be there, whole, and not compressed.
fn message(body: &[u8]) -> Option<&[u8]> {
    let (length, message) = body.strip_prefix(&[0])?.split_first_chunk()?;
    let whole = usize::try_from(u32::from_be_bytes(*length)).ok()? == message.len();
    whole.then_some(message)
}
