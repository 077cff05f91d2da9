//! One request and its answer.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::{Request, Response};
use tokio::sync::mpsc;
use wasm_host::{Event, Headers, Part, StreamId};

use super::upstream::is_passed_on;
use super::worker::Proxy;

/// Names the cluster of a diverted request.
const CLUSTER: &str = "x-circuit-breaker-cluster";

/// How long a service may take: what Envoy's routes allow if nothing is said.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Envoy's flag of a client that went away, and what it calls that.
const CLIENT_GONE: (i64, &str) = (1 << 14, "downstream_remote_disconnect");

/// Answers a request.
///
/// # Errors
///
/// If the stream is cut off: its connection is to be closed.
pub(super) async fn handle(
    proxy: Rc<Proxy>,
    request: Request<Incoming>,
) -> anyhow::Result<Response<Full<Bytes>>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let host = head.headers.get("host").map_or(&b""[..], |host| host.as_bytes());
    let mut headers = Headers::new();
    headers.add(":method", head.method.as_str());
    headers.add(":path", path);
    headers.add(":authority", host);
    headers.add(":scheme", "http");
    for (name, value) in &head.headers {
        if is_passed_on(name.as_str().as_bytes()) {
            headers.add(name, value);
        }
    }
    let mut exchange = Exchange::begin(&proxy);
    let (stream, only_headers) = (exchange.stream, body.is_empty());
    proxy.tell(stream, &["xds", "cluster_name"], proxy.settings.clusters.route(path));
    proxy.run(|worker| worker.request_headers(stream, headers, only_headers));
    if !only_headers {
        proxy.run(|worker| worker.request_body(stream, body, true));
    }
    exchange.finish().await
}

/// A stream on its way. Dropped before its end, its client has gone away.
struct Exchange {
    proxy: Rc<Proxy>,
    stream: StreamId,
    events: mpsc::UnboundedReceiver<Event>,
    is_over: bool,
}

/// A message as it comes out of the module.
#[derive(Default)]
struct Message {
    headers: Headers,
    body: Vec<u8>,
}

impl Message {
    /// Takes a part, and says whether it is the last. Trailers are dropped: HTTP/1.1 has few.
    fn take(&mut self, part: Part) -> bool {
        match part {
            Part::Headers(headers, end) => {
                self.headers = headers;
                end
            }
            Part::Body(bytes, end) => {
                self.body.extend(bytes);
                end
            }
            Part::Trailers(_) => true,
        }
    }
}

impl Exchange {
    fn begin(proxy: &Rc<Proxy>) -> Self {
        let (stream, events) = proxy.open();
        Self { proxy: Rc::clone(proxy), stream, events, is_over: false }
    }

    /// Does what the module says until the answer is there.
    async fn finish(&mut self) -> anyhow::Result<Response<Full<Bytes>>> {
        let (mut request, mut response) = (Message::default(), Message::default());
        while let Some(event) = self.events.recv().await {
            match event {
                Event::Request(_, part) => {
                    let is_whole = request.take(part);
                    if is_whole {
                        self.ask(std::mem::take(&mut request)).await;
                    }
                }
                Event::Response(_, part) => {
                    let is_whole = response.take(part);
                    if is_whole {
                        self.is_over = true;
                        self.proxy.close(self.stream);
                        return respond(response);
                    }
                }
                Event::Reset(_) => break,
                _ => {}
            }
        }
        self.is_over = true;
        self.proxy.close(self.stream);
        anyhow::bail!("the stream was cut off")
    }

    /// Sends the request where it belongs, and feeds the module the answer.
    async fn ask(&self, request: Message) {
        let (proxy, stream) = (&self.proxy, self.stream);
        let clusters = &proxy.settings.clusters;
        let path = request.headers.text(":path").unwrap_or_default();
        let cluster = request.headers.text(CLUSTER).unwrap_or_else(|| clusters.route(path));
        let address = clusters.address(cluster);
        let body = Bytes::from(request.body);
        let answer = proxy.upstream.send(address, &request.headers, body, TIMEOUT).await;
        let (headers, body, details, flags) = match answer {
            Ok((headers, body)) => (headers, body, "via_upstream", 0),
            Err(failure) => {
                let headers = [(":status", failure.status.to_string())];
                let mut headers = Headers::from_iter(headers);
                headers.add("content-type", "text/plain");
                let body = Bytes::from_static(failure.details.as_bytes());
                (headers, body, failure.details, failure.flags)
            }
        };
        proxy.tell(stream, &["response", "code_details"], details);
        proxy.tell(stream, &["response", "flags"], flags.to_le_bytes());
        let only_headers = body.is_empty();
        proxy.run(|worker| worker.response_headers(stream, headers, only_headers));
        if !only_headers {
            proxy.run(|worker| worker.response_body(stream, body, true));
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if !self.is_over {
            let (flag, details) = CLIENT_GONE;
            self.proxy.tell(self.stream, &["response", "code_details"], details);
            self.proxy.tell(self.stream, &["response", "flags"], flag.to_le_bytes());
            self.proxy.close(self.stream);
        }
    }
}

fn respond(message: Message) -> anyhow::Result<Response<Full<Bytes>>> {
    let mut response = Response::builder().status(message.headers.text(":status").unwrap_or("500"));
    for (name, value) in message.headers.iter().filter(|(name, _)| is_passed_on(name)) {
        response = response.header(name, value);
    }
    Ok(response.body(Full::new(Bytes::from(message.body)))?)
}
