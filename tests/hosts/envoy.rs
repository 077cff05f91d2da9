//! The probes in a real Envoy: a listener for each.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use envoy_harness::EnvoyOptions;
use envoy_harness::client::{Client, empty, full};
use envoy_harness::config::{Bootstrap, FailurePolicy, Listener, Route, Wasm, cluster};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::Transcript;
use crate::probes::PROBES;
use crate::service::{self, CUT_OFF, Got, client_saw};

/// Far more than anything takes.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) async fn run(module: &[u8]) -> Result<Vec<Transcript>> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("probe.wasm");
    std::fs::write(&path, module)?;
    let (service, server) = serve().await?;
    let mut bootstrap = Bootstrap::new().cluster(cluster("service", service));
    for number in 0..PROBES.len() {
        let filter = Wasm::new("probe", &path)
            .vm_id(&name(number))
            .configuration_text(&format!("{number:02}"))
            .failure_policy(FailurePolicy::FailClosed);
        let route = Route::prefix("/").cluster("service").timeout(PATIENCE);
        bootstrap = bootstrap.listener(Listener::new(&name(number)).filter(filter).route(route));
    }
    let envoy = EnvoyOptions::new(bootstrap.build()).start().await?;
    let mut clients = Vec::new();
    for (number, probe) in PROBES.iter().enumerate() {
        let url = format!("http://{}/probe", envoy.listener_addr(&name(number)).await?);
        let mut request = Request::builder().method(probe.request.method).uri(url);
        for (name, value) in probe.request.headers {
            request = request.header(*name, *value);
        }
        let body = probe.request.body;
        let body = if body.is_empty() { empty() } else { full(body) };
        let saw = match Client::new().send(request.body(body)?).await {
            Ok(response) => {
                let headers = response.headers.iter().map(|(name, value)| {
                    (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
                });
                client_saw(response.status.as_str(), headers, &response.body)
            }
            Err(_) => vec![CUT_OFF.to_owned()],
        };
        clients.push(saw);
        envoy.wait_for_log(&format!("~{number:02}~{}: ", probe.last), PATIENCE).await?;
    }
    let log = envoy.log();
    server.abort();
    let logged = |number: usize| {
        let mark = format!("~{number:02}~");
        let lines = log.lines().filter_map(move |line| Some(line.split_once(&mark)?.1.to_owned()));
        lines.collect::<Vec<_>>()
    };
    let transcripts = clients.into_iter().enumerate();
    Ok(transcripts.map(|(number, client)| [logged(number), client].concat()).collect())
}

fn name(number: usize) -> String {
    format!("probe-{number}")
}

/// Starts the service.
async fn serve() -> Result<(SocketAddr, JoinHandle<()>)> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let server = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let server = hyper::server::conn::http1::Builder::new();
                let _ = server.serve_connection(TokioIo::new(stream), service_fn(respond)).await;
            });
        }
    });
    Ok((address, server))
}

async fn respond(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let path = head.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let headers = head.headers.iter().map(|(name, value)| {
        (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    });
    let headers = [(":path".to_owned(), path)].into_iter().chain(headers).collect();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let (headers, body) = service::answer(&Got { headers, body: body.to_vec() });
    let mut response = Response::builder();
    for (name, value) in headers {
        response = response.header(name, value);
    }
    Ok(response.body(Full::new(body.into())).expect("a response"))
}
