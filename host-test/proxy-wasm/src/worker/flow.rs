//! How messages pass the filter: what goes on, what is held back, and what is answered instead.
//!
//! A pause in a headers callback holds all of the message back, unseen by the filter; what came
//! meanwhile reaches it when it goes on, the body in one piece. A pause in a body callback holds
//! the body back and shows all of it with each further piece. What the filter asks for within a
//! callback is done once the callback has returned.

use std::mem;

use super::Worker;
use crate::event::{Event, Part};
use crate::headers::Headers;
use crate::properties::Phase;
use crate::reply::LocalReply;
use crate::state::After;
use crate::stream::{Hold, Message, Mode, Stream, StreamId, Visible, Way};

impl Worker {
    /// Takes a part of a message from the caller.
    pub(super) fn feed(&mut self, id: StreamId, way: Way, part: Part) -> Vec<Event> {
        let id = id.0;
        if self.stream_mut(id).is_some_and(|stream| !stream.closed && !stream.replied) {
            self.pass(id, way, part);
            self.settle();
        }
        self.take_events()
    }

    /// Does what callbacks wanted done.
    pub(super) fn settle(&mut self) {
        loop {
            let after = mem::take(&mut self.state_mut().after);
            if after.is_empty() {
                break;
            }
            for after in after {
                match after {
                    After::Reply(id, reply) if self.is_live(id) => self.reply(id, reply),
                    After::Continue(id, way) if self.is_live(id) => self.go_on(id, way),
                    After::Close(id) if self.is_live(id) => self.cut_off(id),
                    After::Done(id) => self.delete(id),
                    _ => {}
                }
            }
        }
    }

    /// Whether something may still come of a stream.
    fn is_live(&mut self, id: u32) -> bool {
        self.stream_mut(id).is_some_and(|stream| stream.mode == Mode::Filtered && !stream.closed)
    }

    /// Takes a part of a message to the filter, or past it.
    fn pass(&mut self, id: u32, way: Way, part: Part) {
        let Some(stream) = self.stream_mut(id) else {
            return;
        };
        match stream.mode {
            Mode::Bypassed => return self.send(id, way, part),
            Mode::Refused => {
                if let (Way::Request, Part::Headers(headers, _)) = (way, part) {
                    stream.request.headers = Some(headers);
                    self.answer_directly(id, LocalReply::of_host(503, "wasm_fail_stream"));
                }
                return;
            }
            // The response of a filter that comes before this one.
            Mode::Filtered if way == Way::Response && !stream.created => {
                return self.send(id, way, part);
            }
            Mode::Filtered => {}
        }
        let message = stream.message_mut(way);
        if message.hold == Hold::All {
            message.wait(part);
            return;
        }
        match part {
            Part::Headers(headers, end) => self.pass_headers(id, way, headers, end),
            Part::Body(bytes, end) => self.pass_body(id, way, &bytes, end),
            Part::Trailers(trailers) => self.pass_trailers(id, way, trailers),
        }
    }

    fn pass_headers(&mut self, id: u32, way: Way, headers: Headers, end: bool) {
        let parameters = (id, count(&headers), u32::from(end));
        let Some(stream) = self.stream_mut(id) else {
            return;
        };
        if way == Way::Response {
            stream.phase = Phase::Response;
        }
        let message = stream.message_mut(way);
        message.headers = Some(headers);
        (message.headers_end, message.ended) = (end, end);
        message.visible.headers = true;
        self.create(id);
        let action = self.call(id, |callbacks| &callbacks.http(way).headers, parameters);
        let allowed = self.state().plugin.allow_on_headers_stop_iteration && !self.state().stop;
        let goes_on = self.goes_on(action);
        let Some(message) = self.live_message(id, way) else {
            return;
        };
        if goes_on {
            message.visible.headers = false;
            self.send_headers(id, way);
        } else {
            message.hold = match action {
                Some(1) if allowed => Hold::Headers,
                _ => Hold::All,
            };
        }
    }

    fn pass_body(&mut self, id: u32, way: Way, bytes: &[u8], end: bool) {
        let Some(message) = self.live_message(id, way) else {
            return;
        };
        message.body.extend_from_slice(bytes);
        message.ended = end;
        message.buffered = true;
        message.visible.body = true;
        let size = u32::try_from(message.body.len()).unwrap_or(u32::MAX);
        let parameters = (id, size, u32::from(end));
        let action = self.call(id, |callbacks| &callbacks.http(way).body, parameters);
        let goes_on = self.goes_on(action);
        let (limit, stopped) = (self.state().plugin.buffer_limit, self.state().stop);
        let Some(message) = self.live_message(id, way) else {
            return;
        };
        if goes_on {
            message.visible.body = false;
            self.release(id, way);
            return;
        }
        if message.hold == Hold::Nothing {
            message.hold = Hold::Body;
        }
        if message.body.len() > limit && !stopped {
            match way {
                Way::Request => {
                    self.reply(id, LocalReply::of_host(413, "request_payload_too_large"));
                }
                Way::Response => {
                    self.reply(id, LocalReply::of_host(500, "response_payload_too_large"));
                }
            }
        }
    }

