//! NGINX: failing answers count against a server, and the next one is tried. Its health checks are
//! not in Debian's, nor in the free version.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::Result;
use tests::debian::Tool;

use crate::outage::peers::process::{Process, free_address};
use crate::outage::peers::{AGAIN, AT_ONCE, CALL, FAILURES};

pub(super) async fn start(
    service: SocketAddr,
    fallback: SocketAddr,
) -> Result<(Process, SocketAddr)> {
    let tool = Tool::named("nginx", "nginx-light")?;
    let address = free_address()?;
    let process = Process::start(
        &tool,
        |folder| configuration(folder, address, service, fallback),
        |file, folder| {
            let (file, folder) = (file.display().to_string(), folder.display().to_string());
            vec!["-c".to_owned(), file, "-p".to_owned(), folder]
        },
        address,
    )
    .await?;
    Ok((process, address))
}

fn configuration(
    folder: &Path,
    address: SocketAddr,
    service: SocketAddr,
    fallback: SocketAddr,
) -> String {
    let (call, again, folder) = (CALL.as_secs(), AGAIN.as_secs(), folder.display());
    format!(
        "\
daemon off;
master_process off;
pid {folder}/pid;
error_log stderr;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  upstream payments {{
    zone payments 64k;
    server {service} max_fails={FAILURES} fail_timeout={again}s max_conns={AT_ONCE};
    server {fallback} backup;
    keepalive 16;
  }}
  server {{
    listen {address};
    location / {{
      proxy_pass http://payments;
      proxy_http_version 1.1;
      proxy_set_header Connection \"\";
      proxy_connect_timeout {call}s;
      proxy_read_timeout {call}s;
      proxy_next_upstream error timeout invalid_header http_500 http_502 http_503 http_504;
    }}
  }}
}}
"
    )
}