    fn pass_trailers(&mut self, id: u32, way: Way, trailers: Headers) {
        let Some(message) = self.live_message(id, way) else {
            return;
        };
        let parameters = (id, count(&trailers));
        message.trailers = Some(trailers);
        message.ended = true;
        message.visible.trailers = true;
        let action = self.call(id, |callbacks| &callbacks.http(way).trailers, parameters);
        let goes_on = self.goes_on(action);
        let Some(message) = self.live_message(id, way) else {
            return;
        };
        if goes_on {
            message.visible = Visible::default();
            self.release(id, way);
        } else {
            message.hold = Hold::Trailers;
        }
    }

    /// Lets a message go on that is held back.
    fn go_on(&mut self, id: u32, way: Way) {
        let Some(message) = self.live_message(id, way) else {
            return;
        };
        match mem::take(&mut message.hold) {
            Hold::Nothing => {}
            Hold::All => {
                let waiting = mem::take(&mut message.waiting);
                self.send_headers(id, way);
                for part in waiting {
                    self.pass(id, way, part);
                }
            }
            Hold::Headers | Hold::Body | Hold::Trailers => self.release(id, way),
        }
    }

    /// Sends on what is held back, in its order.
    fn release(&mut self, id: u32, way: Way) {
        let Some(message) = self.live_message(id, way) else {
            return;
        };
        message.hold = Hold::Nothing;
        let body = mem::take(&mut message.buffered).then(|| mem::take(&mut message.body));
        // The trailers stay, for the log.
        let trailers = message.trailers.clone();
        let end = message.ended && trailers.is_none();
        self.send_headers(id, way);
        if let Some(body) = body {
            self.send(id, way, Part::Body(body, end));
        }
        if let Some(trailers) = trailers {
            self.send(id, way, Part::Trailers(trailers));
        }
    }

    /// Sends the headers on, if they have not gone yet.
    fn send_headers(&mut self, id: u32, way: Way) {
        let Some(message) = self.live_message(id, way) else {
            return;
        };
        if mem::replace(&mut message.headers_gone, true) {
            return;
        }
        let part = Part::Headers(message.headers.clone().unwrap_or_default(), message.headers_end);
        self.send(id, way, part);
    }

    fn send(&mut self, id: u32, way: Way, part: Part) {
        self.emit(match way {
            Way::Request => Event::Request(StreamId(id), part),
            Way::Response => Event::Response(StreamId(id), part),
        });
    }

    /// Answers a stream. Before there is a response, the answer passes through the filter's own
    /// response callbacks; later it goes out directly, in the place of what is held back; and
    /// once the response's headers have gone, all that is left is to cut the stream off.
    fn reply(&mut self, id: u32, reply: LocalReply) {
        let Some(stream) = self.stream_mut(id).filter(|stream| !stream.replied) else {
            return;
        };
        if stream.response.headers_gone {
            return self.cut_off(id);
        }
        if stream.response.headers.is_some() {
            return self.answer_directly(id, reply);
        }
        stream.replied = true;
        drop_rest(&mut stream.request);
        let (headers, body) = reply.clone().into_response(stream.request.headers.as_ref());
        self.emit(Event::LocalReply(StreamId(id), reply));
        self.pass(id, Way::Response, Part::Headers(headers, body.is_empty()));
        if !body.is_empty() && self.is_live(id) {
            self.pass(id, Way::Response, Part::Body(body, true));
        }
    }

    /// Answers a stream past the filter.
    pub(super) fn answer_directly(&mut self, id: u32, reply: LocalReply) {
        let Some(stream) = self.stream_mut(id) else {
            return;
        };
        (stream.replied, stream.closed) = (true, true);
        drop_rest(&mut stream.request);
        drop_rest(&mut stream.response);
        let (headers, body) = reply.clone().into_response(stream.request.headers.as_ref());
        stream.response.headers = Some(headers.clone());
        (stream.response.headers_gone, stream.response.ended) = (true, true);
        self.emit(Event::LocalReply(StreamId(id), reply));
        self.send(id, Way::Response, Part::Headers(headers, body.is_empty()));
        if !body.is_empty() {
            self.send(id, Way::Response, Part::Body(body, true));
        }
    }

    fn cut_off(&mut self, id: u32) {
        if let Some(stream) = self.stream_mut(id) {
            stream.closed = true;
            self.emit(Event::Reset(StreamId(id)));
        }
    }

    /// Whether what a callback returned lets the message go on. What is not exported does.
    fn goes_on(&self, action: Option<u32>) -> bool {
        !self.state().stop && action.unwrap_or(0) == 0
    }

    /// A message, unless its stream was answered or cut off meanwhile.
    fn live_message(&mut self, id: u32, way: Way) -> Option<&mut Message> {
        let live = |stream: &&mut Stream| stream.mode == Mode::Filtered && !stream.closed;
        self.stream_mut(id).filter(live).map(|stream| stream.message_mut(way))
    }
}

fn count(headers: &Headers) -> u32 {
    u32::try_from(headers.len()).unwrap_or(u32::MAX)
}

/// Nothing of a message goes on any more.
fn drop_rest(message: &mut Message) {
    message.hold = Hold::Nothing;
    message.waiting.clear();
    message.body.clear();
    message.buffered = false;
}
